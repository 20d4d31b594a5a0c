//! The store on real files: a model beside it, ends of every kind, floods, damage.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::config::SyncMode;
use crate::grey::{Change, Client, Full, Networks, OnFull, State, Triplet};
use crate::table::{CHUNK, Memory, Tag};

const NOW: UnixSecs = UnixSecs(1_795_000_000);
const DAY: u32 = 86_400;
const RULES: Rules = Rules {
    delay: 300,
    retry_window: 2 * DAY,
    max_age: 35 * DAY,
    auto_whitelist_clients: 5,
    networks: Networks { ipv4_prefix: 24, ipv6_prefix: 64 },
    on_full: OnFull::Dunno,
};

fn settings(dir: &Path, max_size: u64) -> StateSettings {
    StateSettings { dir: dir.join("state"), max_size, sync: SyncMode::Os }
}

fn open_at(dir: &Path, now: UnixSecs) -> Result<Arc<Store>, OpenError> {
    Store::open(&settings(dir, 64 << 20), &RULES, 2, now)
}

fn open(dir: &Path) -> Arc<Store> {
    open_at(dir, NOW).unwrap()
}

fn tag(store: &Store, number: u64) -> Tag {
    store.secret().tag(&number.to_le_bytes())
}

fn pend(store: &Arc<Store>, writer: &mut Writer, numbers: std::ops::Range<u64>, now: UnixSecs) -> Result<(), Full> {
    let mut session = writer.session();
    numbers.into_iter().try_for_each(|number| session.append(tag(store, number), Change::Pending(now), now))
}

fn segment_files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir.join("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.contains("ing-") || name.contains("ed-"));
    names.sort();
    names
}

/// What a boot does that loses no page: the process is gone and the boot has another name.
fn pretend_other_boot(dir: &Path) {
    fs::write(dir.join("state/run"), "running another-boot\n").unwrap();
}

/// The state as a map, with the rules of `table::Entry` said once more.
#[derive(Default)]
struct Model(HashMap<u64, Known>);

/// First seen, last seen, client.
type Known = (Option<u32>, Option<u32>, Option<Client>);

impl Model {
    fn triplet(&self, number: u64, now: u32) -> Triplet {
        let Some(&(first, last, _)) = self.0.get(&number) else { return Triplet::Unknown };
        match (first, last) {
            (_, Some(last)) if now.saturating_sub(last) <= RULES.max_age / 8 * 9 => {
                Triplet::Passed { last: UnixSecs(last) }
            }
            (Some(first), _) if now - first <= RULES.retry_window => Triplet::Pending { first: UnixSecs(first) },
            _ => Triplet::Unknown,
        }
    }

    fn client(&self, number: u64, now: u32) -> Option<Client> {
        self.0.get(&number)?.2.filter(|client| now - client.last.0 <= RULES.max_age / 8 * 9)
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn the_state_is_what_a_map_says_through_roll_over_expiry_and_restarts() {
    let seed = std::env::var("SEED").map_or(20_261_124, |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let dir = tempfile::tempdir().unwrap();
    let (mut random, mut model, mut now) = (Random(seed), Model::default(), NOW.0);
    let mut store = open(dir.path());
    let mut ends = [0; 3];
    for round in 0..400 {
        let mut writer = store.writer();
        let mut session = writer.session();
        for _ in 0..1000 {
            let number = random.below(40_000);
            let (tag, time) = (tag(&store, number), UnixSecs(now));
            assert_eq!(session.triplet(tag, time), model.triplet(number, now), "round {round}, {number}");
            assert_eq!(session.client(tag, time), model.client(number, now), "round {round}, {number}");
            let entry = model.0.entry(number).or_default();
            match random.below(3) {
                0 if !matches!(session.triplet(tag, time), Triplet::Pending { .. }) => {
                    session.append(tag, Change::Pending(time), time).unwrap();
                    entry.0 = Some(now);
                }
                1 if entry.1 != Some(now) => {
                    session.append(tag, Change::Passed(time), time).unwrap();
                    entry.1 = Some(now);
                }
                2 if entry.2.is_none_or(|client| client.last != time) => {
                    let count = session.client(tag, time).map_or(1, |client| client.count.min(4094) + 1);
                    let client = Client { count, last: time };
                    session.append(tag, Change::Client(client), time).unwrap();
                    entry.2 = Some(client);
                }
                _ => {}
            }
        }
        drop(session);
        now += u32::try_from(random.below(8000)).unwrap();
        store.upkeep(UnixSecs(now), true);
        if random.below(10) == 0 {
            let end = usize::try_from(random.below(3)).unwrap();
            ends[end] += 1;
            if end == 0 {
                store.close();
            }
            drop((writer, store));
            if end == 2 {
                pretend_other_boot(dir.path());
            }
            store = open_at(dir.path(), UnixSecs(now)).unwrap();
        }
    }
    let counted = |counter| store.counters()[1].get(counter);
    println!("ends {ends:?}, {} segments", segment_files(dir.path()).len());
    assert!(ends.iter().all(|&count| count > 0), "{ends:?}");
    assert!(segment_files(dir.path()).iter().any(|name| !name.ends_with("1.seg")), "it has rolled over");
    assert_eq!(counted(Counter::SyncFailures), 0);
}

#[test]
fn a_clean_restart_goes_on_in_the_same_chunk_an_unclean_one_in_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    for (clean, chunks_after) in [(true, 1), (true, 1), (false, 1), (true, 2)] {
        let store = open(dir.path());
        let active = Arc::clone(&store.pending.load().active.segment);
        let filled = u64::from(active.filled());
        pend(&store, &mut store.writer(), filled..filled + 10, NOW).unwrap();
        assert_eq!(active.chunks_claimed(), chunks_after);
        if clean {
            store.close();
        }
    }
    let store = open(dir.path());
    for number in 0..40 {
        assert_eq!(store.writer().session().triplet(tag(&store, number), NOW), Triplet::Pending { first: NOW });
    }
}

#[test]
fn a_record_whose_slot_a_killed_process_had_not_set_is_found_after_upkeep() {
    let dir = tempfile::tempdir().unwrap();
    for other_boot in [false, true] {
        let store = open(dir.path());
        let number = u64::from(other_boot);
        pend(&store, &mut store.writer(), number..number + 1, NOW).unwrap();
        let active = Arc::clone(&store.pending.load().active.segment);
        active.memory().slots().iter().for_each(|slot| slot.store(0, crate::atomics::Ordering::Relaxed));
        assert_eq!(store.writer().session().triplet(tag(&store, number), NOW), Triplet::Unknown);
        drop((store, active));
        if other_boot {
            pretend_other_boot(dir.path());
        }
        let store = open(dir.path());
        if !other_boot {
            store.upkeep(NOW, false);
        }
        assert_eq!(store.writer().session().triplet(tag(&store, number), NOW), Triplet::Pending { first: NOW });
    }
}

#[test]
fn a_flood_stays_within_its_share_and_takes_nothing_established() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut writer = store.writer();
    let passed = tag(&store, u64::MAX);
    writer.session().append(passed, Change::Passed(NOW), NOW).unwrap();
    let mut now = NOW;
    for number in 0..200 {
        let first = number * 10_000;
        pend(&store, &mut writer, first..first + 10_000, now).unwrap();
        now = now.plus(100);
        store.upkeep(now, true);
        let bytes: u64 =
            fs::read_dir(dir.path().join("state")).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= 64 << 20, "{bytes} bytes");
    }
    assert!(store.counters()[1].get(Counter::SegmentsDroppedEarly) > 0);
    assert_eq!(writer.session().triplet(tag(&store, 0), now), Triplet::Unknown);
    assert_eq!(
        writer.session().triplet(tag(&store, 1_999_999), now),
        Triplet::Pending { first: UnixSecs(now.0 - 100) }
    );
    assert_eq!(writer.session().triplet(passed, now), Triplet::Passed { last: NOW });
}

#[test]
fn what_is_younger_than_twice_the_delay_is_not_dropped_for_a_flood() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut writer = store.writer();
    let taken = (0..1000_u64)
        .take_while(|number| {
            store.upkeep(NOW, true);
            pend(&store, &mut writer, number * 10_000..(number + 1) * 10_000, NOW).is_ok()
        })
        .count();
    assert!((20..1000).contains(&taken), "{taken}");
    assert_eq!(writer.session().triplet(tag(&store, 0), NOW), Triplet::Pending { first: NOW });
    let later = NOW.plus(2 * RULES.delay);
    store.upkeep(later, true);
    assert_eq!(pend(&store, &mut writer, 0..1, later), Ok(()), "room again");
}

#[test]
fn segments_are_sealed_by_age_and_dropped_a_life_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    let old = Arc::clone(&store.pending.load().active.segment);
    store.upkeep(NOW.plus(RULES.retry_window / 4 - 1), true);
    assert_eq!(store.pending.load().active.segment.sequence(), old.sequence());
    let quarter = NOW.plus(RULES.retry_window / 4);
    store.upkeep(quarter, true);
    assert_ne!(store.pending.load().active.segment.sequence(), old.sequence());
    store.upkeep(quarter, true);
    assert_eq!(old.memory().sealed_at(), Some(quarter));
    let path = old.memory().path().to_owned();
    drop(old);
    store.upkeep(quarter.plus(RULES.retry_window), true);
    assert!(path.exists());
    store.upkeep(quarter.plus(RULES.retry_window + 1), false);
    assert!(path.exists(), "the clock is not believed yet");
    store.upkeep(quarter.plus(RULES.retry_window + 1), true);
    store.upkeep(quarter.plus(RULES.retry_window + 1), true);
    assert!(!path.exists());
}

#[test]
fn a_clock_that_goes_back_and_forth_uses_up_no_segments() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut writer, ahead) = (store.writer(), NOW.plus(5 * DAY));
    for number in 0..50 {
        pend(&store, &mut writer, number..number + 1, NOW).unwrap();
        store.upkeep(ahead, true);
    }
    assert!(store.pending.load().segments().count() <= 3);
}

#[test]
fn a_segment_that_is_being_read_keeps_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut writer, mut reader) = (store.writer(), store.writer());
    pend(&store, &mut writer, 0..10, NOW).unwrap();
    let session = reader.session();
    store.upkeep(NOW.plus(RULES.retry_window), true);
    let path = store.pending.load().older[0].memory().path().to_owned();
    store.upkeep(NOW.plus(3 * RULES.retry_window), true);
    assert!(store.pending.load().older.is_empty() && path.exists());
    assert_eq!(session.triplet(tag(&store, 0), NOW), Triplet::Pending { first: NOW });
    drop(session);
    store.upkeep(NOW.plus(3 * RULES.retry_window), true);
    assert!(!path.exists());
}

#[test]
fn a_second_process_is_told_who_has_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let error = open_at(dir.path(), NOW).unwrap_err();
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    assert_eq!(error.exit_code(), 75);
}

#[test]
fn another_key_a_missing_key_and_another_version_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let (state, before) = (dir.path().join("state"), segment_files(dir.path()));
    let key = state.join("key");
    let text = fs::read(&key).unwrap();
    let refused = || {
        let error = open_at(dir.path(), NOW).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        assert_eq!(segment_files(dir.path()), before);
        error
    };
    fs::remove_file(&key).unwrap();
    assert!(matches!(refused(), OpenError::KeyMissing { .. }));
    assert!(!key.exists());
    fs::write(&key, "00112233445566778899aabbccddeeff\n").unwrap();
    assert!(matches!(refused(), OpenError::OtherKey { .. }));
    fs::write(&key, "no key\n").unwrap();
    assert!(matches!(refused(), OpenError::BadKey { .. }));
    fs::write(&key, text).unwrap();
    let segment = state.join(&before[0]);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..508]).to_le_bytes();
    bytes[508..512].copy_from_slice(&crc);
    fs::write(&segment, bytes).unwrap();
    assert!(matches!(refused(), OpenError::OtherVersion { version: 2, .. }));
}

#[test]
fn what_is_damaged_is_set_aside_and_the_rest_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.writer().session().append(tag(&store, 1), Change::Passed(NOW), NOW).unwrap();
    store.close();
    drop(store);
    let state = dir.path().join("state");
    fs::write(state.join("pending-00000001.seg"), "short").unwrap();
    fs::create_dir(state.join("pending-00000077.seg")).unwrap();
    std::os::unix::fs::symlink("/bin/ls", state.join("pending-00000078.seg")).unwrap();
    fs::copy(state.join("established-00000001.seg"), state.join("established-00000099.seg")).unwrap();
    let store = open(dir.path());
    assert_eq!(store.writer().session().triplet(tag(&store, 1), NOW), Triplet::Passed { last: NOW });
    let bad = segment_files(dir.path()).into_iter().filter(|name| name.contains(".bad")).count();
    assert_eq!(bad, 4, "{:?}", segment_files(dir.path()));
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
}

#[test]
fn too_small_a_state_is_refused_with_what_would_be_enough() {
    let dir = tempfile::tempdir().unwrap();
    let error = Store::open(&settings(dir.path(), 1 << 20), &RULES, 2, NOW).unwrap_err();
    assert!(matches!(error, OpenError::TooSmall { workers: 2, .. }), "{error}");
}

#[test]
fn a_full_segment_takes_at_most_24_and_a_half_bytes_a_triplet() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let segment = Arc::clone(&store.pending.load().active.segment);
    pend(&store, &mut store.writer(), 0..u64::from(segment.capacity()), NOW).unwrap();
    assert_eq!(segment.filled(), segment.capacity());
    assert!(segment.capacity() > CHUNK);
    let bytes = fs::metadata(segment.memory().path()).unwrap().len();
    assert!(bytes * 2 <= u64::from(segment.filled()) * 49, "{bytes}");
}

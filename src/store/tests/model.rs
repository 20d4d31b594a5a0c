//! Random states beside a map that says the same: through roll-over, expiry, and ends of every kind.

use std::collections::HashMap;

use super::*;
use crate::grey::Client;

/// The state as a map, with the rules of `table::Entry` said once more, and the second in which a number was forgotten.
#[derive(Default)]
struct Model(HashMap<u64, Known>, HashMap<u64, u32>);

/// First seen, last seen, client.
type Known = (Option<u32>, Option<u32>, Option<Client>);

impl Model {
    fn triplet(&self, number: u64, now: u32) -> Triplet {
        let Some(&(first, last, _)) = self.0.get(&number) else { return Triplet::Unknown };
        match (first, last) {
            (_, Some(last)) if now.saturating_sub(last) <= TERMS.max_age / 8 * 9 => {
                Triplet::Passed { last: UnixSecs(last) }
            }
            (Some(first), _) if now - first <= TERMS.retry_window => Triplet::Pending { first: UnixSecs(first) },
            _ => Triplet::Unknown,
        }
    }

    fn client(&self, number: u64, now: u32) -> Option<Client> {
        self.0.get(&number)?.2.filter(|client| now - client.last.0 <= TERMS.max_age / 8 * 9)
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
            if random.below(50) == 0 {
                session.forget(tag, time).unwrap();
                model.0.remove(&number);
                model.1.insert(number, now);
            }
            if model.1.get(&number) == Some(&now) {
                assert_eq!((session.triplet(tag, time), session.client(tag, time)), (Triplet::Unknown, None));
                continue;
            }
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

//! [`Upkeep`]: what keeps a ring in shape, some twenty times a second, on control's time and never a worker's.
//!
//! ```text
//! spare --worker: full--> active --worker or age--> closed --nobody writes--> sealed --a life later--> dropped
//!                                                                                 \--no room--> dropped early
//! ```
//!
//! A dropped segment leaves the ring first; its file goes once the last reader has let go of it.

mod room;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::directory::Directory;
use super::file::SegmentFile;
use super::format::RingKind;
use super::open::{create, writable};
use super::sizing::{self, Bounds};
use crate::atomics::Ordering;
use crate::clock::UnixSecs;
use crate::metrics::{Counter, Counters};
use crate::table::{CHUNK, Memory, Ring, Secret, Segment, Writable};

/// How long a failed attempt at a spare is not repeated.
const RETRY: Duration = Duration::from_secs(10);

/// The upkeep of one ring. One thread at a time uses it.
#[derive(Debug)]
pub(super) struct Upkeep {
    kind: RingKind,
    bounds: Bounds,
    /// Seconds that a record counts.
    life: u32,
    /// A closed segment younger than this is not dropped early, in seconds.
    protected: u32,
    next_sequence: u64,
    /// Out of the ring, but perhaps still read.
    retired: Vec<Arc<Segment<SegmentFile>>>,
    not_before: Option<Instant>,
    no_room_said: Option<Instant>,
    /// When the last spare was made.
    last_made: Option<Instant>,
}

/// Why a segment's time is over before it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// A quarter of its ring's life.
    Aged,
    /// It is larger than `--max-state` allows by now.
    Outgrown,
    /// It could not be synced.
    Failed,
}

/// What upkeep works on and with.
pub(super) struct Tools<'a> {
    pub(super) ring: &'a Ring<SegmentFile>,
    pub(super) directory: &'a Directory,
    pub(super) secret: &'a Secret,
    pub(super) counters: &'a Counters,
    /// Held during each round of syncing.
    pub(super) syncing: &'a Mutex<()>,
    pub(super) now: UnixSecs,
    /// Whether the clock has been steady for long enough to believe that something has expired.
    pub(super) settled: bool,
    /// Whether every record has its slot, so that a sealed index can be believed.
    pub(super) may_seal: bool,
}

impl Upkeep {
    pub(super) fn new(kind: RingKind, ring: &Ring<SegmentFile>, bounds: Bounds, life: u32, protected: u32) -> Self {
        let view = ring.load();
        let spare = view.spare.iter().map(|spare| &spare.segment);
        let newest = view.segments().chain(spare).map(|segment| segment.sequence()).max();
        Self {
            kind,
            bounds,
            life,
            protected,
            next_sequence: newest.unwrap_or(0) + 1,
            retired: Vec::new(),
            not_before: None,
            no_room_said: None,
            last_made: None,
        }
    }

    /// From now on a record counts for `life` seconds, and `protected` seconds are what they say above.
    pub(super) fn set_times(&mut self, life: u32, protected: u32) {
        (self.life, self.protected) = (life, protected);
    }

    /// One round: everything that is due.
    pub(super) fn round(&mut self, tools: &Tools<'_>) {
        self.drop_expired(tools);
        self.make_room(None, tools);
        let active = tools.ring.load().active().cloned();
        let due = active.as_ref().and_then(|active| self.due(active, tools.now));
        let after_failure = has_just_failed(tools) && self.last_made.is_some_and(|made| made.elapsed() < RETRY);
        if !after_failure && self.not_before.is_none_or(|time| Instant::now() >= time) {
            self.not_before = self.provide_spare(active.as_deref(), due, tools).err().map(|error| {
                tools.counters.add(Counter::SpareFailures, 1);
                log::error!(
                    "{}: no spare {} segment could be made: {error}; known senders pass as before, unknown ones get the \
                     on-full answer once the present segment is full; next attempt in {} s",
                    tools.directory.path().display(),
                    self.kind.name(),
                    RETRY.as_secs(),
                );
                Instant::now() + RETRY
            });
        }
        if due.is_some() {
            // Without a spare it is due in the next round as well.
            let _ = tools.ring.roll_over(active.map(|active| active.sequence()));
        }
        seal_closed(tools);
        self.remove_retired();
    }

    /// Whether and why the active segment's time is over.
    fn due(&self, active: &Segment<SegmentFile>, now: UnixSecs) -> Option<Due> {
        if age(active, now).is_some_and(|age| age >= (self.life / 4).max(1)) {
            return Some(Due::Aged);
        }
        if active.capacity() > self.bounds.largest {
            return Some(Due::Outgrown);
        }
        active.memory().has_failed().then_some(Due::Failed)
    }

    /// Makes a spare if there is none, or one of another size if the active segment's life says so.
    fn provide_spare(
        &mut self,
        active: Option<&Segment<SegmentFile>>,
        due: Option<Due>,
        tools: &Tools<'_>,
    ) -> io::Result<()> {
        let wanted = active.map_or(self.bounds.min_capacity, |active| self.capacity_after(active, due, tools.now));
        let spare = tools.ring.load().spare.as_ref().map(|spare| spare.segment.capacity());
        if let Some(spare) = spare {
            let most = if due == Some(Due::Aged) { wanted } else { self.bounds.largest };
            if (wanted..=most).contains(&spare) {
                return Ok(());
            }
            // Another size is made beside it if there is room, so that there is a spare all the time; else in its place.
            // Nothing else is dropped for that.
            if self.has_room(wanted, true, tools) {
                return self.make_spare(wanted, tools);
            }
            if !self.has_room(wanted, false, tools) && spare <= self.bounds.largest {
                return Ok(());
            }
            self.exchange_spare(None, tools);
            self.remove_retired();
        }
        if self.make_room(Some(wanted), tools) {
            return self.make_spare(wanted, tools);
        }
        if self.no_room_said.is_none_or(|said| said.elapsed() >= RETRY) {
            self.no_room_said = Some(Instant::now());
            log::warn!(
                "{}: no room for another {} segment within --max-state; known senders pass as before, unknown ones get the \
                 on-full answer once the present segment is full",
                tools.directory.path().display(),
                self.kind.name(),
            );
        }
        Ok(())
    }

    /// How large the one after this is to be.
    fn capacity_after(&self, active: &Segment<SegmentFile>, due: Option<Due>, now: UnixSecs) -> u32 {
        // Claimed, not filled: chunks that a killed process left unfinished are used up as well.
        let (used, capacity) = (active.chunks_claimed() * CHUNK, active.capacity());
        let seconds = age(active, now).unwrap_or(0);
        if due == Some(Due::Aged) {
            sizing::after_age(active.filled(), &self.bounds)
        } else if sizing::fills_early(used, capacity, seconds, self.life) {
            sizing::after_filling(capacity, &self.bounds)
        } else {
            capacity.clamp(self.bounds.min_capacity, self.bounds.max_capacity)
        }
    }

    fn make_spare(&mut self, capacity: u32, tools: &Tools<'_>) -> io::Result<()> {
        let file = create(self.kind, self.next_sequence, capacity, tools.secret, tools.directory, tools.now)?;
        self.next_sequence += 1;
        self.last_made = Some(Instant::now());
        self.exchange_spare(Some(&writable(file, false)), tools);
        Ok(())
    }

    /// Puts a spare, or none, in the place of the present one, which leaves unless a worker has taken it into use meanwhile.
    fn exchange_spare(&mut self, next: Option<&Writable<SegmentFile>>, tools: &Tools<'_>) {
        let spare = tools.ring.load().spare.as_ref().map(|spare| Arc::clone(&spare.segment));
        tools.ring.set_spare(next);
        let is_unused = |spare: &Arc<Segment<SegmentFile>>| {
            tools.ring.load().segments().all(|segment| segment.sequence() != spare.sequence())
        };
        self.retired.extend(spare.filter(is_unused));
    }
}

/// Seconds since the first record was appended; `None` for an empty segment.
fn age(segment: &Segment<SegmentFile>, now: UnixSecs) -> Option<u32> {
    let claimed = 0..segment.chunks_claimed();
    let is_filled = |chunk: u32| segment.memory().fills()[chunk as usize].load(Ordering::Relaxed) > 0;
    claimed.clone().any(is_filled).then(|| {
        // Chunk 0 is always the first to be claimed, so its first record is the oldest, if it is whole. The later of the two
        // times counts, as a clock that goes back and forth makes no segment old; but not one that lies ahead.
        let first = claimed.clone().find_map(|chunk| segment.record(chunk * CHUNK)).map(|first| first.time);
        let begun = [first, Some(segment.memory().header().created)].into_iter().flatten().filter(|&time| time <= now);
        begun.max().map_or_else(|| segment.memory().open_for(), |begun| now.since(begun))
    })
}

/// Notes the closed segments and seals those that nobody writes to any more.
fn seal_closed(tools: &Tools<'_>) {
    let open: Vec<_> =
        tools.ring.load().older.iter().filter(|segment| segment.memory().sealed_at().is_none()).cloned().collect();
    for segment in open {
        let file = segment.memory();
        if file.closed_at().is_none() {
            let newest = segment.newest_time();
            // What has failed is never sealed: with the present time it would stay for ever if there are restarts.
            file.note_closed(newest.max(if file.has_failed() { file.header().created } else { tools.now }));
            tools.counters.add(Counter::SegmentsRolledOver, 1);
        }
        if !tools.may_seal || file.has_failed() || !segment.is_quiet() {
            continue;
        }
        let sealed = file.sync_all().and_then(|()| {
            // An error is reported once, and perhaps to the round of syncing that runs now.
            let _no_round = super::lock(tools.syncing);
            if !file.has_failed() {
                file.seal(file.closed_at().unwrap_or(tools.now))?;
                segment.note_durable();
            }
            Ok(())
        });
        if let Err(error) = sealed {
            file.note_failed();
            tools.counters.add(Counter::SyncFailures, 1);
            log::error!(
                "{}: cannot be sealed: {error}; still read, but not believed after a crash",
                file.path().display()
            );
        }
    }
}

/// Whether the active segment, or the one before it, could not be synced: each new one may share that fate.
fn has_just_failed(tools: &Tools<'_>) -> bool {
    let view = tools.ring.load();
    view.segments().take(2).any(|segment| segment.memory().has_failed())
}

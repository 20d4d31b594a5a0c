//! How large segments are, and how the state's bytes are shared out. Pure arithmetic.
//!
//! A segment is followed by one four times as large if it fills before a quarter of its ring's life has passed, and by
//! one for 1.5 times its content if time runs out first. So a ring settles at five segments: the active one and the four
//! that a life is long. A sixth of the share is the spare's.

use super::format::{Layout, MAX_CAPACITY, RingKind};
use crate::table::CHUNK;

/// The smallest segment, in records.
const MIN_CAPACITY: u32 = 1 << 16;
/// Chunks that the smallest segment has for each worker.
const CHUNKS_PER_WORKER: u32 = 8;
/// Segments of the largest size that a ring's share holds, the spare included.
const SEGMENTS_PER_SHARE: u64 = 6;
/// Segments of one ring, the spare not included.
pub(super) const MAX_SEGMENTS: usize = 12;

/// The bounds of one ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Bytes of all its files.
    pub(super) share: u64,
    /// Records of its smallest segment.
    pub(super) min_capacity: u32,
    /// Records of its largest new segment.
    pub(super) max_capacity: u32,
    /// The same if there were no damaged files: what is larger dates from a larger `--max-state`.
    pub(super) largest: u32,
}

/// The bounds of a ring when the whole state may take `max_state` bytes, of which damaged files of this ring take
/// `damaged`; `None` when that is too little.
pub(super) fn bounds(ring: RingKind, max_state: u64, damaged: u64, workers: usize) -> Option<Bounds> {
    let share = match ring {
        RingKind::Pending => max_state / 4,
        RingKind::Established => max_state - max_state / 4,
    };
    let largest = largest(share);
    let share = share.saturating_sub(damaged);
    let bounds = Bounds { share, min_capacity: min_capacity(workers), max_capacity: self::largest(share), largest };
    (bounds.max_capacity >= bounds.min_capacity).then_some(bounds)
}

/// The largest capacity of which a share holds as many as it has to.
fn largest(share: u64) -> u32 {
    let (mut low, mut high) = (0, MAX_CAPACITY / CHUNK);
    while low < high {
        let middle = u32::midpoint(low, high + 1);
        if segment_len(middle * CHUNK) * SEGMENTS_PER_SHARE <= share { low = middle } else { high = middle - 1 }
    }
    low * CHUNK
}

/// The smallest `max_state` for which both rings have [`bounds`].
pub(super) fn min_state(workers: usize) -> u64 {
    min_segment_len(workers) * SEGMENTS_PER_SHARE * 4
}

/// The capacity of the segment after one that a quarter of its ring's life has closed with `content` records in it.
pub(super) fn after_age(content: u32, bounds: &Bounds) -> u32 {
    clamp(u64::from(content) * 3 / 2, bounds)
}

/// The capacity of the segment after one that has filled early.
pub(super) fn after_filling(capacity: u32, bounds: &Bounds) -> u32 {
    clamp(u64::from(capacity) * 4, bounds)
}

/// The capacity of a segment that takes so many records at once and some more; `None` if no segment is that large.
pub(super) fn holding(records: u64, bounds: &Bounds) -> Option<u32> {
    let capacity = clamp(records.saturating_mul(3) / 2, bounds);
    (records <= u64::from(capacity)).then_some(capacity)
}

/// Whether a segment of which `used` records are taken after `age` seconds will fill before a quarter of `life` has passed.
pub(super) fn fills_early(used: u32, capacity: u32, age: u32, life: u32) -> bool {
    used >= capacity / 2 && u64::from(used) * u64::from(life / 4) >= u64::from(capacity) * u64::from(age)
}

fn clamp(records: u64, bounds: &Bounds) -> u32 {
    let records = records.clamp(u64::from(bounds.min_capacity), u64::from(bounds.max_capacity));
    u32::try_from(records).unwrap_or(MAX_CAPACITY).next_multiple_of(CHUNK).min(bounds.max_capacity)
}

fn min_capacity(workers: usize) -> u32 {
    let workers = u32::try_from(workers).unwrap_or(u32::MAX);
    MIN_CAPACITY.max(workers.saturating_mul(CHUNKS_PER_WORKER * CHUNK)).min(MAX_CAPACITY)
}

/// Bytes of the smallest segment file.
pub(super) fn min_segment_len(workers: usize) -> u64 {
    segment_len(min_capacity(workers))
}

/// Bytes of a segment file.
pub(super) fn segment_len(capacity: u32) -> u64 {
    Layout::new(capacity).file_len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_of_the_largest_segments_fit_a_share() {
        for max_state in [min_state(2), 100 << 20, 4 << 30, 1 << 40] {
            for ring in RingKind::BOTH {
                let bounds = bounds(ring, max_state, 0, 2).unwrap();
                assert!(segment_len(bounds.max_capacity) * 6 <= bounds.share, "{max_state} {ring:?}");
                assert!(bounds.max_capacity >= bounds.min_capacity && bounds.max_capacity <= MAX_CAPACITY);
            }
        }
    }

    #[test]
    fn less_than_the_least_state_is_refused() {
        for workers in [1, 2, 64] {
            assert!(RingKind::BOTH.iter().all(|&ring| bounds(ring, min_state(workers), 0, workers).is_some()));
            assert_eq!(bounds(RingKind::Pending, min_state(workers) - 4096, 0, workers), None);
        }
    }

    #[test]
    fn sizes_follow_the_traffic() {
        let bounds = bounds(RingKind::Established, 4 << 30, 0, 2).unwrap();
        assert_eq!(after_filling(1 << 16, &bounds), 1 << 18);
        assert_eq!(after_filling(bounds.max_capacity, &bounds), bounds.max_capacity);
        assert_eq!(after_age(1 << 20, &bounds), 3 << 19);
        assert_eq!(after_age(1, &bounds), bounds.min_capacity);
        assert_eq!(holding(10, &bounds), Some(bounds.min_capacity));
        assert_eq!(holding(1 << 20, &bounds), Some(3 << 19));
        assert_eq!(holding(u64::from(bounds.max_capacity), &bounds), Some(bounds.max_capacity));
        assert_eq!(holding(u64::from(bounds.max_capacity) + 1, &bounds), None);
        assert!(fills_early(40_000, 1 << 16, 100, 172_800));
        assert!(!fills_early(40_000, 1 << 16, 40_000, 172_800));
        assert!(!fills_early(100, 1 << 16, 0, 172_800));
    }

    /// Files of a ring whose life brings so many records, when its sizes have settled: four sealed ones, the active one, the spare.
    fn settled_bytes(ring: RingKind, records: u64) -> u64 {
        let bounds = bounds(ring, 1 << 50, 0, 2).unwrap();
        let capacity = after_age(u32::try_from(records / 4).unwrap(), &bounds);
        assert!(capacity < MAX_CAPACITY, "more segments than these come of it");
        SEGMENTS_PER_SHARE * segment_len(capacity)
    }

    /// A row of the table in docs/OPERATIONS.md: by the defaults a first attempt counts for 2 days, a pass for 39.375, and with it
    /// come its client's record and up to eight that refresh it.
    fn row(requests: u64) -> String {
        let (new, passes) = (requests / 2, requests / 20);
        let remembered = passes * 315 / 8;
        let pending = settled_bytes(RingKind::Pending, new * 2);
        let [once, daily] = [2, 10].map(|records| settled_bytes(RingKind::Established, remembered * records));
        let least = (pending * 4).max(daily * 4 / 3);
        let [once, daily, least] =
            [pending + once, pending + daily, least].map(|bytes| format!("{} MiB", bytes.div_ceil(1 << 20)));
        format!("| {requests} | {new} | {remembered} | {once} | {daily} | {least} |")
    }

    /// The command that docs/OPERATIONS.md names for its table.
    #[test]
    fn by_mail_volume() {
        let text = include_str!("../../docs/OPERATIONS.md");
        for requests in [100_000, 1_000_000, 5_000_000] {
            let row = row(requests);
            println!("{row}");
            assert!(text.contains(&row), "not in docs/OPERATIONS.md: {row}");
        }
    }
}

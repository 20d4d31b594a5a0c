//! [`Seats`]: the table of all connections of the process, one seat each, by which the limit on connections is kept and
//! the longest idle one found.
//!
//! A seat is one word: 0 when free, otherwise who owns it and when it was last active. The listener alone takes seats,
//! the owner alone refreshes and frees them. The table is read as a whole only when there is no free seat.
//!
//! ```text
//! word   taken:1 | worker:31 | tick:32      a tick is 64 ms since the start
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const TAKEN: u64 = 1 << 63;
const TICK_SHIFT: u32 = 6;

/// Moments of activity, coarse so that a busy connection seldom writes to the shared table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(u32);

impl Tick {
    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A taken seat as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Occupied {
    pub(super) seat: u32,
    pub(super) worker: usize,
    pub(super) last_active: Tick,
}

/// The seats of all connections.
#[derive(Debug)]
pub(super) struct Seats {
    words: Vec<AtomicU64>,
    started: Instant,
}

impl Seats {
    pub(super) fn new(count: usize) -> Self {
        Self { words: (0..count).map(|_| AtomicU64::new(0)).collect(), started: Instant::now() }
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    pub(super) fn tick(&self, now: Instant) -> Tick {
        let ticks = now.saturating_duration_since(self.started).as_millis() >> TICK_SHIFT;
        Tick(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    /// Appends the free seats to `free`. The Acquire load is the partner of the Release store in [`Seats::free`].
    pub(super) fn collect_free(&self, free: &mut Vec<u32>) {
        let seats = (0u32..).zip(&self.words);
        free.extend(seats.filter(|(_, word)| word.load(Ordering::Acquire) == 0).map(|(seat, _)| seat));
    }

    /// Takes a free seat, or refreshes an own one.
    pub(super) fn touch(&self, seat: u32, worker: usize, tick: Tick) {
        self.words[seat as usize].store(pack(worker, tick), Ordering::Relaxed);
    }

    /// Gives a seat back. Its connection is closed by then.
    pub(super) fn free(&self, seat: u32) {
        self.words[seat as usize].store(0, Ordering::Release);
    }

    /// The taken seat whose last activity is the furthest back.
    pub(super) fn longest_idle(&self) -> Option<Occupied> {
        let words = (0u32..).zip(&self.words).map(|(seat, word)| (seat, word.load(Ordering::Relaxed)));
        words.filter(|(_, word)| word & TAKEN != 0).map(unpack).min_by_key(|occupied| occupied.last_active)
    }
}

fn pack(worker: usize, tick: Tick) -> u64 {
    TAKEN | (worker as u64) << 32 | u64::from(tick.0)
}

#[allow(clippy::cast_possible_truncation, reason = "the masks leave 31 and 32 bits")]
fn unpack((seat, word): (u32, u64)) -> Occupied {
    let worker = ((word & !TAKEN) >> 32) as usize;
    Occupied { seat, worker, last_active: Tick(word as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_the_largest_worker_and_tick() {
        let word = pack(0x7fff_ffff, Tick(u32::MAX));
        assert_eq!(unpack((3, word)), Occupied { seat: 3, worker: 0x7fff_ffff, last_active: Tick(u32::MAX) });
        assert_eq!(unpack((0, pack(0, Tick(0)))), Occupied { seat: 0, worker: 0, last_active: Tick(0) });
        assert_ne!(pack(0, Tick(0)), 0, "a taken seat is never the word of a free one");
    }

    #[test]
    fn the_longest_idle_is_the_oldest_tick_of_the_taken_seats() {
        let seats = Seats::new(4);
        assert_eq!(seats.longest_idle(), None);
        seats.touch(1, 0, Tick(9));
        seats.touch(2, 1, Tick(5));
        seats.touch(3, 0, Tick(7));
        assert_eq!(seats.longest_idle(), Some(Occupied { seat: 2, worker: 1, last_active: Tick(5) }));
        seats.free(2);
        assert_eq!(seats.longest_idle().map(|occupied| occupied.seat), Some(3));
        let mut free = Vec::new();
        seats.collect_free(&mut free);
        assert_eq!(free, [0, 2]);
    }
}

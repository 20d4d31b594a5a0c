//! The index of a segment: a hash table of 4-byte slots, written once each, that finds a tag's records.
//!
//! ```text
//! tag    shard:6 | line:32 | ... | up to 15 bits that also stand in the slot
//! slot   u32 = tag bits | position + 1        0 = empty; as many position bits as the segment needs (17 to 27)
//! line   16 slots, 64 bytes; a shard is a run of lines, a probe covers the home line and the 7 after it in its shard
//! ```
//!
//! Slots are filled in probe order and never emptied, so the first empty slot ends a search. There are two slots a
//! record, so the load never exceeds one half. Shard, line and slot bits are disjoint bits of the tag, so an index can be
//! rebuilt from the records alone, each shard by another core.

use std::{mem, slice};

use super::{CHUNK, Tag};
use crate::atomics::{AtomicU32, Ordering, weakened};

/// Slots of one line: 64 bytes, one cache line.
pub const LINE_SLOTS: usize = if cfg!(loom) { 2 } else { 16 };
/// Shards of one index.
pub const SHARDS: u32 = if cfg!(loom) { 2 } else { 64 };
/// Lines that one probe covers.
const PROBE_LINES: usize = if cfg!(loom) { 2 } else { 8 };
/// Records for each line: half as many as slots.
const RECORDS_PER_LINE: u32 = if cfg!(loom) { 1 } else { 8 };

/// Where things are in the index of a segment of a given capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    capacity: u32,
    lines_per_shard: u32,
    position_bits: u32,
}

/// What became of an [`insert`](Geometry::insert).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The slot is set, or there was no need for one.
    Done,
    /// All slots of the probe are taken.
    NoSlot,
}

/// What the position in another slot is to one that is [placed](Geometry::place).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// There is nothing there about this tag.
    OfAnotherTag,
    /// The new one adds nothing to it.
    IsEnough,
    /// It adds nothing to the new one.
    GivesWay,
    /// Both are needed.
    StaysBeside,
}

/// Where a position has been [placed](Geometry::place).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// In the only slot that says anything about its tag, if there was room, or nowhere, as there was no need.
    Alone,
    /// Behind another one of its tag.
    BesideAnother,
}

impl Geometry {
    /// The geometry for `capacity` records. INVARIANT: a multiple of 4,096 and at most 2^26.
    pub fn new(capacity: u32) -> Self {
        debug_assert!(capacity > 0 && capacity.is_multiple_of(CHUNK) && capacity <= 1 << 26);
        Self {
            capacity,
            lines_per_shard: capacity / RECORDS_PER_LINE / SHARDS,
            position_bits: u32::BITS - capacity.leading_zeros(),
        }
    }

    /// How many slots the index has.
    pub fn slots(&self) -> usize {
        self.capacity as usize * 2
    }

    /// The shard of a tag.
    #[expect(clippy::cast_possible_truncation, reason = "6 bits are left")]
    pub fn shard(tag: Tag) -> u32 {
        (tag.bits() >> (64 - SHARDS.trailing_zeros())) as u32
    }

    /// The first slot of a tag's home line.
    pub fn home(&self, tag: Tag) -> usize {
        self.probe(tag).next
    }

    /// The positions at which `tag` may have records.
    pub fn find<'a>(&self, slots: &'a [AtomicU32], tag: Tag) -> Find<'a> {
        let Probe { next, first, end, left } = self.probe(tag);
        let before_end = left.min(end - next);
        Find {
            slots: slots[next..next + before_end].iter(),
            behind_end: slots[first..first + left - before_end].iter(),
            form: self.form(tag),
        }
    }

    /// The position that a slot with this value points at, if that may be one of `tag`.
    pub fn position(&self, tag: Tag, value: u32) -> Option<u32> {
        self.form(tag).position(value)
    }

    fn form(&self, tag: Tag) -> Form {
        Form { tag: self.slot_tag(tag), position_mask: self.position_mask(), capacity: self.capacity }
    }

    /// Points a slot of `tag` at `position`, unless a slot does already or `covered` says of the position in this tag's last
    /// slot that its record makes this one unnecessary, as another writer may have been faster.
    pub fn insert(&self, slots: &[AtomicU32], tag: Tag, position: u32, covered: impl Fn(u32) -> bool) -> Inserted {
        let value = self.slot_tag(tag) | (position + 1);
        let mut last = None;
        for slot in self.probe(tag) {
            // Acquire: pairs with the Release in `take`, as the record that the slot points at may be read.
            let mut found = slots[slot].load(Ordering::Acquire);
            if found == 0 {
                if last.is_some_and(&covered) {
                    return Inserted::Done;
                }
                match take(&slots[slot], value) {
                    Ok(_) => return Inserted::Done,
                    Err(winner) => found = winner,
                }
            }
            if found == value {
                return Inserted::Done;
            }
            last = self.position(tag, found).or(last);
        }
        Inserted::NoSlot
    }

    /// Points a slot of `tag` at `position`: in the place of one that is not needed any more, or an empty one. Nobody else may
    /// use the slots. What the first `passed` of them are is not asked for.
    pub fn place(
        &self,
        slots: &[AtomicU32],
        tag: Tag,
        position: u32,
        passed: usize,
        is: impl Fn(u32) -> Other,
    ) -> Placed {
        let mut placed = Placed::Alone;
        for (number, slot) in self.probe(tag).enumerate() {
            let found = slots[slot].load(Ordering::Relaxed);
            let asked = self.position(tag, found).filter(|_| number >= passed);
            let other = asked.map_or(Other::OfAnotherTag, &is);
            match other {
                Other::IsEnough => return Placed::Alone,
                Other::StaysBeside => placed = Placed::BesideAnother,
                Other::OfAnotherTag | Other::GivesWay => {}
            }
            if found == 0 || other == Other::GivesWay {
                slots[slot].store(self.slot_tag(tag) | (position + 1), Ordering::Relaxed);
                return placed;
            }
        }
        placed
    }

    /// Puts the slots of `tag` for whose positions there is a key into the order of their keys. Nobody else may use the slots.
    pub fn sort<K: Ord>(&self, slots: &[AtomicU32], tag: Tag, key: impl Fn(u32) -> Option<K>) {
        let mine = |slot: usize| {
            let value = slots[slot].load(Ordering::Relaxed);
            Some((slot, key(self.position(tag, value)?)?, value))
        };
        let places: Vec<_> = self.probe(tag).filter_map(mine).collect();
        let mut sorted: Vec<_> = places.iter().collect();
        sorted.sort_by_key(|(_, key, _)| key);
        for ((slot, ..), (.., value)) in places.iter().zip(sorted) {
            slots[*slot].store(*value, Ordering::Relaxed);
        }
    }

    /// The slots in which a position of `tag` may stand, in the order in which they are taken.
    pub fn probe(&self, tag: Tag) -> Probe {
        let shard_slots = self.lines_per_shard as usize * LINE_SLOTS;
        let first = Self::shard(tag) as usize * shard_slots;
        let next = first + self.home_line(tag) as usize * LINE_SLOTS;
        Probe { next, first, end: first + shard_slots, left: PROBE_LINES * LINE_SLOTS }
    }

    /// The home line of a tag in its shard.
    fn home_line(&self, tag: Tag) -> u32 {
        let spread = (tag.bits() >> 26) & 0xffff_ffff;
        ((spread * u64::from(self.lines_per_shard)) >> 32) as u32
    }

    fn position_mask(&self) -> u32 {
        (1 << self.position_bits) - 1
    }

    #[expect(clippy::cast_possible_truncation, reason = "the slot holds the lowest bits")]
    fn slot_tag(&self, tag: Tag) -> u32 {
        (tag.bits() as u32) << self.position_bits
    }
}

/// What the slots of one tag look like.
#[derive(Clone, Copy, Debug)]
struct Form {
    tag: u32,
    position_mask: u32,
    capacity: u32,
}

impl Form {
    fn position(self, value: u32) -> Option<u32> {
        let position = (value & self.position_mask).wrapping_sub(1);
        (value & !self.position_mask == self.tag && position < self.capacity).then_some(position)
    }
}

/// The positions that a probe finds; see [`Geometry::find`].
// One load and a few comparisons a slot: a look-up goes over some hundred.
#[derive(Clone, Debug)]
pub struct Find<'a> {
    slots: slice::Iter<'a, AtomicU32>,
    /// Those that follow, at the front of the shard.
    behind_end: slice::Iter<'a, AtomicU32>,
    form: Form,
}

impl Iterator for Find<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        loop {
            for slot in &mut self.slots {
                // Acquire: pairs with the Release in `insert`, so the record that the slot points at is visible.
                let value = slot.load(Ordering::Acquire);
                if value == 0 {
                    (self.slots, self.behind_end) = Default::default();
                    return None;
                }
                if let Some(position) = self.form.position(value) {
                    return Some(position);
                }
            }
            if self.behind_end.len() == 0 {
                return None;
            }
            self.slots = mem::take(&mut self.behind_end);
        }
    }
}

/// The slots of one probe: the home line and those after it, round the end of the shard.
#[derive(Clone, Debug)]
pub struct Probe {
    next: usize,
    /// The shard.
    first: usize,
    end: usize,
    left: usize,
}

impl Iterator for Probe {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let slot = self.next;
        self.next += 1;
        if self.next == self.end {
            self.next = self.first;
        }
        Some(slot)
    }
}

/// Puts `value` into a slot that is empty; otherwise says what stands there.
fn take(slot: &AtomicU32, value: u32) -> Result<u32, u32> {
    if cfg!(weak_insert) {
        let found = slot.load(Ordering::Acquire);
        if found == 0 {
            slot.store(value, Ordering::Release);
        }
        return if found == 0 { Ok(0) } else { Err(found) };
    }
    // Release: pairs with the Acquire in `find`. Acquire on failure: the winner's record is about to be read.
    slot.compare_exchange(0, value, weakened!(weak_lookup, Ordering::Release), Ordering::Acquire)
}

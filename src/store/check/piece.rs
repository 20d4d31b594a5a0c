//! [`Piece`]: some shards of an index, and which of its slots the records there are found through.
//!
//! A record is in order if a slot of its probe points at it, or at another record that makes it unnecessary: of two writers of
//! the same thing only one needs a slot; and so it is if its probe has no slot left. Of each record, the slot that points at it
//! is claimed; what is not is dangling.

use std::ops::Range;

use crate::store::file::BadFile;
use crate::store::look::{Look, Words};
use crate::table::{Geometry, Record, SHARDS, Tag};

/// Slots that are in memory at one time: 64 MiB. In tests every index has several pieces.
const SLOTS_AT_ONCE: usize = if cfg!(test) { 1 << 16 } else { 1 << 24 };

pub(super) struct Piece {
    geometry: Geometry,
    shards: Range<u32>,
    /// The number of its first slot.
    first: usize,
    slots: Vec<u32>,
    claimed: u64,
}

impl Piece {
    /// The shards of each piece.
    pub(super) fn shards(look: &Look) -> impl Iterator<Item = Range<u32>> + use<> {
        let at_once = u32::try_from(SLOTS_AT_ONCE / shard_slots(&look.geometry())).unwrap_or(SHARDS).clamp(1, SHARDS);
        (0..SHARDS).step_by(at_once as usize).map(move |first| first..(first + at_once).min(SHARDS))
    }

    pub(super) fn read(look: &Look, shards: Range<u32>) -> Result<Self, BadFile> {
        let geometry = look.geometry();
        let [first, end] = [shards.start, shards.end].map(|shard| shard as usize * shard_slots(&geometry));
        Ok(Self { geometry, shards, first, slots: look.slots(first..end)?, claimed: 0 })
    }

    /// Whether the slots of this record are here, if it is one.
    pub(super) fn owns(&self, words: Words) -> bool {
        Tag::from_bits(words[0]).is_some_and(|tag| self.shards.contains(&Geometry::shard(tag)))
    }

    /// Claims the slot that points at `position`, at which `record` stands; false if there is none.
    pub(super) fn claim(&mut self, record: &Record, position: u32) -> bool {
        let values = self.geometry.probe(record.tag).map(|slot| self.slots[slot - self.first]);
        let mut positions =
            values.take_while(|&value| value != 0).filter_map(|value| self.geometry.position(record.tag, value));
        let has_slot = positions.any(|found| found == position);
        self.claimed += u64::from(has_slot);
        has_slot
    }

    /// How many slots nobody has claimed.
    pub(super) fn unclaimed(&self) -> u64 {
        let used = self.slots.iter().filter(|&&value| value != 0).count() as u64;
        used.saturating_sub(self.claimed)
    }
}

/// Whether a look-up finds `record`, or one that makes it unnecessary, in the index as it is now, or cannot be expected to.
pub(super) fn is_in_order(look: &Look, record: &Record) -> Result<bool, BadFile> {
    let geometry = look.geometry();
    for slot in geometry.probe(record.tag) {
        let value = look.slot(slot)?;
        if value == 0 {
            return Ok(false);
        }
        if let Some(position) = geometry.position(record.tag, value) {
            let [tag, word] = look.record(position)?;
            if Record::unpack(tag, word).is_some_and(|found| found.covers(record)) {
                return Ok(true);
            }
        }
    }
    // No slot was left for it: the segment was closed then, and the record written anew in the next one.
    Ok(true)
}

fn shard_slots(geometry: &Geometry) -> usize {
    geometry.slots() / SHARDS as usize
}

//! What leaves a ring: segments whose life is over, and the oldest ones when there is no room for the next.
//!
//! A segment leaves the ring first; its file goes once nobody reads it any more.

use std::io;
use std::sync::Arc;

use super::{Tools, Upkeep};
use crate::metrics::Counter;
use crate::store::disk;
use crate::store::file::SegmentFile;
use crate::store::sizing::{self, MAX_SEGMENTS, segment_len};
use crate::table::{CHUNK, Segment, is_unread};

impl Upkeep {
    pub(super) fn drop_expired(&mut self, tools: &Tools<'_>) {
        if !tools.settled {
            return;
        }
        // All are looked at: one that was closed while the clock was ahead does not keep the others.
        let is_expired = |segment: &&Arc<Segment<SegmentFile>>| {
            segment.memory().closed_for(tools.now).is_some_and(|age| age > self.life)
        };
        let expired: Vec<_> = tools.ring.load().older.iter().filter(is_expired).cloned().collect();
        for segment in expired {
            self.retire(&segment, tools);
            tools.counters.add(Counter::SegmentsExpired, 1);
            log::info!("{}: expired as a whole, dropped", segment.memory().path().display());
        }
    }

    /// Whether a spare of this capacity fits the share beside the segments that are there, and the present spare if wanted.
    pub(super) fn has_room(&self, capacity: u32, beside_spare: bool, tools: &Tools<'_>) -> bool {
        let view = tools.ring.load();
        let spare = view.spare.as_ref().filter(|_| beside_spare).map(|spare| &spare.segment);
        view.segments().count() < MAX_SEGMENTS
            && bytes(view.segments().chain(spare).chain(&self.retired)) + segment_len(capacity) <= self.bounds.share
    }

    /// Drops the oldest segments until the ring is within its share with another one of `capacity` records, if any. Says
    /// whether there is room for that one.
    pub(super) fn make_room(&mut self, capacity: Option<u32>, tools: &Tools<'_>) -> bool {
        let needed = capacity.map_or(0, segment_len);
        let most = MAX_SEGMENTS - usize::from(capacity.is_some());
        loop {
            self.remove_retired();
            let leaving = bytes(&self.retired);
            let (count, bytes) = {
                let view = tools.ring.load();
                let spare = view.spare.as_ref().map(|spare| &spare.segment);
                (view.segments().count(), bytes(view.segments().chain(spare)))
            };
            if count <= most && bytes + needed <= self.bounds.share {
                // What has left already makes the room once its last reader has gone: nothing else is dropped for it.
                return bytes + leaving + needed <= self.bounds.share;
            }
            let Some((oldest, closed_for)) = oldest_closed(tools) else {
                // The active one alone is too large since --max-state was lowered: it is left at once.
                return tools.ring.load().older.is_empty() && leaving == 0;
            };
            if closed_for < self.protected || !oldest.is_quiet() {
                return false;
            }
            self.retire(&oldest, tools);
            tools.counters.add(Counter::SegmentsDroppedEarly, 1);
            log::warn!(
                "{}: dropped before its time, {closed_for} s after it was closed, to stay within --max-state",
                oldest.memory().path().display(),
            );
        }
    }

    /// Has a spare ready for so many records if the active segment does not take them. Drops nothing for that; the error is
    /// `None` if they do not fit the ring's share beside what is there.
    pub(in crate::store) fn reserve(&mut self, records: u64, tools: &Tools<'_>) -> Result<(), Option<io::Error>> {
        let active = tools.ring.load().active().filter(|active| !active.memory().has_failed()).cloned();
        let left = active.map_or(0, |active| active.capacity() - active.chunks_claimed() * CHUNK);
        if records <= u64::from(left) {
            return Ok(());
        }
        let wanted = sizing::holding(records, &self.bounds).ok_or(None)?;
        let spare = tools.ring.load().spare.as_ref().map(|spare| spare.segment.capacity());
        if spare.is_some_and(|spare| u64::from(spare) >= records) {
            return Ok(());
        }
        if !self.has_room(wanted, false, tools) {
            return Err(None);
        }
        self.make_spare(wanted, tools)?;
        self.remove_retired();
        Ok(())
    }

    pub(super) fn retire(&mut self, segment: &Arc<Segment<SegmentFile>>, tools: &Tools<'_>) {
        tools.ring.remove(segment.sequence());
        self.retired.push(Arc::clone(segment));
    }

    /// Unmaps and removes what nobody reads any more.
    pub(super) fn remove_retired(&mut self) {
        self.retired.retain(|segment| {
            if !is_unread(segment) {
                return true;
            }
            if let Err(error) = disk::remove(segment.memory().path()) {
                log::warn!("{}: cannot be removed: {error}", segment.memory().path().display());
            }
            false
        });
    }
}

/// The segment that is dropped first for want of room, and the seconds since it was closed: the oldest one that is not
/// durable, as a disk that fails must not cost what it has kept; else the oldest.
fn oldest_closed(tools: &Tools<'_>) -> Option<(Arc<Segment<SegmentFile>>, u32)> {
    let view = tools.ring.load();
    let failed = view.older.iter().rfind(|segment| segment.memory().has_failed());
    let oldest = Arc::clone(failed.or(view.older.last())?);
    let closed_for = oldest.memory().closed_for(tools.now)?;
    Some((oldest, closed_for))
}

fn bytes<'a>(segments: impl IntoIterator<Item = &'a Arc<Segment<SegmentFile>>>) -> u64 {
    segments.into_iter().map(|segment| segment.memory().len()).sum()
}

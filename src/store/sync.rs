//! [`Syncer`]: makes appended records durable, with one msync a round and segment over what was filled since the last.
//!
//! Records only: the index and the fill marks can be rebuilt from them. A range whose sync failed is never tried again
//! and then believed: its segment is marked, rolled over and from then on only read.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::file::SegmentFile;
use super::format::RingKind;
use crate::atomics::Ordering;
use crate::table::{CHUNK, Memory, Segment};

/// How far each open segment is durable. One thread at a time uses it.
#[derive(Debug, Default)]
pub(super) struct Syncer {
    /// By ring and sequence number: filled records of each chunk that are durable, or in a segment that has failed.
    durable: HashMap<(RingKind, u64), Vec<u32>>,
}

impl Syncer {
    /// Makes durable what these segments hold more than at the last round, and forgets about all others.
    ///
    /// `failed` is told of a segment whose sync did not succeed.
    pub(super) fn round(
        &mut self,
        open: &[Arc<Segment<SegmentFile>>],
        mut failed: impl FnMut(&Segment<SegmentFile>, io::Error),
    ) {
        let key = |segment: &Segment<SegmentFile>| (segment.memory().ring(), segment.sequence());
        self.durable.retain(|known, _| open.iter().any(|segment| key(segment) == *known));
        for segment in open.iter().filter(|segment| !segment.memory().has_failed()) {
            let durable = self.durable.entry(key(segment)).or_default();
            if let Err(error) = sync_segment(segment, durable) {
                failed(segment, error);
            }
        }
    }
}

fn sync_segment(segment: &Segment<SegmentFile>, durable: &mut Vec<u32>) -> io::Result<()> {
    durable.resize(segment.chunks_claimed() as usize, 0);
    let (mut first, mut end) = (None, 0);
    for (chunk, durable) in (0..).zip(durable.iter_mut()).filter(|(_, durable)| **durable < CHUNK) {
        // Acquire: pairs with the Release of the fill mark in `append`, so the records before it are whole.
        let filled = segment.memory().fills()[chunk as usize].load(Ordering::Acquire).min(CHUNK);
        if filled > *durable {
            first = first.or(Some(chunk * CHUNK + *durable));
            end = chunk * CHUNK + filled;
            *durable = filled;
        }
    }
    // The kernel passes over the pages between them that have not changed.
    first.map_or(Ok(()), |first| segment.memory().sync_records(first..end))
}

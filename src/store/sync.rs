//! Syncing: appended records made durable, with one msync a round and segment over what was filled since the last.
//!
//! Records only: the index and the fill marks can be rebuilt from them. A range whose sync failed is never tried again
//! and then believed: its segment is marked, rolled over and from then on only read.

use std::io;
use std::sync::Arc;

use super::file::SegmentFile;
use crate::table::Segment;

/// One round over the segments that are not sealed. `failed` is told of each whose sync did not succeed.
pub(super) fn round(open: &[Arc<Segment<SegmentFile>>], mut failed: impl FnMut(&Segment<SegmentFile>, io::Error)) {
    for segment in open.iter().filter(|segment| !segment.memory().has_failed()) {
        if let Err(error) = segment.commit(|records| segment.memory().sync_records(records)) {
            failed(segment, error);
        }
    }
}

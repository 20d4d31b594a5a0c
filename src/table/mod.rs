//! The state's core: 16-byte records that are written once, and the lock-free index over them.
//!
//! Safe code on slices of atomics: it knows no files, reads no clock and allocates nothing for a look-up.
//!
//! | file | what |
//! |---|---|
//! | `tag.rs` | the keyed hash that stands for a triplet or a client |
//! | `record.rs` | the one packing of a record |
//! | `index.rs` | from a tag to the positions of its records |
//! | `lease.rs` | who may still append to a segment |
//! | `segment.rs` | the growing array of records with its index |
//! | `ring.rs` | the segments newest to oldest, roll-over, drop |
//! | `entry.rs` | what all records of a tag say together |

mod entry;
mod index;
mod lease;
mod record;
mod ring;
mod segment;
mod tag;
#[cfg(all(test, not(loom)))]
mod tests;

pub use entry::{Entry, Lifetimes};
pub use index::{Geometry, LINE_SLOTS, Other, Placed, SHARDS};
pub use lease::{Lease, Watch};
pub use record::{Kind, MAX_COUNT, Record};
pub use ring::{Loaded, NoSpare, Ring, View, Writable, is_unread};
pub use segment::{CHUNK, Cursor, Memory, Segment, SegmentFull};
pub use tag::{Secret, Tag};

//! The state's core: 16-byte records that are written once, and the lock-free index over them.
//!
//! Safe code on slices of atomics; it neither knows files nor allocates per look-up.

mod tag;

pub use tag::{Secret, Tag};

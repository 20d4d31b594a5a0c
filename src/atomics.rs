//! The atomics of the lock-free code: the only place in `table` and `store` that names where they come from, so that a
//! model checker's can be put in.

pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

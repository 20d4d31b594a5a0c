//! The atomics of the lock-free code: the only place in `table` and `store` that names where they come from, so that a
//! model checker's can be put in (`tests/models`).

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// An ordering that a model depends on. Under `--cfg` of the model's name it is Relaxed, and the model has to fail.
macro_rules! weakened {
    ($name:ident, $ordering:expr) => {
        if cfg!($name) { crate::atomics::Ordering::Relaxed } else { $ordering }
    };
}

pub(crate) use weakened;

//! The atomics and shared pointers of the lock-free code: the only place in `table` that names where they come from, so that
//! a model checker's can be put in (`tests/models`), and in unit tests those that record each store into a mapping.

#[cfg(not(loom))]
pub(crate) use {
    arc_swap::{ArcSwap, Guard},
    std::sync::Arc,
    std::sync::atomic::Ordering,
};

#[cfg(all(not(loom), not(test)))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64};

#[cfg(all(not(loom), test))]
pub(crate) use crate::store::recorder::{AtomicU32, AtomicU64};

#[cfg(loom)]
pub(crate) use {
    loom::sync::Arc,
    loom::sync::atomic::{AtomicU32, AtomicU64, Ordering},
    pointer::{ArcSwap, Guard},
};

/// An ordering that a model depends on. Under `--cfg` of the model's name it is Relaxed, and the model has to fail.
macro_rules! weakened {
    ($name:ident, $ordering:expr) => {
        if cfg!($name) { crate::atomics::Ordering::Relaxed } else { $ordering }
    };
}

pub(crate) use weakened;

/// What `table` uses of `arc-swap`, in loom's terms: that crate's own inside is taken on trust.
#[cfg(loom)]
mod pointer {
    use std::ops::Deref;

    use loom::sync::{Arc, Mutex};

    #[derive(Debug)]
    pub(crate) struct ArcSwap<T>(Mutex<Arc<T>>);

    pub(crate) struct Guard<T>(T);

    impl<T> ArcSwap<T> {
        pub(crate) fn from_pointee(value: T) -> Self {
            Self(Mutex::new(Arc::new(value)))
        }

        pub(crate) fn load(&self) -> Guard<Arc<T>> {
            Guard(Arc::clone(&self.0.lock().unwrap()))
        }

        pub(crate) fn compare_and_swap(&self, current: &Guard<Arc<T>>, new: Arc<T>) -> Guard<Arc<T>> {
            let mut held = self.0.lock().unwrap();
            let previous = Arc::clone(&held);
            if Arc::ptr_eq(&previous, &current.0) {
                *held = new;
            }
            Guard(previous)
        }
    }

    impl<T> Deref for Guard<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }
}

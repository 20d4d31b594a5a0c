//! The atomics of the unit tests: `std`'s, and each store is recorded if it goes into a recorded mapping.

use std::sync::atomic::Ordering;

macro_rules! recorded {
    ($name:ident, $word:ty) => {
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub struct $name(std::sync::atomic::$name);

        impl $name {
            pub const fn new(value: $word) -> Self {
                Self(std::sync::atomic::$name::new(value))
            }

            pub fn load(&self, ordering: Ordering) -> $word {
                self.0.load(ordering)
            }

            pub fn store(&self, value: $word, ordering: Ordering) {
                self.0.store(value, ordering);
                self.record(value);
            }

            fn record(&self, value: $word) {
                super::stored(std::ptr::from_ref(self).addr(), &value.to_le_bytes());
            }

            /// Not of a word in a mapping: those are only stored and exchanged.
            pub fn fetch_add(&self, value: $word, ordering: Ordering) -> $word {
                self.0.fetch_add(value, ordering)
            }
        }
    };
}

recorded!(AtomicU32, u32);
recorded!(AtomicU64, u64);

impl AtomicU32 {
    pub fn compare_exchange(&self, current: u32, new: u32, success: Ordering, failure: Ordering) -> Result<u32, u32> {
        let result = self.0.compare_exchange(current, new, success, failure);
        if result.is_ok() {
            self.record(new);
        }
        result
    }

    pub fn fetch_sub(&self, value: u32, ordering: Ordering) -> u32 {
        self.0.fetch_sub(value, ordering)
    }
}

impl AtomicU64 {
    pub fn fetch_max(&self, value: u64, ordering: Ordering) -> u64 {
        self.0.fetch_max(value, ordering)
    }
}

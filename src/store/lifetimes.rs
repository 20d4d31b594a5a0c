//! How long records count by the terms of greylisting, which may change while workers look records up.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::grey::Terms;
use crate::table::Lifetimes;

/// How long the records of a state count that is served on these terms.
pub fn lifetimes(terms: &Terms) -> Lifetimes {
    let established = terms.established_life();
    // Else the first attempt would count again once the pass is forgotten.
    Lifetimes { pending: terms.retry_window.min(established), established }
}

/// The age at which a pending segment may be dropped early, in seconds.
pub(super) fn protected(terms: &Terms) -> u32 {
    terms.delay.saturating_mul(2)
}

/// The lifetimes in use, both in one word: a session takes those of one moment.
#[derive(Debug)]
pub(super) struct SharedLifetimes(AtomicU64);

impl SharedLifetimes {
    pub(super) fn new(lifetimes: Lifetimes) -> Self {
        Self(AtomicU64::new(word(lifetimes)))
    }

    pub(super) fn set(&self, lifetimes: Lifetimes) {
        self.0.store(word(lifetimes), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Lifetimes {
        let [pending, established] = bytemuck::cast(self.0.load(Ordering::Relaxed));
        Lifetimes { pending, established }
    }
}

fn word(Lifetimes { pending, established }: Lifetimes) -> u64 {
    bytemuck::cast([pending, established])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_come_back_as_they_were_set() {
        let shared = SharedLifetimes::new(lifetimes(&Terms::DEFAULT));
        assert_eq!(shared.get(), Lifetimes { pending: 172_800, established: 3_402_000 });
        let most = Lifetimes { pending: 1, established: u32::MAX };
        shared.set(most);
        assert_eq!(shared.get(), most);
    }

    #[test]
    fn a_first_attempt_counts_no_longer_than_the_pass_that_follows_it() {
        let terms = Terms { max_age: 86_400, retry_window: 10 * 86_400, ..Terms::DEFAULT };
        assert_eq!(lifetimes(&terms), Lifetimes { pending: 97_200, established: 97_200 });
    }
}

//! A set of texts, kept as one keyed 64-bit hash each.
//!
//! Eight bytes an entry keep a list of 100,000 near the processor, where the texts themselves would cost a request one or
//! two waits for memory. The price: a text that is not in a set of n counts as one of it with a chance of n / 2^64, the
//! same that the state accepts for its tags. The key is random for each set and nobody sees a hash, so such a text cannot
//! be sought.

use std::fmt;

use ahash::RandomState;
use hashbrown::HashTable;

/// The set. It does not change case.
#[derive(Default)]
pub(super) struct Fingerprints {
    table: HashTable<u64>,
    key: RandomState,
}

impl Fingerprints {
    pub(super) fn insert(&mut self, text: &[u8]) {
        let hash = self.key.hash_one(text);
        self.table.entry(hash, |&other| other == hash, |&other| other).or_insert(hash);
    }

    pub(super) fn contain(&self, text: &[u8]) -> bool {
        let hash = self.key.hash_one(text);
        self.table.find(hash, |&other| other == hash).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

impl fmt::Debug for Fingerprints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprints({})", self.table.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_contained_and_nothing_else() {
        let mut set = Fingerprints::default();
        assert!(set.is_empty() && !set.contain(b"") && !set.contain(b"0"));
        for number in 0..20_000_u32 {
            set.insert(number.to_string().as_bytes());
            set.insert(number.to_string().as_bytes());
        }
        assert_eq!(format!("{set:?}"), "Fingerprints(20000)");
        for number in 0..20_000_u32 {
            assert!(set.contain(number.to_string().as_bytes()), "{number}");
            assert!(!set.contain(format!("x{number}").as_bytes()), "x{number}");
        }
        assert!(!set.is_empty() && !set.contain(b""));
    }
}

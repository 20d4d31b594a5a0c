//! A map from texts, each kept as one keyed 64-bit hash, to ranks.
//!
//! Eight bytes an entry of a whitelist keep 100,000 near the processor, where the texts themselves would cost a request one
//! or two waits for memory. The price: a text that is not in a map of n counts as one of it with a chance of n / 2^64, the
//! same that the state accepts for its tags. The key is random for each map and nobody sees a hash, so such a text cannot
//! be sought.

use std::fmt;

use ahash::RandomState;
use hashbrown::HashTable;

use super::Rank;

/// The map. It does not change case.
#[derive(Default)]
pub(super) struct Fingerprints<R> {
    table: HashTable<(u64, R)>,
    key: RandomState,
}

impl<R: Rank> Fingerprints<R> {
    /// Of one text's ranks the least stays.
    pub(super) fn insert(&mut self, text: &[u8], rank: R) {
        let hash = self.key.hash_one(text);
        let entry = self.table.entry(hash, |&(other, _)| other == hash, |&(other, _)| other);
        let (_, held) = entry.or_insert((hash, rank)).into_mut();
        *held = rank.min(*held);
    }

    pub(super) fn get(&self, text: &[u8]) -> Option<R> {
        let hash = self.key.hash_one(text);
        self.table.find(hash, |&(other, _)| other == hash).map(|&(_, rank)| rank)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

impl<R> fmt::Debug for Fingerprints<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprints({})", self.table.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_found_and_nothing_else() {
        let mut map = Fingerprints::default();
        assert!(map.is_empty() && map.get(b"").is_none() && map.get(b"0").is_none());
        for number in 0..20_000_u32 {
            map.insert(number.to_string().as_bytes(), ());
            map.insert(number.to_string().as_bytes(), ());
        }
        assert_eq!(format!("{map:?}"), "Fingerprints(20000)");
        for number in 0..20_000_u32 {
            assert!(map.get(number.to_string().as_bytes()).is_some(), "{number}");
            assert!(map.get(format!("x{number}").as_bytes()).is_none(), "x{number}");
        }
        assert!(!map.is_empty() && map.get(b"").is_none());
    }

    #[test]
    fn a_whitelists_entry_has_eight_bytes() {
        assert_eq!(size_of::<(u64, ())>(), 8);
    }

    #[test]
    fn the_least_rank_of_a_text_stays() {
        let mut map = Fingerprints::default();
        for (text, rank) in [("a", 2_u16), ("a", 1), ("a", 3), ("b", 9)] {
            map.insert(text.as_bytes(), rank);
        }
        assert_eq!((map.get(b"a"), map.get(b"b"), map.get(b"c")), (Some(1), Some(9), None));
    }
}

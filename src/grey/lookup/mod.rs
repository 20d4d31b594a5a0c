//! What entries are looked up in, at a cost that does not grow with their number: names and addresses by hash, networks by
//! longest prefix. Whitelists and rules stand on it.
//!
//! Each entry has a [`Rank`], and a look-up gives the least of all entries that match. A set is built once and never changed
//! afterwards; a look-up allocates nothing. Matching is that of ASCII: case is ignored for A to Z only, and other bytes
//! stand for themselves.

mod addresses;
mod clients;
mod fingerprints;
mod mailboxes;
mod mistake;
mod names;
mod network;
mod networks;

pub(super) use clients::{Clients, ClientsBuilder};
pub(super) use mailboxes::Mailboxes;
pub use mistake::EntryMistake;
pub(super) use mistake::shown;

/// What an entry stands for. The default is the least of all.
pub(super) trait Rank: Copy + Ord + Default {
    /// Whether none is less: what has found it need not go on.
    fn is_least(self) -> bool {
        self == Self::default()
    }
}

/// A whitelist's entries are all alike: the first that matches ends a look-up.
impl Rank for () {}

#[cfg(test)]
impl Rank for u16 {}

/// The lesser of what two look-ups found.
pub(super) fn least<R: Rank>(one: Option<R>, other: Option<R>) -> Option<R> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

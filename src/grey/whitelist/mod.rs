//! The whitelists of clients and recipients: postgrey's file syntax, at a cost that does not grow with their length.
//!
//! A [`ClientListBuilder`] or [`RecipientListBuilder`] takes the text of any number of files and is built once; a list is
//! never changed afterwards, so a reload makes new ones and swaps both in. What is no regex is found by `grey/lookup/`, and
//! all regexes run as one automaton. Nothing here reads files, and a look-up allocates nothing but the automaton's own
//! caches at their first use.
//!
//! Matching is that of ASCII: case is ignored for A to Z only, as in postgrey, and other bytes stand for themselves.

mod clients;
mod mistake;
mod patterns;
mod perl;
mod recipients;
mod text;

pub use clients::{ClientList, ClientListBuilder, DEFAULT_CLIENTS};
pub use mistake::{BadLine, Mistake, TooManyPatterns};
pub use recipients::{DEFAULT_RECIPIENTS, RecipientList, RecipientListBuilder};
pub use text::each_entry;

/// Both whitelists, immutable once built; a reload builds new ones and swaps them in.
#[derive(Debug, Default)]
pub struct Lists {
    /// Clients that are never greylisted.
    pub clients: ClientList,
    /// Recipients for whom nothing is greylisted.
    pub recipients: RecipientList,
}

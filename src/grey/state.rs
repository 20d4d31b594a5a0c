//! What the decision asks of the state and what it tells it: the seam between `grey` and `store`.

use crate::clock::UnixSecs;
use crate::table::Tag;

/// A triplet as the state knows it at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Triplet {
    /// Never seen, expired or forgotten.
    Unknown,
    /// Seen, not passed yet, and within the retry window.
    Pending {
        /// When it was first seen.
        first: UnixSecs,
    },
    /// Has passed, and was seen since within max-age.
    Passed {
        /// When it was last seen, as recorded: at most max-age / 8 before it really was.
        last: UnixSecs,
    },
}

/// A client of the auto-whitelist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// How many of its triplets have passed, at most one counted an hour.
    pub count: u16,
    /// When it was last counted or refreshed.
    pub last: UnixSecs,
}

/// A new state of a tag. The state never changes a record: each change is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A triplet was first seen at this time.
    Pending(UnixSecs),
    /// A triplet passed, or was seen again, at this time.
    Passed(UnixSecs),
    /// A client's new count and time.
    Client(Client),
}

/// The change could not be recorded: no segment is ready or the disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The state as one worker sees it during one turn of its loop.
pub trait State {
    /// A hint that this client and this triplet will be looked up next.
    fn prefetch(&self, client: Tag, triplet: Tag);

    /// What is known of a triplet at `now`.
    fn triplet(&self, tag: Tag, now: UnixSecs) -> Triplet;

    /// What is known of a client at `now`; `None` when it was never counted or has expired.
    fn client(&self, tag: Tag, now: UnixSecs) -> Option<Client>;

    /// Records a new state of `tag`.
    fn append(&mut self, tag: Tag, change: Change, now: UnixSecs) -> Result<(), Full>;
}

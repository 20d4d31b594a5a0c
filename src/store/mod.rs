//! The state directory: segment files, memory-mapped, and the only owner of files and of unsafe code.

use std::sync::Arc;

use crate::clock::UnixSecs;
use crate::grey::{Change, Client, Full, State, Triplet};
use crate::table::{Secret, Tag};

/// An open state directory, shared by all threads.
#[derive(Debug)]
pub struct Store {
    secret: Secret,
}

impl Store {
    /// The key under which tags are made.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The writing end of one worker.
    pub fn writer(self: &Arc<Self>) -> Writer {
        Writer { _store: Arc::clone(self) }
    }
}

/// One worker's way into the state; it owns the chunks that it appends to.
#[derive(Debug)]
pub struct Writer {
    _store: Arc<Store>,
}

impl Writer {
    /// The state as it is seen during one turn of an event loop. Not to be held while waiting.
    pub fn session(&mut self) -> Session<'_> {
        Session { _writer: self }
    }
}

/// See [`Writer::session`].
#[derive(Debug)]
pub struct Session<'w> {
    _writer: &'w mut Writer,
}

impl State for Session<'_> {
    fn prefetch(&self, _tags: &[Tag]) {}

    fn triplet(&self, _tag: Tag, _now: UnixSecs) -> Triplet {
        Triplet::Unknown
    }

    fn client(&self, _tag: Tag, _now: UnixSecs) -> Option<Client> {
        None
    }

    fn append(&mut self, _tag: Tag, _change: Change, _now: UnixSecs) -> Result<(), Full> {
        Err(Full)
    }
}

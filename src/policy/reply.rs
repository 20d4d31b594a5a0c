//! [`Verdict`] to bytes.

use super::Request;
use crate::clock::UnixSecs;

/// What Postfix is told about one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No opinion: Postfix goes on to its next restriction.
    Dunno,
    /// Turn the recipient away for now; it may pass in `seconds_left`.
    Defer {
        /// Seconds until the triplet may pass.
        seconds_left: u32,
    },
    /// Accept, and add the header that says how long the message was delayed.
    Prepend {
        /// Seconds from the first attempt to this one.
        delayed: u32,
    },
}

/// The texts of the replies with their substitutions prepared.
#[derive(Clone, Debug)]
pub struct Replies {}

impl Replies {
    /// `action` is what `--greylist-action` names, `text` and `header` may hold the substitutions of postgrey's manual.
    pub fn new(_action: &str, _text: &str, _header: &str, _hostname: &str, _version: &str) -> Self {
        Self {}
    }

    /// Appends the whole reply to `request`, blank line included, to `out`.
    pub fn write(&self, _verdict: Verdict, _request: &Request<'_>, _now: UnixSecs, out: &mut Vec<u8>) {
        out.extend_from_slice(b"action=DUNNO\n\n");
    }
}

//! Postfix's policy delegation protocol on the wire: bytes to [`Request`], [`Verdict`] to bytes.
//!
//! Zero copy: a request's fields are slices of the connection's buffer. Nothing here does I/O, reads a clock or decides.
//! Protocol: Postfix's `SMTPD_POLICY_README`.

mod lines;
mod parse;
mod reply;
mod request;

pub use parse::{Limit, MAX_REQUEST, Resume, Status, parse};
pub use reply::{DUNNO, Replies, Verdict};
pub use request::Request;

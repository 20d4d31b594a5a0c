//! Bytes to [`Request`].

use super::Request;

/// What [`parse`] found at the front of the buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Status<'a> {
    /// A whole request; `consumed` bytes of the buffer, its blank line included, belong to it.
    Complete {
        /// The request.
        request: Request<'a>,
        /// How many bytes it took.
        consumed: usize,
        /// How many of its lines had no `=` and were ignored.
        ignored_lines: u16,
    },
    /// No blank line yet: read more and call again with the same [`Resume`].
    Partial,
}

/// How far the search for the end of a partial request has come, so that no byte is searched twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resume {}

/// A request larger than what is taken from a peer: answer DUNNO, warn and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// More than 16 KiB without a blank line.
    Request,
    /// A line of more than 4 KiB.
    Line,
    /// More than 128 attributes.
    Attributes,
}

/// Parses the request at the front of `buffer`.
pub fn parse<'a>(_buffer: &'a [u8], _resume: &mut Resume) -> Result<Status<'a>, Limit> {
    let _ = Request::default();
    Ok(Status::Partial)
}

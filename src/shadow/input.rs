//! [`Input`]: what a client has sent and was not asked about yet, and where the requests in it end.

use std::sync::Arc;

use crate::policy::{Limit, Resume, Status, parse};

/// Bytes of one client.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    resume: Resume,
}

/// What is at the front.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// A request, its blank line included.
    Request(Arc<[u8]>),
    /// More than is taken from a client.
    OverLimit(Limit),
    /// The beginning of a request.
    Partial,
    Nothing,
}

impl Input {
    /// Takes the request at the front.
    pub(super) fn take(&mut self) -> Front {
        if self.bytes.is_empty() {
            return Front::Nothing;
        }
        let length = match parse(&self.bytes, &mut self.resume) {
            Ok(Status::Complete { consumed, .. }) => consumed,
            Ok(Status::Partial) => return Front::Partial,
            Err(limit) => return Front::OverLimit(limit),
        };
        self.resume = Resume::default();
        Front::Request(self.bytes.drain(..length).collect())
    }

    /// Where more is to be appended.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_out_as_they_went_in_wherever_they_are_cut() {
        let requests: [&[u8]; 3] = [b"sender=a\r\nx\n\r\n", b"\n", b"sender=b\nrecipient=c\n\n"];
        let stream = requests.concat();
        for cut in 0..=stream.len() {
            let (mut input, mut taken) = (Input::default(), Vec::new());
            for piece in [&stream[..cut], &stream[cut..]] {
                input.end().extend_from_slice(piece);
                while let Front::Request(request) = input.take() {
                    taken.push(request);
                }
            }
            let taken: Vec<&[u8]> = taken.iter().map(AsRef::as_ref).collect();
            assert_eq!(taken, requests, "cut at {cut}");
            assert_eq!(input.take(), Front::Nothing);
        }
    }

    #[test]
    fn limits_are_the_daemons() {
        let mut input = Input::default();
        input.end().extend_from_slice(b"sender=");
        assert_eq!(input.take(), Front::Partial);
        input.end().extend_from_slice(&[b'x'; 5_000]);
        assert_eq!(input.take(), Front::OverLimit(Limit::Line));
    }
}

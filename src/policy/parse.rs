//! Bytes to [`Request`]: lines of `name=value` up to a blank line.
//!
//! A buffer that holds a whole request is gone over once. While the end of a request is missing, only the search for it
//! goes on, from where it stopped; when the end has come the request is gone over once more. So the work is linear in the
//! bytes however they trickle in.

use std::fmt;
use std::ops::ControlFlow::{Break, Continue};

use super::Request;
use super::lines::{Line, each_line};

/// The longest request, in bytes. A buffer of this size holds any request that is answered.
pub const MAX_REQUEST: usize = 16 * 1024;
/// The longest line, in bytes.
const MAX_LINE: usize = 4 * 1024;
/// The most lines of one request.
const MAX_ATTRIBUTES: u16 = 128;

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
pub struct Resume {
    /// Bytes searched.
    searched: usize,
    /// Where the line begins whose end has not been seen.
    line: usize,
    /// Lines before it.
    lines: u16,
}

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

/// What went over it.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "a request of more than 16 KiB",
            Self::Line => "a line of more than 4 KiB",
            Self::Attributes => "more than 128 attributes",
        })
    }
}

/// Parses the request at the front of `buffer`. `resume` is the one that the last call about this request left, and a new
/// one after [`Status::Complete`] or an error.
pub fn parse<'a>(buffer: &'a [u8], resume: &mut Resume) -> Result<Status<'a>, Limit> {
    if resume.searched > 0 && search(buffer, resume, |_, _| {})?.is_none() {
        return Ok(Status::Partial);
    }
    *resume = Resume::default();
    let (mut request, mut ignored_lines) = (Request::default(), 0);
    let end = search(buffer, resume, |name, value| match name {
        [] => ignored_lines += 1,
        name => take(&mut request, name, value),
    })?;
    Ok(end.map_or(Status::Partial, |consumed| Status::Complete { request, consumed, ignored_lines }))
}

/// Goes on looking for the blank line and gives each line before it to `visit`: its name, empty if there is none, as far as
/// the first `=` was searched for in this call, and its value, with what a CR LF leaves of a line's end. Returns where the
/// request ends.
fn search<'a>(
    buffer: &'a [u8],
    resume: &mut Resume,
    mut visit: impl FnMut(&'a [u8], &'a [u8]),
) -> Result<Option<usize>, Limit> {
    let Resume { searched, line: mut start, mut lines } = *resume;
    let end = each_line(buffer, searched, |Line { end, equals }| {
        // No line of an ordinary request but the last is so short, and none so long.
        if end - start < 2 || end - start > MAX_LINE || end >= MAX_REQUEST {
            let line = &buffer[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > MAX_LINE {
                return Break(Err(first_limit(start)));
            }
            if end >= MAX_REQUEST {
                return Break(Err(Limit::Request));
            }
            if line.is_empty() {
                return Break(Ok(Some(end + 1)));
            }
        }
        if lines == MAX_ATTRIBUTES {
            return Break(Err(Limit::Attributes));
        }
        let (name, value) = if equals < end { (start..equals, equals + 1..end) } else { (start..start, end..end) };
        visit(&buffer[name], &buffer[value]);
        lines += 1;
        start = end + 1;
        Continue(())
    });
    if let Break(end) = end {
        return end;
    }
    *resume = Resume { searched: buffer.len(), line: start, lines };
    if buffer.len() - start > MAX_LINE + 1 {
        return Err(first_limit(start));
    }
    if buffer.len() >= MAX_REQUEST { Err(Limit::Request) } else { Ok(None) }
}

/// Which limit a line is over that begins at `line` and is too long: the one that is reached first if bytes come one by one,
/// so that it does not depend on how they come.
fn first_limit(line: usize) -> Limit {
    if line + MAX_LINE + 2 <= MAX_REQUEST { Limit::Line } else { Limit::Request }
}

fn take<'a>(request: &mut Request<'a>, name: &[u8], value: &'a [u8]) {
    let field = match name {
        b"request" => &mut request.request,
        b"protocol_state" => &mut request.protocol_state,
        b"client_address" => &mut request.client_address,
        b"client_name" => &mut request.client_name,
        b"sender" => &mut request.sender,
        b"recipient" => &mut request.recipient,
        b"instance" => &mut request.instance,
        b"queue_id" => &mut request.queue_id,
        b"etrn_domain" => &mut request.etrn_domain,
        b"sasl_username" => &mut request.sasl_username,
        b"policy_test_time" => &mut request.policy_test_time,
        _ => return,
    };
    *field = Some(value.strip_suffix(b"\r").unwrap_or(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &[u8] = include_bytes!("../../tests/data/postfix-3.7-requests.txt");

    fn all(mut stream: &[u8]) -> Vec<Request<'_>> {
        let mut requests = Vec::new();
        while let Ok(Status::Complete { request, consumed, .. }) = parse(stream, &mut Resume::default()) {
            requests.push(request);
            stream = &stream[consumed..];
        }
        assert!(stream.is_empty(), "{:?}", String::from_utf8_lossy(stream));
        requests
    }

    fn one(bytes: &[u8]) -> Request<'_> {
        match parse(bytes, &mut Resume::default()) {
            Ok(Status::Complete { request, consumed, .. }) if consumed == bytes.len() => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_postfix_sent_is_taken_apart() {
        let requests = all(RECORDED);
        assert_eq!(requests.len(), 22);
        assert_eq!(requests[0].sender, Some(&b"alice@sender.example"[..]));
        assert_eq!(requests[0].recipient, Some(&b"bob@customer.test"[..]));
        assert_eq!(requests[0].queue_id, Some(&b""[..]));
        assert_eq!(requests[0].policy_test_time, None);
        assert_eq!(requests[1].protocol_state, Some(&b"DATA"[..]));
    }

    #[test]
    fn a_split_at_every_byte_gives_the_same_request_in_linear_work() {
        for cut in 0..RECORDED.len() {
            let mut resume = Resume::default();
            let whole = parse(RECORDED, &mut Resume::default()).unwrap();
            let Status::Complete { consumed, .. } = &whole else { panic!() };
            if parse(&RECORDED[..cut], &mut resume) == Ok(Status::Partial) {
                assert!(cut < *consumed);
                assert_eq!(parse(RECORDED, &mut resume), Ok(whole), "cut at {cut}");
            }
        }
        let (mut resume, first) = (Resume::default(), &RECORDED[..700]);
        for end in 1..first.len() {
            let before = resume.searched;
            match parse(&first[..end], &mut resume) {
                Ok(Status::Partial) => assert_eq!(resume.searched, before + 1),
                Ok(Status::Complete { .. }) => return,
                Err(limit) => panic!("{limit:?}"),
            }
        }
        panic!("no request in {} bytes", first.len());
    }

    #[test]
    fn which_limit_a_line_is_over_does_not_depend_on_how_it_comes() {
        let lines = b"a=".iter().chain(&[b'x'; 3400]).chain(b"\n").copied();
        for (before, limit) in [(3, Limit::Line), (4, Limit::Request)] {
            let mut stream: Vec<u8> = lines.clone().cycle().take(before * 3403).collect();
            stream.extend([b'y'; MAX_LINE + 500]);
            stream.push(b'\n');
            assert_eq!(parse(&stream, &mut Resume::default()), Err(limit));
            let mut resume = Resume::default();
            let first = (1..=stream.len()).map(|end| parse(&stream[..end], &mut resume)).find(Result::is_err);
            assert_eq!(first, Some(Err(limit)));
        }
    }

    #[test]
    fn line_ends_duplicates_and_garbage() {
        assert_eq!(one(b"sender=a\r\nrecipient=b\n\r\n").sender, Some(&b"a"[..]));
        assert_eq!(one(b"sender=a\rb\r\n\n").sender, Some(&b"a\rb"[..]));
        assert_eq!(one(b"sender=a\nsender=b\n\n").sender, Some(&b"b"[..]));
        assert_eq!(one(b"sender=a=b==\n\n").sender, Some(&b"a=b=="[..]));
        assert_eq!(one(b"sender=\0\n\n").sender, Some(&b"\0"[..]));
        assert_eq!(one(b"SENDER=a\n sender=b\n\n").sender, None);
        assert_eq!(one(b"\n"), Request::default());
        let garbage = parse(b"garbage\n=x\nsender\nsender=\n\n", &mut Resume::default());
        let Ok(Status::Complete { request, ignored_lines: 3, .. }) = garbage else { panic!("{garbage:?}") };
        assert_eq!(request.sender, Some(&b""[..]));
    }

    #[test]
    fn limits_are_seen_as_soon_as_they_are_passed() {
        let mut resume = Resume::default();
        assert_eq!(parse(&[b'a'; MAX_LINE + 1], &mut resume), Ok(Status::Partial), "a CR may be the last");
        assert_eq!(parse(&[b'a'; MAX_LINE + 2], &mut resume), Err(Limit::Line));
        let line = [&[b'a'; MAX_LINE + 1][..], b"\n\n"].concat();
        assert_eq!(parse(&line, &mut Resume::default()), Err(Limit::Line));
        let lines = |count| [b"a=b\n".repeat(count), b"\n".to_vec()].concat();
        assert!(matches!(parse(&lines(128), &mut Resume::default()), Ok(Status::Complete { .. })));
        assert_eq!(parse(&lines(129), &mut Resume::default()), Err(Limit::Attributes));
        let long = [&b"a=b\n"[..], &[&[b'c'; 4000][..], b"\n"].concat().repeat(5)].concat();
        assert_eq!(parse(&long, &mut Resume::default()), Err(Limit::Request));
        assert_eq!(parse(&long[..MAX_REQUEST], &mut Resume::default()), Err(Limit::Request));
        assert_eq!(parse(&long[..MAX_REQUEST - 1], &mut Resume::default()), Ok(Status::Partial));
    }

    #[test]
    fn a_request_may_have_exactly_16_kib() {
        for excess in [0, 1] {
            let mut request = b"sender=a\n".to_vec();
            while request.len() < MAX_REQUEST + excess - 1 {
                let left = MAX_REQUEST + excess - 1 - request.len();
                let line = left.min(1000);
                // No line of one byte is left over.
                let line = if left - line == 1 { line - 1 } else { line };
                request.extend(std::iter::repeat_n(b'x', line - 1));
                request.push(b'\n');
            }
            request.push(b'\n');
            assert_eq!(request.len(), MAX_REQUEST + excess);
            let whole = parse(&request, &mut Resume::default());
            if excess == 0 {
                assert!(matches!(whole, Ok(Status::Complete { consumed: MAX_REQUEST, .. })), "{whole:?}");
            } else {
                assert_eq!(whole, Err(Limit::Request));
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..64)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    b"\n\r=ae\0\xffsender"[usize::try_from(seed >> 33).unwrap() % 13]
                })
                .collect();
            let (mut resume, whole) = (Resume::default(), parse(&bytes, &mut Resume::default()));
            for end in 0..bytes.len() {
                if !matches!(parse(&bytes[..end], &mut resume), Ok(Status::Partial)) {
                    break;
                }
                assert_eq!(parse(&bytes, &mut { resume }), whole);
            }
        }
    }
}

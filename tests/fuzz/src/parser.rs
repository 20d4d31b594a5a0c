//! [`parser`]: bytes as a peer sends them, in pieces of any size.

use irongrey::policy::{Limit, MAX_REQUEST, Request, Resume, Status, parse};

/// The sizes of pieces that each stream is cut into, over and over.
const PIECES: [&[usize]; 5] = [&[1], &[2, 3], &[63, 1, 64], &[MAX_REQUEST - 1, 2], &[7, 4096, 1, 500]];

/// What a stream was taken for.
#[derive(Debug, PartialEq, Eq)]
struct Answers<'a> {
    /// Each request, its length and how many of its lines were ignored.
    requests: Vec<(Request<'a>, usize, u16)>,
    /// What ended it, and otherwise how many bytes wait for more.
    rest: Result<usize, Limit>,
}

/// Any split of a stream gives the same requests, of the same lengths, and the same error as the stream in one piece.
///
/// The first byte chooses one more split than those that every stream gets, the others are the stream.
///
/// # Panics
///
/// When that does not hold, or a request is longer than it may be.
pub fn parser(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else { return };
    let whole = in_pieces(stream, &[stream.len().max(1)]);
    for (request, length, _) in &whole.requests {
        assert!(*length <= MAX_REQUEST, "{length} bytes: {request:?}");
    }
    for pieces in PIECES.into_iter().chain([&[usize::from(size) * 65 + 1][..]]) {
        assert_eq!(in_pieces(stream, pieces), whole, "in pieces of {pieces:?}");
    }
}

/// Parses a stream that arrives in pieces, as a connection does: what is complete leaves the front of the buffer.
fn in_pieces<'a>(stream: &'a [u8], pieces: &[usize]) -> Answers<'a> {
    let (mut requests, mut resume, mut start, mut end) = (Vec::new(), Resume::default(), 0, 0);
    for size in pieces.iter().cycle() {
        end = (end + size).min(stream.len());
        while start < end {
            match parse(&stream[start..end], &mut resume) {
                Ok(Status::Complete { request, consumed, ignored_lines }) => {
                    assert!(consumed > 0 && consumed <= end - start, "{consumed} of {} bytes", end - start);
                    requests.push((request, consumed, ignored_lines));
                    start += consumed;
                }
                Ok(Status::Partial) => break,
                Err(limit) => return Answers { requests, rest: Err(limit) },
            }
        }
        if end == stream.len() {
            break;
        }
    }
    Answers { requests, rest: Ok(stream.len() - start) }
}

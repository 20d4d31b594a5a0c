//! [`Verdict`] to bytes, with the substitutions that postgrey's manual gives for its texts.
//!
//! Nothing that a peer sent can end a line: control bytes of a recipient's domain become `?`.

use std::io::Write;
use std::sync::Arc;

use jiff::Timestamp;

use super::Request;
use crate::clock::UnixSecs;

/// The answer that leaves the decision to Postfix's next restriction.
pub const DUNNO: &[u8] = b"action=DUNNO\n\n";

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

/// The texts of the replies with their substitutions prepared. Clones share them.
#[derive(Clone, Debug)]
pub struct Replies {
    action: Arc<[u8]>,
    text: Arc<[Piece]>,
    /// Whether the text begins with a digit and so brings a status code of its own.
    has_code: bool,
    header: Arc<[Piece]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Seconds,
    Domain,
    Date,
}

impl Replies {
    /// `action` is what `--greylist-action` names. In `text` the first `%s` is the seconds left and the first `%r` the
    /// recipient's domain; in `header` the first `%t`, `%v`, `%h` and `%d` are the seconds of delay, the version, the
    /// host's name and the date.
    pub fn new(action: &str, text: &str, header: &str, hostname: &str, version: &str) -> Self {
        let fixed = |value: &str| Piece::Literal(value.as_bytes().to_vec());
        let substitutions =
            vec![('t', Piece::Seconds), ('v', fixed(version)), ('h', fixed(hostname)), ('d', Piece::Date)];
        let (text, has_code) = prepared(text);
        Self { action: action.as_bytes().into(), text, has_code, header: pieces(header, substitutions).into() }
    }

    /// The same action and header with another `text`.
    #[must_use]
    pub fn with_text(&self, text: &str) -> Self {
        let (text, has_code) = prepared(text);
        Self { text, has_code, ..self.clone() }
    }

    /// Appends the whole reply to `request`, blank line included, to `out`.
    pub fn write(&self, verdict: Verdict, request: &Request<'_>, now: UnixSecs, out: &mut Vec<u8>) {
        match verdict {
            Verdict::Dunno => return out.extend_from_slice(DUNNO),
            Verdict::Defer { seconds_left } => {
                out.extend_from_slice(b"action=");
                out.extend_from_slice(&self.action);
                out.push(b' ');
                // Only a Postfix that sends this attribute knows enhanced status codes in an action's text.
                if request.etrn_domain.is_some() && !self.has_code {
                    out.extend_from_slice(b"4.2.0 ");
                }
                write_pieces(&self.text, seconds_left, request, now, out);
            }
            Verdict::Prepend { delayed } => {
                out.extend_from_slice(b"action=PREPEND ");
                write_pieces(&self.header, delayed, request, now, out);
            }
        }
        out.extend_from_slice(b"\n\n");
    }
}

/// The text of a deferred request, and whether it brings a code.
fn prepared(text: &str) -> (Arc<[Piece]>, bool) {
    let has_code = text.starts_with(|first: char| first.is_ascii_digit());
    (pieces(text, vec![('s', Piece::Seconds), ('r', Piece::Domain)]).into(), has_code)
}

/// Cuts a text at the first occurrence of each substitution.
fn pieces(text: &str, mut substitutions: Vec<(char, Piece)>) -> Vec<Piece> {
    let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
    while let Some(first) = rest.chars().next() {
        let name = rest.strip_prefix('%').and_then(|after| after.chars().next());
        if let Some(found) = substitutions.iter().position(|(letter, _)| Some(*letter) == name) {
            pieces.push(Piece::Literal(std::mem::take(&mut literal).into_bytes()));
            pieces.push(substitutions.remove(found).1);
            rest = &rest[2..];
        } else {
            literal.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    pieces.push(Piece::Literal(literal.into_bytes()));
    pieces
}

fn write_pieces(pieces: &[Piece], seconds: u32, request: &Request<'_>, now: UnixSecs, out: &mut Vec<u8>) {
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => out.extend_from_slice(literal),
            Piece::Seconds => out.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes()),
            Piece::Domain => {
                let recipient = request.recipient.unwrap_or_default();
                let domain = recipient.rsplit(|&byte| byte == b'@').next().unwrap_or_default();
                let is_control = |byte: u8| byte.is_ascii_control() && byte != b'\t';
                out.extend(domain.iter().map(|&byte| if is_control(byte) { b'?' } else { byte }));
            }
            Piece::Date => {
                let date = Timestamp::from_second(i64::from(now.0)).unwrap_or_default();
                // Writing to a vector cannot fail.
                let _ = write!(out, "{}", date.strftime("%a, %d %b %Y %H:%M:%S UTC"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str, header: &str, verdict: Verdict, request: &Request<'_>) -> String {
        let mut out = Vec::new();
        Replies::new("DEFER_IF_PERMIT", text, header, "mx.example", "1.0").write(
            verdict,
            request,
            UnixSecs(1_795_514_400),
            &mut out,
        );
        String::from_utf8(out).unwrap()
    }

    fn to(recipient: &[u8]) -> Request<'_> {
        Request { recipient: Some(recipient), etrn_domain: Some(b""), ..Request::default() }
    }

    #[test]
    fn a_deferred_request_gets_code_text_and_substitutions_once_each() {
        let defer = Verdict::Defer { seconds_left: 300 };
        for (text, recipient, expected) in [
            ("Greylisted for %s seconds", "a@b.c", "4.2.0 Greylisted for 300 seconds"),
            ("see %r.html", "a@B@D.E", "4.2.0 see D.E.html"),
            ("%r", "noat", "4.2.0 noat"),
            ("%r then %s", "a@%s", "4.2.0 %s then 300"),
            ("450 %s %s %r %r", "a@d.e", "450 300 %s d.e %r"),
            ("50% off %x %", "a@d.e", "50% off %x %"),
            ("%r", "a@b\r\tc\u{1}", "4.2.0 b?\tc?"),
        ] {
            let expected = format!("action=DEFER_IF_PERMIT {expected}\n\n");
            assert_eq!(reply(text, "", defer, &to(recipient.as_bytes())), expected);
        }
        let no_code = Request { etrn_domain: None, ..to(b"a@b") };
        assert_eq!(reply("wait", "", defer, &no_code), "action=DEFER_IF_PERMIT wait\n\n");
    }

    #[test]
    fn the_header_has_delay_version_host_and_date() {
        let header = "X-Greylist: delayed %t seconds by irongrey-%v at %h; %d, %t %s";
        assert_eq!(
            reply("", header, Verdict::Prepend { delayed: 61 }, &to(b"a@b")),
            "action=PREPEND X-Greylist: delayed 61 seconds by irongrey-1.0 at mx.example; \
             Tue, 24 Nov 2026 10:00:00 UTC, %t %s\n\n",
        );
    }

    #[test]
    fn another_text_leaves_action_and_header() {
        let replies = Replies::new("450", "one", "X-Greylist: %t at %h", "mx.example", "1.0").with_text("5%s %r");
        let mut out = Vec::new();
        replies.write(Verdict::Defer { seconds_left: 9 }, &to(b"a@b"), UnixSecs(0), &mut out);
        replies.write(Verdict::Prepend { delayed: 10 }, &to(b"a@b"), UnixSecs(0), &mut out);
        let expected = "action=450 59 b\n\naction=PREPEND X-Greylist: 10 at mx.example\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn no_opinion_is_dunno() {
        assert_eq!(reply("x", "y", Verdict::Dunno, &to(b"a@b")).as_bytes(), DUNNO);
    }
}

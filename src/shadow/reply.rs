//! What an answer is: one line `action=...` and a blank one, as Postfix reads it, and nothing behind it.
//!
//! Anything else is no answer, so that Postfix never gets what it would not understand.

/// The longest answer that is taken from a server, in bytes.
pub(super) const MAX_REPLY: usize = 8 << 10;

const START: &[u8] = b"action=";

/// What the beginning of an answer says about its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is whole.
    Whole,
    /// More has to come.
    Partial,
    /// It is none, whatever comes.
    Wrong,
}

/// Looks at all that a server has sent since it was asked.
pub(super) fn progress(bytes: &[u8]) -> Progress {
    let shared = bytes.len().min(START.len());
    if bytes[..shared] != START[..shared] || bytes.len() > MAX_REPLY {
        return Progress::Wrong;
    }
    let Some(end) = memchr::memchr(b'\n', bytes) else { return Progress::Partial };
    match &bytes[end + 1..] {
        [] => Progress::Partial,
        [b'\n'] => Progress::Whole,
        _ => Progress::Wrong,
    }
}

/// The action and its text, of a whole answer.
pub(super) fn action(reply: &[u8]) -> &[u8] {
    reply.strip_prefix(START).unwrap_or(reply).trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_blank_line_however_it_comes() {
        let reply = b"action=DEFER 4.2.0 wait\n\n";
        for end in 0..reply.len() {
            assert_eq!(progress(&reply[..end]), Progress::Partial, "{end}");
        }
        assert_eq!(progress(reply), Progress::Whole);
        assert_eq!(action(reply), b"DEFER 4.2.0 wait");
    }

    #[test]
    fn what_is_no_answer_is_seen_at_once() {
        for wrong in [
            &b"x"[..],
            b"ACTION=DUNNO\n\n",
            b"\n",
            b"220 mx ESMTP\r\n",
            b"action=DUNNO\r\n\r\n",
            b"action=DUNNO\nx=y\n\n",
            b"action=DUNNO\n\naction=DUNNO\n\n",
            b"action=DUNNO\n\n\n",
        ] {
            assert_eq!(progress(wrong), Progress::Wrong, "{:?}", wrong.escape_ascii().to_string());
        }
        let endless = [START, &[b'x'; MAX_REPLY]].concat();
        assert_eq!(progress(&endless), Progress::Wrong);
    }
}

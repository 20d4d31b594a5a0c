//! The sender as it counts for a triplet: what changes from mail to mail is taken out.
//!
//! The rules are postgrey's: BATV's tag, then all from the first `+`, then numbers. They concern the local part, which is
//! all before the first `@`; an address without one is left alone.

use memchr::memchr;

/// The least length of a BATV tag: a day, a key number and a hash.
const BATV_TAG: usize = 10;

/// Appends the sender as it counts to `out`.
pub fn push_sender(sender: &[u8], out: &mut Vec<u8>) {
    let Some(at) = memchr(b'@', sender) else { return out.extend_from_slice(sender) };
    let (local, domain) = sender.split_at(at);
    let local = without_batv(local);
    let local = memchr(b'+', local).map_or(local, |plus| &local[..plus]);
    push_with_numbers_masked(local, out);
    out.extend_from_slice(domain);
}

/// `prvs=TAG=user` and `prvs=user=TAG` (draft-levine-smtp-batv) without prefix and tag.
fn without_batv(local: &[u8]) -> &[u8] {
    let Some(rest) = local.strip_prefix(b"prvs=") else { return local };
    // Empty parts at the end do not count as parts.
    let end = rest.iter().rposition(|&last| last != b'=').map_or(0, |last| last + 1);
    let rest = &rest[..end];
    let mut parts = rest.split(|&byte| byte == b'=');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(first), Some(second), None) if is_batv_tag(second) && !is_batv_tag(first) => first,
        (Some(_), Some(second), None) => second,
        _ => local,
    }
}

/// Whether a part begins as a tag does; postgrey does not look at what follows.
fn is_batv_tag(part: &[u8]) -> bool {
    let start = part.first_chunk::<BATV_TAG>();
    start.is_some_and(|start| start.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()))
}

/// Whether a byte is one of a word: a letter, a digit or an underscore.
const IS_OF_WORD: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0_u8);
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        byte += 1;
    }
    table
};

/// Each run of digits that is a word of its own becomes `#`.
fn push_with_numbers_masked(local: &[u8], out: &mut Vec<u8>) {
    let is_word = |byte: u8| IS_OF_WORD[usize::from(byte)];
    for word in local.chunk_by(|&left, &right| is_word(left) == is_word(right)) {
        if word.iter().all(u8::is_ascii_digit) {
            out.push(b'#');
        } else {
            out.extend_from_slice(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_count_as_they_do_for_postgrey() {
        for (sender, expected) in [
            ("", ""),
            ("a@b.c", "a@b.c"),
            ("noat12", "noat12"),
            ("a+12", "a+12"),
            ("user+tag@x", "user@x"),
            ("+1@x", "@x"),
            ("a@b+q@x", "a@b+q@x"),
            ("bounce-12345-678@lists.example", "bounce-#-#@lists.example"),
            ("a.12.b@x", "a.#.b@x"),
            ("12@34", "#@34"),
            ("a_12@x", "a_12@x"),
            ("a12@x", "a12@x"),
            ("12a@x", "12a@x"),
            ("ü12@x", "ü#@x"),
            ("12ü@x", "#ü@x"),
            ("a-12@1@x", "a-#@1@x"),
            ("prvs=1234567890=u@x", "u@x"),
            ("prvs=u=1234567890@x", "u@x"),
            ("prvs=123456789=u@x", "u@x"),
            ("prvs=u=123456789@x", "#@x"),
            ("prvs=1234567890=abcdefghij@x", "abcdefghij@x"),
            ("prvs=ABCDEFGHIJ=u@x", "u@x"),
            ("prvs=u=ABCDEFGHIJ@x", "ABCDEFGHIJ@x"),
            ("PRVS=1234567890=u@x", "PRVS=#=u@x"),
            ("prvs=1234567890=u=v@x", "prvs=#=u=v@x"),
            ("prvs=1234567890=@x", "prvs=#=@x"),
            ("prvs==1234567890@x", "@x"),
            ("prvs==u@x", "u@x"),
            ("prvs==@x", "prvs==@x"),
            ("prvs=u@x", "prvs=u@x"),
            ("prvs=1234567890=u+t@x", "u@x"),
            ("prvs=1234567890=u-12@x", "u-#@x"),
            ("prvs=12345-67890=u@x", "u@x"),
            ("prvs=u=12345-67890@x", "#-#@x"),
            ("prvs=u=1234567890+y@x", "u@x"),
            ("prvs=u=1234567890-y@x", "u@x"),
            ("prvs=u=-1234567890@x", "-#@x"),
            ("prvs=u=0123456789012345678901234567890123456789@x", "u@x"),
            ("prvs=1234567890-y=u1234567890@x", "u1234567890@x"),
            ("prvs=u+y=1234567890@x", "u@x"),
            ("prvs=1=u==@x", "u@x"),
            ("prvs=1234567890==u@x", "prvs=#==u@x"),
            ("prvs===u@x", "prvs===u@x"),
            ("SRS0=HHH=TT=orig.example=alice@fwd", "SRS0=HHH=TT=orig.example=alice@fwd"),
        ] {
            let mut out = Vec::new();
            push_sender(sender.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{sender}");
        }
    }
}

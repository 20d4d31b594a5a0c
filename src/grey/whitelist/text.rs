//! A whitelist's text as numbered entries, and what both kinds of list have in common.

use super::mistake::{BadLine, Mistake};

/// Calls `add` with every entry of a file's text and counts them.
pub fn each_entry(text: &[u8], mut add: impl FnMut(&str) -> Result<(), Mistake>) -> Result<usize, BadLine> {
    // Editors of other systems put a byte order mark in front, which no entry begins with.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut entries = 0;
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let entry = without_comment(line);
        if entry.is_empty() {
            continue;
        }
        let added = str::from_utf8(entry).map_err(|_| Mistake::NotUtf8).and_then(|entry| {
            if entry.contains(char::is_whitespace) { Err(Mistake::SeveralWords) } else { add(entry) }
        });
        if let Err(mistake) = added {
            return Err(BadLine { line: index + 1, entry: String::from_utf8_lossy(entry).into_owned(), mistake });
        }
        entries += 1;
    }
    Ok(entries)
}

/// Comments may hold any bytes, so they go before the text is looked at.
fn without_comment(line: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'#', line).unwrap_or(line.len());
    line[..end].trim_ascii()
}

/// The inside of `/regex/`; `None` if the entry does not begin like a regex.
pub(super) fn regex_of(entry: &str) -> Option<Result<&str, Mistake>> {
    let inside = entry.strip_prefix('/')?;
    Some(match inside.rsplit_once('/') {
        Some(("", "")) => Err(Mistake::EmptyRegex),
        Some((regex, "")) => Ok(regex),
        Some((_, flags)) if flags.bytes().all(|byte| byte.is_ascii_alphabetic()) => Err(Mistake::RegexFlags),
        _ => Err(Mistake::OpenRegex),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &[u8]) -> Vec<String> {
        let mut seen = Vec::new();
        each_entry(text, |entry| {
            seen.push(entry.to_owned());
            Ok(())
        })
        .expect("good text");
        seen
    }

    #[test]
    fn comments_blank_lines_and_line_ends_are_no_entries() {
        let text = b"\xef\xbb\xbf# all\n\n  \n one # two\r\nthree#four\r\n\t/x/ \t\nfive";
        assert_eq!(entries(text), ["one", "three", "/x/", "five"]);
        assert_eq!(each_entry(text, |_| Ok(())), Ok(4));
    }

    #[test]
    fn a_comment_may_hold_any_bytes_and_an_entry_may_not() {
        assert_eq!(entries(b"one # caf\xe9\n"), ["one"]);
        let bad = each_entry(b"one\ncaf\xe9\n", |_| Ok(())).expect_err("Latin-1");
        assert_eq!((bad.line, bad.mistake), (2, Mistake::NotUtf8));
    }

    #[test]
    fn an_entry_is_one_word() {
        let bad = each_entry(b"\n\nexample.org OK\n", |_| Ok(())).expect_err("two words");
        assert_eq!((bad.line, &*bad.entry, &bad.mistake), (3, "example.org OK", &Mistake::SeveralWords));
        assert!(bad.to_string().starts_with("line 3: `example.org OK`: white space inside"), "{bad}");
    }

    #[test]
    fn a_regex_stands_between_slashes() {
        assert_eq!(regex_of("example.org"), None);
        assert_eq!(regex_of("/foo/"), Some(Ok("foo")));
        assert_eq!(regex_of("/foo/bar/"), Some(Ok("foo/bar")));
        assert_eq!(regex_of("//"), Some(Err(Mistake::EmptyRegex)));
        assert_eq!(regex_of("/"), Some(Err(Mistake::OpenRegex)));
        assert_eq!(regex_of("/foo"), Some(Err(Mistake::OpenRegex)));
        assert_eq!(regex_of("/^foo.*@bar/$"), Some(Err(Mistake::OpenRegex)));
        assert_eq!(regex_of("/foo/i"), Some(Err(Mistake::RegexFlags)));
    }
}

//! Domain names, each standing for itself and everything below it, looked up by hash.
//!
//! A look-up walks a name's suffixes at its dots from the right, at most as many as the listed names have labels, and
//! hashes only those with as many labels as some listed name has. No suffix longer than the longest listed name is
//! looked at, so a name of any length costs no more than one of [`LONGEST`] bytes.

use super::fingerprints::Fingerprints;
use super::{EntryMistake, Rank, least};

/// The longest name that can be listed, in bytes: the longest that the DNS knows.
pub(super) const LONGEST: usize = 255;

/// Domain names with their ranks.
#[derive(Debug, Default)]
pub(super) struct Names<R> {
    listed: Fingerprints<R>,
    /// Bit n: a name of n labels is listed. A name of 255 bytes without empty labels has at most 128.
    label_counts: [u64; 3],
    /// Bytes of the longest listed name.
    longest: usize,
}

impl<R: Rank> Names<R> {
    /// Lists a name that [`check`] has passed.
    pub(super) fn insert(&mut self, name: &str, rank: R) {
        debug_assert!(name.len() <= LONGEST, "checked before");
        let name = name.to_ascii_lowercase();
        let name = name.as_bytes();
        let labels = 1 + memchr::memchr_iter(b'.', name).count();
        self.label_counts[labels / 64] |= 1 << (labels % 64);
        self.longest = self.longest.max(name.len());
        self.listed.insert(name, rank);
    }

    /// The least rank of `name` and the domains above it.
    pub(super) fn find(&self, name: &[u8]) -> Option<R> {
        self.find_suffix(name, true)
    }

    /// The least rank of the domains above `name`.
    pub(super) fn find_parent_of(&self, name: &[u8]) -> Option<R> {
        self.find_suffix(name, false)
    }

    fn find_suffix(&self, name: &[u8], whole: bool) -> Option<R> {
        if self.listed.is_empty() {
            return None;
        }
        // One byte more than the longest listed name tells a suffix of that length from the middle of a label.
        let tail = &name[name.len().saturating_sub(self.longest + 1)..];
        let is_whole = tail.len() == name.len();
        let mut lower = [0; LONGEST + 1];
        let lower = &mut lower[..tail.len()];
        lower.copy_from_slice(tail);
        lower.make_ascii_lowercase();

        let (mut labels, mut found) = (0, None);
        for dot in memchr::memrchr_iter(b'.', lower) {
            labels += 1;
            if !self.may_have(labels) {
                continue;
            }
            found = least(found, self.listed.get(&lower[dot + 1..]));
            if found.is_some_and(R::is_least) {
                return found;
            }
        }
        if whole && is_whole && self.may_have(labels + 1) {
            found = least(found, self.listed.get(lower));
        }
        found
    }

    /// Whether any listed name has this many labels.
    fn may_have(&self, labels: usize) -> bool {
        self.label_counts.get(labels / 64).is_some_and(|counts| counts >> (labels % 64) & 1 == 1)
    }
}

/// Finds what is wrong with a domain name, apart from its characters.
pub(super) fn check(name: &str) -> Result<(), EntryMistake> {
    if name.len() > LONGEST {
        return Err(EntryMistake::TooLong(LONGEST));
    }
    if let Some(domain) = name.strip_prefix("*.").or_else(|| name.strip_prefix('.')).filter(|rest| is_name(rest)) {
        return Err(EntryMistake::WriteDomain(domain.to_owned()));
    }
    if let Some(domain) = name.strip_suffix('.').filter(|rest| is_name(rest)) {
        return Err(EntryMistake::TrailingDot(domain.to_owned()));
    }
    if name.split('.').any(str::is_empty) {
        return Err(EntryMistake::EmptyLabel);
    }
    match name.chars().find(|&character| !(is_of_name(character) || character == '.')) {
        Some(character) => Err(EntryMistake::NameCharacter(character)),
        None => Ok(()),
    }
}

fn is_name(text: &str) -> bool {
    text.split('.').all(|label| !label.is_empty() && label.chars().all(is_of_name))
}

/// Underscores are common in the names of real hosts; letters beyond ASCII come with SMTPUTF8.
fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_') || !character.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Names<()> {
        fn hold(&self, name: &[u8]) -> bool {
            self.find(name).is_some()
        }

        fn hold_parent_of(&self, name: &[u8]) -> bool {
            self.find_parent_of(name).is_some()
        }
    }

    fn names(listed: &[&str]) -> Names<()> {
        let mut names = Names::<()>::default();
        for name in listed {
            check(name).expect("a good name");
            names.insert(name, ());
        }
        names
    }

    #[test]
    fn a_name_stands_for_itself_and_everything_below() {
        let names = names(&["Example.ORG", "a.b.example.net", "localhost"]);
        for held in ["example.org", "EXAMPLE.org", "mail.Example.org", "x.y.z.example.org", ".example.org"] {
            assert!(names.hold(held.as_bytes()), "{held}");
        }
        assert!(names.hold(b"a.b.example.net") && names.hold(b"x.a.b.example.net"));
        assert!(names.hold(b"localhost") && names.hold(b"x.localhost"));
        for other in ["", ".", "org", "xexample.org", "example.org.", "example.orgx", "b.example.net", "example.net"] {
            assert!(!names.hold(other.as_bytes()), "{other}");
        }
        assert!(!Names::<()>::default().hold(b"example.org"));
    }

    #[test]
    fn a_parent_is_not_the_name_itself() {
        let names = names(&["example.org"]);
        assert!(names.hold_parent_of(b"a.example.org"));
        assert!(!names.hold_parent_of(b"example.org"));
        assert!(!names.hold_parent_of(b"aexample.org"));
    }

    #[test]
    fn a_name_of_any_length_is_found_by_its_end() {
        let longest = format!("{}.org", "a.".repeat(125) + "b");
        assert_eq!(longest.len(), LONGEST);
        let names = names(&["example.org", &longest]);
        let long = "x".repeat(16_000);
        assert!(names.hold(format!("{long}.example.org").as_bytes()));
        assert!(!names.hold(format!("{long}example.org").as_bytes()));
        assert!(names.hold(longest.as_bytes()));
        assert!(names.hold(format!("x.{longest}").as_bytes()));
        assert!(!names.hold(format!("x{longest}").as_bytes()));
        assert!(!names.hold(format!("{}net", "a.".repeat(8_000)).as_bytes()));
        assert!(!names.hold(".".repeat(16_000).as_bytes()));
    }

    #[test]
    fn what_is_no_name_is_told_with_the_right_form() {
        assert_eq!(check(".example.org"), Err(EntryMistake::WriteDomain("example.org".into())));
        assert_eq!(check("*.example.org"), Err(EntryMistake::WriteDomain("example.org".into())));
        assert_eq!(check("example.org."), Err(EntryMistake::TrailingDot("example.org".into())));
        assert_eq!(check("example..org"), Err(EntryMistake::EmptyLabel));
        assert_eq!(check("."), Err(EntryMistake::EmptyLabel));
        assert_eq!(check("foo;bar"), Err(EntryMistake::NameCharacter(';')));
        assert_eq!(check("mail*.example.org"), Err(EntryMistake::NameCharacter('*')));
        assert_eq!(check(&"x".repeat(LONGEST + 1)), Err(EntryMistake::TooLong(LONGEST)));
        for good in ["com", "unknown", "a_b.example.org", "-x.org", "m\u{fc}nchen.example", "1and1.com", "3.example"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_least_rank_counts_whether_the_names_own_or_one_above() {
        let mut names = Names::default();
        for (name, rank) in [("org", 7), ("example.org", 9_u16), ("a.example.org", 3), ("b.example.org", 8)] {
            names.insert(name, rank);
        }
        let found = |name: &str| names.find(name.as_bytes());
        assert_eq!((found("x.org"), found("example.org"), found("net")), (Some(7), Some(7), None));
        assert_eq!((found("x.a.example.org"), found("b.example.org")), (Some(3), Some(7)));
        assert_eq!(names.find_parent_of(b"a.example.org"), Some(7));
    }
}

//! The regexes of a list, run together as one automaton: unanchored, case ignored, on bytes.

use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};

use super::mistake::{Mistake, TooManyPatterns};
use super::perl;

/// Compiled size of one regex at most, in bytes.
const ONE: usize = 1 << 20;
/// Compiled size of all regexes of a list at most, in bytes; the lazy automaton's cache has the same bound a thread.
const ALL: usize = 64 << 20;

/// Regexes of which each has been found good.
#[derive(Debug, Default)]
pub(super) struct PatternsBuilder {
    regexes: Vec<String>,
}

/// Regexes, ready to match.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    set: RegexSet,
}

impl PatternsBuilder {
    /// Lists a regex, given without its slashes.
    pub(super) fn insert(&mut self, regex: &str) -> Result<(), Mistake> {
        perl::check(regex)?;
        // Compiled alone first: the error of the whole set would not tell which line is at fault.
        RegexBuilder::new(regex)
            .case_insensitive(true)
            .unicode(false)
            .size_limit(ONE)
            .build()
            .map_err(|error| Mistake::Regex(in_one_line(&error)))?;
        self.regexes.push(regex.to_owned());
        Ok(())
    }

    pub(super) fn build(self) -> Result<Patterns, TooManyPatterns> {
        self.build_within(ALL)
    }

    fn build_within(self, bytes: usize) -> Result<Patterns, TooManyPatterns> {
        let count = self.regexes.len();
        let set = RegexSetBuilder::new(self.regexes)
            .case_insensitive(true)
            .unicode(false)
            .size_limit(bytes)
            .dfa_size_limit(bytes)
            .build()
            .map_err(|error| TooManyPatterns { count, reason: in_one_line(&error) })?;
        Ok(Patterns { set })
    }
}

impl Patterns {
    /// Whether any regex matches somewhere in `text`.
    pub(super) fn hold(&self, text: &[u8]) -> bool {
        !self.set.is_empty() && self.set.is_match(text)
    }
}

/// The engine draws an arrow under the place at fault and gives the reason last.
fn in_one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(regex: &str) -> String {
        PatternsBuilder::default().insert(regex).expect_err(regex).to_string()
    }

    #[test]
    fn regexes_are_unanchored_and_ignore_case() {
        let mut builder = PatternsBuilder::default();
        for regex in [r"^mail\d+\.Example\.org$", "pool", r"a\/b", r"q\@r"] {
            builder.insert(regex).expect(regex);
        }
        let patterns = builder.build().expect("small");
        for held in ["mail1.example.org", "MAIL22.EXAMPLE.ORG", "x-Pool-7.example.net", "xa/by", "q@r"] {
            assert!(patterns.hold(held.as_bytes()), "{held}");
        }
        for other in ["", "mail.example.org", "xmail1.example.org", "mail1.example.org.", "mail\u{0663}.example.org"] {
            assert!(!patterns.hold(other.as_bytes()), "{other}");
        }
        assert!(!Patterns::default().hold(b"pool"));
    }

    #[test]
    fn bytes_that_are_no_text_match_too() {
        let mut builder = PatternsBuilder::default();
        builder.insert("^a.b$").expect("good");
        builder.insert("\u{fc}ber").expect("good");
        let patterns = builder.build().expect("small");
        assert!(patterns.hold(b"a\xffb") && patterns.hold("x\u{fc}ber".as_bytes()));
    }

    #[test]
    fn what_the_engine_lacks_is_named() {
        assert!(refused("(?!foo)bar").contains("look-around"), "{}", refused("(?!foo)bar"));
        assert!(refused(r"(a)\1").contains("backreferences are not supported"), "{}", refused(r"(a)\1"));
        assert!(refused("a(").contains("unclosed group"), "{}", refused("a("));
        assert!(refused("(?:a{1000}){1000}").contains("size limit"), "{}", refused("(?:a{1000}){1000}"));
        for regex in ["(", "a{", r"\1", "[a"] {
            assert!(!refused(regex).contains('\n'), "{regex}");
        }
    }

    #[test]
    fn too_many_are_counted() {
        let mut builder = PatternsBuilder::default();
        for _ in 0..4 {
            builder.insert("(?:[a-z]x[0-9]){500}").expect("below the limit for one");
        }
        let error = builder.build_within(ONE / 4).expect_err("together above the limit");
        assert_eq!(error.count, 4);
        assert!(error.to_string().contains("size limit"), "{error}");
    }
}

//! The whitelist of recipients: addresses, users, domains, regexes on the whole address.

use super::mistake::{BadLine, Mistake, TooManyPatterns};
use super::patterns::{Patterns, PatternsBuilder};
use super::text;
use crate::grey::lookup::Mailboxes;

/// The list of recipients that ships with irongrey, in the syntax of the files.
pub const DEFAULT_RECIPIENTS: &str = include_str!("default_recipients");

/// Recipients by address, local part, domain and regex.
#[derive(Debug, Default)]
pub struct RecipientList {
    mailboxes: Mailboxes<()>,
    patterns: Patterns,
}

/// A whitelist of recipients that takes the text of one file after another.
#[derive(Default)]
pub struct RecipientListBuilder {
    mailboxes: Mailboxes<()>,
    patterns: PatternsBuilder,
}

impl RecipientListBuilder {
    /// Adds the entries of a file's text and counts them. After an error the builder is of no further use.
    pub fn add(&mut self, text: &[u8]) -> Result<usize, BadLine> {
        text::each_entry(text, |entry| self.add_entry(entry))
    }

    fn add_entry(&mut self, entry: &str) -> Result<(), Mistake> {
        if let Some(regex) = text::regex_of(entry) {
            return self.patterns.insert(regex?);
        }
        Ok(self.mailboxes.insert(entry, ())?)
    }

    /// Makes the list.
    pub fn build(self) -> Result<RecipientList, TooManyPatterns> {
        Ok(RecipientList { mailboxes: self.mailboxes, patterns: self.patterns.build()? })
    }
}

impl RecipientList {
    /// Whether a recipient is listed.
    pub fn has(&self, recipient: &[u8]) -> bool {
        self.mailboxes.find(recipient).is_some() || self.patterns.hold(recipient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grey::lookup::EntryMistake;

    fn list(text: &str) -> RecipientList {
        let mut builder = RecipientListBuilder::default();
        builder.add(text.as_bytes()).expect(text);
        builder.build().expect("small")
    }

    #[test]
    fn each_kind_of_entry_is_found() {
        let list = list("User@example.org\nabuse@\nExample.net # all of it\n/^list-.*@x\\.y$/\n[192.0.2.1]\n");
        for held in ["user@example.org", "user+x@example.org", "ABUSE@a.b", "abuse+x@a.b", "a@example.net"] {
            assert!(list.has(held.as_bytes()), "{held}");
        }
        for held in ["A@Sub.EXAMPLE.net", "list-7@x.y", "LIST-7@X.Y", "a@[192.0.2.1]", "@example.net"] {
            assert!(list.has(held.as_bytes()), "{held}");
        }
        for other in ["", "@", "abuse", "a@example.org", "user@sub.example.org", "a@xexample.net", "xlist-7@x.y"] {
            assert!(!list.has(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn odd_recipients_are_split_as_postgrey_splits_them() {
        let list = list("example.org\nlocalhost");
        for held in
            ["a@b@example.org", "sub.example.org", "\"a@b\"@example.org", "odd quoted@example.org", "root@localhost"]
        {
            assert!(list.has(held.as_bytes()), "{held}");
        }
        for other in ["example.org", "a@example.org.", "root", "localhost", "example.org@a", "a.example.org@b"] {
            assert!(!list.has(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn what_no_other_entry_can_say_a_regex_may() {
        let mistake = |entry: &str| RecipientListBuilder::default().add(entry.as_bytes()).expect_err(entry).mistake;
        assert_eq!(mistake("/^foo@bar"), Mistake::OpenRegex);
        assert_eq!(mistake("*@example.org"), Mistake::Entry(EntryMistake::Wildcard));
        assert!(mistake("*@example.org").to_string().ends_with("; or write a `/regex/`"));
        assert!(!mistake("@example.org").to_string().contains("regex"));
    }

    #[test]
    fn every_unquoted_local_part_can_be_listed() {
        let list = list("o'b&c=d/e!{f}~@example.org\na+b@example.org\n\u{fc}ser@\nuser@[IPv6:2001:db8::1]\n");
        for held in ["O'B&C=D/E!{F}~@example.org", "a+b+c@example.org", "\u{fc}ser@x.y", "user@[ipv6:2001:db8::1]"] {
            assert!(list.has(held.as_bytes()), "{held}");
        }
        assert!(!list.has(b"a@example.org"));
    }

    #[test]
    fn the_shipped_list_is_good_and_says_why() {
        let mut builder = RecipientListBuilder::default();
        builder.add(DEFAULT_RECIPIENTS.as_bytes()).expect("shipped");
        for line in DEFAULT_RECIPIENTS.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            assert!(line.split_once('#').is_some_and(|(_, reason)| reason.trim().len() > 10), "no reason: {line}");
        }
        let list = builder.build().expect("small");
        assert!(list.has(b"postmaster@example.org") && list.has(b"Abuse@example.org"));
        assert!(!list.has(b"user@example.org"));
    }
}

//! The whitelist of recipients: addresses, users, domains, regexes on the whole address.

use super::addresses::{self, Addresses};
use super::mistake::{BadLine, Mistake, TooManyPatterns};
use super::names::{self, Names};
use super::network::Network;
use super::patterns::{Patterns, PatternsBuilder};
use super::text;

/// The list of recipients that ships with irongrey, in the syntax of the files.
pub const DEFAULT_RECIPIENTS: &str = include_str!("default_recipients");

/// Recipients by address, local part, domain and regex.
#[derive(Debug, Default)]
pub struct RecipientList {
    addresses: Addresses,
    domains: Names,
    patterns: Patterns,
}

/// A whitelist of recipients that takes the text of one file after another.
#[derive(Default)]
pub struct RecipientListBuilder {
    addresses: Addresses,
    domains: Names,
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
        if let Some((local, domain)) = entry.rsplit_once('@') {
            check_address(entry, local, domain)?;
            self.addresses.insert(entry);
        } else {
            check_domain(entry)?;
            self.domains.insert(entry);
        }
        Ok(())
    }

    /// Makes the list.
    pub fn build(self) -> Result<RecipientList, TooManyPatterns> {
        Ok(RecipientList { addresses: self.addresses, domains: self.domains, patterns: self.patterns.build()? })
    }
}

impl RecipientList {
    /// Whether a recipient is listed.
    pub fn has(&self, recipient: &[u8]) -> bool {
        // As in postgrey an address without `@` is below a domain, but is not the domain.
        let in_domain = match memchr::memrchr(b'@', recipient) {
            Some(at) => self.domains.hold(&recipient[at + 1..]),
            None => self.domains.hold_parent_of(recipient),
        };
        in_domain || self.addresses.hold(recipient) || self.patterns.hold(recipient)
    }
}

fn check_address(entry: &str, local: &str, domain: &str) -> Result<(), Mistake> {
    if entry.len() > addresses::LONGEST {
        return Err(Mistake::TooLong(addresses::LONGEST));
    }
    if local.starts_with('<') || domain.ends_with('>') || local.contains(['"', '\\']) {
        return Err(Mistake::NotBare);
    }
    if entry.contains('*') {
        return Err(Mistake::Wildcard);
    }
    if local.is_empty() {
        return Err(if domain.is_empty() {
            Mistake::AddressCharacter('@')
        } else {
            Mistake::WriteDomain(domain.trim_start_matches('.').into())
        });
    }
    if let Some(character) = local.chars().find(|&character| !is_of_local_part(character)) {
        return Err(Mistake::AddressCharacter(character));
    }
    if domain.is_empty() || is_literal(domain) {
        Ok(())
    } else {
        names::check(domain).map_err(|mistake| in_address(mistake, local))
    }
}

/// The right form of a domain is that of the whole address here.
fn in_address(mistake: Mistake, local: &str) -> Mistake {
    match mistake {
        Mistake::TrailingDot(domain) => Mistake::TrailingDot(format!("{local}@{domain}")),
        Mistake::WriteDomain(domain) => {
            Mistake::Subdomains { address: format!("{local}@{domain}"), user: format!("{local}@") }
        }
        Mistake::NameCharacter(character) => Mistake::AddressCharacter(character),
        other => other,
    }
}

fn check_domain(entry: &str) -> Result<(), Mistake> {
    if is_literal(entry) {
        return Ok(());
    }
    if matches!(Network::parse(entry), Some(Ok(_))) {
        return Err(Mistake::NetworkAmongRecipients);
    }
    names::check(entry).map_err(|mistake| match mistake {
        Mistake::NameCharacter('*') => Mistake::Wildcard,
        Mistake::NameCharacter(character) => Mistake::AddressCharacter(character),
        other => other,
    })
}

/// `[192.0.2.1]` and `[IPv6:2001:db8::1]` stand for a domain in an address.
fn is_literal(domain: &str) -> bool {
    let Some(inside) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    let address =
        inside.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:")).map_or(inside, |tag| &inside[tag.len()..]);
    address.parse::<std::net::IpAddr>().is_ok()
}

/// An unquoted local part (`atext` of RFC 5322, RFC 6531 for what is beyond ASCII), and dots.
fn is_of_local_part(character: char) -> bool {
    character.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(character) || !character.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> RecipientList {
        let mut builder = RecipientListBuilder::default();
        builder.add(text.as_bytes()).expect(text);
        builder.build().expect("small")
    }

    fn mistake(entry: &str) -> Mistake {
        RecipientListBuilder::default().add(entry.as_bytes()).expect_err(entry).mistake
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
    fn mistakes_are_told_with_the_right_form() {
        assert_eq!(mistake("@example.org"), Mistake::WriteDomain("example.org".into()));
        assert_eq!(mistake(".example.org"), Mistake::WriteDomain("example.org".into()));
        assert_eq!(mistake("*@example.org"), Mistake::Wildcard);
        assert_eq!(mistake("mail*.example.org"), Mistake::Wildcard);
        assert_eq!(mistake("<user@example.org>"), Mistake::NotBare);
        assert_eq!(mistake("\"us\\er\"@example.org"), Mistake::NotBare);
        assert_eq!(mistake("mailto:user@example.org"), Mistake::AddressCharacter(':'));
        assert_eq!(mistake("a@b@example.org"), Mistake::AddressCharacter('@'));
        assert_eq!(mistake("@"), Mistake::AddressCharacter('@'));
        assert_eq!(mistake("a,b"), Mistake::AddressCharacter(','));
        assert_eq!(mistake("192.0.2.1"), Mistake::NetworkAmongRecipients);
        assert_eq!(mistake("2001:db8::/32"), Mistake::NetworkAmongRecipients);
        assert_eq!(mistake("user@example.org."), Mistake::TrailingDot("user@example.org".into()));
        assert!(mistake("user@.example.org").to_string().contains("`user@example.org`"));
        assert_eq!(mistake("/^foo@bar"), Mistake::OpenRegex);
        assert_eq!(mistake(&format!("{}@example.org", "x".repeat(400))), Mistake::TooLong(addresses::LONGEST));
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

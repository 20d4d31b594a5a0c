//! Mailboxes, those of recipients or of senders: by address, by user, by domain and all below it.

use super::addresses::{self, Addresses};
use super::names::{self, Names};
use super::network::Network;
use super::{EntryMistake, Rank, least};

/// Mailboxes with their ranks.
#[derive(Debug, Default)]
pub(in crate::grey) struct Mailboxes<R> {
    addresses: Addresses<R>,
    domains: Names<R>,
}

impl<R: Rank> Mailboxes<R> {
    /// Lists `user@domain`, `user@` or `domain`.
    pub(in crate::grey) fn insert(&mut self, entry: &str, rank: R) -> Result<(), EntryMistake> {
        if let Some((local, domain)) = entry.rsplit_once('@') {
            check_address(entry, local, domain)?;
            self.addresses.insert(entry, rank);
        } else {
            check_domain(entry)?;
            self.domains.insert(entry, rank);
        }
        Ok(())
    }

    /// The least rank of a mailbox, its user and its domain.
    pub(in crate::grey) fn find(&self, mailbox: &[u8]) -> Option<R> {
        // As in postgrey an address without `@` is below a domain, but is not the domain.
        let domain = match memchr::memrchr(b'@', mailbox) {
            Some(at) => self.domains.find(&mailbox[at + 1..]),
            None => self.domains.find_parent_of(mailbox),
        };
        if domain.is_some_and(R::is_least) { domain } else { least(domain, self.addresses.find(mailbox)) }
    }
}

fn check_address(entry: &str, local: &str, domain: &str) -> Result<(), EntryMistake> {
    if entry.len() > addresses::LONGEST {
        return Err(EntryMistake::TooLong(addresses::LONGEST));
    }
    if local.starts_with('<') || domain.ends_with('>') || local.contains(['"', '\\']) {
        return Err(EntryMistake::NotBare);
    }
    if entry.contains('*') {
        return Err(EntryMistake::Wildcard);
    }
    if local.is_empty() {
        return Err(if domain.is_empty() {
            EntryMistake::AddressCharacter('@')
        } else {
            EntryMistake::WriteDomain(domain.trim_start_matches('.').into())
        });
    }
    if let Some(character) = local.chars().find(|&character| !is_of_local_part(character)) {
        return Err(EntryMistake::AddressCharacter(character));
    }
    if domain.is_empty() || is_literal(domain) {
        Ok(())
    } else {
        names::check(domain).map_err(|mistake| in_address(mistake, local))
    }
}

/// The right form of a domain is that of the whole address here.
fn in_address(mistake: EntryMistake, local: &str) -> EntryMistake {
    match mistake {
        EntryMistake::TrailingDot(domain) => EntryMistake::TrailingDot(format!("{local}@{domain}")),
        EntryMistake::WriteDomain(domain) => {
            EntryMistake::Subdomains { address: format!("{local}@{domain}"), user: format!("{local}@") }
        }
        EntryMistake::NameCharacter(character) => EntryMistake::AddressCharacter(character),
        other => other,
    }
}

fn check_domain(entry: &str) -> Result<(), EntryMistake> {
    if is_literal(entry) {
        return Ok(());
    }
    if matches!(Network::parse(entry), Some(Ok(_))) {
        return Err(EntryMistake::NetworkAmongAddresses);
    }
    names::check(entry).map_err(|mistake| match mistake {
        EntryMistake::NameCharacter('*') => EntryMistake::Wildcard,
        EntryMistake::NameCharacter(character) => EntryMistake::AddressCharacter(character),
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

    #[test]
    fn the_least_rank_counts_whether_the_domains_or_the_addresss() {
        let mut mailboxes = Mailboxes::default();
        for (entry, rank) in [("example.org", 4_u16), ("a@example.org", 2), ("b@example.org", 6), ("test", 0)] {
            mailboxes.insert(entry, rank).expect(entry);
        }
        let found = |mailbox: &str| mailboxes.find(mailbox.as_bytes());
        assert_eq!(
            (found("a@example.org"), found("b@example.org"), found("c@x.example.org")),
            (Some(2), Some(4), Some(4))
        );
        assert_eq!((found("a@x.test"), found("a@example.net"), found("")), (Some(0), None, None));
    }

    #[test]
    fn mistakes_are_told_with_the_right_form() {
        let mistake = |entry: &str| Mailboxes::default().insert(entry, ()).expect_err(entry);
        assert_eq!(mistake("@example.org"), EntryMistake::WriteDomain("example.org".into()));
        assert_eq!(mistake(".example.org"), EntryMistake::WriteDomain("example.org".into()));
        assert_eq!(mistake("*@example.org"), EntryMistake::Wildcard);
        assert_eq!(mistake("mail*.example.org"), EntryMistake::Wildcard);
        assert_eq!(mistake("<user@example.org>"), EntryMistake::NotBare);
        assert_eq!(mistake("\"us\\er\"@example.org"), EntryMistake::NotBare);
        assert_eq!(mistake("mailto:user@example.org"), EntryMistake::AddressCharacter(':'));
        assert_eq!(mistake("a@b@example.org"), EntryMistake::AddressCharacter('@'));
        assert_eq!(mistake("@"), EntryMistake::AddressCharacter('@'));
        assert_eq!(mistake("a,b"), EntryMistake::AddressCharacter(','));
        assert_eq!(mistake("192.0.2.1"), EntryMistake::NetworkAmongAddresses);
        assert_eq!(mistake("2001:db8::/32"), EntryMistake::NetworkAmongAddresses);
        assert_eq!(mistake("user@example.org."), EntryMistake::TrailingDot("user@example.org".into()));
        assert!(mistake("user@.example.org").to_string().contains("`user@example.org`"));
        assert_eq!(mistake(&format!("{}@example.org", "x".repeat(400))), EntryMistake::TooLong(addresses::LONGEST));
    }
}

//! Mailboxes by address and by user, looked up by hash.
//!
//! `user@domain` and `user@` also stand for `user+anything`. A look-up tries the local part whole and cut at a plus,
//! at no more pluses than the listed users themselves have, so a local part made of pluses costs no more than another.

use super::fingerprints::Fingerprints;
use super::{Rank, least};

/// The longest address that can be listed, in bytes: a local part of 64, the sign, a domain of 255.
pub(super) const LONGEST: usize = 320;

/// Addresses `user@domain` and users `user@` with their ranks.
#[derive(Debug, Default)]
pub(super) struct Addresses<R> {
    /// In lower case, the users with their `@`.
    listed: Fingerprints<R>,
    /// The most pluses in a listed local part.
    pluses: usize,
}

impl<R: Rank> Addresses<R> {
    /// Lists an address with an `@`, of up to [`LONGEST`] bytes.
    pub(super) fn insert(&mut self, address: &str, rank: R) {
        debug_assert!(address.len() <= LONGEST && address.contains('@'), "checked before");
        let local = address.split('@').next().unwrap_or(address);
        self.pluses = self.pluses.max(memchr::memchr_iter(b'+', local.as_bytes()).count());
        self.listed.insert(address.to_ascii_lowercase().as_bytes(), rank);
    }

    /// The least rank of an address and of its user at any domain.
    pub(super) fn find(&self, address: &[u8]) -> Option<R> {
        if self.listed.is_empty() {
            return None;
        }
        let at = memchr::memchr(b'@', address)?;
        let (local, domain) = address.split_at(at);
        let mut found = self.find_at(local, domain);
        let pluses = memchr::memchr_iter(b'+', local).filter(|plus| plus + 1 < local.len());
        for plus in pluses.take(self.pluses + 1) {
            if found.is_some_and(R::is_least) {
                break;
            }
            found = least(found, self.find_at(&local[..plus], domain));
        }
        found
    }

    /// The least rank of `local` with `domain`, which begins with its `@`, and with any.
    fn find_at(&self, local: &[u8], domain: &[u8]) -> Option<R> {
        let mut lower = [0; LONGEST];
        if local.len() >= LONGEST {
            return None;
        }
        let user_end = local.len() + 1;
        // Longer than any listed address: only its user can be listed.
        let domain = if local.len() + domain.len() > LONGEST { &domain[..1] } else { domain };
        let lower = &mut lower[..local.len() + domain.len()];
        lower[..local.len()].copy_from_slice(local);
        lower[local.len()..].copy_from_slice(domain);
        lower.make_ascii_lowercase();
        let user = self.listed.get(&lower[..user_end]);
        if user.is_some_and(R::is_least) { user } else { least(user, self.listed.get(lower)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Addresses<()> {
        fn hold(&self, address: &[u8]) -> bool {
            self.find(address).is_some()
        }
    }

    fn addresses(listed: &[&str]) -> Addresses<()> {
        let mut addresses = Addresses::default();
        for address in listed {
            addresses.insert(address, ());
        }
        addresses
    }

    #[test]
    fn an_address_stands_for_its_extensions_too() {
        let addresses = addresses(&["User@Example.org"]);
        for held in ["user@example.org", "USER@EXAMPLE.ORG", "user+ext@example.org", "user+a+b@example.org"] {
            assert!(addresses.hold(held.as_bytes()), "{held}");
        }
        assert!(addresses.hold(b"user+x+@example.org"));
        for other in ["", "@", "user", "user@", "user+@example.org", "user@sub.example.org", "xuser@example.org"] {
            assert!(!addresses.hold(other.as_bytes()), "{other}");
        }
        assert!(!addresses.hold(b"user@example.orgx") && !addresses.hold(b"user+x@y@example.org"));
    }

    #[test]
    fn a_user_is_listed_for_every_domain() {
        let addresses = addresses(&["postmaster@"]);
        for held in ["postmaster@example.org", "Postmaster@x.y", "postmaster+x@x.y", "postmaster@", "postmaster@@"] {
            assert!(addresses.hold(held.as_bytes()), "{held}");
        }
        for other in ["postmaster", "xpostmaster@x.y", "x.postmaster@x.y", "postmaster+@x.y", "x@postmaster"] {
            assert!(!addresses.hold(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_listed_extension_has_extensions_itself() {
        let addresses = addresses(&["a+b@example.org", "c+@"]);
        assert!(addresses.hold(b"a+b@example.org") && addresses.hold(b"a+b+c+d@example.org"));
        assert!(!addresses.hold(b"a@example.org") && !addresses.hold(b"a+c+b@example.org"));
        assert!(addresses.hold(b"c+@x.y") && addresses.hold(b"c++d@x.y") && !addresses.hold(b"c+d@x.y"));
    }

    #[test]
    fn long_addresses_are_looked_up_in_bounded_space() {
        let longest = format!("u@{}", "x".repeat(LONGEST - 2));
        let addresses = addresses(&["user@", "a@example.org", &longest]);
        let long = "x".repeat(16_000);
        assert!(addresses.hold(longest.as_bytes()));
        assert!(!addresses.hold(format!("{longest}x").as_bytes()));
        assert!(addresses.hold(format!("user@{long}").as_bytes()));
        assert!(addresses.hold(format!("user+{long}@{long}").as_bytes()));
        assert!(addresses.hold(format!("a+{long}@example.org").as_bytes()));
        assert!(!addresses.hold(format!("{long}@example.org").as_bytes()));
        assert!(!addresses.hold(format!("{}@example.org", "+".repeat(16_000)).as_bytes()));
        assert!(!addresses.hold(long.as_bytes()));
    }

    #[test]
    fn the_least_rank_counts_whether_the_users_or_the_addresss() {
        let mut addresses = Addresses::default();
        for (address, rank) in [("a@", 5), ("a@one.test", 3_u16), ("a@two.test", 7), ("a+x@two.test", 2)] {
            addresses.insert(address, rank);
        }
        let found = |address: &str| addresses.find(address.as_bytes());
        assert_eq!((found("a@one.test"), found("a@two.test"), found("a@other.test")), (Some(3), Some(5), Some(5)));
        assert_eq!(
            (found("a+x@two.test"), found("a+x+y@two.test"), found("a+y@two.test")),
            (Some(2), Some(2), Some(5))
        );
    }
}

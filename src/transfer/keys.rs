//! postgrey's keys: `network/sender/recipient` in lower case, with the sender as it counts; under `--lookup-by-host` the network
//! is the address with `/32` or `/128` behind it. Nothing else sets the three apart, so a `/` in a sender or a recipient leaves
//! several readings.

use std::net::IpAddr;

use memchr::{memchr, memchr_iter};

use crate::grey::key::parse_address;

/// More readings than this are not followed up.
const MAX_READINGS: usize = 8;
/// postgrey cuts what it reads at so many bytes, irongrey does not.
const CUT: usize = 512;

/// What a key says beside the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Correspondents<'k> {
    pub(super) sender: &'k [u8],
    pub(super) recipient: &'k [u8],
}

/// Whether a key is a hash, as postgrey makes them under `--privacy`.
pub(super) fn is_hash(key: &[u8]) -> bool {
    key.len() == 40 && key.iter().all(u8::is_ascii_hexdigit)
}

/// The network of a key, and what follows it; `None` if it does not begin with one.
pub(super) fn split_network(key: &[u8]) -> Option<(IpAddr, &[u8])> {
    let slash = memchr(b'/', key)?;
    let (address, rest) = (&key[..slash], &key[slash + 1..]);
    let of_host: &[u8] = if address.contains(&b':') { b"128/" } else { b"32/" };
    // Else it is a sender, which may be a bare number.
    let correspondents = rest.strip_prefix(of_host).filter(|rest| rest.contains(&b'/'));
    Some((parse_address(address)?, correspondents.unwrap_or(rest)))
}

/// Every reading of `sender/recipient` in which both look like addresses; if there is none, every reading at all. Empty if there
/// is no `/`, or if there are too many readings.
pub(super) fn readings(text: &[u8]) -> Vec<Correspondents<'_>> {
    let reading = |slash| Correspondents { sender: &text[..slash], recipient: &text[slash + 1..] };
    let all = || memchr_iter(b'/', text).map(reading);
    let likely: Vec<_> = all().filter(Correspondents::are_likely).take(MAX_READINGS + 1).collect();
    let readings = if likely.is_empty() { all().take(MAX_READINGS + 1).collect() } else { likely };
    if readings.len() > MAX_READINGS { Vec::new() } else { readings }
}

impl Correspondents<'_> {
    /// Whether postgrey may have cut one of them, so that no request has them any more.
    pub(super) fn may_be_cut(&self) -> bool {
        self.sender.len() >= CUT || self.recipient.len() >= CUT
    }

    fn are_likely(&self) -> bool {
        (self.sender.is_empty() || is_address(self.sender)) && is_address(self.recipient)
    }
}

/// One `@`, and a domain without `/` behind it.
fn is_address(text: &[u8]) -> bool {
    let mut parts = text.split(|&byte| byte == b'@');
    let (_local, domain) = (parts.next(), parts.next());
    domain.is_some_and(|domain| !domain.is_empty() && !domain.contains(&b'/')) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let text_of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        readings(text.as_bytes()).iter().map(|both| (text_of(both.sender), text_of(both.recipient))).collect()
    }

    #[test]
    fn a_slash_in_a_local_part_leaves_one_reading() {
        for (text, sender, recipient) in [
            ("a@b/c@d", "a@b", "c@d"),
            ("/c@d", "", "c@d"),
            ("/x/c@d", "", "x/c@d"),
            ("a/x@b/c@d", "a/x@b", "c@d"),
            ("a@b/x/c@d", "a@b", "x/c@d"),
            ("a/x@b/y/c@d", "a/x@b", "y/c@d"),
            ("a@b/postmaster", "a@b", "postmaster"),
            ("root/c@d", "root", "c@d"),
            ("/", "", ""),
        ] {
            assert_eq!(pairs(text), [(sender.to_owned(), recipient.to_owned())], "{text}");
        }
    }

    #[test]
    fn what_nothing_tells_apart_is_read_in_every_way() {
        assert_eq!(pairs("a@b/c/d").len(), 2);
        assert_eq!(pairs("root/x/c@d").len(), 2);
        assert_eq!(pairs("/a@b/c@d"), [("/a@b".to_owned(), "c@d".to_owned())]);
        assert_eq!(pairs("no slash"), []);
        assert_eq!(pairs("////////////"), []);
    }

    #[test]
    fn a_host_has_its_prefix_behind_it() {
        for (key, network, rest) in [
            ("192.0.2.0/a@b/c@d", "192.0.2.0", "a@b/c@d"),
            ("192.0.2.1/32/a@b/c@d", "192.0.2.1", "a@b/c@d"),
            ("192.0.2.1/32//c@d", "192.0.2.1", "/c@d"),
            ("192.0.2.0/32/c@d", "192.0.2.0", "32/c@d"),
            ("192.0.2.0/128/x/c@d", "192.0.2.0", "128/x/c@d"),
            ("2001:db8:0:0:0:0:0:0/a@b/c@d", "2001:db8::", "a@b/c@d"),
            ("2001:db8::1/128/a@b/c@d", "2001:db8::1", "a@b/c@d"),
        ] {
            let expected = Some((network.parse().unwrap(), rest.as_bytes()));
            assert_eq!(split_network(key.as_bytes()), expected, "{key}");
        }
        assert_eq!(split_network(b"mx.example/a@b/c@d"), None);
    }

    #[test]
    fn hashes_are_known() {
        assert!(is_hash(b"5241b6c76ac043043e74b2d32e86c3931b482aff"));
        assert!(!is_hash(b"5241b6c76ac043043e74b2d32e86c3931b482af"));
        assert!(!is_hash(b"192.0.2.0/aaaaaaaaaaaaaaaaaaaaaaa/bbbbbbb"));
    }
}

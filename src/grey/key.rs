//! From a request to the tags that stand for its triplet and its client.
//!
//! What is hashed is a letter for the kind and length-prefixed fields, so no two keys run into each other:
//! `docs/FORMAT.md`, "Tag".

use std::net::IpAddr;

use super::Networks;
use super::sender::push_sender;
use crate::table::{Secret, Tag};

/// The address in a request; an IPv4 address in IPv6's form is the IPv4 address.
pub fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// The tag of a client of the auto-whitelist: the whole address.
pub fn client_tag(secret: &Secret, address: IpAddr, scratch: &mut Vec<u8>) -> Tag {
    scratch.clear();
    scratch.push(b'C');
    push_address(scratch, address);
    secret.tag(scratch)
}

/// The tag of a triplet: network, sender as it counts, recipient; upper and lower case are the same.
pub fn triplet_tag(
    secret: &Secret,
    networks: Networks,
    address: IpAddr,
    sender: &[u8],
    recipient: &[u8],
    scratch: &mut Vec<u8>,
) -> Tag {
    tag(secret, networks.network_of(address), |out| push_sender(sender, out), recipient, scratch)
}

/// The same of a triplet in whose sender postgrey's substitutions have been made, once: another time could make others.
pub fn substituted_triplet_tag(
    secret: &Secret,
    networks: Networks,
    address: IpAddr,
    sender: &[u8],
    recipient: &[u8],
    scratch: &mut Vec<u8>,
) -> Tag {
    tag(secret, networks.network_of(address), |out| out.extend_from_slice(sender), recipient, scratch)
}

fn tag(
    secret: &Secret,
    network: IpAddr,
    push_sender: impl FnOnce(&mut Vec<u8>),
    recipient: &[u8],
    scratch: &mut Vec<u8>,
) -> Tag {
    scratch.clear();
    scratch.push(b'T');
    push_address(scratch, network);
    push_text(scratch, push_sender);
    push_text(scratch, |out| out.extend_from_slice(recipient));
    secret.tag(scratch)
}

/// The tag of a message, for the connection's memory of headers.
pub(super) fn instance_tag(secret: &Secret, instance: &[u8], scratch: &mut Vec<u8>) -> Tag {
    scratch.clear();
    scratch.push(b'I');
    scratch.extend_from_slice(instance);
    secret.tag(scratch)
}

fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    push_field(out, |out| match address {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
    });
}

fn push_text(out: &mut Vec<u8>, push: impl FnOnce(&mut Vec<u8>)) {
    push_field(out, |out| {
        let start = out.len();
        push(out);
        out[start..].make_ascii_lowercase();
    });
}

fn push_field(out: &mut Vec<u8>, push: impl FnOnce(&mut Vec<u8>)) {
    const LENGTH: usize = 4;
    let start = out.len() + LENGTH;
    out.extend_from_slice(&[0; LENGTH]);
    push(out);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start - LENGTH..start].copy_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Networks = Networks { ipv4_prefix: 24, ipv6_prefix: 64 };

    fn tag_of(networks: Networks, address: &str, sender: &str, recipient: &str) -> Tag {
        let address = parse_address(address.as_bytes()).unwrap();
        triplet_tag(&Secret([1; 16]), networks, address, sender.as_bytes(), recipient.as_bytes(), &mut Vec::new())
    }

    #[test]
    fn networks_group_clients() {
        let same = |networks, one, other| tag_of(networks, one, "a@b", "c@d") == tag_of(networks, other, "a@b", "c@d");
        assert!(same(DEFAULT, "192.0.2.1", "192.0.2.255"));
        assert!(!same(DEFAULT, "192.0.2.1", "192.0.3.1"));
        assert!(same(DEFAULT, "192.0.2.1", "::ffff:192.0.2.9"));
        assert!(same(DEFAULT, "2001:db8:1:2::25", "2001:0DB8:1:2:9:9:9:9"));
        assert!(!same(DEFAULT, "2001:db8:1:2::25", "2001:db8:1:3::25"));
        let by_host = Networks { ipv4_prefix: 32, ipv6_prefix: 128 };
        assert!(!same(by_host, "192.0.2.1", "192.0.2.2"));
        assert!(!same(by_host, "2001:db8::1", "2001:db8::2"));
        let all = Networks { ipv4_prefix: 0, ipv6_prefix: 0 };
        assert!(same(all, "192.0.2.1", "10.0.0.1"));
        assert!(same(all, "2001:db8::1", "::1"));
    }

    #[test]
    fn hosts_whose_bytes_are_letters_stay_apart() {
        let by_host = Networks { ipv4_prefix: 32, ipv6_prefix: 128 };
        // 0x41 is `A`, 0x61 is `a`.
        assert_ne!(tag_of(by_host, "65.0.0.1", "a@b", "c@d"), tag_of(by_host, "97.0.0.1", "a@b", "c@d"));
    }

    #[test]
    fn case_is_ignored_and_fields_do_not_run_together() {
        assert_eq!(tag_of(DEFAULT, "10.0.0.1", "A@B", "C@D"), tag_of(DEFAULT, "10.0.0.1", "a@b", "c@d"));
        assert_ne!(tag_of(DEFAULT, "10.0.0.1", "a@b/c", "d"), tag_of(DEFAULT, "10.0.0.1", "a@b", "c/d"));
        assert_ne!(tag_of(DEFAULT, "10.0.0.1", "ab", "c"), tag_of(DEFAULT, "10.0.0.1", "a", "bc"));
        assert_ne!(tag_of(DEFAULT, "10.0.0.1", "Ä@b", "c"), tag_of(DEFAULT, "10.0.0.1", "ä@b", "c"));
    }

    #[test]
    fn substitutions_are_made_once() {
        let (secret, address) = (Secret([1; 16]), parse_address(b"192.0.2.1").unwrap());
        let asked = |sender: &[u8]| triplet_tag(&secret, DEFAULT, address, sender, b"c@d", &mut Vec::new());
        let known = |sender: &[u8]| substituted_triplet_tag(&secret, DEFAULT, address, sender, b"c@d", &mut Vec::new());
        assert_eq!(asked(b"bounce-12-x+y@b"), known(b"bounce-#-x@b"));
        assert_eq!(asked(b"PRVS=1234567890=u@b"), known(b"prvs=#=u@b"));
        assert_ne!(asked(b"prvs=#=u@b"), known(b"prvs=#=u@b"), "another time it would be u@b");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "unknown", "1.2.3", "1.2.3.4.5", "300.1.1.1", "1.2.3.4 ", "1.2.3.4:25", "[::1]"] {
            assert_eq!(parse_address(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_address(b"\xff"), None);
    }
}

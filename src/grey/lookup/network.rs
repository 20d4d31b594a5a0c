//! One network as an entry writes it: postgrey's short forms, and IPv6 with or without a prefix length.
//!
//! Host bits behind the prefix are ignored. An octet with a leading zero is refused: postgrey reads it as octal, its writer
//! hardly meant that. An IPv4 network written as IPv6 (`::ffff:a.b.c.d`) is the IPv4 network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::EntryMistake;

/// An IP network without host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// Address and prefix length, 0 to 32.
    V4(Ipv4Addr, u8),
    /// Address and prefix length, 0 to 128.
    V6(Ipv6Addr, u8),
}

impl Network {
    /// Reads an entry; `None` if it does not look like a network at all.
    pub(super) fn parse(entry: &str) -> Option<Result<Self, EntryMistake>> {
        // An IPv6 address may be in brackets, as in Postfix's own tables.
        let unbracketed = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
        if unbracketed.contains(':') {
            Some(parse_v6(unbracketed))
        } else if entry.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'/')) {
            Some(parse_v4(entry))
        } else {
            None
        }
    }

    fn v4(address: Ipv4Addr, length: u8) -> Self {
        let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
        Self::V4(Ipv4Addr::from_bits(address.to_bits() & mask), length)
    }

    fn v6(address: Ipv6Addr, length: u8) -> Self {
        const MAPPED: u8 = 96;
        match IpAddr::V6(address).to_canonical() {
            IpAddr::V4(mapped) if length >= MAPPED => Self::v4(mapped, length - MAPPED),
            _ => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                Self::V6(Ipv6Addr::from_bits(address.to_bits() & mask), length)
            }
        }
    }
}

fn parse_v6(entry: &str) -> Result<Network, EntryMistake> {
    let (address, length) = entry.split_once('/').map_or((entry, None), |(address, length)| (address, Some(length)));
    let address: Ipv6Addr = address.parse().map_err(|_| EntryMistake::Ipv6)?;
    Ok(Network::v6(address, prefix_length(length, 128)?))
}

fn parse_v4(entry: &str) -> Result<Network, EntryMistake> {
    let (address, length) = entry.split_once('/').map_or((entry, None), |(address, length)| (address, Some(length)));
    let mut octets = [0; 4];
    let mut given = 0;
    for text in address.split('.') {
        let octet = octets.get_mut(given).ok_or(EntryMistake::Ipv4)?;
        if text.len() > 1 && text.starts_with('0') {
            return Err(EntryMistake::LeadingZero);
        }
        *octet = text.parse().map_err(|_| EntryMistake::Ipv4)?;
        given += 1;
    }
    let address = Ipv4Addr::from(octets);
    match (given, length) {
        (4, _) => Ok(Network::v4(address, prefix_length(length, 32)?)),
        (_, Some(length)) => Err(EntryMistake::ShortWithPrefix(format!("{address}/{length}"))),
        (1, None) => Ok(Network::v4(address, 8)),
        (2, None) => Ok(Network::v4(address, 16)),
        (_, None) => Ok(Network::v4(address, 24)),
    }
}

fn prefix_length(text: Option<&str>, most: u8) -> Result<u8, EntryMistake> {
    let Some(text) = text else { return Ok(most) };
    let length = text.parse().ok().filter(|&length| length <= most && !text.starts_with('+'));
    length.ok_or_else(|| EntryMistake::PrefixLength { length: text.to_owned(), most })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(address: &str, length: u8) -> Network {
        Network::V4(address.parse().expect("an address"), length)
    }

    fn v6(address: &str, length: u8) -> Network {
        Network::V6(address.parse().expect("an address"), length)
    }

    fn parsed(entry: &str) -> Network {
        Network::parse(entry).expect("like a network").expect("a good one")
    }

    #[test]
    fn every_form_of_ipv4() {
        assert_eq!(parsed("192.0.2.1"), v4("192.0.2.1", 32));
        assert_eq!(parsed("192.0.2.0/24"), v4("192.0.2.0", 24));
        assert_eq!(parsed("192.0.2.77/24"), v4("192.0.2.0", 24));
        assert_eq!(parsed("192.0.2"), v4("192.0.2.0", 24));
        assert_eq!(parsed("192.0"), v4("192.0.0.0", 16));
        assert_eq!(parsed("10"), v4("10.0.0.0", 8));
        assert_eq!(parsed("0.0.0.0/0"), v4("0.0.0.0", 0));
    }

    #[test]
    fn every_form_of_ipv6() {
        assert_eq!(parsed("2001:DB8::1"), v6("2001:db8::1", 128));
        assert_eq!(parsed("[2001:db8::1]"), v6("2001:db8::1", 128));
        assert_eq!(parsed("2001:db8::1/64"), v6("2001:db8::", 64));
        assert_eq!(parsed("::/0"), v6("::", 0));
        assert_eq!(parsed("::ffff:192.0.2.1"), v4("192.0.2.1", 32));
        assert_eq!(parsed("::ffff:192.0.2.1/120"), v4("192.0.2.0", 24));
        assert_eq!(parsed("::ffff:0:0/96"), v4("0.0.0.0", 0));
    }

    #[test]
    fn names_are_no_networks() {
        for name in ["example.org", "1and1.com", "3.example", "localhost", "192.0.2.1-192.0.2.9"] {
            assert_eq!(Network::parse(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_no_network_is_told_with_the_right_form() {
        for entry in ["256.1.1.1", "1.2.3.4.5", "1.2.3.", "1..2", "1.2.3.4/24/8", "99999", "."] {
            assert!(
                matches!(Network::parse(entry), Some(Err(EntryMistake::Ipv4 | EntryMistake::PrefixLength { .. }))),
                "{entry}"
            );
        }
        for entry in ["010.2.3.4", "192.168.001", "1.2.3.00/24", "01"] {
            assert_eq!(Network::parse(entry), Some(Err(EntryMistake::LeadingZero)), "{entry}");
        }
        assert_eq!(Network::parse("10/8"), Some(Err(EntryMistake::ShortWithPrefix("10.0.0.0/8".into()))));
        for (entry, length, most) in [("1.2.3.4/33", "33", 32), ("1.2.3.4/", "", 32), ("2001:db8::/129", "129", 128)] {
            assert_eq!(Network::parse(entry), Some(Err(EntryMistake::PrefixLength { length: length.into(), most })));
        }
        for entry in ["example.org:25", "2001:db8:", "abcd:1", "fe80::1%eth0", "[2001:db8::1", "1.2.3.4:25"] {
            assert_eq!(Network::parse(entry), Some(Err(EntryMistake::Ipv6)), "{entry}");
        }
    }
}

//! Client networks: what a greylist takes for one client, and the share of them that one generator makes.
//!
//! A network is numbered by its bits: 24 for IPv4, 64 for IPv6. Two networks with one number are possible only among IPv6
//! addresses below `::1:0:0:0:0`, which nobody has, and would only be kept in order with each other.

use std::net::IpAddr;
use std::str::FromStr;

use super::draw::scramble;

/// The number of the network of `address`; an IPv4 address written as IPv6 counts as what it is.
pub(super) fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or_default(),
    }
}

/// The network of a `client_address` as it stands in a request; what is no address is in network 0.
pub(super) fn network_of_text(address: &[u8]) -> u64 {
    std::str::from_utf8(address).ok().and_then(|text| text.parse().ok()).map_or(0, network)
}

/// One of several disjoint shares of the client networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    index: u32,
    of: u32,
}

impl Part {
    /// All networks.
    pub(crate) const WHOLE: Self = Self { index: 0, of: 1 };

    /// Part `index`, counted from 0, of `of` parts; `None` if there is no such part.
    pub(crate) fn new(index: u32, of: u32) -> Option<Self> {
        (index < of).then_some(Self { index, of })
    }

    /// Whether this part makes the requests of the network, or of the group of networks, with this number.
    pub(super) fn takes(self, number: u64) -> bool {
        self.of == 1 || scramble(number) % u64::from(self.of) == u64::from(self.index)
    }
}

impl FromStr for Part {
    type Err = String;

    /// `2/4` is the second of four parts.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, of)| Some((index.parse::<u32>().ok()?, of.parse().ok()?)));
        numbers
            .and_then(|(index, of)| Self::new(index.checked_sub(1)?, of))
            .ok_or_else(|| format!("`{text}` is no part; write 2/4 for the second of four"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_share_its_number() {
        let of = |text: &str| network_of_text(text.as_bytes());
        assert_eq!(of("192.0.2.1"), of("192.0.2.254"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.9"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_eq!(of("2001:db8:0:7::1"), of("2001:db8:0:7:ffff::9"));
        assert_ne!(of("2001:db8:0:7::1"), of("2001:db8:0:8::1"));
        assert_eq!(of("unknown"), 0);
    }

    #[test]
    fn each_network_is_in_exactly_one_part() {
        let parts: Vec<Part> = (1..=3).map(|index| format!("{index}/3").parse().unwrap()).collect();
        for number in 0..1000 {
            assert_eq!(parts.iter().filter(|part| part.takes(number)).count(), 1);
            assert!(Part::WHOLE.takes(number));
        }
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for text in ["0/4", "5/4", "1", "1/", "/", "a/b", "1/0"] {
            assert!(text.parse::<Part>().is_err(), "{text}");
        }
    }
}

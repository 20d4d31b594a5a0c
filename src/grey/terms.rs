//! The terms of greylisting that a decision depends on, already validated.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How a client address becomes the network of a triplet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Networks {
    /// Prefix length for IPv4, 0 to 32.
    pub ipv4_prefix: u8,
    /// Prefix length for IPv6, 0 to 128.
    pub ipv6_prefix: u8,
}

impl Networks {
    /// The network that stands for a client: its address with what is behind the prefix cleared.
    pub fn network_of(self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(address) => {
                let host_bits = 32_u32.saturating_sub(u32::from(self.ipv4_prefix));
                let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let host_bits = 128_u32.saturating_sub(u32::from(self.ipv6_prefix));
                let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        }
    }
}

/// What an unknown triplet is answered when it cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// Let it pass: mail flows.
    Dunno,
    /// Defer it, although it will be as unknown at its next try.
    Defer,
}

/// The times and counts of greylisting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Seconds that a new triplet has to wait.
    pub delay: u32,
    /// Seconds after its first attempt within which a triplet has to be tried again. Greater than `delay`.
    pub retry_window: u32,
    /// Seconds after which a triplet or client that was not seen again is forgotten.
    pub max_age: u32,
    /// How many passed triplets whitelist their client, at most 4,095; 0 switches the auto-whitelist off.
    pub auto_whitelist_clients: u16,
    /// The network that stands for the client in a triplet (`--lookup-by-host` is 32 and 128).
    pub networks: Networks,
    /// The answer to an unknown triplet that cannot be recorded.
    pub on_full: OnFull,
}

impl Terms {
    /// Seconds for which a passed triplet or a client counts: max-age and an eighth, as a last-seen time is recorded only when the
    /// recorded one is older than an eighth of max-age.
    pub fn established_life(&self) -> u32 {
        self.max_age.saturating_add(self.max_age / 8)
    }

    /// postgrey's, which both command lines have when no option says otherwise.
    pub const DEFAULT: Self = Self {
        delay: 300,
        retry_window: 2 * 86_400,
        max_age: 35 * 86_400,
        auto_whitelist_clients: 5,
        networks: Networks { ipv4_prefix: 24, ipv6_prefix: 64 },
        on_full: OnFull::Dunno,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_its_addresses_first_bits() {
        for (address, prefix, network) in [
            ("192.0.2.255", 24, "192.0.2.0"),
            ("192.0.2.255", 31, "192.0.2.254"),
            ("192.0.2.255", 32, "192.0.2.255"),
            ("192.0.2.255", 0, "0.0.0.0"),
            ("2001:db8:ffff:ffff:ffff::1", 64, "2001:db8:ffff:ffff::"),
            ("2001:db8::ffff", 127, "2001:db8::fffe"),
            ("2001:db8::ffff", 128, "2001:db8::ffff"),
            ("2001:db8::ffff", 0, "::"),
        ] {
            let (address, network): (IpAddr, IpAddr) = (address.parse().unwrap(), network.parse().unwrap());
            let networks = Networks { ipv4_prefix: prefix, ipv6_prefix: prefix };
            assert_eq!(networks.network_of(address), network, "{address}/{prefix}");
        }
    }
}

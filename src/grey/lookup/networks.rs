//! Networks, looked up by longest prefix in level-compressed tries: one for IPv4, one for IPv6.

use std::fmt;
use std::net::IpAddr;

use iptrie::map::RTrieMap;
use iptrie::{IpRootPrefix, Ipv4LCTrieMap, Ipv4Prefix, Ipv6LCTrieMap, Ipv6Prefix};

use super::network::Network;
use super::{Rank, least};

/// Networks that are still growing in number.
#[derive(Debug, Default)]
pub(super) struct NetworksBuilder<R> {
    v4: Vec<(Ipv4Prefix, R)>,
    v6: Vec<(Ipv6Prefix, R)>,
}

/// Networks with their ranks. The tries have a root that holds every address; its value tells whether it is listed.
pub(super) struct Networks<R> {
    v4: Ipv4LCTrieMap<Option<R>>,
    v6: Ipv6LCTrieMap<Option<R>>,
    count: usize,
}

impl<R: Rank> NetworksBuilder<R> {
    /// Lists a network. `::/0` means every address, IPv4 ones too, as in postgrey.
    pub(super) fn insert(&mut self, network: Network, rank: R) {
        // A `Network` has neither host bits nor too long a prefix, which is all that these constructors refuse.
        match network {
            Network::V4(address, length) => {
                self.v4.extend(Ipv4Prefix::new(address, length).ok().map(|prefix| (prefix, rank)));
            }
            Network::V6(address, length) => {
                if length == 0 {
                    self.v4.push((Ipv4Prefix::root(), rank));
                }
                self.v6.extend(Ipv6Prefix::new(address, length).ok().map(|prefix| (prefix, rank)));
            }
        }
    }

    pub(super) fn build(self) -> Networks<R> {
        let count = self.v4.len() + self.v6.len();
        Networks { v4: trie(self.v4).compress(), v6: trie(self.v6).compress(), count }
    }
}

/// Shorter prefixes are inserted first, and a longer one takes over the rank of the one around it if that is less: so the
/// longest prefix of an address has the least rank of all that hold it, and one look-up finds it.
fn trie<P: IpRootPrefix, R: Rank>(mut listed: Vec<(P, R)>) -> RTrieMap<P, Option<R>> {
    listed.sort_by_key(|(prefix, _)| prefix.len());
    let mut trie = RTrieMap::with_root_and_capacity(None, listed.len());
    for (prefix, rank) in listed {
        let rank = least(Some(rank), *trie.lookup(&prefix).1);
        trie.insert(prefix, rank);
    }
    trie
}

impl<R: Rank> Networks<R> {
    /// The least rank of the networks that hold this address; `::ffff:a.b.c.d` is a.b.c.d.
    pub(super) fn find(&self, address: IpAddr) -> Option<R> {
        match address.to_canonical() {
            IpAddr::V4(address) => *self.v4.lookup(&address).1,
            IpAddr::V6(address) => *self.v6.lookup(&address).1,
        }
    }
}

impl<R: Rank> Default for Networks<R> {
    fn default() -> Self {
        NetworksBuilder::default().build()
    }
}

impl<R> fmt::Debug for Networks<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Networks({})", self.count)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    impl Networks<()> {
        fn hold(&self, address: IpAddr) -> bool {
            self.find(address).is_some()
        }
    }

    fn networks(entries: &[&str]) -> Networks<()> {
        let mut builder = NetworksBuilder::default();
        for entry in entries {
            builder.insert(Network::parse(entry).expect("a network").expect("a good one"), ());
        }
        builder.build()
    }

    fn holds(networks: &Networks<()>, address: &str) -> bool {
        networks.hold(address.parse().expect("an address"))
    }

    #[test]
    fn addresses_inside_are_held_and_those_beside_are_not() {
        let networks = networks(&["192.0.2.0/24", "10.1", "198.51.100.7", "2001:db8::/32", "2001:db9::1"]);
        for held in ["192.0.2.0", "192.0.2.255", "10.1.0.0", "10.1.255.255", "198.51.100.7", "::ffff:192.0.2.1"] {
            assert!(holds(&networks, held), "{held}");
        }
        assert!(holds(&networks, "2001:db8:ffff::1") && holds(&networks, "2001:db9::1"));
        for other in ["192.0.1.255", "192.0.3.0", "10.0.255.255", "10.2.0.0", "198.51.100.6", "0.0.0.0"] {
            assert!(!holds(&networks, other), "{other}");
        }
        assert!(!holds(&networks, "2001:db9::2") && !holds(&networks, "::192.0.2.1") && !holds(&networks, "::"));
    }

    #[test]
    fn nothing_is_held_by_none_and_everything_by_all() {
        assert!(!holds(&Networks::default(), "0.0.0.0") && !holds(&Networks::default(), "::"));
        let all4 = networks(&["0.0.0.0/0"]);
        assert!(holds(&all4, "203.0.113.9") && !holds(&all4, "2001:db8::1"));
        let all = networks(&["::/0"]);
        assert!(holds(&all, "203.0.113.9") && holds(&all, "2001:db8::1"));
    }

    #[test]
    fn nested_networks_agree_with_a_search_through_all() {
        let seed = ahash::RandomState::new().hash_one("networks") | 1;
        let mut state = seed;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
        };
        for round in 0..200 {
            let mut listed: Vec<String> = Vec::new();
            for _ in 0..=random() % 60 {
                // Few distinct high bits, so that prefixes nest.
                let high = u128::from(random() & 0x0303) << 112 | u128::from(random() & 7) << 61;
                let (low, length) = (u128::from(random()), random() % 129);
                listed.push(format!("{}/{length}", Ipv6Addr::from_bits(high | low)));
                let bits = (random() & 0x0303_0007) as u32;
                listed.push(format!("{}/{}", Ipv4Addr::from_bits(bits), random() % 33));
            }
            let ranks: Vec<u16> = listed.iter().map(|_| (random() % 20) as u16).collect();
            let mut builder = NetworksBuilder::default();
            for (text, &rank) in listed.iter().zip(&ranks) {
                builder.insert(Network::parse(text).expect("a network").expect("a good one"), rank);
            }
            let networks = builder.build();
            for _ in 0..200 {
                let at = random() % listed.len() as u64;
                let near = &listed[usize::try_from(at).expect("an index")];
                let address: IpAddr = near.split('/').next().and_then(|text| text.parse().ok()).expect("as made");
                let address = match address {
                    IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() ^ (1 << (random() % 32)))),
                    IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() ^ (1 << (random() % 128)))),
                };
                let holding = listed.iter().zip(&ranks).filter(|(text, _)| contains(text, address));
                let expected = holding.map(|(_, &rank)| rank).min();
                let found = networks.find(address);
                assert_eq!(found, expected, "{address} round {round} seed {seed}: {listed:?} {ranks:?}");
            }
        }
    }

    fn contains(network: &str, address: IpAddr) -> bool {
        let (base, length) = network.split_once('/').expect("as made");
        let length: u32 = length.parse().expect("as made");
        match (base.parse().expect("as made"), address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => (base.to_bits() ^ address.to_bits()).leading_zeros() >= length,
            (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits() ^ address.to_bits()).leading_zeros() >= length,
            (IpAddr::V6(_), IpAddr::V4(_)) => length == 0,
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }
}

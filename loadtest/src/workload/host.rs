//! Who sends: mail servers, pools of large providers, and bots, each with networks that nobody else has.
//!
//! Addresses lie where no whitelist has an entry: mail servers in 10.0.0.0/8, bots in 240.0.0.0/4, and both in
//! `2001:db8::/32`, the documentation's. Names end in `.example`. A host is a number; all else follows from it and from a key.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::draw::{Draw, scramble};
use super::schedule::Mta;
use super::text::{letters, word};

/// Networks that one host has at most.
pub(super) const NETWORKS: u32 = 4;

const PROVIDERS: u32 = 16;
const BULK: u32 = 64;
const SERVERS: u32 = 30_000;
const BOTS: u32 = 1 << 18;

const FIRST_BULK: u32 = PROVIDERS;
const FIRST_SERVER: u32 = FIRST_BULK + BULK;
const FIRST_BOT: u32 = FIRST_SERVER + SERVERS;

/// A sender's machines under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Host(u32);

impl Host {
    /// A sender of people's mail: in four of ten cases a large provider.
    pub(super) fn of_people(draw: &mut Draw) -> Self {
        if draw.chance(40) {
            Self(draw.skewed_below(PROVIDERS))
        } else {
            Self(FIRST_SERVER + draw.skewed_below(SERVERS))
        }
    }

    /// A sender of newsletters.
    pub(super) fn of_newsletters(draw: &mut Draw) -> Self {
        Self(FIRST_BULK + draw.skewed_below(BULK))
    }

    /// A bot: one network each, so that a botnet is many of them.
    pub(super) fn of_bots(draw: &mut Draw) -> Self {
        Self(FIRST_BOT + draw.below(BOTS))
    }

    /// The number that decides which part of the load makes its requests.
    pub(super) fn number(self) -> u32 {
        self.0
    }

    fn is_pool(self) -> bool {
        self.0 < FIRST_SERVER
    }

    fn is_bot(self) -> bool {
        self.0 >= FIRST_BOT
    }

    /// What runs on it, if it is no bot.
    pub(super) fn mta(self) -> Mta {
        if self.is_pool() {
            return Mta::Provider;
        }
        match Draw::new(u64::from(self.0)).below(100) {
            0..45 => Mta::Postfix,
            45..70 => Mta::Exim,
            70..82 => Mta::Exchange,
            82..92 => Mta::Sendmail,
            _ => Mta::Qmail,
        }
    }

    /// The networks it sends from: half of the pools have several.
    fn networks(self) -> u32 {
        if self.is_pool() && self.0 % 2 == 1 { 2 + self.0 / 2 % 3 } else { 1 }
    }

    /// From which of its networks an attempt comes; below [`NETWORKS`].
    pub(super) fn network(self, key: u64) -> u32 {
        if self.networks() == 1 { 0 } else { Draw::new(key).below(self.networks()) }
    }

    /// The address of an attempt in that network: one of sixty of a pool, any of a bot's, the one of a server.
    pub(super) fn address(self, network: u32, ipv6: bool, key: u64) -> IpAddr {
        let machine = match Draw::new(key).bits() {
            bits if self.is_pool() => 1 + (bits % 60) as u16,
            bits if self.is_bot() => 1 + (bits % 254) as u16,
            _ => 25,
        };
        let index = self.network_index(network);
        if ipv6 {
            let [.., upper, low] = (index & 0x7fff).to_be_bytes();
            let low = u16::from_be_bytes([upper, low]);
            let high = u16::try_from(index >> 15).unwrap_or(u16::MAX);
            return IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1 + high, 1 + low, 0, 0, 0, machine));
        }
        let base = if self.is_bot() { 240 << 24 | (index - FIRST_BOT_NETWORK) << 8 } else { 10 << 24 | index << 8 };
        IpAddr::V4(Ipv4Addr::from_bits(base | u32::from(machine)))
    }

    /// Counts the networks of all hosts.
    fn network_index(self, network: u32) -> u32 {
        match self.0 {
            pool if self.is_pool() => pool * NETWORKS + network,
            other => FIRST_SERVER_NETWORK + (other - FIRST_SERVER),
        }
    }

    /// Writes the domain that it sends mail for.
    pub(super) fn write_domain(self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.0 {
            0..FIRST_BULK => b"provider".as_slice(),
            FIRST_BULK..FIRST_SERVER => b"newsletters",
            _ => word(scramble(u64::from(self.0))),
        });
        out.push(b'-');
        letters(out, u64::from(self.0));
        out.extend_from_slice(b".example");
    }

    /// Writes the name of the machine with that address, or `unknown`.
    pub(super) fn write_name(self, address: IpAddr, out: &mut Vec<u8>) {
        let known = Draw::new(!u64::from(self.0)).chance(if self.is_bot() { 50 } else { 97 });
        match address {
            _ if !known => out.extend_from_slice(b"unknown"),
            IpAddr::V4(address) if self.is_bot() => {
                let [a, b, c, d] = address.octets();
                // Writing to memory does not fail.
                let _ = write!(out, "host-{a}-{b}-{c}-{d}.dynamic.example");
            }
            address => self.write_helo(address, out),
        }
    }

    /// Writes what the machine with that address calls itself.
    pub(super) fn write_helo(self, address: IpAddr, out: &mut Vec<u8>) {
        let machine = match address {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => u32::from(address.segments()[3]) << 8 | u32::from(address.segments()[7]),
        };
        match scramble(u64::from(machine)) % 3 {
            0 if self.is_bot() => drop(write!(out, "[{address}]")),
            1 if self.is_bot() => out.extend_from_slice(b"localhost"),
            _ => {
                out.extend_from_slice(b"mx-");
                letters(out, u64::from(machine & 0xffff));
                out.push(b'.');
                self.write_domain(out);
            }
        }
    }
}

const FIRST_SERVER_NETWORK: u32 = FIRST_SERVER * NETWORKS;
const FIRST_BOT_NETWORK: u32 = FIRST_SERVER_NETWORK + SERVERS;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::network::network;
    use std::collections::HashMap;

    #[test]
    fn no_two_hosts_share_a_network() {
        let mut owners = HashMap::new();
        for number in (0..FIRST_BOT + BOTS).step_by(3).chain(0..FIRST_SERVER) {
            let host = Host(number);
            for of_host in 0..host.networks() {
                for (ipv6, key) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
                    let number = network(host.address(of_host, ipv6, key));
                    assert_eq!(*owners.entry(number).or_insert((host, of_host, ipv6)), (host, of_host, ipv6));
                }
            }
        }
    }

    #[test]
    fn pools_use_many_addresses_and_all_their_networks() {
        let pool = Host(PROVIDERS - 1);
        assert!(pool.networks() > 1);
        let addresses: std::collections::HashSet<IpAddr> =
            (0..5000).map(|key| pool.address(pool.network(key), false, !key)).collect();
        assert_eq!(addresses.len(), 60 * pool.networks() as usize);
        let server = Host(FIRST_SERVER);
        assert_eq!(server.address(server.network(1), true, 1), server.address(server.network(2), true, 2));
    }
}

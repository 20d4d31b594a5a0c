//! Clients by host name, which stands for that domain and all below it, and by network.

use std::net::IpAddr;

use super::names::{self, Names};
use super::network::Network;
use super::networks::{Networks, NetworksBuilder};
use super::{EntryMistake, Rank};

/// Clients with their ranks.
#[derive(Debug, Default)]
pub(in crate::grey) struct Clients<R: Rank> {
    names: Names<R>,
    networks: Networks<R>,
}

/// Clients that are still growing in number.
#[derive(Debug, Default)]
pub(in crate::grey) struct ClientsBuilder<R> {
    names: Names<R>,
    networks: NetworksBuilder<R>,
}

impl<R: Rank> ClientsBuilder<R> {
    /// Lists a network or a host name.
    pub(in crate::grey) fn insert(&mut self, entry: &str, rank: R) -> Result<(), EntryMistake> {
        if let Some(network) = Network::parse(entry) {
            self.networks.insert(network?, rank);
            return Ok(());
        }
        if entry.contains('@') {
            return Err(EntryMistake::AddressAmongClients);
        }
        names::check(entry)?;
        // No top-level domain is a number, so this was meant as a range or an address.
        if entry.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(EntryMistake::NumericName);
        }
        self.names.insert(entry, rank);
        Ok(())
    }

    pub(in crate::grey) fn build(self) -> Clients<R> {
        Clients { names: self.names, networks: self.networks.build() }
    }
}

impl<R: Rank> Clients<R> {
    /// The least rank of a host name and the domains above it.
    pub(in crate::grey) fn find_name(&self, name: &[u8]) -> Option<R> {
        self.names.find(name)
    }

    /// The least rank of the networks that hold this address; `::ffff:a.b.c.d` is a.b.c.d.
    pub(in crate::grey) fn find_address(&self, address: IpAddr) -> Option<R> {
        self.networks.find(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_the_right_form() {
        let mistake = |entry: &str| ClientsBuilder::default().insert(entry, ()).expect_err(entry);
        assert_eq!(mistake("user@example.org"), EntryMistake::AddressAmongClients);
        assert_eq!(mistake("192.0.2.1-192.0.2.9"), EntryMistake::NumericName);
        assert_eq!(mistake("1.2.3.4.5"), EntryMistake::Ipv4);
        assert_eq!(mistake("10.0.0.0/255.0.0.0"), EntryMistake::PrefixLength { length: "255.0.0.0".into(), most: 32 });
        assert_eq!(mistake("foo.org:25"), EntryMistake::Ipv6);
        assert_eq!(mistake("!foo.org"), EntryMistake::NameCharacter('!'));
        assert_eq!(
            mistake(".example.org").to_string(),
            "write `example.org`, which lists that domain and all below it"
        );
    }
}

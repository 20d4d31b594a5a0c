//! The whitelist of clients: host names, regexes on them, networks.

use std::net::IpAddr;

use super::mistake::{BadLine, Mistake, TooManyPatterns};
use super::names::{self, Names};
use super::network::Network;
use super::networks::{Networks, NetworksBuilder};
use super::patterns::{Patterns, PatternsBuilder};
use super::text;

/// The list of clients that ships with irongrey, in the syntax of the files.
pub const DEFAULT_CLIENTS: &str = include_str!("default_clients");

/// Clients by name, regex and network.
#[derive(Debug, Default)]
pub struct ClientList {
    names: Names,
    patterns: Patterns,
    networks: Networks,
}

/// A whitelist of clients that takes the text of one file after another.
#[derive(Default)]
pub struct ClientListBuilder {
    names: Names,
    patterns: PatternsBuilder,
    networks: NetworksBuilder,
}

impl ClientListBuilder {
    /// Adds the entries of a file's text and counts them. After an error the builder is of no further use.
    pub fn add(&mut self, text: &[u8]) -> Result<usize, BadLine> {
        text::each_entry(text, |entry| self.add_entry(entry))
    }

    fn add_entry(&mut self, entry: &str) -> Result<(), Mistake> {
        if let Some(regex) = text::regex_of(entry) {
            return self.patterns.insert(regex?);
        }
        if let Some(network) = Network::parse(entry) {
            self.networks.insert(network?);
            return Ok(());
        }
        if entry.contains('@') {
            return Err(Mistake::AddressAmongClients);
        }
        names::check(entry)?;
        // No top-level domain is a number, so this was meant as a range or an address.
        if entry.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(Mistake::NumericName);
        }
        self.names.insert(entry);
        Ok(())
    }

    /// Makes the list.
    pub fn build(self) -> Result<ClientList, TooManyPatterns> {
        Ok(ClientList { names: self.names, patterns: self.patterns.build()?, networks: self.networks.build() })
    }
}

impl ClientList {
    /// Whether a host name, or a domain above it, or a regex on it is listed.
    pub fn has_name(&self, name: &[u8]) -> bool {
        self.names.hold(name) || self.patterns.hold(name)
    }

    /// Whether a listed network holds this address; `::ffff:a.b.c.d` is a.b.c.d.
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.networks.hold(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> ClientList {
        let mut builder = ClientListBuilder::default();
        builder.add(text.as_bytes()).expect(text);
        builder.build().expect("small")
    }

    fn mistake(entry: &str) -> Mistake {
        ClientListBuilder::default().add(entry.as_bytes()).expect_err(entry).mistake
    }

    fn has(list: &ClientList, address: &str) -> bool {
        list.has_address(address.parse().expect("an address"))
    }

    #[test]
    fn each_kind_of_entry_is_found_where_it_belongs() {
        let list = list("example.org\n/^pool-\\d+\\./ # dial-in\n192.0.2\n198.51.100.9\n10\n2001:db8::/32\n");
        for name in ["example.org", "a.Example.org", "POOL-7.example.net"] {
            assert!(list.has_name(name.as_bytes()), "{name}");
        }
        for name in ["", "unknown", "example.net", "192.0.2.1", "x.pool-7.example.net"] {
            assert!(!list.has_name(name.as_bytes()), "{name}");
        }
        for address in ["192.0.2.77", "198.51.100.9", "10.255.0.1", "2001:db8::5", "::ffff:10.0.0.1"] {
            assert!(has(&list, address), "{address}");
        }
        for address in ["192.0.3.77", "198.51.100.8", "11.0.0.1", "2001:db7::5"] {
            assert!(!has(&list, address), "{address}");
        }
    }

    #[test]
    fn one_label_is_a_name() {
        let list = list("unknown\nlocalhost\ncom");
        assert!(list.has_name(b"unknown") && list.has_name(b"localhost") && list.has_name(b"a.com"));
    }

    #[test]
    fn an_empty_name_matches_a_regex_only() {
        let list = list("example.org\n/^$/");
        assert!(list.has_name(b"") && !list.has_name(b"unknown"));
    }

    #[test]
    fn files_add_up() {
        let mut builder = ClientListBuilder::default();
        assert_eq!(builder.add(b"example.org\n\n# none\n192.0.2\n"), Ok(2));
        assert_eq!(builder.add(b"/pool/\nexample.org\n"), Ok(2));
        let list = builder.build().expect("small");
        assert!(list.has_name(b"example.org") && list.has_name(b"xpoolx") && has(&list, "192.0.2.1"));
    }

    #[test]
    fn mistakes_are_told_with_the_right_form() {
        assert_eq!(mistake("user@example.org"), Mistake::AddressAmongClients);
        assert_eq!(mistake("192.0.2.1-192.0.2.9"), Mistake::NumericName);
        assert_eq!(mistake("1.2.3.4.5"), Mistake::Ipv4);
        assert_eq!(mistake("10.0.0.0/255.0.0.0"), Mistake::PrefixLength { length: "255.0.0.0".into(), most: 32 });
        assert_eq!(mistake("/foo#bar/"), Mistake::OpenRegex);
        assert_eq!(mistake("foo.org:25"), Mistake::Ipv6);
        assert_eq!(mistake("!foo.org"), Mistake::NameCharacter('!'));
        assert_eq!(
            mistake(".example.org").to_string(),
            "write `example.org`, which lists that domain and all below it"
        );
    }

    #[test]
    fn the_shipped_list_is_good_and_says_why() {
        let mut builder = ClientListBuilder::default();
        let entries = builder.add(DEFAULT_CLIENTS.as_bytes()).expect("shipped");
        assert!(entries > 50, "{entries}");
        for line in DEFAULT_CLIENTS.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            assert!(line.split_once('#').is_some_and(|(_, reason)| reason.trim().len() > 10), "no reason: {line}");
        }
        let list = builder.build().expect("small");
        assert!(list.has_name(b"mail-wm1-f50.google.com"));
        assert!(list.has_name(b"mail-am6eur05on2100.outbound.protection.outlook.com"));
        assert!(!list.has_name(b"unknown") && !list.has_name(b"com") && !list.has_name(b"mail.example.org"));
        assert!(!has(&list, "192.0.2.1") && !has(&list, "2001:db8::1"));
    }
}

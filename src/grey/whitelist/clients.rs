//! The whitelist of clients: host names, regexes on them, networks.

use std::net::IpAddr;

use super::mistake::{BadLine, Mistake, TooManyPatterns};
use super::patterns::{Patterns, PatternsBuilder};
use super::text;
use crate::grey::lookup::{Clients, ClientsBuilder};

/// The list of clients that ships with irongrey, in the syntax of the files.
pub const DEFAULT_CLIENTS: &str = include_str!("default_clients");

/// Clients by name, regex and network.
#[derive(Debug, Default)]
pub struct ClientList {
    clients: Clients<()>,
    patterns: Patterns,
}

/// A whitelist of clients that takes the text of one file after another.
#[derive(Default)]
pub struct ClientListBuilder {
    clients: ClientsBuilder<()>,
    patterns: PatternsBuilder,
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
        Ok(self.clients.insert(entry, ())?)
    }

    /// Makes the list.
    pub fn build(self) -> Result<ClientList, TooManyPatterns> {
        Ok(ClientList { clients: self.clients.build(), patterns: self.patterns.build()? })
    }
}

impl ClientList {
    /// Whether a host name, or a domain above it, or a regex on it is listed.
    pub fn has_name(&self, name: &[u8]) -> bool {
        self.clients.find_name(name).is_some() || self.patterns.hold(name)
    }

    /// Whether a listed network holds this address; `::ffff:a.b.c.d` is a.b.c.d.
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.clients.find_address(address).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grey::lookup::EntryMistake;

    fn list(text: &str) -> ClientList {
        let mut builder = ClientListBuilder::default();
        builder.add(text.as_bytes()).expect(text);
        builder.build().expect("small")
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
        let mistake = |entry: &str| ClientListBuilder::default().add(entry.as_bytes()).expect_err(entry).mistake;
        assert_eq!(mistake("user@example.org"), Mistake::Entry(EntryMistake::AddressAmongClients));
        assert_eq!(mistake("/foo#bar/"), Mistake::OpenRegex);
        assert!(mistake("mx*.example.org").to_string().ends_with("; or write a `/regex/`"));
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

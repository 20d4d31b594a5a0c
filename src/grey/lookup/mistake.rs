//! What can be wrong with an entry, whatever is made of it. Every message says what would be right.

use thiserror::Error;

/// Why a text is no entry, and what to write instead.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EntryMistake {
    /// Longer than any name or address can be.
    #[error("longer than {0} bytes, which no name or address is: write each entry for itself")]
    TooLong(usize),
    /// A name beginning with a dot or wildcard.
    #[error("write `{0}`, which lists that domain and all below it")]
    WriteDomain(String),
    /// An address whose domain begins with a dot or wildcard.
    #[error("an address lists one domain: write `{address}`, or `{user}` for the user of any domain")]
    Subdomains {
        /// The address without the dot.
        address: String,
        /// The user with their `@`.
        user: String,
    },
    /// A name that ends with a dot.
    #[error("a name is written without a dot at its end: write `{0}`")]
    TrailingDot(String),
    /// A name with an empty label.
    #[error("two dots in a row: write a domain name such as `example.org`")]
    EmptyLabel,
    /// A character that no host name has.
    #[error("a host name has no {0:?}: write a name such as `mail.example.org`, or a network such as `192.0.2.0/24`")]
    NameCharacter(char),
    /// A name whose last label is a number.
    #[error("neither a network nor a host name: write `192.0.2.1`, `192.0.2.0/24` or `192.0.2`")]
    NumericName,
    /// Digits and dots that are no network.
    #[error("not an IPv4 network: write `192.0.2.1`, `192.0.2.0/24`, or `192.0.2` (/24), `192.0` (/16), `10` (/8)")]
    Ipv4,
    /// An octet with a zero in front.
    #[error("a number with a leading zero, which some read as octal: write `10.2.3.4` for `010.2.3.4`")]
    LeadingZero,
    /// A prefix length on fewer than four octets.
    #[error("a prefix length needs all four octets: write `{0}`")]
    ShortWithPrefix(String),
    /// Colons, but no IPv6 network.
    #[error("not an IPv6 network: write `2001:db8::1` or `2001:db8::/32`; names are listed without a port")]
    Ipv6,
    /// A prefix length that is no number or too large.
    #[error("`/{length}` is no prefix length: write a number from 0 to {most}")]
    PrefixLength {
        /// What stands behind the slash.
        length: String,
        /// 32 or 128.
        most: u8,
    },
    /// An address in the list of clients.
    #[error("an e-mail address in a list of clients: list it among the recipients, or write the client's host name")]
    AddressAmongClients,
    /// A network in a list of e-mail addresses.
    #[error(
        "a network in a list of e-mail addresses: list it among the clients; an address literal is written `[192.0.2.1]`"
    )]
    NetworkAmongAddresses,
    /// An address in brackets or quotes.
    #[error("write the bare address `user@example.org`: Postfix sends it without angle brackets and quotes")]
    NotBare,
    /// A wildcard in an address.
    #[error("`*` is no wildcard: write `example.org` for a whole domain, or `user@` for a user of any domain")]
    Wildcard,
    /// A character that no unquoted address has.
    #[error("an address has no {0:?}: write `user@example.org`, `user@` or `example.org`")]
    AddressCharacter(char),
}

/// An entry as a log line can bear it.
pub(in crate::grey) fn shown(entry: &str) -> String {
    const MOST: usize = 80;
    let mut characters = entry.chars();
    let mut shown: String = characters.by_ref().take(MOST).flat_map(char::escape_debug).collect();
    if characters.next().is_some() {
        shown.push_str("...");
    }
    shown
}

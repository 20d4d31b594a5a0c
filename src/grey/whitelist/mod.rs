//! The whitelists of clients and recipients: postgrey's file syntax, at a cost that does not grow with their length.

use std::net::IpAddr;

/// Both whitelists, immutable once built; a reload builds new ones and swaps them in.
#[derive(Debug, Default)]
pub struct Lists {
    /// Clients that are never greylisted.
    pub clients: ClientList,
    /// Recipients for whom nothing is greylisted.
    pub recipients: RecipientList,
}

/// Clients by name, regex and network.
#[derive(Debug, Default)]
pub struct ClientList {}

/// Recipients by address, local part, domain and regex.
#[derive(Debug, Default)]
pub struct RecipientList {}

impl ClientList {
    /// Whether a host name, or a domain above it, or a regex on it is listed.
    pub fn has_name(&self, _name: &[u8]) -> bool {
        false
    }

    /// Whether a listed network holds this address.
    pub fn has_address(&self, _address: IpAddr) -> bool {
        false
    }
}

impl RecipientList {
    /// Whether a recipient is listed.
    pub fn has(&self, _recipient: &[u8]) -> bool {
        false
    }
}

//! `--inet=[HOST:]PORT`, as postgrey reads it, to the addresses to listen on.
//!
//! A bare port means `localhost` with all its addresses; `*:PORT` and `:PORT` mean every address of the host, over IPv6 and
//! IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::str::FromStr;

use thiserror::Error;

/// A host, by name or address, and a port. Host names are not looked up before [`Inet::resolve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inet {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    Local,
    Address(IpAddr),
    Name(String),
}

/// Why an `--inet` value cannot be listened on.
#[derive(Debug, Error)]
pub enum InetError {
    /// It has no port.
    #[error("expected [HOST:]PORT with a port from 0 to 65535, such as 10023, 127.0.0.1:10023 or [::1]:10023")]
    Syntax,
    /// The resolver does not know the name.
    #[error("--inet={name}:{port}: the host name has no address ({source}); use an IP address")]
    Unresolved {
        /// The host's name.
        name: String,
        /// The port.
        port: u16,
        /// The resolver's answer.
        source: std::io::Error,
    },
}

impl FromStr for Inet {
    type Err = InetError;

    fn from_str(text: &str) -> Result<Self, InetError> {
        let (host, port) = match text.rsplit_once(':') {
            None => (Host::Local, text),
            Some((host, port)) => (Host::from(host), port),
        };
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InetError::Syntax);
        }
        Ok(Self { host, port: port.parse().map_err(|_| InetError::Syntax)? })
    }
}

impl From<&str> for Host {
    fn from(text: &str) -> Self {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        match bare {
            "" | "*" => Self::Any,
            "localhost" => Self::Local,
            _ => bare.parse().map_or_else(|_| Self::Name(bare.to_owned()), Self::Address),
        }
    }
}

impl Inet {
    /// An address and port that need no look-up.
    pub fn new(address: impl Into<IpAddr>, port: u16) -> Self {
        Self { host: Host::Address(address.into()), port }
    }

    /// The addresses to listen on: every one that a name has. Asks the system's resolver for names.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, InetError> {
        match &self.host {
            // Two sockets: one for both would show IPv4 clients only under mapped addresses.
            Host::Any => {
                let any: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
                Ok(any.map(|address| SocketAddr::new(address, self.port)).to_vec())
            }
            Host::Local => Ok(local(self.port)),
            Host::Address(address) => Ok(vec![SocketAddr::new(*address, self.port)]),
            Host::Name(name) => match (name.as_str(), self.port).to_socket_addrs() {
                Ok(addresses) => Ok(addresses.collect()),
                Err(source) => Err(InetError::Unresolved { name: name.clone(), port: self.port, source }),
            },
        }
    }
}

/// The addresses of `localhost` that this machine can be reached at, which are some whatever the resolver says.
fn local(port: u16) -> Vec<SocketAddr> {
    let known = ("localhost", port).to_socket_addrs().map_or_else(|_| Vec::new(), Iterator::collect);
    // With IPv6 switched off the name still has its IPv6 address.
    let is_usable = |address: &SocketAddr| address.ip().is_loopback() && UdpSocket::bind((address.ip(), 0)).is_ok();
    let mut usable: Vec<SocketAddr> = known.into_iter().filter(is_usable).collect();
    usable.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    usable.sort();
    usable.dedup();
    usable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Vec<String> {
        let inet: Inet = text.parse().unwrap();
        inet.resolve().unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn forms_that_postgrey_takes() {
        assert_eq!(resolved("192.0.2.1:10023"), ["192.0.2.1:10023"]);
        assert_eq!(resolved("[::1]:10023"), ["[::1]:10023"]);
        assert_eq!(resolved("::1:10023"), ["[::1]:10023"]);
        assert_eq!(resolved("*:10023"), ["[::]:10023", "0.0.0.0:10023"]);
        assert_eq!(resolved(":10023"), ["[::]:10023", "0.0.0.0:10023"]);
    }

    #[test]
    fn a_bare_port_is_that_of_localhost_with_all_its_addresses() {
        let addresses = resolved("10023");
        assert_eq!(addresses, resolved("localhost:10023"));
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap();
        let has_ipv6 = hosts.lines().any(|line| {
            let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
            words.next() == Some("::1") && words.any(|name| name == "localhost")
        });
        let is_there = has_ipv6 && UdpSocket::bind("[::1]:0").is_ok();
        let expected: &[&str] = if is_there { &["127.0.0.1:10023", "[::1]:10023"] } else { &["127.0.0.1:10023"] };
        assert_eq!(addresses, expected);
    }

    #[test]
    fn a_port_is_needed() {
        for text in ["", "localhost", "127.0.0.1", "[::1]", "host:smtp", "65536", "host:-1", "host:+1"] {
            assert!(matches!(text.parse::<Inet>(), Err(InetError::Syntax)), "{text:?}");
        }
    }

    #[test]
    fn a_name_without_an_address_is_named() {
        let error = "nosuch.invalid:10023".parse::<Inet>().unwrap().resolve().unwrap_err();
        assert!(error.to_string().starts_with("--inet=nosuch.invalid:10023: "), "{error}");
    }
}

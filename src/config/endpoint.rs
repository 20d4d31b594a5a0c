//! `inet:HOST:PORT` and `unix:PATH`, as Postfix names a policy server, to what is listened on or connected to.
//!
//! Here a host means what it means to `--inet`, so that an address can be moved from one command line to another.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use super::{Host, Inet, InetError, Listen};

/// The longest path that a socket's address holds.
const MAX_PATH: usize = 107;

/// A socket by its name in Postfix's spelling. Shown as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    written: String,
    socket: Socket,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Socket {
    Inet(Inet),
    Unix(PathBuf),
}

/// Where a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name as it was written.
    pub name: String,
    /// Where it may be: the first address that takes a connection counts.
    pub addresses: Vec<Listen>,
}

/// Why a word does not name a socket, or not one for this use.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// Not Postfix's spelling.
    #[error(
        "expected inet:[HOST:]PORT or unix:PATH, as in Postfix's check_policy_service, such as inet:127.0.0.1:10023 or \
         unix:/run/postgrey/socket"
    )]
    Form,
    /// The resolver does not know the host.
    #[error("the host has no address ({0}); use an IP address")]
    Unresolved(#[source] std::io::Error),
    /// Every host, or any port.
    #[error("no server can be asked there; name its host and its port, such as inet:127.0.0.1:10023")]
    NotOneServer,
    /// No socket can have this path.
    #[error("a socket's path has at most {MAX_PATH} bytes, and this one has {0}; use a shorter one")]
    LongPath(usize),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let socket = match text.split_once(':') {
            Some(("inet", inet)) => Socket::Inet(inet.parse().map_err(|_| EndpointError::Form)?),
            Some(("unix", path)) if !path.is_empty() => Socket::Unix(path.into()),
            _ => return Err(EndpointError::Form),
        };
        Ok(Self { written: text.to_owned(), socket })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Endpoint {
    /// The sockets to listen on. Asks the system's resolver for names.
    pub fn listen(&self, host: &Host) -> Result<Vec<Listen>, EndpointError> {
        match &self.socket {
            Socket::Unix(path) => Ok(vec![Listen::Unix(short(host.absolute(path))?)]),
            Socket::Inet(inet) => match inet.resolve() {
                Ok(addresses) => Ok(addresses.into_iter().map(Listen::Inet).collect()),
                Err(InetError::Unresolved { source, .. }) => Err(EndpointError::Unresolved(source)),
                Err(InetError::Syntax) => Err(EndpointError::Form),
            },
        }
    }

    /// The server that listens there. Asks the system's resolver for names.
    pub fn upstream(&self, host: &Host) -> Result<Upstream, EndpointError> {
        let addresses = self.listen(host)?;
        let is_one = |at: &Listen| !matches!(at, Listen::Inet(at) if at.port() == 0 || at.ip().is_unspecified());
        if !addresses.iter().all(is_one) {
            return Err(EndpointError::NotOneServer);
        }
        Ok(Upstream { name: self.written.clone(), addresses })
    }
}

impl Upstream {
    /// Whether who connects to this server may reach a socket that listens there.
    pub fn is_reached_at(&self, listen: &Listen) -> bool {
        let is_same = |at: &Listen| match (at, listen) {
            (Listen::Inet(at), Listen::Inet(listen)) => covers(*listen, *at),
            (at, listen) => at == listen,
        };
        self.addresses.iter().any(is_same)
    }
}

/// An open address has every address of this host; which those are beside the loopback ones is not looked up.
fn covers(listen: SocketAddr, at: SocketAddr) -> bool {
    let is_open = listen.ip().is_unspecified() && listen.is_ipv4() == at.is_ipv4() && at.ip().is_loopback();
    listen.port() == at.port() && (listen.ip() == at.ip() || is_open)
}

fn short(path: PathBuf) -> Result<PathBuf, EndpointError> {
    let length = Path::as_os_str(&path).len();
    if length > MAX_PATH { Err(EndpointError::LongPath(length)) } else { Ok(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host { cwd: "/work".into(), ..Host::read() }
    }

    fn endpoint(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    #[test]
    fn postfixs_spelling() {
        let inet = |address: &str| Listen::Inet(address.parse().unwrap());
        assert_eq!(endpoint("inet:127.0.0.1:10023").listen(&host()).unwrap(), [inet("127.0.0.1:10023")]);
        assert_eq!(endpoint("inet:[::1]:10023").listen(&host()).unwrap(), [inet("[::1]:10023")]);
        assert!(endpoint("inet:10023").listen(&host()).unwrap().contains(&inet("127.0.0.1:10023")));
        assert_eq!(endpoint("unix:run/a:b").listen(&host()).unwrap(), [Listen::Unix("/work/run/a:b".into())]);
        assert_eq!(endpoint("unix:/a").to_string(), "unix:/a");
        for text in ["", "inet", "inet:", "inet:host", "unix:", "127.0.0.1:10023", "/run/socket", "tcp:1", "INET:1"] {
            assert!(matches!(text.parse::<Endpoint>(), Err(EndpointError::Form)), "{text:?}");
        }
    }

    #[test]
    fn a_server_is_at_a_place_of_its_own() {
        for text in ["inet:*:10023", "inet::10023", "inet:0.0.0.0:1", "inet:127.0.0.1:0"] {
            assert!(matches!(endpoint(text).upstream(&host()), Err(EndpointError::NotOneServer)), "{text}");
        }
        let long = format!("unix:/{}", "x".repeat(MAX_PATH));
        assert!(matches!(endpoint(&long).upstream(&host()), Err(EndpointError::LongPath(108))));
        let unknown = endpoint("inet:nosuch.invalid:10023").upstream(&host());
        assert!(matches!(unknown, Err(EndpointError::Unresolved(_))));
    }

    #[test]
    fn what_listens_everywhere_is_reached_at_the_loopback_address() {
        let server = endpoint("inet:127.0.0.1:10023").upstream(&host()).unwrap();
        for (listen, reached) in [
            ("127.0.0.1:10023", true),
            ("0.0.0.0:10023", true),
            ("[::]:10023", false),
            ("127.0.0.1:10024", false),
            ("127.0.0.2:10023", false),
        ] {
            assert_eq!(server.is_reached_at(&Listen::Inet(listen.parse().unwrap())), reached, "{listen}");
        }
        let server = endpoint("unix:a").upstream(&host()).unwrap();
        assert!(server.is_reached_at(&Listen::Unix("/work/a".into())));
    }
}

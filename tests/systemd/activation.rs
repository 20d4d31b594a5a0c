//! Sockets that are handed over.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use tempfile::TempDir;

use super::{Service, is_answered, unix_listener};
use crate::support::{Address, Client};

#[test]
fn those_alone_are_served_if_no_option_names_one() {
    let dir = TempDir::new().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let (unix, path) = unix_listener(dir.path());
    let address = tcp.local_addr().unwrap();
    let service = Service::new(dir.path()).hand_over(tcp).hand_over(unix);
    for _ in 0..2 {
        let daemon = service.start();
        assert_eq!(daemon.addresses, format!("{address} {}", path.display()));
        for address in [Address::Tcp(address), Address::Unix(path.clone())] {
            assert!(is_answered(&mut Client::connect(&address)));
        }
        assert_eq!(daemon.stop().code(), Some(0));
        assert!(path.exists(), "the file is not the daemon's to remove");
    }
}

#[test]
fn one_that_an_option_names_too_is_that_one() {
    let dir = TempDir::new().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let (unix, path) = unix_listener(dir.path());
    let own = dir.path().join("own.sock");
    let address = tcp.local_addr().unwrap();
    let options = [format!("--inet={address}"), format!("--unix={}", own.display())];
    let daemon = Service::new(dir.path()).with(options).hand_over(tcp).hand_over(unix).start();
    assert_eq!(daemon.addresses, format!("{address} {} {}", path.display(), own.display()));
    for address in [Address::Tcp(address), Address::Unix(path.clone()), Address::Unix(own.clone())] {
        assert!(is_answered(&mut Client::connect(&address)));
    }
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(path.exists() && !own.exists());
}

/// As systemd makes it for a bare port.
#[test]
fn one_for_all_of_ipv6_takes_ipv4_as_well() {
    let Ok(tcp) = TcpListener::bind("[::]:0") else {
        return crate::support::skipped_anywhere("systemd::one_for_all_of_ipv6", "there is no IPv6 here");
    };
    let dir = TempDir::new().unwrap();
    let port = tcp.local_addr().unwrap().port();
    let service = Service::new(dir.path()).with([format!("--inet=*:{port}")]).hand_over(tcp);
    let mut words = service.command.clone();
    words.retain(|word| word != "--test-clock");
    let daemon = Service { command: words, ..service }.start();
    assert_eq!(daemon.addresses, format!("[::]:{port}"));
    assert!(is_answered(&mut Client::connect(&Address::Tcp(([127, 0, 0, 1], port).into()))));
}

#[test]
fn what_accepts_no_stream_is_refused_by_number() {
    let dir = TempDir::new().unwrap();
    let (unix, _) = unix_listener(dir.path());
    let unbound = UnixListener::bind_addr(&SocketAddr::from_abstract_name(dir.path().to_str().unwrap()).unwrap());
    let (connected, _peer) = UnixStream::pair().unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let others: [(OwnedFd, &str); 4] = [
        (datagrams.into(), "no socket that accepts"),
        (connected.into(), "no socket that accepts"),
        (File::open("/dev/null").unwrap().into(), "no socket that accepts"),
        (unbound.unwrap().into(), "without a path"),
    ];
    for (other, reason) in others {
        let service = Service::new(dir.path()).hand_over(unix.try_clone().unwrap()).hand_over(other);
        let (code, error) = service.start_refused();
        assert_eq!(code, Some(2), "{error}");
        assert!(
            error.contains("descriptor 4, ") && error.contains(reason) && error.contains("ListenStream="),
            "{error}"
        );
    }
}

#[test]
fn in_the_background_none_is_taken() {
    let dir = TempDir::new().unwrap();
    let (unix, _) = unix_listener(dir.path());
    let (code, error) = Service::new(dir.path()).with(["--daemonize"]).hand_over(unix).start_refused();
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("without --daemonize"), "{error}");
}

//! The sockets themselves.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::config::Listen;
use crate::worker::{BindError, Bound, bind};

fn port(bound: &Bound) -> u16 {
    match bound.address() {
        Some(Listen::Inet(address)) => address.port(),
        other => panic!("no TCP socket: {other:?}"),
    }
}

fn unix(path: &Path) -> Result<Bound, BindError> {
    bind(&Listen::Unix(path.into()), 0o660, None, 16)
}

#[test]
fn both_families_take_the_same_port_and_nobody_takes_it_twice() {
    let six = bind(&Listen::Inet((Ipv6Addr::UNSPECIFIED, 0).into()), 0, None, 16).unwrap();
    let four: SocketAddr = (Ipv4Addr::UNSPECIFIED, port(&six)).into();
    let bound = bind(&Listen::Inet(four), 0, None, 16).unwrap();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port(&bound))).unwrap();
    TcpStream::connect((Ipv6Addr::LOCALHOST, port(&six))).unwrap();
    let error = bind(&Listen::Inet(four), 0, None, 16).unwrap_err();
    assert!(matches!(error, BindError::InetInUse(address) if address == four));
    assert!(error.to_string().contains(&four.to_string()), "{error}");
}

#[test]
fn an_address_of_another_host_is_refused_by_name() {
    let foreign: SocketAddr = "192.0.2.1:10023".parse().unwrap();
    let error = bind(&Listen::Inet(foreign), 0, None, 16).unwrap_err();
    assert!(matches!(error, BindError::NotOurs(address) if address == foreign), "{error}");
}

#[test]
fn a_unix_socket_has_the_mode_and_group_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let group = fs::metadata(dir.path()).unwrap().gid();
    for mode in [0o660, 0o666, 0o600] {
        let _bound = bind(&Listen::Unix(path.clone()), mode, Some(group), 16).unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.permissions().mode() & 0o7777, found.gid()), (mode, group));
    }
}

#[test]
fn only_a_socket_that_nobody_answers_on_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let live = UnixListener::bind(&path).unwrap();
    assert!(matches!(unix(&path), Err(BindError::UnixInUse(at)) if at == path));
    UnixStream::connect(&path).unwrap();
    drop(live);
    assert!(path.exists());
    let _bound = unix(&path).unwrap();
    UnixStream::connect(&path).unwrap();

    let file = dir.path().join("file");
    fs::write(&file, "precious").unwrap();
    assert!(matches!(unix(&file), Err(BindError::NotASocket(at)) if at == file));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(unix(&link), Err(BindError::NotASocket(_))));
}

#[test]
fn a_path_that_cannot_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().join("missing/socket"), dir.path().join("x".repeat(108))] {
        let error = unix(&path).unwrap_err();
        assert!(matches!(&error, BindError::Unix { path: at, .. } if *at == path), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

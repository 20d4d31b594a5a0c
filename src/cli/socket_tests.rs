//! Command lines and the sockets that are there before them; the shadow's servers.

use super::tests::{host, inet};
use super::*;
use crate::config::{Host, Listen, LogTarget, Side};

#[test]
fn the_shadow_needs_two_servers_and_nothing_else() {
    let shadow = |options: &[&str]| {
        let words = [&["irongrey", "shadow", "--old=inet:127.0.0.1:10023", "--new=unix:/run/new"], options].concat();
        match parse(words.into_iter().map(OsString::from).collect(), &Environment::default()).unwrap() {
            Command::Shadow(args) => args.settings(&host()).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let settings = shadow(&[]);
    assert_eq!(settings.listen, [inet("127.0.0.1:10123")]);
    assert_eq!((settings.answer, settings.deadline.as_secs(), settings.max_connections), (Side::Old, 2, 1_000));
    assert_eq!((settings.socket_mode, settings.logs.target), (0o660, LogTarget::Stderr));
    let [old, new] = settings.servers;
    assert_eq!((&*old.name, old.addresses), ("inet:127.0.0.1:10023", vec![inet("127.0.0.1:10023")]));
    assert_eq!((&*new.name, new.addresses), ("unix:/run/new", vec![Listen::Unix("/run/new".into())]));
    let settings = shadow(&["--listen=unix:a", "--listen=inet:[::1]:1", "--answer=new", "--deadline=1m"]);
    assert_eq!(settings.listen, [Listen::Unix("/work/a".into()), inet("[::1]:1")]);
    assert_eq!((settings.answer, settings.deadline.as_secs()), (Side::New, 60));
}

#[test]
fn a_daemon_that_listens_looks_no_name_up_again() {
    let parsed =
        parse(["irongrey", "serve", "--inet=nosuch.invalid:7"].map(OsString::from).into(), &Environment::default());
    let Ok(Command::Serve(args)) = parsed else { unreachable!("a daemon") };
    assert!(args.settings(&host()).is_err());
    let at_work = Host { listening: Some(vec![inet("192.0.2.1:7")]), ..host() };
    assert_eq!(args.settings(&at_work).unwrap().listen, [inet("192.0.2.1:7")]);
}

#[test]
fn sockets_that_are_handed_over_are_served_and_stand_for_the_default() {
    let handed_over = vec![inet("127.0.0.1:7"), Listen::Unix("/run/g".into())];
    let host = Host { handed_over: handed_over.clone(), ..host() };
    let settings = |line: &[&str]| {
        let words = line.iter().map(OsString::from).collect();
        match parse(words, &Environment::default()).unwrap() {
            Command::Serve(args) => args.settings(&host),
            Command::Postgrey(args) => args.settings(&host),
            _ => unreachable!("not a daemon"),
        }
    };
    for command in ["serve", "postgrey"] {
        assert_eq!(settings(&["irongrey", command]).unwrap().listen, handed_over, "{command}");
        let named = settings(&["irongrey", command, "--unix=/run/g", "--inet=127.0.0.1:8"]).unwrap().listen;
        assert_eq!(named, [inet("127.0.0.1:8"), Listen::Unix("/run/g".into()), inet("127.0.0.1:7")], "{command}");
    }
    let open = Host { handed_over: vec![inet("0.0.0.0:7")], ..host.clone() };
    let Command::Serve(args) =
        parse(["irongrey", "serve", "--test-clock"].map(OsString::from).into(), &Environment::default()).unwrap()
    else {
        unreachable!()
    };
    assert!(args.settings(&open).unwrap_err().to_string().contains("not on 0.0.0.0:7"));
}

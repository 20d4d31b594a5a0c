//! Whole command lines of both commands, to settings or to the error that an administrator reads.

use std::path::PathBuf;

use super::*;
use crate::config::{Builtin, Facility, Host, Listen, LogTarget, Settings, SyncMode};
use crate::grey::{OnFull, Terms};

pub(super) fn host() -> Host {
    Host {
        name: "mx.example.org".to_owned(),
        root: false,
        cores: 4,
        state_home: Some(PathBuf::from("/home/me/.local/state")),
        cwd: PathBuf::from("/work"),
        handed_over: Vec::new(),
        listening: None,
    }
}

fn read(line: &[&str], environment: &Environment) -> Result<Settings, String> {
    let words = line.iter().map(OsString::from).collect();
    let settings = match parse(words, environment).map_err(|error| error.to_string())? {
        Command::Serve(args) => args.settings(&host()),
        Command::Postgrey(args) => args.settings(&host()),
        _ => unreachable!("not a daemon"),
    };
    settings.map_err(|error| error.to_string())
}

pub(super) fn postgrey(options: &[&str]) -> Result<Settings, String> {
    read(&[&["postgrey"], options].concat(), &Environment::default())
}

fn serve(options: &[&str]) -> Result<Settings, String> {
    read(&[&["irongrey", "serve"], options].concat(), &Environment::default())
}

pub(super) fn inet(address: &str) -> Listen {
    Listen::Inet(address.parse().unwrap())
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn a_switch_can_be_switched_off_again() {
    for (options, quiet) in
        [(&["-q"][..], true), (&["-qv"], true), (&["--quiet=false"], false), (&["-q", "--quiet=false"], false)]
    {
        assert_eq!(serve(options).unwrap().logs.quiet, quiet, "{options:?}");
    }
    assert!(serve(&["--quiet", "false"]).unwrap_err().contains("unexpected argument 'false'"));
}

#[test]
fn the_tutorial_line() {
    let settings = postgrey(&["--inet=127.0.0.1:10023", "--delay=60", "--max-age=10"]).unwrap();
    assert_eq!(settings.listen, [inet("127.0.0.1:10023")]);
    assert_eq!((settings.terms.delay, settings.terms.max_age), (60, 864_000));
    assert_eq!((settings.terms.retry_window, settings.terms.auto_whitelist_clients), (172_800, 5));
    assert_eq!(settings.socket_mode, 0o666);
    assert_eq!(settings.state.dir, PathBuf::from("/var/lib/postgrey/irongrey"));
    assert_eq!(settings.texts.text, "Greylisted, see http://postgrey.schweikert.ch/help/%r.html");
    assert_eq!(settings.lists.builtin, Builtin::WithoutFiles);
    assert_eq!(settings.logs.target, LogTarget::Stderr);
}

#[test]
fn the_line_of_debians_init_script() {
    let line = ["--pidfile=/var/run/postgrey.pid", "--daemonize", "--inet=127.0.0.1:10023", ""];
    let settings = read(&[&["/usr/sbin/postgrey"], &line[..]].concat(), &Environment::default()).unwrap();
    assert_eq!(settings.listen, [inet("127.0.0.1:10023")]);
    assert!(settings.process.daemonize);
    assert_eq!(settings.process.pidfile, Some(PathBuf::from("/var/run/postgrey.pid")));
    assert_eq!(settings.logs.target, LogTarget::Syslog(Facility::MAIL));
}

#[test]
fn every_option_of_postgrey() {
    let settings = postgrey(&[
        "-v",
        "-q",
        "--syslog-facility=local3",
        "-u",
        "run/grey",
        "--socketmode=600",
        "-i",
        "[::1]:1",
        "-d",
        "--pidfile=p",
        "--user=grey",
        "--group=12",
        "--dbdir=/d",
        "--delay=7",
        "--max-age=1",
        "--retry-window=6h",
        "--greylist-action=DEFER",
        "--greylist-text=later %s",
        "--lookup-by-subnet",
        "--ipv4cidr=20",
        "--ipv6cidr=48",
        "--privacy",
        "--hostname=h",
        "--exim",
        "--whitelist-clients=a",
        "--whitelist-clients=/b",
        "--whitelist-recipients=c",
        "--auto-whitelist-clients=9",
        "--listen-queue-size=50",
        "--x-greylist-header=X: %t",
    ])
    .unwrap();
    assert!(settings.logs.verbose && settings.logs.quiet && settings.close_after_reply);
    assert_eq!(settings.logs.target, LogTarget::Syslog("local3".parse().unwrap()));
    assert_eq!(settings.listen, [inet("[::1]:1"), Listen::Unix("/work/run/grey".into())]);
    assert_eq!((settings.socket_mode, settings.listen_queue_size), (0o600, 50));
    assert_eq!((settings.process.user.as_deref(), settings.process.group.as_deref()), (Some("grey"), Some("12")));
    assert_eq!((settings.terms.delay, settings.terms.max_age, settings.terms.retry_window), (7, 86_400, 21_600));
    assert_eq!((settings.texts.action.as_str(), settings.texts.text.as_str()), ("DEFER", "later %s"));
    assert_eq!((settings.texts.header.as_str(), settings.texts.hostname.as_str()), ("X: %t", "h"));
    assert_eq!((settings.terms.networks.ipv4_prefix, settings.terms.networks.ipv6_prefix), (20, 48));
    assert_eq!(settings.lists.clients, [PathBuf::from("/work/a"), PathBuf::from("/b")]);
    assert!(settings.lists.clients_if_present.is_empty() && settings.lists.recipients_if_present.is_empty());
    assert_eq!(settings.terms.auto_whitelist_clients, 9);
    let by_host = postgrey(&["--inet=1", "--lookup-by-host"]).unwrap().terms.networks;
    assert_eq!((by_host.ipv4_prefix, by_host.ipv6_prefix), (32, 128));
}

#[test]
fn spellings_that_postgrey_takes() {
    for line in [
        &["--inet=127.0.0.1:1", "-delay", "60"][..],
        &["--inet=127.0.0.1:1", "--delay", "60", "stray"],
        &["--inet=127.0.0.1:1", "--delay", "60", "24", "--delay=90"],
        &["--i=127.0.0.1:1", "--delay=5", "--delay=60", ""],
        &["--delay=60", "--auto-whitelist-clients", "--inet", "127.0.0.1:1"],
        &["--delay=60", "--auto-whitelist-clients=", "--inet", "127.0.0.1:1"],
        &["--inet=127.0.0.1:1", "--syslogfacility=mail", "--delay=60"],
        &["--inet=127.0.0.1:1", "-facility", "mail", "--delay=+60"],
        &["--inet=127.0.0.1:1", "--greylist-text", "-busy, %s", "--delay=60", "--socketmode=01777"],
        &["--inet=127.0.0.1:1", "--retry-window=12H", "--delay=60", "--pidfile=/nonexistent/pid"],
    ] {
        let settings = postgrey(line).unwrap();
        assert_eq!((settings.terms.delay, settings.terms.auto_whitelist_clients), (60, 5), "{line:?}");
        assert_eq!(settings.listen, [inet("127.0.0.1:1")], "{line:?}");
        assert_eq!(settings.process.pidfile, None, "{line:?}");
    }
    assert_eq!(postgrey(&["--inet=1", "24", "", "--delay=90"]).unwrap().unread, ["24", "--delay=90"]);
    let local = postgrey(&["--inet=1", "--whitelist-clients=a.local", "--whitelist-recipients=b.local"]).unwrap().lists;
    assert_eq!((local.clients_if_present, local.clients), (vec!["/work/a.local".into()], Vec::new()), "may be missing");
    assert_eq!((local.recipients_if_present, local.recipients), (vec!["/work/b.local".into()], Vec::new()));
    for line in [&["--inet=1", "--del=60"][..], &["--inet=1", "-delay=60"], &["--inet=1", "--DELAY=60"]] {
        assert!(postgrey(line).is_err(), "{line:?}");
    }
}

#[test]
fn the_environment_comes_before_the_command_line() {
    let environment = Environment {
        postgrey_opts: Some("--inet=127.0.0.1:10023  --delay=60 --hostname='e n v'".to_owned()),
        postgrey_text: Some("Come back later".to_owned()),
    };
    let settings = read(&["irongrey", "postgrey", "--inet=127.0.0.1:10023", "--delay=90"], &environment).unwrap();
    assert_eq!(settings.listen, [inet("127.0.0.1:10023")]);
    assert_eq!(settings.terms.delay, 90);
    assert_eq!((settings.texts.text.as_str(), settings.texts.hostname.as_str()), ("Come back later", "e n v"));
    let comment = Environment { postgrey_opts: Some("--inet=127.0.0.1:1 #x --delay=9".into()), postgrey_text: None };
    assert_eq!(read(&["irongrey", "postgrey"], &comment).unwrap().unread, ["#x", "--delay=9"]);
    let serve = read(&["irongrey", "serve"], &environment).unwrap();
    assert_eq!(serve.terms, Terms::DEFAULT);
    assert_eq!(postgrey(&["--inet=1"]).unwrap().terms, Terms::DEFAULT);
}

#[test]
fn bare_serve() {
    let settings = serve(&[]).unwrap();
    assert_eq!(settings.listen, [inet("127.0.0.1:10023")]);
    assert_eq!(settings.state.dir, PathBuf::from("/home/me/.local/state/irongrey"));
    assert_eq!((settings.workers, settings.max_connections, settings.socket_mode), (4, 16_384, 0o660));
    assert_eq!(settings.state.max_size, 4 << 30);
    assert_eq!(settings.state.sync, SyncMode::Every(std::time::Duration::from_secs(1)));
    assert_eq!(settings.texts.text, "Greylisted for %s seconds");
    assert_eq!((settings.lists.builtin, settings.terms.on_full), (Builtin::Always, OnFull::Dunno));
    assert!(settings.lists.clients_if_present.contains(&PathBuf::from("/etc/irongrey/whitelist_clients")));
    let words = ["irongrey", "serve"].map(OsString::from).to_vec();
    let Ok(Command::Serve(args)) = parse(words, &Environment::default()) else { panic!("not serve") };
    let as_root = args.settings(&Host { root: true, ..host() }).unwrap();
    assert_eq!(as_root.state.dir, PathBuf::from("/var/lib/irongrey"));
    let homeless = args.settings(&Host { state_home: None, ..host() }).unwrap_err().to_string();
    assert!(homeless.contains("--state=DIR"), "{homeless}");
}

#[test]
fn options_of_serve() {
    let line = [
        "--unix=/run/g",
        "--inet=[::1]:1",
        "--inet=127.0.0.1:2",
        "--sync=os",
        "--on-full=defer",
        "--max-state=512M",
        "--workers=2",
        "--close-after-reply",
    ];
    let settings = serve(&line).unwrap();
    assert!(settings.close_after_reply && !serve(&["--close-after-reply=false"]).unwrap().close_after_reply);
    assert_eq!(settings.listen, [inet("[::1]:1"), inet("127.0.0.1:2"), Listen::Unix("/run/g".into())]);
    assert_eq!((settings.state.sync, settings.terms.on_full), (SyncMode::Os, OnFull::Defer));
    assert_eq!((settings.state.max_size, settings.workers), (512 << 20, 2));
    assert_eq!(serve(&["--inet=127.0.0.1:0", "--inet=127.0.0.1:0"]).unwrap().listen.len(), 2);
}

#[test]
fn an_error_names_the_option_the_value_and_what_would_be_right() {
    for (option, right) in [
        ("--delay=5x", "300s, 5m, 2h or 2d"),
        ("--max-age=ten", "whole number of days"),
        ("--auto-whitelist-clients=5000", "0..=4095"),
        ("--ipv4cidr=40", "0..=32"),
        ("--ipv6cidr=129", "0..=128"),
        ("--socketmode=0888", "0660"),
        ("--sync=never", "or os"),
        ("--on-full=reject", "dunno, defer"),
        ("--max-state=lots", "4G"),
        ("--workers=0", "1..=256"),
        ("--inet=localhost:smtp", "127.0.0.1:10023"),
        ("--greylist-text=a\nb", "line break"),
        ("--max-age=0", "1 day"),
        ("--delay=172800", "--retry-window=172800s"),
    ] {
        let error = serve(&[option]).unwrap_err();
        let (name, value) = option.split_once('=').unwrap();
        assert!(error.contains(name) && error.contains(value) && error.contains(right), "{option}: {error}");
    }
    let facility = serve(&["--syslog-facility=post"]).unwrap_err();
    assert!(facility.contains("post") && facility.contains("--syslog-facility"), "{facility}");
    let no_socket = postgrey(&[]).unwrap_err();
    assert!(no_socket.contains("--inet") && no_socket.contains("--unix"), "{no_socket}");
}

#[test]
fn the_test_clock_stays_on_this_machine() {
    assert!(serve(&["--test-clock", "--inet=127.0.0.1:1", "--inet=[::1]:1", "--unix=/s"]).unwrap().test_clock);
    for open in ["--inet=*:1", "--inet=192.0.2.1:1"] {
        for error in [serve(&["--test-clock", open]).unwrap_err(), postgrey(&["--test-clock", open]).unwrap_err()] {
            assert!(error.contains("--test-clock") && error.contains("loopback"), "{error}");
        }
    }
}

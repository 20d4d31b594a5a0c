//! The take-over from Debian's postgrey, with real entries, and irongrey's own export and import: who is known stays known.

mod failures;
mod walk;

use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::parity::masked;
use crate::support::{Daemon, Program, Request, Rng, Setup, call, own_names, skipped, tool, unix_now};

const DAY: u64 = 86_400;

/// What is needed for a take-over; `None` if this machine does not have it.
fn tools(test: &str) -> Option<()> {
    let missing = ["postgrey", "db_dump"].into_iter().find(|name| tool(name).is_none());
    if let Some(missing) = missing {
        skipped(test, &format!("{missing} is not installed"));
    }
    missing.is_none().then_some(())
}

/// `irongrey import KIND SOURCE --state STATE` as the user who runs the tests.
fn import(kind: &str, source: &Path, state: &Path, options: &[&str]) -> Output {
    let (user, group) = own_names();
    let words = ["import", kind, source.to_str().unwrap(), "--state", state.to_str().unwrap()];
    call(&[&words[..], &["--user", &user, "--group", &group], options].concat())
}

/// What a call that must succeed has written.
#[track_caller]
fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    out + &err
}

fn start_postgrey(dir: &Path, options: &[&str]) -> (Daemon, std::path::PathBuf) {
    let state = dir.join("postgrey-state");
    let setup = Setup::new(Program::Postgrey, dir).state(state.clone());
    (setup.with(["--hostname=mx.test"]).with(options.iter().copied()).start(), state)
}

/// `irongrey postgrey` on a state of its own.
fn irongrey(dir: &Path, options: &[&str]) -> Setup {
    let setup = Setup::new(Program::Irongrey, dir).with(["--hostname=mx.test", "--test-clock"]);
    setup.with(options.iter().copied())
}

/// Where [`irongrey`] keeps its state.
fn state_of_irongrey(dir: &Path) -> std::path::PathBuf {
    dir.join("irongrey-state/irongrey")
}

const SENDERS: [&str; 12] = [
    "alice@sender.example",
    "",
    "Bounce-12345-67@Lists.example",
    "user+tag@sender.example",
    "prvs=1234567890=bob@sender.example",
    "PRVS=1234567890=bob@sender.example",
    "prvs=1234567890=a=b@sender.example",
    "a/b@sender.example",
    "no-at-sign",
    "\u{e4}\u{c4}12@sender.example",
    "a,b\\c@sender.example",
    "SRS0=HHH=TT=orig.example=alice@forwarder.example",
];
const RECIPIENTS: [&str; 5] =
    ["bob@customer.test", "Carol@Customer.test", "x/y/z@customer.test", "d+box@customer.test", "\u{fc}@customer.test"];

fn random_request(rng: &mut Rng) -> Request {
    let address = match rng.below(4) {
        0 => format!("2001:db8:{:x}:{:x}::{:x}", rng.below(3), rng.below(3), 1 + rng.below(3)),
        _ => format!("10.{}.{}.{}", rng.below(2), rng.below(40), 1 + rng.below(3)),
    };
    Request::new(&address, rng.pick(&SENDERS), rng.pick(&RECIPIENTS))
}

/// Plays a month to a postgrey with these options, takes over from it while it runs, and asks both about everybody.
fn compare(test: &str, options: &[&str], import_options: &[&str]) {
    let Some(()) = tools(test) else { return };
    let dir = TempDir::new().unwrap();
    let (postgrey, database) = start_postgrey(dir.path(), options);
    let seed = Rng::seed();
    let (mut rng, now) = (Rng::new(seed), unix_now());
    let mut client = postgrey.client();
    let mut requests = Vec::new();
    for _ in 0..300 {
        let request = random_request(&mut rng);
        let mut time = now - rng.pick(&[30, 20, 3, 1]) * DAY - rng.below(DAY / 2);
        for _ in 0..=rng.below(4) {
            client.ask(&request.clone().at(time));
            time += rng.pick(&[1, 59, 60, 299, 300, 301, 4_000]);
        }
        requests.push(request);
    }
    let recent = now - 120;
    for request in requests.iter().take(100) {
        client.ask(&request.clone().at(recent));
    }

    let state = state_of_irongrey(dir.path());
    let summary = said(&import("postgrey", &database, &state, import_options));
    assert!(summary.contains("postgrey.db: ") && summary.contains("postgrey_clients.db: "), "{summary}");
    let irongrey = irongrey(dir.path(), options).start();
    let mut clients = [client, irongrey.client()];
    let mut passed = 0;
    for (number, request) in requests.iter().enumerate() {
        let request = request.clone().at(now + 5);
        let [theirs, ours] = clients.each_mut().map(|client| masked(&client.ask(&request)));
        passed += usize::from(!ours.contains("DEFER"));
        let wire = String::from_utf8(request.wire()).unwrap();
        assert_eq!(
            ours, theirs,
            "IRONGREY_SEED={seed}, {options:?}, request {number} (left is irongrey):\n{wire}\n{summary}"
        );
    }
    assert!((30..290).contains(&passed), "{passed} of 300 passed: IRONGREY_SEED={seed}");
}

#[test]
fn answers_are_those_of_postgrey() {
    compare("takeover::answers_are_those_of_postgrey", &[], &[]);
}

#[test]
fn with_other_networks_and_times() {
    let options = ["--ipv4cidr=20", "--ipv6cidr=46", "--delay=60", "--max-age=60", "--retry-window=30h"];
    compare("takeover::with_other_networks_and_times", &options, &options);
}

#[test]
fn by_host() {
    let options = ["--lookup-by-host", "--auto-whitelist-clients=2"];
    compare("takeover::by_host", &options, &["--lookup-by-host"]);
}

#[test]
fn hashes_are_skipped_and_said() {
    let Some(()) = tools("takeover::hashes_are_skipped_and_said") else { return };
    let dir = TempDir::new().unwrap();
    let (postgrey, database) = start_postgrey(dir.path(), &["--privacy"]);
    let (request, now) = (Request::new("192.0.2.1", "alice@sender.example", "bob@customer.test"), unix_now());
    for ago in [1000, 100] {
        postgrey.client().ask(&request.clone().at(now - ago));
    }
    let text = said(&import("postgrey", &database, &state_of_irongrey(dir.path()), &[]));
    assert!(
        text.contains("postgrey.db: 1 entries: 0 current, 0 expired, 1 skipped\n  skipped 1 stored under --privacy"),
        "{text}"
    );
    assert!(text.contains("irongrey: 0 taken: "), "{text}");
}

#[test]
fn a_second_import_takes_only_what_is_newer() {
    let Some(()) = tools("takeover::a_second_import_takes_only_what_is_newer") else { return };
    let dir = TempDir::new().unwrap();
    let (postgrey, database) = start_postgrey(dir.path(), &["--auto-whitelist-clients=0"]);
    let (state, now) = (state_of_irongrey(dir.path()), unix_now());
    let ask = |sender: &str, ago| {
        postgrey.client().ask(&Request::new("192.0.2.1", sender, "bob@customer.test").at(now - ago));
    };
    let taken = || {
        let text = said(&import("postgrey", &database, &state, &[]));
        text.split_once("irongrey: ").unwrap().1.trim().to_owned()
    };
    ask("waits@sender.example", 600);
    ask("passed@sender.example", 9000);
    ask("passed@sender.example", 8000);
    ask("old@sender.example", 40 * DAY);
    ask("old@sender.example", 40 * DAY - 1000);
    ask("given-up@sender.example", 3 * DAY);
    assert_eq!(taken(), "2 taken: 1 passed triplets, 1 waiting ones, 0 clients; 0 known before");
    assert_eq!(taken(), "0 taken: 0 passed triplets, 0 waiting ones, 0 clients; 2 known before");
    ask("waits@sender.example", 10);
    ask("new@sender.example", 10);
    assert_eq!(taken(), "2 taken: 1 passed triplets, 1 waiting ones, 0 clients; 1 known before");
}

/// What a running daemon has learnt is exported beside it and imported elsewhere.
#[test]
fn an_export_is_known_elsewhere() {
    let [one, other] = [(); 2].map(|()| TempDir::new().unwrap());
    let daemon = irongrey(one.path(), &[]).start();
    let (now, mut client) = (unix_now(), daemon.client());
    let request = |number: u64| Request::new(&format!("10.0.{number}.1"), "alice@sender.example", "bob@customer.test");
    for number in 0..100 {
        client.ask(&request(number).at(now - 1000));
        if number % 2 == 0 {
            client.ask(&request(number).at(now - 600));
        }
    }
    let [state, copy] = [&one, &other].map(|dir| state_of_irongrey(dir.path()));
    let file = other.path().join("export");
    let [from, to, out] = [&state, &copy, &file].map(|path| path.to_str().unwrap());
    let text = said(&call(&["export", "--state", from, "--output", out]));
    assert!(text.contains("200 records exported"), "100 waiting, 50 passed, 50 clients: {text}");

    let refused = import("file", &file, &copy, &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(&format!("{to}/key: there is no key")));
    assert!(!copy.exists());
    std::fs::create_dir_all(&copy).unwrap();
    std::fs::copy(state.join("key"), copy.join("key")).unwrap();
    let text = said(&import("file", &file, &copy, &[]));
    assert!(text.contains("150 taken: 50 passed triplets, 50 waiting ones, 50 clients; 50 known before"), "{text}");
    let moved = irongrey(other.path(), &[]).start();
    let mut clients = [client, moved.client()];
    for number in 0..100 {
        let request = request(number).at(now - 600);
        let [theirs, ours] = clients.each_mut().map(|client| masked(&client.ask(&request)));
        assert_eq!(ours, theirs, "{number}");
    }
}

//! postgrey as the oracle: the same random requests, by their own clock, to Debian's postgrey and to `irongrey postgrey`
//! with the same options. Replies and decision lines must be the same byte for byte, with program, version and date
//! masked. Where irongrey differs on purpose is left out of the streams and stands in [`crate::differences`].

mod stream;

use tempfile::TempDir;

use crate::support::{Pair, Request, Rng};
use stream::{Clock, Stream};

/// Requests to each of the two in each test; eight tests make more than 20,000.
const REQUESTS: usize = 2_600;
/// Long enough for every stream: postgrey forgets by a nightly sweep, irongrey at look-up.
const MAX_AGE: &str = "--max-age=7300";
const CLIENT_LIST: &str = "\
# Names, with everything below them
listed.example   # a comment
/^pool-\\d+\\.provider\\.example$/
/trusted/
192.0.2.99
198.51.100.128/25
203.0.113
2001:db8:5::/48
2001:db8:6::25
";
const RECIPIENT_LIST: &str = "\
postmaster@
abuse@customer.test
open.test
/^list-.*@lists\\./
";

/// An option that ends in `=CLIENTS` or `=RECIPIENTS` gets the name of a file with that list.
fn with_files(option: &str, dir: &TempDir) -> String {
    for (word, list) in [("=CLIENTS", CLIENT_LIST), ("=RECIPIENTS", RECIPIENT_LIST)] {
        if let Some(name) = option.strip_suffix(word) {
            let file = dir.path().join(&word[1..]);
            std::fs::write(&file, list).unwrap();
            return format!("{name}={}", file.display());
        }
    }
    option.to_owned()
}

/// A reply without what legitimately differs: the program with its version, and the date at the end.
pub(crate) fn masked(reply: &str) -> String {
    let reply = reply.replace("postgrey-1.37", "PROGRAM").replace("1.37", "VERSION");
    let ours = env!("CARGO_PKG_VERSION");
    let reply = reply.replace(&format!("irongrey-{ours}"), "PROGRAM").replace(ours, "VERSION");
    match reply.split_once("; ") {
        Some((start, _)) if reply.starts_with("action=PREPEND") => format!("{start}; DATE"),
        _ => reply,
    }
}

/// Plays a random stream to both and compares.
fn compare(test: &str, options: &[&str], clock: &Clock) {
    let dir = TempDir::new().unwrap();
    let written: Vec<String> = options.iter().map(|option| with_files(option, &dir)).collect();
    let written: Vec<&str> = written.iter().map(String::as_str).collect();
    let Some(pair) = Pair::start_in(test, dir, &written, &["--test-clock"]) else { return };
    let seed = Rng::seed();
    let mut stream = Stream::new(seed, clock.clone());
    let mut clients = [pair.clients(), pair.clients()];
    let mut passed = 0;
    for number in 0..REQUESTS {
        let (connection, request) = stream.request();
        let [postgrey, irongrey] = clients[connection].each_mut().map(|client| masked(&client.ask(&request)));
        passed += usize::from(postgrey.starts_with("action=PREPEND"));
        assert_eq!(
            irongrey,
            postgrey,
            "{test}, IRONGREY_SEED={seed}, options {options:?}, request {number} (left is irongrey):\n{}",
            String::from_utf8_lossy(&request.wire())
        );
    }
    assert!(passed > REQUESTS / 40, "only {passed} of {REQUESTS} requests were the end of a greylisting");
    let [postgrey, irongrey] = pair.decisions();
    for (ours, theirs) in irongrey.iter().zip(&postgrey) {
        assert_eq!(ours, theirs, "{test}, IRONGREY_SEED={seed}: the log (left is irongrey)");
    }
    assert_eq!(irongrey.len(), postgrey.len(), "{test}, IRONGREY_SEED={seed}: lines logged");
}

#[test]
fn tutorial() {
    compare("parity::tutorial", &["--delay=60", MAX_AGE], &Clock::new(60, 2 * 86_400));
}

#[test]
fn defaults_and_debians_lists() {
    compare("parity::defaults_and_debians_lists", &[], &Clock::new(300, 2 * 86_400).within_days(30));
}

#[test]
fn short_delay_and_window() {
    let options = ["--delay=1", "--retry-window=1h", "--auto-whitelist-clients=0", MAX_AGE];
    compare("parity::short_delay_and_window", &options, &Clock::new(1, 3_600));
}

#[test]
fn by_host_and_whitelisted_at_once() {
    let options = ["--lookup-by-host", "--auto-whitelist-clients=1", "--delay=600", MAX_AGE];
    compare("parity::by_host_and_whitelisted_at_once", &options, &Clock::new(600, 2 * 86_400));
}

#[test]
fn wide_networks() {
    let options = ["--ipv4cidr=20", "--ipv6cidr=46", "--auto-whitelist-clients=2", "--delay=30", MAX_AGE];
    compare("parity::wide_networks", &options, &Clock::new(30, 2 * 86_400));
}

#[test]
fn lists_and_texts() {
    let options = [
        "--whitelist-clients=CLIENTS",
        "--whitelist-recipients=RECIPIENTS",
        "--greylist-text=Wait %s seconds, or ask %r (%s, %r)",
        "--greylist-action=DEFER",
        MAX_AGE,
    ];
    compare("parity::lists_and_texts", &options, &Clock::new(300, 2 * 86_400));
}

#[test]
fn text_with_a_code_and_another_header() {
    let options = [
        "--greylist-text=4.7.1 %r: come back in %s seconds",
        "--greylist-action=451",
        "--x-greylist-header=X-Waited: %t s, %h, %v, %r; %d",
        "--delay=3600",
        "--auto-whitelist-clients=2",
        MAX_AGE,
    ];
    compare("parity::text_with_a_code_and_another_header", &options, &Clock::new(3_600, 2 * 86_400));
}

#[test]
fn whole_addresses_and_lists() {
    let options = [
        "--ipv4cidr=32",
        "--ipv6cidr=128",
        "--retry-window=4",
        "--privacy",
        "--whitelist-clients=CLIENTS",
        "--whitelist-recipients=RECIPIENTS",
        MAX_AGE,
    ];
    compare("parity::whole_addresses_and_lists", &options, &Clock::new(300, 4 * 86_400));
}

/// While a triplet waits, the clock is set back and forward; delays become longer and shorter by those steps in both.
#[test]
fn clock_steps_of_running_delays() {
    let Some(pair) = Pair::start("parity::clock_steps_of_running_delays", &["--delay=300", MAX_AGE]) else { return };
    let seed = Rng::seed();
    let mut rng = Rng::new(seed);
    let [mut postgrey, mut irongrey] = pair.clients();
    for number in 0..200 {
        // A client of its own: no step may reach the auto-whitelist of another one.
        let request = Request::new(&format!("10.0.{number}.1"), "alice@sender.example", "bob@customer.test");
        let first = 1_700_000_000 + rng.below(10_000_000);
        let mut played = Vec::new();
        for _ in 0..30 {
            let step = rng.pick(&[0, 1, 100, 299, 300, 301, 350, 1_000, 90_000, 172_800, 172_801, 172_802, 345_603]);
            let time = if step < 1_000 && rng.percent(40) { first - step } else { first + step };
            let replies = [&mut postgrey, &mut irongrey].map(|client| masked(&client.ask(&request.clone().at(time))));
            played.push(time);
            assert_eq!(replies[1], replies[0], "IRONGREY_SEED={seed}: at {played:?} (left is irongrey)");
            if !replies[0].contains("DEFER") {
                break;
            }
        }
    }
    let [postgrey, irongrey] = pair.decisions();
    for (ours, theirs) in irongrey.iter().zip(&postgrey) {
        assert_eq!(ours, theirs, "IRONGREY_SEED={seed}: the log (left is irongrey)");
    }
}

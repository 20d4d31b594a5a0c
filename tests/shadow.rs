//! The shadow between a client and two servers: real ones that agree or do not, and such as are down, hang or talk nonsense.

mod clients;
mod fake;
mod process;
mod trouble;

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Address, Client, Daemon, Pair, Program, Request, Setup, Stream, call, free_port, unix_now};
use process::{Shadow, Summary, name};

const DUNNO: &str = "action=DUNNO";
const DEFERRED: &str = "action=DEFER_IF_PERMIT 4.2.0 Wait";

fn mail(recipient: &str) -> Request {
    Request::new("192.0.2.1", "alice@sender.example", &format!("{recipient}@customer.test"))
}

/// Two of irongrey's, by the clock of the requests, with one text.
fn two(dir: &TempDir, old: &[&str], new: &[&str]) -> [Daemon; 2] {
    [("old", old), ("new", new)].map(|(side, options)| {
        let sub = dir.path().join(side);
        std::fs::create_dir(&sub).unwrap();
        let setup = Setup::new(Program::Serve, &sub).with(["--workers=1", "--test-clock", "--greylist-text=Wait"]);
        setup.with(options.iter().copied()).start()
    })
}

fn between(dir: &TempDir, servers: &[Daemon; 2], options: &[&str]) -> Shadow {
    Shadow::start(dir.path(), servers[0].address(), servers[1].address(), options)
}

/// Months of a few senders: early retries, passes, headers once a message, the auto-whitelist, forgotten triplets.
#[test]
fn postgrey_and_irongrey_agree() {
    let test = "shadow::postgrey_and_irongrey_agree";
    let Some(pair) = Pair::start(test, &["--auto-whitelist-clients=3"]) else { return };
    let dir = TempDir::new().unwrap();
    let shadow = Shadow::start(dir.path(), pair.postgrey.address(), pair.irongrey.address(), &[]);
    let mut clients = [shadow.client(), shadow.client()];
    let (start, mut asked, mut headers, mut deferred) = (unix_now(), 0, 0, 0);
    for day in 0..20_u64 {
        for after in [0, 100, 299, 300, 301, 4_000] {
            for recipient in ["a", "b"] {
                let request =
                    Request::new("192.0.2.1", &format!("alice{}@x.test", day % 7), &format!("{recipient}@y.test"))
                        .with("client_name", "mx.x.test")
                        .with("client_address", &format!("192.0.{}.9", day % 3))
                        .with("instance", &format!("{day}.{after}"))
                        .at(start + day * 40_000 + after);
                let reply = clients[usize::try_from(day % 2).unwrap()].ask(&request);
                assert!(!reply.contains("irongrey"), "the old one's answer: {reply}");
                asked += 1;
                headers += u64::from(reply.starts_with("action=PREPEND X-Greylist: "));
                deferred += u64::from(reply.starts_with("action=DEFER_IF_PERMIT 4.2.0 Greylisted"));
            }
        }
    }
    assert!(headers > 5 && deferred > 30, "{headers} headers, {deferred} deferred");
    let summary = shadow.stop();
    summary.assert(&[("requests", asked), ("same", asked), ("answered_by_other", 0), ("answered_dunno", 0)]);
    summary.assert(&[("old_answers", asked), ("new_answers", asked), ("log_lines_dropped", 0)]);
}

#[test]
fn another_delay_is_seen_from_either_side() {
    for (options, name, difference) in [(&[][..], "old", "old_defers"), (&["--answer=new"], "new", "new_defers")] {
        let dir = TempDir::new().unwrap();
        let long = ["--delay=300"];
        let short = ["--delay=60"];
        let servers = if name == "old" { two(&dir, &long, &short) } else { two(&dir, &short, &long) };
        let shadow = between(&dir, &servers, options);
        let mut client = shadow.client();
        let start = unix_now();
        for (after, reply) in [(0, DEFERRED), (100, DEFERRED), (299, DEFERRED), (300, "action=PREPEND X-Greylist: ")] {
            let request = mail("bob").with("client_name", "mx.test").with("queue_id", "Q1").at(start + after);
            let got = client.ask(&request);
            assert!(got.starts_with(reply), "{after}: {got}");
        }
        let line = shadow.journal.wait_for("difference=");
        let (old, new) = ("DEFER_IF_PERMIT 4.2.0 Wait", "PREPEND X-Greylist: delayed 100 seconds by irongrey");
        let (old, new) = if name == "old" { (old, new) } else { (new, old) };
        let start = format!(
            "Q1: difference={difference}, client_name=mx.test, client_address=192.0.2.1, sender=alice@sender.example, \
             recipient=bob@customer.test, old={old}"
        );
        assert!(line.starts_with(&start) && line.contains(&format!(", new={new}")), "{line}");
        let summary = shadow.stop();
        // Passed once, the short delay gives no second header: at 300 one passes with and the other without.
        summary.assert(&[("requests", 4), ("same", 1), (difference, 2), ("other_action", 1)]);
    }
}

#[test]
fn a_summary_when_it_is_asked_for() {
    let dir = TempDir::new().unwrap();
    let servers = two(&dir, &[], &[]);
    let shadow = between(&dir, &servers, &[]);
    shadow.signal(Signal::SIGHUP);
    shadow.journal.wait_for("SIGHUP: serves on");
    shadow.client().ask(&mail("bob"));
    // The comparison comes behind the answer.
    let deadline = Instant::now() + Duration::from_secs(10);
    let summary = loop {
        shadow.signal(Signal::SIGUSR1);
        shadow.journal.wait_for("summary: requests=");
        let last = shadow.journal.lines().pop().unwrap();
        if last.contains("requests=1 ") || Instant::now() > deadline {
            break Summary(last);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(summary.0.contains("same=1(100.00%)"), "{}", summary.0);
    summary.assert(&[("requests", 1), ("old_defers", 0), ("old_answers", 1), ("new_answers", 1)]);
    shadow.signal(Signal::SIGINT);
    assert!(shadow.ended().0.contains("stopped on SIGINT"));
}

/// TCP in front and behind, and several sockets to listen on.
#[test]
fn sockets_of_both_families() {
    let dir = TempDir::new().unwrap();
    let servers = ["old", "new"].map(|side| {
        let sub = dir.path().join(side);
        std::fs::create_dir(&sub).unwrap();
        Setup::new(Program::Serve, &sub).tcp().with(["--workers=1", "--greylist-text=Wait"]).start()
    });
    let tcp = Address::Tcp(free_port());
    let shadow = between(&dir, &servers, &[&format!("--listen={}", name(&tcp))]);
    for (number, mut client) in [shadow.client(), Client::connect(&tcp)].into_iter().enumerate() {
        assert_eq!(client.ask(&mail(&format!("r{number}"))), DEFERRED);
    }
    shadow.stop().assert(&[("requests", 2), ("same", 2)]);
    assert!(!dir.path().join("shadow.sock").exists(), "the socket's file is removed at the end");
}

/// The log's reader stands still, and every answer differs.
#[test]
fn nobody_waits_for_the_log() {
    let dir = TempDir::new().unwrap();
    let servers = two(&dir, &["--greylist-action=DEFER"], &[]);
    let shadow = Shadow::start_unread(dir.path(), servers[0].address(), servers[1].address(), &[]);
    let mut client = shadow.client();
    for number in 0..3_000 {
        assert_eq!(client.ask(&mail(&format!("r{number}"))), "action=DEFER 4.2.0 Wait");
    }
}

/// Not a measurement, but what the shadow costs is milliseconds at most.
#[test]
fn what_it_costs() {
    let dir = TempDir::new().unwrap();
    let servers = two(&dir, &[], &[]);
    let shadow = between(&dir, &servers, &[]);
    let median = |mut client: Client| {
        let mut times: Vec<Duration> = (0..1_000)
            .map(|number| {
                let start = Instant::now();
                client.ask(&mail(&format!("r{number}")));
                start.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() / 2]
    };
    let (direct, shadowed) = (median(servers[0].client()), median(shadow.client()));
    println!("median of an answer: {direct:?} from the server, {shadowed:?} through the shadow");
    assert!(shadowed < direct + Duration::from_millis(20), "{direct:?}, {shadowed:?}");
}

#[test]
fn bad_arguments() {
    let good = ["--old=inet:127.0.0.1:1", "--new=inet:127.0.0.1:2"];
    let file = TempDir::new().unwrap();
    let path = file.path().join("file");
    std::fs::write(&path, "").unwrap();
    let path = format!("--listen=unix:{}", path.display());
    for (words, code, right) in [
        (&["--old=inet:127.0.0.1:1"][..], 2, "--new"),
        (&["--old=127.0.0.1:1", good[1]], 2, "expected inet:[HOST:]PORT or unix:PATH"),
        (&["--old=inet:127.0.0.1", good[1]], 2, "inet:127.0.0.1:10023"),
        (&["--old=inet:*:1", good[1]], 2, "--old=inet:*:1: no server can be asked there"),
        (&["--old=inet:nosuch.invalid:1", good[1]], 2, "use an IP address"),
        (&[good[0], "--new=inet:localhost:1"], 2, "one server: there is nothing to compare"),
        (&[good[0], good[1], "--listen=inet:2"], 2, "the shadow would ask itself"),
        (&[good[0], good[1], "--deadline=0"], 2, "from 1s to 90s"),
        (&[good[0], good[1], "--deadline=2ms"], 2, "from 1s to 90s"),
        (&[good[0], good[1], "--answer=both"], 2, "old, new"),
        (&[good[0], good[1], "--max-connections=0"], 2, "1..=1000000"),
        (&[good[0], good[1], "--socketmode=9"], 2, "0660"),
        (&[good[0], good[1], "--socket-group=nosuchgroup"], 2, "no such group"),
        (&[good[0], good[1], &path], 1, "is not a socket"),
    ] {
        let output = call(&[&["shadow"], words].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {text}");
        assert!(text.contains(right), "{words:?}: {text}");
    }
}

/// Does anybody listen there?
fn is_open(address: &Address) -> bool {
    Stream::connect(address).is_ok()
}

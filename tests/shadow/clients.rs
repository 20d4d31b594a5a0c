//! Clients of all kinds: many at once, hasty ones, such as send too much or read nothing, and one that waits at the end.

use std::io::Write;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::fake::Fake;
use super::process::Shadow;
use super::{DEFERRED, DUNNO, between, mail, two};
use crate::support::Client;

/// What was sent at once is answered in order; a server that falls behind loses comparisons, not answers.
#[test]
fn pipelined_requests_in_their_order() {
    let dir = TempDir::new().unwrap();
    let text = ["--greylist-text=%r", "--delay=300"];
    let servers = two(&dir, &text, &text);
    let shadow = between(&dir, &servers, &["--deadline=30s"]);
    let count = 2_000;
    let recipient = |number| format!("bob@d{number}.test");
    let requests: Vec<u8> =
        (0..count).flat_map(|number| mail("").with("recipient", &recipient(number)).wire()).collect();
    let mut client = shadow.client();
    let mut sender = client.stream().try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        sender.write_all(&requests).unwrap();
        sender.shutdown(Shutdown::Write).unwrap();
    });
    for number in 0..count {
        assert_eq!(client.reply(), format!("action=DEFER_IF_PERMIT 4.2.0 d{number}.test"));
    }
    sending.join().unwrap();
    assert_eq!(client.rest(), "", "what was asked is answered after the client's last word, and no more");
    let summary = shadow.stop();
    summary.assert(&[("requests", count), ("old_answers", count), ("answered_by_other", 0)]);
    assert_eq!(summary.count("same") + summary.count("new_silent"), count, "{}", summary.0);
}

#[test]
fn a_request_in_pieces() {
    let dir = TempDir::new().unwrap();
    let servers = two(&dir, &[], &[]);
    let shadow = between(&dir, &servers, &[]);
    let mut client = shadow.client();
    for byte in mail("slow").wire() {
        client.send(&[byte]);
        std::thread::yield_now();
    }
    assert_eq!(client.reply(), DEFERRED);
    client.send(b"request=smtpd_access_policy\nsender=");
    assert_eq!(client.finish(), "", "half a request is none");
    shadow.stop().assert(&[("requests", 1), ("same", 1)]);
}

#[test]
fn two_hundred_clients_at_once() {
    let dir = TempDir::new().unwrap();
    let servers = two(&dir, &[], &[]);
    let shadow = between(&dir, &servers, &["--deadline=30s"]);
    let mut clients: Vec<Client> = (0..200).map(|_| shadow.client()).collect();
    for round in 0..5 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(&mail(&format!("r{round}.{number}")).wire());
        }
        for client in &mut clients {
            assert_eq!(client.reply(), DEFERRED);
        }
    }
    shadow.stop().assert(&[("requests", 1_000), ("same", 1_000)]);
}

#[test]
fn more_connections_than_allowed() {
    let dir = TempDir::new().unwrap();
    let servers = two(&dir, &[], &[]);
    let shadow = between(&dir, &servers, &["--max-connections=2"]);
    let mut first = shadow.client();
    assert_eq!(first.ask(&mail("first")), DEFERRED);
    let mut second = shadow.client();
    assert_eq!(second.ask(&mail("second")), DEFERRED);
    let mut third = shadow.client();
    assert_eq!(third.ask(&mail("third")), DEFERRED, "a new connection is served even when there are too many");
    assert_eq!(first.rest(), "", "the longest idle one is closed");
    assert_eq!(second.ask(&mail("second")), DEFERRED, "the other one stays");
    shadow.journal.wait_for("--max-connections");
}

#[test]
fn too_much_from_a_client() {
    let dir = TempDir::new().unwrap();
    let servers = two(&dir, &[], &[]);
    let shadow = between(&dir, &servers, &[]);
    let half = {
        let mut client = shadow.client();
        client.send(b"request=smtpd_access_policy\nsender=");
        (client, Instant::now())
    };
    for (bytes, warning) in [
        (b"x".repeat(5_000), "a line of more than 4 KiB"),
        ("x=y\n".repeat(129).into_bytes(), "more than 128 attributes"),
        (format!("x={}\n", "y".repeat(1_000)).repeat(17).into_bytes(), "a request of more than 16 KiB"),
    ] {
        let mut client = shadow.client();
        client.send(&bytes);
        assert_eq!(client.rest(), format!("{DUNNO}\n\n"), "{warning}");
    }
    shadow.journal.wait_for("a line of more than 4 KiB");
    let (client, begun) = half;
    assert_eq!(client.rest(), format!("{DUNNO}\n\n"), "half a request and silence");
    let taken = begun.elapsed();
    assert!(taken > Duration::from_secs(9) && taken < Duration::from_secs(15), "{taken:?}");
    shadow.stop().assert(&[("requests", 0)]);
}

#[test]
fn a_client_that_never_reads() {
    let dir = TempDir::new().unwrap();
    let servers = two(&dir, &[], &[]);
    let shadow = between(&dir, &servers, &[]);
    let requests = mail("deaf").wire().repeat(100);
    let mut deaf = shadow.client();
    deaf.stream().set_timeout(Duration::from_millis(300)).unwrap();
    // Until the shadow does not read any more, because its answers are not read.
    while deaf.stream().write_all(&requests).is_ok() {}
    let mut client = shadow.client();
    for number in 0..50 {
        let start = Instant::now();
        assert_eq!(client.ask(&mail(&format!("r{number}"))), DEFERRED);
        assert!(start.elapsed() < Duration::from_secs(1));
    }
    shadow.journal.wait_for("its answers were not read");
}

/// Each client has a connection of its own to each server, over which all its requests go.
#[test]
fn connections_are_one_to_one() {
    let dir = TempDir::new().unwrap();
    let asked: Arc<Mutex<Vec<(usize, String)>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let fake = Fake::start(dir.path(), move |number, peer| {
        peer.answer_all(|request| {
            seen.lock().unwrap().push((number, request.to_owned()));
            DUNNO.to_owned()
        });
    });
    let [new, _] = two(&dir, &[], &[]);
    let shadow = Shadow::start(dir.path(), fake.address(), new.address(), &[]);
    let mut clients = [shadow.client(), shadow.client()];
    for round in 0..5 {
        for (number, client) in clients.iter_mut().enumerate() {
            // Bytes that no parser would put back.
            let request = format!("x\r\nrecipient={number}\nround={round}\n=\nrecipient={number}\n\n");
            client.send(request.as_bytes());
            assert_eq!(client.reply(), DUNNO);
        }
    }
    let asked = asked.lock().unwrap();
    for number in 0..2 {
        let of_client: Vec<_> =
            asked.iter().filter(|(_, bytes)| bytes.contains(&format!("recipient={number}\n"))).collect();
        assert_eq!(of_client.len(), 5);
        assert!(of_client.iter().all(|(connection, _)| connection == &of_client[0].0), "{of_client:?}");
        let expected = format!("x\r\nrecipient={number}\nround=0\n=\nrecipient={number}\n\n");
        assert_eq!(of_client[0].1, expected, "byte for byte");
    }
}

/// What was asked before the stop is answered and counted after it.
#[test]
fn a_stop_leaves_nothing_unanswered() {
    let dir = TempDir::new().unwrap();
    let (let_go, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let (say, asked) = mpsc::channel();
    let say = Mutex::new(say);
    let fake = Fake::start(dir.path(), move |_, peer| {
        peer.answer_all(|_| {
            say.lock().unwrap().send(()).unwrap();
            held.lock().unwrap().recv().ok();
            "action=DEFER_IF_PERMIT 4.2.0 Wait".to_owned()
        });
    });
    let [new, _] = two(&dir, &[], &[]);
    let shadow = Shadow::start(dir.path(), fake.address(), new.address(), &["--deadline=20s"]);
    let mut idle = shadow.client();
    let mut client = shadow.client();
    client.send(&mail("last").wire());
    asked.recv().unwrap();
    shadow.signal(Signal::SIGTERM);
    // The idle one is closed first: the shadow is stopping by then.
    assert!(idle.try_reply().is_err());
    let_go.send(()).unwrap();
    assert_eq!(client.reply(), DEFERRED);
    assert_eq!(client.rest(), "");
    shadow.ended().assert(&[("requests", 1), ("same", 1)]);
}

//! Servers that refuse, hang, close, or answer nonsense: each is reported with what it said.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::{answering, closed, drive, server};
use crate::driver::{Load, Tally};
use crate::endpoint::Endpoint;

/// Answers whatever comes first with `reply`, and closes.
fn one_reply(reply: &'static [u8]) -> Endpoint {
    server(move |mut stream| {
        let read = stream.read(&mut [0; 4096]).unwrap();
        assert!(read > 0);
        stream.write_all(reply).unwrap();
    })
}

fn failure(tally: &Tally) -> &str {
    assert!(!tally.is_clean());
    tally.first_failure.as_deref().unwrap()
}

#[test]
fn an_answered_request_is_counted() {
    let tally = drive(&closed(&one_reply(b"action=DUNNO\n\n"), 1, 1));
    assert_eq!((tally.answers.dunno, tally.lost, tally.first_failure), (1, 0, None));
}

#[test]
fn nonsense_is_reported_with_its_bytes() {
    for reply in [&b"\x00what?\n"[..], b"500 what?\n\n"] {
        let tally = drive(&closed(&one_reply(reply), 1, 1));
        assert_eq!((tally.answers.total(), tally.lost), (0, 1));
        assert!(failure(&tally).contains("what?"), "{tally:?}");
        assert_eq!(tally.seconds.iter().map(|second| second.errors).sum::<u64>(), 1);
    }
}

#[test]
fn a_reply_that_nobody_asked_for_is_nonsense() {
    for reply in [&b"action=DUNNO\n\naction=OK\n\n"[..], b"action=DUNNO\n\naction=OK"] {
        let tally = drive(&closed(&one_reply(reply), 1, 1));
        assert_eq!((tally.answers.total(), tally.lost), (1, 0));
        assert!(failure(&tally).contains("action=OK"), "{tally:?}");
    }
}

#[test]
fn a_server_that_talks_before_it_is_asked_is_reported() {
    let endpoint = server(|mut stream| {
        stream.write_all(b"421 go away\n").unwrap();
        // Waits for the other side, whose bytes would otherwise turn the end into a reset.
        let _ = stream.read(&mut [0; 4096]);
    });
    for rate in [None, "2".parse().ok()] {
        let tally = drive(&Load { rate, ..closed(&endpoint, 2, 4) });
        assert!(failure(&tally).contains("421 go away"), "{tally:?}");
        assert_eq!((tally.answers.total(), tally.lost), (0, 4));
    }
}

#[test]
fn a_server_may_close_when_everything_is_answered() {
    let endpoint = one_reply(b"action=DUNNO\n\n");
    let tally = drive(&closed(&endpoint, 8, 8));
    assert_eq!((tally.answers.total(), &tally.first_failure), (8, &None));
    let tally = drive(&Load { rate: "100".parse().ok(), ..closed(&endpoint, 2, 3) });
    assert_eq!((tally.answers.total(), tally.lost), (2, 1));
    assert!(failure(&tally).contains("the server"), "{tally:?}");
}

#[test]
fn a_closed_connection_loses_what_was_not_answered() {
    for reply in [&b"action=DUNNO\n\n"[..], b"action=DUNNO\n\nactio"] {
        let tally = drive(&closed(&one_reply(reply), 1, 3));
        assert_eq!((tally.answers.total(), tally.lost), (1, 2));
        assert!(failure(&tally).contains("the server"), "{tally:?}");
    }
}

#[test]
fn the_beginning_of_a_reply_is_reported_when_its_end_does_not_come() {
    let endpoint = server(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(b"action=DU").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = stream.read(&mut [0; 4096]);
    });
    let tally = drive(&closed(&endpoint, 1, 1));
    assert_eq!(failure(&tally), "the server closed the connection after \"action=DU\"");
}

#[test]
fn a_connection_that_fails_leaves_its_share_to_the_others() {
    let endpoint = {
        let first = AtomicBool::new(true);
        server(move |stream: TcpStream| {
            if first.swap(false, Ordering::Relaxed) {
                return;
            }
            let mut stream = stream;
            while let Ok(1..) = stream.read(&mut [0; 4096]) {
                stream.write_all(b"action=DUNNO\n\n").unwrap();
            }
        })
    };
    let tally = drive(&closed(&endpoint, 3, 500));
    assert!(failure(&tally).contains("the server"), "{tally:?}");
    assert!(tally.lost <= 1 && tally.answers.total() + tally.lost == 500, "{tally:?}");
}

#[test]
fn a_server_that_hangs_is_given_up() {
    let endpoint = server(|mut stream| while let Ok(1..) = stream.read(&mut [0; 4096]) {});
    let patience = Duration::from_millis(200);
    for rate in [None, "100".parse().ok()] {
        let tally = drive(&Load { rate, patience, threads: 2, ..closed(&endpoint, 4, 10) });
        assert_eq!((tally.answers.total(), tally.lost), (0, 10));
        assert_eq!(failure(&tally), "the server gave no answer within 0.2 s");
        assert!(tally.elapsed >= patience, "{:?}", tally.elapsed);
    }
}

#[test]
fn one_connection_that_hangs_is_given_up_while_the_others_go_on() {
    for rate in [None, "100".parse().ok()] {
        let first = AtomicBool::new(true);
        let endpoint = server(move |mut stream| {
            let hangs = first.swap(false, Ordering::Relaxed);
            while let Ok(1..) = stream.read(&mut [0; 4096]) {
                std::thread::sleep(Duration::from_millis(5));
                if !hangs && stream.write_all(b"action=DUNNO\n\n").is_err() {
                    return;
                }
            }
        });
        let (patience, duration) = (Duration::from_millis(200), Some(Duration::from_millis(1500)));
        let tally = drive(&Load { rate, duration, patience, ..closed(&endpoint, 3, 1_000_000) });
        assert_eq!((tally.lost, tally.seconds[0].errors), (1, 1), "{tally:?}");
        assert!(failure(&tally).contains("while it answered others"), "{tally:?}");
        assert!(tally.seconds[1].answers.total() > 20, "{tally:?}");
    }
}

#[test]
fn a_server_that_is_slow_but_fair_does_not_hang() {
    let (ask, asked) = channel::<Sender<()>>();
    std::thread::spawn(move || {
        for answer in asked {
            std::thread::sleep(Duration::from_millis(20));
            let _ = answer.send(());
        }
    });
    let endpoint = server(move |mut stream| {
        let (answer, answered) = channel();
        while let Ok(1..) = stream.read(&mut [0; 4096]) {
            ask.send(answer.clone()).unwrap();
            answered.recv().unwrap();
            stream.write_all(b"action=DUNNO\n\n").unwrap();
        }
    });
    // Each waits for the 29 others, three times as long as the patience.
    let tally = drive(&Load { patience: Duration::from_millis(200), ..closed(&endpoint, 30, 70) });
    assert!(tally.is_clean() && tally.latency.max() > 400_000_000, "{tally:?}");
}

#[test]
fn a_wish_to_end_does_not_wait_long_for_a_server_that_hangs() {
    let load = closed(&answering(|_| std::thread::sleep(Duration::from_secs(60))), 2, 10);
    let stop = load.stop.clone();
    let asking = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        stop.ask();
    });
    let tally = drive(&load);
    asking.join().unwrap();
    assert!(tally.interrupted && tally.elapsed < Duration::from_secs(8), "{tally:?}");
    assert_eq!((tally.lost, failure(&tally)), (2, "the server gave no answer within 1 s"));
}

#[test]
fn a_server_that_is_not_there_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    for endpoint in [Endpoint::free_port().unwrap(), Endpoint::Unix(directory.path().join("none"))] {
        let tally = drive(&closed(&endpoint, 2, 10));
        assert_eq!((tally.answers.total(), tally.lost), (0, 10));
        assert!(failure(&tally).contains(&format!("cannot connect to {endpoint}")), "{tally:?}");
    }
}

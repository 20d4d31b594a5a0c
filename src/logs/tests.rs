//! The log as a whole: producers, the log thread and a sink that the test holds the other end of.

use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use log::{Level, Log, Record};

use super::*;
use crate::grey::{Decision, Reason};
use crate::metrics::Counter;
use crate::policy::{Request, Verdict};

const NEW: Decision = Decision::new(Verdict::Defer { seconds_left: 300 }, Reason::New);

/// Longer than any wait here takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

struct Running {
    producers: Vec<Producer>,
    events: Events,
    handle: Handle,
    lines: BufReader<UnixStream>,
}

fn start_log(workers: usize) -> Running {
    let (theirs, ours) = UnixStream::pair().unwrap();
    theirs.set_read_timeout(Some(LONG)).unwrap();
    let counters = Arc::new(Counters::default());
    let sink = Sink::Stream(Stream::new(File::from(OwnedFd::from(ours)), Arc::clone(&counters)));
    let (producers, events, handle) = start_on(sink, workers, counters).unwrap();
    Running { producers, events, handle, lines: BufReader::new(theirs) }
}

fn say(producer: &mut Producer, sender: &str) {
    producer.decision(&Request { sender: Some(sender.as_bytes()), ..Request::default() }, &NEW, None);
}

fn next_line(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    line
}

fn warn(events: &Events, text: &str) {
    events.log(&Record::builder().level(Level::Warn).target("irongrey").args(format_args!("{text}")).build());
}

#[test]
fn all_lines_of_four_workers_arrive_each_workers_in_order() {
    // As many as a ring holds, so that nothing has to be dropped however the threads are scheduled.
    const LINES: usize = 16_000;
    let Running { producers, handle, mut lines, .. } = start_log(4);
    let counters = handle.counters();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        lines.read_to_string(&mut text).map(|_| text)
    });
    thread::scope(|scope| {
        for (worker, mut producer) in producers.into_iter().enumerate() {
            scope.spawn(move || {
                for number in 0..LINES {
                    say(&mut producer, &format!("{worker}/{number}"));
                    if number % 10 == 0 {
                        producer.wake();
                    }
                }
                producer.wake();
            });
        }
    });
    handle.stop();
    let text = reader.join().unwrap().unwrap();
    assert_eq!(counters.get(Counter::LogLinesDropped), 0);
    for worker in 0..4 {
        let prefix = format!("action=greylist, reason=new, sender={worker}/");
        let numbers: Vec<usize> =
            text.lines().filter_map(|line| line.strip_prefix(&prefix)).map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers.len(), LINES, "worker {worker}");
        assert!(numbers.is_sorted(), "worker {worker}");
    }
}

#[test]
fn each_line_after_a_quiet_time_wakes_the_log_thread() {
    let Running { mut producers, events, handle, mut lines } = start_log(2);
    for round in 0..100_u32 {
        let producer = &mut producers[(round % 2) as usize];
        say(producer, &round.to_string());
        producer.wake();
        assert_eq!(next_line(&mut lines), format!("action=greylist, reason=new, sender={round}\n"));
        warn(&events, &round.to_string());
        assert_eq!(next_line(&mut lines), format!("warning: {round}\n"));
        // Every phase of the thread's rest is met: it naps for 10 ms, then it sleeps.
        thread::sleep(Duration::from_micros(u64::from(round) * 120));
    }
    assert!(handle.stop_within(LONG));
}

#[test]
fn a_stalled_reader_costs_counted_lines_and_no_worker_waits() {
    const LINES: u64 = 100_000;
    let Running { mut producers, handle, mut lines, .. } = start_log(1);
    let counters = handle.counters();
    let started = Instant::now();
    for number in 0..LINES {
        say(&mut producers[0], &format!("{number:0>100}"));
        producers[0].wake();
    }
    // Nobody reads meanwhile: a worker that waited would wait for ever.
    assert!(started.elapsed() < LONG);
    assert!(counters.get(Counter::LogLinesDropped) > 0);
    assert!(!handle.stop_within(Duration::from_millis(50)), "the thread ended although its sink takes nothing");
    let mut text = String::new();
    lines.read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count() as u64 + counters.get(Counter::LogLinesDropped), LINES);
}

#[test]
fn an_event_is_one_line() {
    let Running { events, handle, mut lines, .. } = start_log(1);
    warn(&events, "kept\nin one line");
    assert!(handle.stop_within(LONG));
    let mut text = String::new();
    lines.read_to_string(&mut text).unwrap();
    assert_eq!(text, "warning: kept%0Ain one line\n");
}

#[test]
fn decisions_and_events_reach_syslog_with_their_priorities() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let daemon = UnixDatagram::bind(&path).unwrap();
    daemon.set_read_timeout(Some(LONG)).unwrap();
    let counters = Arc::new(Counters::default());
    let sink = Sink::Syslog(Syslog::new(&path, "mail".parse().unwrap(), "postgrey", Arc::clone(&counters)));
    let (mut producers, events, handle) = start_on(sink, 1, counters).unwrap();
    let receive = || {
        let mut datagram = [0; 1000];
        let length = daemon.recv(&mut datagram).unwrap();
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    };
    say(&mut producers[0], "alice@sender.example");
    producers[0].wake();
    let line = receive();
    assert!(line.starts_with("<21>"), "{line}");
    assert!(line.ends_with("]: action=greylist, reason=new, sender=alice@sender.example"), "{line}");
    warn(&events, "careful");
    let line = receive();
    assert!(line.starts_with("<20>") && line.contains(" postgrey[") && line.ends_with("]: warning: careful"), "{line}");
    assert!(handle.stop_within(LONG));
}

#[test]
fn each_sink_takes_what_is_no_ascii_as_postgrey_gives_it() {
    let counters = Arc::new(Counters::default());
    let (_theirs, ours) = UnixStream::pair().unwrap();
    let stream = Sink::Stream(Stream::new(File::from(OwnedFd::from(ours)), counters));
    assert_eq!(stream.beyond_ascii(), BeyondAscii::Escaped);
}

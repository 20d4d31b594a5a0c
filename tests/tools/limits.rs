//! Whoever holds the control socket's connections holds up neither mail nor, for long, other tools.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{done, is_deferred, mail, parties, setup, started};

fn connect(dir: &TempDir) -> UnixStream {
    let path: PathBuf = dir.path().join("serve-state/control");
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    stream
}

/// What comes before the daemon closes the connection. It resets it where something was sent that it has not read.
fn rest(mut stream: UnixStream) -> String {
    let mut text = Vec::new();
    let closed = stream.read_to_end(&mut text);
    assert!(!closed.is_err_and(|error| error.kind() != std::io::ErrorKind::ConnectionReset), "it stays open");
    String::from_utf8(text).unwrap()
}

#[test]
fn what_is_no_question_is_answered_with_what_is_wrong() {
    let dir = TempDir::new().unwrap();
    let _daemon = started(setup(&dir).start());
    for (sent, told) in [
        (vec![b'x'; 5 * 1_024], "a question has at most 4096 bytes"),
        (b"\n".to_vec(), "no question that this daemon knows"),
        (b"{\"ask\":\"sing\"}\n".to_vec(), "unknown variant `sing`"),
        (b"{\"ask\":\"explain\",\"client\":\"192.0.2.1\"}\n".to_vec(), "missing field `sender`"),
        (b"\xff\xfe\n".to_vec(), "no question that this daemon knows"),
    ] {
        let mut stream = connect(&dir);
        stream.write_all(&sent).unwrap();
        let answer = rest(stream);
        assert!(answer.starts_with("{\"error\":") && answer.contains(told), "{told}: {answer}");
    }
}

#[test]
fn forty_that_say_nothing_stop_neither_mail_nor_the_next_question() {
    let dir = TempDir::new().unwrap();
    let daemon = started(setup(&dir).start());
    let begin = Instant::now();
    thread::scope(|scope| {
        let silent: Vec<_> = (0..40).map(|_| scope.spawn(|| rest(connect(&dir)))).collect();
        let mut client = daemon.client();
        for number in 0..100 {
            let asked = Instant::now();
            assert!(is_deferred(&client.ask(&mail(&format!("s{number}@sender.example"), "b@c.example"))));
            assert!(asked.elapsed() < Duration::from_secs(2), "mail waited for {:?}", asked.elapsed());
        }
        done(&dir, &["stats"]);
        assert!(begin.elapsed() < Duration::from_secs(25), "a tool waited for {:?}", begin.elapsed());
        for text in silent {
            assert_eq!(text.join().unwrap(), "");
        }
    });
}

#[test]
fn those_that_do_not_read_are_left_behind() {
    let dir = TempDir::new().unwrap();
    parties::fill(&dir);
    let daemon = started(setup(&dir).start());
    let begin = Instant::now();
    let deaf: Vec<_> = (0..16)
        .map(|_| {
            let mut stream = connect(&dir);
            stream.write_all(b"{\"ask\":\"releases\"}\n").unwrap();
            stream
        })
        .collect();
    assert!(is_deferred(&daemon.client().ask(&mail("a@sender.example", "b@c.example"))));
    done(&dir, &["stats"]);
    assert!(begin.elapsed() < Duration::from_secs(25), "a tool waited for {:?}", begin.elapsed());
    // More than a socket holds: whoever was left behind has no end of it.
    assert!(deaf.into_iter().any(|stream| !rest(stream).ends_with('\n')));
}

//! The local syslog daemon over its datagram socket, in the form of RFC 3164:
//! `<PRI>Mmm dd hh:mm:ss program[pid]: text`, local time.
//!
//! syslogd may come, go and come again: a line is dropped and counted while it is away or does not take any, and it is
//! found again without a restart.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::ZonedDateTime;

use super::sink::Severity;
use crate::clock::UnixSecs;
use crate::config::Facility;
use crate::metrics::{Counter, Counters};

/// Where syslogd listens.
pub(super) const DEV_LOG: &str = "/dev/log";
/// How long a syslogd that takes nothing is waited for.
const SEND_TIMEOUT: Duration = Duration::from_millis(500);
/// How long after a failure the socket is not tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A connection to syslogd that mends itself.
#[derive(Debug)]
pub(super) struct Syslog {
    path: PathBuf,
    facility: Facility,
    /// `program[pid]: `
    tag: String,
    socket: Option<UnixDatagram>,
    /// When a lost socket may be opened again.
    retry_at: Instant,
    stamp: Stamp,
    datagram: Vec<u8>,
    counters: Arc<Counters>,
}

impl Syslog {
    /// Connects to the socket at `path`. That nobody listens there is no error: it is said on standard error, the only
    /// place left, and lines are dropped until somebody does.
    pub(super) fn new(path: &Path, facility: Facility, program: &str, counters: Arc<Counters>) -> Self {
        let socket = connect(path);
        if let Err(error) = &socket {
            // With standard error gone as well there is nobody to tell.
            let _ = writeln!(
                io::stderr(),
                "{program}: warning: syslog at {}: {error}; log lines are dropped until it listens there",
                path.display()
            );
        }
        Self {
            path: path.to_owned(),
            facility,
            tag: format!("{program}[{}]: ", process::id()),
            socket: socket.ok(),
            retry_at: Instant::now(),
            stamp: Stamp::default(),
            datagram: Vec::with_capacity(4096),
            counters,
        }
    }

    /// Sends one line.
    pub(super) fn line(&mut self, severity: Severity, write: impl FnOnce(&mut Vec<u8>)) {
        self.datagram.clear();
        let priority = self.facility.priority(severity as u8);
        let stamp = self.stamp.at(UnixSecs::now());
        // Writing to a Vec cannot fail.
        let _ = write!(self.datagram, "<{priority}>{stamp} {}", self.tag);
        write(&mut self.datagram);
        if !self.send() {
            self.counters.add_shared(Counter::LogLinesDropped, 1);
        }
    }

    /// Whether the datagram was taken.
    fn send(&mut self) -> bool {
        match self.socket.as_ref().map(|socket| socket.send(&self.datagram)) {
            Some(Ok(_)) => true,
            // Too long for a datagram: the next one need not be.
            Some(Err(error)) if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => false,
            // Alive but stuck: to wait for it once a line would let the rings run full.
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => {
                self.lose();
                false
            }
            Some(Err(_)) => {
                self.socket = None;
                self.send_anew()
            }
            None if Instant::now() < self.retry_at => false,
            None => self.send_anew(),
        }
    }

    /// A syslogd that was started again listens on another socket of the same path.
    fn send_anew(&mut self) -> bool {
        self.socket = connect(&self.path).ok();
        let sent = self.socket.as_ref().is_some_and(|socket| socket.send(&self.datagram).is_ok());
        if !sent {
            self.lose();
        }
        sent
    }

    fn lose(&mut self) {
        self.socket = None;
        self.retry_at = Instant::now() + RETRY;
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    socket.connect(path)?;
    Ok(socket)
}

/// The time of a line, formatted once a second.
#[derive(Debug, Default)]
struct Stamp {
    second: UnixSecs,
    text: String,
}

impl Stamp {
    fn at(&mut self, now: UnixSecs) -> &str {
        if self.text.is_empty() || now != self.second {
            self.second = now;
            self.text = ZonedDateTime::now().strftime("%b %e %H:%M:%S").to_string();
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(path: &Path) -> UnixDatagram {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    fn receive(socket: &UnixDatagram) -> String {
        let mut datagram = [0; 1000];
        let length = socket.recv(&mut datagram).unwrap();
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    }

    fn open(path: &Path) -> (Syslog, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        let facility = "local3".parse().unwrap();
        (Syslog::new(path, facility, "irongrey", Arc::clone(&counters)), counters)
    }

    fn say(syslog: &mut Syslog, text: &str) {
        syslog.line(Severity::Info, |out| out.extend_from_slice(text.as_bytes()));
    }

    #[test]
    fn a_line_has_the_form_of_rfc_3164() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let daemon = listen(&path);
        let (mut syslog, _) = open(&path);
        let expected =
            regex::Regex::new(r"^<(\d+)>[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d irongrey\[(\d+)\]: hello$").unwrap();
        for (severity, priority) in [(Severity::Info, "158"), (Severity::Warning, "156"), (Severity::Error, "155")] {
            syslog.line(severity, |out| out.extend_from_slice(b"hello"));
            let line = receive(&daemon);
            let parts = expected.captures(&line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((&parts[1], &parts[2]), (priority, &*process::id().to_string()));
        }
    }

    #[test]
    fn a_restarted_syslogd_is_found_again_and_lines_between_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let daemon = listen(&path);
        let (mut syslog, counters) = open(&path);
        say(&mut syslog, "first");
        assert!(receive(&daemon).ends_with("first"));

        drop(daemon);
        std::fs::remove_file(&path).unwrap();
        say(&mut syslog, "lost");
        say(&mut syslog, "lost without a try");
        assert_eq!(counters.get(Counter::LogLinesDropped), 2);

        let daemon = listen(&path);
        syslog.retry_at = Instant::now();
        say(&mut syslog, "second");
        assert!(receive(&daemon).ends_with("second"));

        // Restarted between two lines: nothing is lost.
        drop(daemon);
        std::fs::remove_file(&path).unwrap();
        let daemon = listen(&path);
        say(&mut syslog, "third");
        assert!(receive(&daemon).ends_with("third"));
        assert_eq!(counters.get(Counter::LogLinesDropped), 2);
    }

    #[test]
    fn a_syslogd_that_does_not_read_is_waited_for_once_not_once_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let _daemon = listen(&path);
        let (mut syslog, counters) = open(&path);
        while counters.get(Counter::LogLinesDropped) == 0 {
            say(&mut syslog, "line");
        }
        assert!(syslog.socket.is_none());
        syslog.retry_at = Instant::now() + Duration::from_secs(3600);
        (0..1000).for_each(|_| say(&mut syslog, "line"));
        assert_eq!(counters.get(Counter::LogLinesDropped), 1001);
    }

    #[test]
    fn a_line_too_long_for_a_datagram_is_dropped_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let daemon = listen(&path);
        let (mut syslog, counters) = open(&path);
        say(&mut syslog, &"x".repeat(10_000_000));
        say(&mut syslog, "short");
        assert!(receive(&daemon).ends_with("short"));
        assert_eq!(counters.get(Counter::LogLinesDropped), 1);
    }
}

//! Where lines go: [`Stream`] is standard error, [`Syslog`](super::syslog::Syslog) the local syslog daemon.
//!
//! Only the log thread writes, so a sink may block. What it cannot deliver it drops and counts, and goes on.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::sync::Arc;

use super::line::BeyondAscii;
use super::syslog::Syslog;
use crate::metrics::{Counter, Counters};

/// How important a line is, by syslog's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Severity {
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
    Debug = 7,
}

/// Where lines go.
#[derive(Debug)]
pub(super) enum Sink {
    Stream(Stream),
    Syslog(Syslog),
}

impl Sink {
    /// How the sink takes what is no ASCII.
    pub(super) fn beyond_ascii(&self) -> BeyondAscii {
        match self {
            Self::Stream(_) => BeyondAscii::Escaped,
            Self::Syslog(_) => BeyondAscii::Kept,
        }
    }

    /// Takes one line, which `write` appends without a line end.
    pub(super) fn line(&mut self, severity: Severity, write: impl FnOnce(&mut Vec<u8>)) {
        match self {
            Self::Stream(stream) => stream.line(write),
            Self::Syslog(syslog) => syslog.line(severity, write),
        }
    }

    /// Delivers what is still held back.
    pub(super) fn flush(&mut self) {
        match self {
            Self::Stream(stream) => stream.flush(),
            Self::Syslog(_) => {}
        }
    }
}

/// Plain lines into a file or pipe, many in one write.
#[derive(Debug)]
pub(super) struct Stream {
    file: File,
    batch: Vec<u8>,
    /// A failed write ended inside a line: the next one must not be glued to it.
    torn: bool,
    counters: Arc<Counters>,
}

/// A batch is written once it is this long.
const BATCH: usize = 64 * 1024;

impl Stream {
    pub(super) fn new(file: File, counters: Arc<Counters>) -> Self {
        Self { file, batch: Vec::with_capacity(2 * BATCH), torn: false, counters }
    }

    fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.batch);
        self.batch.push(b'\n');
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if self.torn {
            self.batch.insert(0, b'\n');
        }
        let written = write_some(&mut self.file, &self.batch);
        let (done, rest) = self.batch.split_at(written);
        // With nothing written the file still ends as the last write left it.
        self.torn = done.last().map_or(self.torn, |byte| *byte != b'\n');
        let mut lost = memchr::memchr_iter(b'\n', rest).count() as u64;
        if written == 0 && self.torn {
            // The line end put in front is nobody's line.
            lost -= 1;
        }
        if lost > 0 {
            self.counters.add_shared(Counter::LogLinesDropped, lost);
        }
        self.batch.clear();
    }
}

/// How many bytes were written before the end or the first error.
fn write_some(file: &mut File, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn stream_to(peer: UnixStream) -> (Stream, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        (Stream::new(File::from(OwnedFd::from(peer)), Arc::clone(&counters)), counters)
    }

    #[test]
    fn a_closed_stream_loses_counted_lines_only() {
        let (theirs, ours) = UnixStream::pair().unwrap();
        drop(theirs);
        let (mut stream, counters) = stream_to(ours);
        for round in 1..=2 {
            (0..3).for_each(|_| stream.line(|out| out.extend_from_slice(b"line")));
            stream.flush();
            assert_eq!(counters.get(Counter::LogLinesDropped), 3 * round);
        }
    }

    #[test]
    fn a_line_that_was_torn_is_ended_before_the_next() {
        let (mut theirs, ours) = UnixStream::pair().unwrap();
        // Not to wait but to fail when the socket is full, as a non-blocking standard error does.
        ours.set_nonblocking(true).unwrap();
        let (mut stream, counters) = stream_to(ours);
        let long = vec![b'x'; 1000];
        let mut sent = 0;
        while counters.get(Counter::LogLinesDropped) == 0 {
            stream.line(|out| out.extend_from_slice(&long));
            sent += 1;
        }
        // While nothing can be written each line is counted once, the line end in front of them not at all.
        for _ in 0..2 {
            let before = counters.get(Counter::LogLinesDropped);
            stream.line(|out| out.extend_from_slice(b"lost"));
            stream.flush();
            assert_eq!(counters.get(Counter::LogLinesDropped), before + 1);
        }
        let mut received = vec![0; 10_000_000];
        let held = theirs.read(&mut received).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let held = held + std::iter::from_fn(|| theirs.read(&mut received[held..]).ok()).sum::<usize>();
        assert_eq!(stream.torn, held % 1001 != 0);
        assert!(stream.torn, "{held} bytes of {sent} lines hold whole lines only");
        stream.line(|out| out.extend_from_slice(b"after"));
        stream.flush();
        let held = theirs.read(&mut received).unwrap();
        assert_eq!(&received[..held], b"\nafter\n");
        assert!(!stream.torn);
    }
}

//! [`Journal`]: the lines that a child process writes, collected while it runs.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The lines so far; a clone sees the same lines.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Journal {
    /// Collects everything that comes from `source`, until it ends.
    pub(crate) fn follow(&self, source: impl Read + Send + 'static) {
        let journal = self.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(source);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                let (lines, changed) = &*journal.0;
                lines.lock().unwrap().push(text);
                changed.notify_all();
                line.clear();
            }
        });
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.0.lock().unwrap().clone()
    }

    /// The first line that contains `text`, waiting for it if need be.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let (lines, changed) = &*self.0;
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut lines = lines.lock().unwrap();
        loop {
            if let Some(line) = lines.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let last = &lines[lines.len().saturating_sub(20)..];
            assert!(!left.is_zero(), "no line with {text:?}; the last lines:\n{}", last.join("\n"));
            lines = changed.wait_timeout(lines, left).unwrap().0;
        }
    }
}

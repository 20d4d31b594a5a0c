//! [`Fake`]: a policy server that does what a test wants it to, also what no server should.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::Address;

/// A listening server; each connection has a thread. It ends when dropped.
pub(super) struct Fake {
    address: Address,
    stopped: Arc<AtomicBool>,
}

impl Fake {
    /// Serves each connection by `serve`, which gets its number from 0 on.
    pub(super) fn start(dir: &Path, serve: impl Fn(usize, Peer) + Send + Sync + 'static) -> Self {
        let path = dir.join("fake.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (stopped, serve) = (Arc::new(AtomicBool::new(false)), Arc::new(serve));
        let stop = Arc::clone(&stopped);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (serve, stream) = (Arc::clone(&serve), stream.unwrap());
                std::thread::spawn(move || serve(number, Peer(stream)));
            }
        });
        Self { address: Address::Unix(path), stopped }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let Address::Unix(path) = &self.address else { return };
        UnixStream::connect(path).ok();
    }
}

/// The other end of a connection.
pub(super) struct Peer(UnixStream);

impl Peer {
    /// The next request, without its blank line; `None` at the end.
    pub(super) fn request(&mut self) -> Option<String> {
        let (mut request, mut byte) = (Vec::new(), [0]);
        while !request.ends_with(b"\n\n") {
            match self.0.read(&mut byte) {
                Ok(1) => request.push(byte[0]),
                _ => return None,
            }
        }
        Some(String::from_utf8(request).unwrap())
    }

    /// Sends bytes; whether the other side still takes any.
    pub(super) fn send(&mut self, bytes: &str) -> bool {
        self.0.write_all(bytes.as_bytes()).is_ok()
    }

    /// Answers every request by `answer`, until there are no more.
    pub(super) fn answer_all(mut self, answer: impl Fn(&str) -> String) {
        while let Some(request) = self.request() {
            if !self.send(&format!("{}\n\n", answer(&request))) {
                return;
            }
        }
    }

    /// Waits for the other side to close.
    pub(super) fn wait_for_end(mut self) {
        while self.request().is_some() {}
    }
}

//! [`Shadow`]: `irongrey shadow` as a child process.

use std::io::{PipeReader, Write, pipe};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;

use crate::support::{Address, Client, Guarded, Journal, Stream, irongrey};

/// Longer than any deadline that is tested, and a second for what was begun.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running shadow on a unix socket, killed when dropped.
pub(super) struct Shadow {
    process: Guarded,
    pub(super) journal: Journal,
    address: Address,
    /// Kept open: writing to a pipe without a reader fails at once.
    _unread: Option<PipeReader>,
}

/// An address in Postfix's spelling.
pub(super) fn name(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("inet:{address}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn command(dir: &Path, old: &Address, new: &Address, options: &[&str]) -> (Command, Address) {
    let address = Address::Unix(dir.join("shadow.sock"));
    let [old, new] = [("old", old), ("new", new)].map(|(option, at)| format!("--{option}={}", name(at)));
    let listen = format!("--listen={}", name(&address));
    // Whoever runs the tests may use their directories.
    let user = format!("--user={}", nix::unistd::geteuid());
    let words = [&["shadow", &old, &new, &listen, &user], options].concat();
    (irongrey(&words), address)
}

impl Shadow {
    /// Starts one that listens in `dir`, and waits until it does.
    pub(super) fn start(dir: &Path, old: &Address, new: &Address, options: &[&str]) -> Self {
        let (mut command, address) = command(dir, old, new, options);
        let mut process = Guarded::spawn(command.stderr(Stdio::piped()));
        let journal = Journal::default();
        journal.follow(process.child().stderr.take().unwrap());
        journal.wait_for(" shadows on ");
        Self { process, journal, address, _unread: None }
    }

    /// The same, but its standard error is a full pipe that nobody reads.
    pub(super) fn start_unread(dir: &Path, old: &Address, new: &Address, options: &[&str]) -> Self {
        let (unread, mut stderr) = pipe().unwrap();
        let length = fcntl(&stderr, FcntlArg::F_GETPIPE_SZ).unwrap();
        stderr.write_all(&vec![b'\n'; usize::try_from(length).unwrap()]).unwrap();
        let (mut command, address) = command(dir, old, new, options);
        let process = Guarded::spawn(command.stderr(stderr));
        while Stream::connect(&address).is_err() {
            std::thread::sleep(Duration::from_millis(2));
        }
        Self { process, journal: Journal::default(), address, _unread: Some(unread) }
    }

    /// A connection to it.
    pub(super) fn client(&self) -> Client {
        Client::connect(&self.address)
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for the line with which it ends.
    pub(super) fn ended(mut self) -> Summary {
        let status = self.process.wait(PATIENCE);
        assert_eq!(status.and_then(|status| status.code()), Some(0), "{:?}", self.journal.lines());
        Summary(self.journal.wait_for("stopped on SIG"))
    }

    /// Stops it in order: what it counted.
    pub(super) fn stop(self) -> Summary {
        self.signal(Signal::SIGTERM);
        self.ended()
    }
}

/// A summary's line.
#[derive(Debug)]
pub(super) struct Summary(pub(super) String);

impl Summary {
    pub(super) fn count(&self, name: &str) -> u64 {
        let word = self.0.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let word = word.unwrap_or_else(|| panic!("no {name} in {}", self.0));
        word.split('(').next().unwrap().parse().unwrap()
    }

    #[track_caller]
    pub(super) fn assert(&self, expected: &[(&str, u64)]) {
        for (name, count) in expected {
            assert_eq!(self.count(name), *count, "{name} in {}", self.0);
        }
    }
}

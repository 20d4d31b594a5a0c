//! [`Pair`]: Debian's postgrey and `irongrey postgrey`, with the same options.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Client, Daemon, Program, Request, Setup, skipped, tool};

/// The oracle and the program under test. Arrays of two have them in this order: postgrey, irongrey.
pub(crate) struct Pair {
    pub(crate) postgrey: Daemon,
    pub(crate) irongrey: Daemon,
    _dir: TempDir,
}

impl Pair {
    /// Starts both, irongrey with a test clock; `None` if there is no postgrey on this machine.
    pub(crate) fn start(test: &str, options: &[&str]) -> Option<Self> {
        Self::start_in(test, TempDir::new().unwrap(), options, &["--test-clock"])
    }

    /// The same in a directory that may have files for the options already, with options for irongrey alone.
    pub(crate) fn start_in(test: &str, dir: TempDir, options: &[&str], ours: &[&str]) -> Option<Self> {
        if tool("postgrey").is_none() {
            skipped(test, "postgrey is not installed");
            return None;
        }
        let setup =
            |program| Setup::new(program, dir.path()).with(["--hostname=mx.test"]).with(options.iter().copied());
        let postgrey = setup(Program::Postgrey).start();
        let irongrey = setup(Program::Irongrey).with(ours.iter().copied()).start();
        Some(Self { postgrey, irongrey, _dir: dir })
    }

    /// A connection to each.
    pub(crate) fn clients(&self) -> [Client; 2] {
        [self.postgrey.client(), self.irongrey.client()]
    }

    /// The same request to each, on new connections, and what they reply.
    pub(crate) fn ask(&self, request: &Request) -> [String; 2] {
        self.clients().map(|mut client| client.ask(request))
    }

    /// The decisions that the two have logged, once both have logged everything. irongrey's workers write their lines in an
    /// order of their own, so both come sorted.
    pub(crate) fn decisions(&self) -> [Vec<String>; 2] {
        // From a client that nothing is known of, as this is asked years after the rest.
        self.ask(&Request::new("233.252.0.1", "", "end@log.test"));
        let decisions = |daemon: &Daemon| {
            daemon.journal().wait_for("recipient=end@log.test");
            let mut lines = daemon.journal().lines();
            lines.retain(|line| line.contains("action="));
            lines.sort();
            lines
        };
        let postgrey = decisions(&self.postgrey);
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let irongrey = decisions(&self.irongrey);
            if irongrey.len() >= postgrey.len() || Instant::now() > deadline {
                return [postgrey, irongrey];
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

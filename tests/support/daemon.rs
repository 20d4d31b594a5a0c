//! [`Daemon`]: irongrey, or postgrey in its place, as a child process with its own state.

use std::io::{PipeReader, Write, pipe};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use nix::unistd::{Group, User, getegid, geteuid};

use super::{Address, Client, Guarded, Journal, Stream, tool};

/// Longest wait for a daemon that starts or ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// `irongrey postgrey ...`
    Irongrey,
    /// `irongrey serve ...`
    Serve,
    /// Debian's postgrey, the oracle.
    Postgrey,
}

/// How to start a daemon: what differs between tests. A setup can be started again after its daemon has ended.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    program: Program,
    state: PathBuf,
    address: Address,
    user: Option<(String, String)>,
    file_limit: Option<u32>,
    arguments: Vec<String>,
}

impl Setup {
    /// A daemon on a unix socket in `dir`, with its state there, run as the user who runs the tests.
    pub(crate) fn new(program: Program, dir: &Path) -> Self {
        let name = format!("{program:?}").to_lowercase();
        let state = dir.join(format!("{name}-state"));
        std::fs::create_dir_all(&state).unwrap();
        Self {
            program,
            state,
            address: Address::Unix(dir.join(format!("{name}.sock"))),
            user: Some(own_names()),
            file_limit: None,
            arguments: Vec::new(),
        }
    }

    /// More options.
    pub(crate) fn with<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Listens on a free port of the loopback address instead.
    pub(crate) fn tcp(mut self) -> Self {
        self.address = Address::Tcp(free_port());
        self
    }

    /// Listens where another one has listened.
    pub(crate) fn on(mut self, address: &Address) -> Self {
        self.address = address.clone();
        self
    }

    /// Listens on this unix socket instead.
    pub(crate) fn unix(mut self, path: PathBuf) -> Self {
        self.address = Address::Unix(path);
        self
    }

    /// Keeps the state there instead.
    pub(crate) fn state(mut self, dir: PathBuf) -> Self {
        self.state = dir;
        self
    }

    /// Names no user: the daemon chooses whom to become.
    pub(crate) fn own_user(mut self) -> Self {
        self.user = None;
        self
    }

    /// Starts with a hard limit on open files.
    pub(crate) fn file_limit(mut self, files: u32) -> Self {
        self.file_limit = Some(files);
        self
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Starts the daemon, which must not serve: its exit code, and what it wrote.
    pub(crate) fn start_refused(&self) -> (Option<i32>, String) {
        let output = self.command("timeout -k 1 60").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The command line, with another program in front of it.
    fn command(&self, prefix: &str) -> Command {
        let mut words = match self.program {
            Program::Irongrey => vec![env!("CARGO_BIN_EXE_irongrey").to_owned(), "postgrey".to_owned()],
            Program::Serve => vec![env!("CARGO_BIN_EXE_irongrey").to_owned(), "serve".to_owned()],
            Program::Postgrey => vec![tool("postgrey").unwrap().to_string_lossy().into_owned()],
        };
        words.push(match &self.address {
            Address::Tcp(address) => format!("--inet={address}"),
            Address::Unix(path) => format!("--unix={}", path.display()),
        });
        let directory = if self.program == Program::Serve { "--state" } else { "--dbdir" };
        words.push(format!("{directory}={}", self.state.display()));
        if let Some((user, group)) = &self.user {
            words.extend([format!("--user={user}"), format!("--group={group}")]);
        }
        if self.program != Program::Postgrey {
            words.push("--seccomp".to_owned());
        }
        words.extend(self.arguments.iter().cloned());

        let mut command = Command::new("/bin/sh");
        let limit = self.file_limit.map(|files| format!("ulimit -n {files}; ")).unwrap_or_default();
        command.args(["-c", &format!(r#"{limit}exec {prefix} "$0" "$@""#)]).args(words);
        if self.program == Program::Postgrey {
            command.env("TZ", noon());
        }
        command.env_remove("POSTGREY_OPTS").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Starts the daemon and waits until it accepts connections.
    pub(crate) fn start(&self) -> Daemon {
        let mut process = Guarded::spawn(&mut self.command(""));
        let journal = Journal::default();
        journal.follow(process.child().stderr.take().unwrap());
        self.connected(Daemon { process, journal, setup: self.clone(), _unread: None })
    }

    /// The same, but its standard error is a full pipe that nobody reads.
    pub(crate) fn start_unread(&self) -> Daemon {
        let (unread, mut stderr) = pipe().unwrap();
        let length = fcntl(&stderr, FcntlArg::F_GETPIPE_SZ).unwrap();
        stderr.write_all(&vec![b'\n'; usize::try_from(length).unwrap()]).unwrap();
        let process = Guarded::spawn(self.command("").stderr(stderr));
        self.connected(Daemon { process, journal: Journal::default(), setup: self.clone(), _unread: Some(unread) })
    }

    fn connected(&self, mut daemon: Daemon) -> Daemon {
        let deadline = Instant::now() + PATIENCE;
        while Stream::connect(&self.address).is_err() {
            let ended = daemon.process.ended();
            let log = || daemon.journal.lines().join("\n");
            assert!(ended.is_none() && Instant::now() < deadline, "{self:?} does not listen ({ended:?}):\n{}", log());
            std::thread::sleep(Duration::from_millis(2));
        }
        daemon
    }
}

/// A running daemon, killed when dropped.
pub(crate) struct Daemon {
    process: Guarded,
    journal: Journal,
    setup: Setup,
    /// Kept open: writing to a pipe without a reader fails at once.
    _unread: Option<PipeReader>,
}

impl Daemon {
    /// A connection to it.
    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.setup.address)
    }

    pub(crate) fn address(&self) -> &Address {
        &self.setup.address
    }

    /// What it has written to standard error.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Processor time that it has used.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
        // Fields 14 and 15 of proc_pid_stat(5), user and system time in hundredths of a second.
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Its memory that is no mapped file, in KiB.
    pub(crate) fn anonymous_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        anonymous.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// The end of the process, waiting for it; `None` if it goes on running.
    pub(crate) fn wait(&mut self) -> Option<ExitStatus> {
        self.process.wait(PATIENCE)
    }

    /// Ends it as it should be ended. Asked more than once: postgrey does not hear of a signal that comes just before it waits
    /// for requests until there is another one.
    pub(crate) fn stop(mut self) {
        let deadline = Instant::now() + PATIENCE;
        self.signal(Signal::SIGTERM);
        while self.process.wait(Duration::from_secs(1)).is_none() {
            assert!(Instant::now() < deadline, "{:?} does not end", self.setup);
            self.signal(Signal::SIGTERM);
        }
    }

    /// Kills it at once and starts another one on the same state and the same socket.
    pub(crate) fn kill_and_restart(self) -> Daemon {
        let setup = self.setup.clone();
        drop(self);
        setup.start()
    }
}

/// A time zone in which it is noon now: postgrey forgets old entries between two and seven in the morning, by the clock
/// of the machine whatever the clock of its requests.
fn noon() -> String {
    let hour = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 3_600 % 24;
    if hour < 12 { format!("<noon>-{}", 12 - hour) } else { format!("<noon>+{}", hour - 12) }
}

/// The names of the user and group who run the tests: postgrey takes the number 0 for no user at all.
pub(crate) fn own_names() -> (String, String) {
    let user = User::from_uid(geteuid()).unwrap().expect("this user has a name");
    let group = Group::from_gid(getegid()).unwrap().expect("this group has a name");
    (user.name, group.name)
}

/// A port of the loopback address that nobody listens on. Taken from below the range from which the kernel gives ports to
/// outgoing connections, so that none of those takes it meanwhile.
pub(crate) fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 200).unwrap() * 100;
    loop {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 11_000 + offset));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

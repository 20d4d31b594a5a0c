//! The servers under test: how each is started with a directory of its own, observed until it answers, and ended.
//!
//! A server is killed when its value is dropped; its directory is removed with it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::unistd::{Group, Uid, User, chown};
use tempfile::TempDir;

use crate::cli::Daemon;
use crate::endpoint::{Endpoint, Stream};
use crate::reply::excerpt;
use crate::workload::{Template, Workload};

/// How long a server may take to its first answer before it is given up.
const START_LIMIT: Duration = Duration::from_secs(30);

/// No line is written so long after its decision.
const LOG_LIMIT: Duration = Duration::from_millis(200);

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Baseline,
    Irongrey,
    Postgrey,
    Sqlgrey,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Irongrey => "irongrey",
            Self::Postgrey => "postgrey",
            Self::Sqlgrey => "sqlgrey",
        }
    }
}

/// Over which kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Unix,
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Unix => "unix",
        }
    }
}

/// A directory for a server, which any user may pass through, and an endpoint in it.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
    pub(crate) endpoint: Endpoint,
}

impl Place {
    pub(crate) fn new(scratch: &Path, transport: Transport) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("greyload-")
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir_in(scratch)
            .with_context(|| format!("{}: cannot make a directory there", scratch.display()))?;
        let endpoint = match transport {
            Transport::Tcp => Endpoint::free_port()?,
            Transport::Unix => Endpoint::Unix(directory.path().join("socket")),
        };
        Ok(Self { directory, endpoint })
    }

    /// Where the server keeps its state.
    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Where the server's decisions are logged, if they are.
    fn log(&self) -> PathBuf {
        self.directory.path().join("decisions.log")
    }

    /// Decisions in the log, once it has not grown for a while.
    pub(crate) fn logged_decisions(&self) -> Result<u64> {
        let (path, mut size) = (self.log(), 0);
        while size < std::fs::metadata(&path)?.len() {
            size = std::fs::metadata(&path)?.len();
            std::thread::sleep(LOG_LIMIT);
        }
        let is_decision = |line: &[u8]| memchr::memmem::find(line, b"action=").is_some();
        Ok(std::fs::read(&path)?.split(|&byte| byte == b'\n').filter(|line| is_decision(line)).count() as u64)
    }

    /// Makes the directory for the state: that of `user`, if there is one and greyload is root, else the present user's.
    /// Returns whose it is.
    fn make_state(&self, user: &str) -> Result<User> {
        let state = self.state();
        std::fs::create_dir(&state)?;
        let present = Uid::effective();
        if present.is_root()
            && let Some(user) = User::from_name(user)?
        {
            chown(&state, Some(user.uid), Some(user.gid))?;
            return Ok(user);
        }
        User::from_uid(present)?.with_context(|| format!("user {present} has no name; servers are started under one"))
    }

    fn listen_option(&self) -> [String; 2] {
        match &self.endpoint {
            Endpoint::Inet(address) => ["--inet".to_owned(), address.to_string()],
            Endpoint::Unix(path) => ["--unix".to_owned(), path.display().to_string()],
        }
    }
}

/// The command that runs irongrey with one worker, its default lists, and no decision log.
pub(crate) fn irongrey(daemon: &Daemon, place: &Place, delay: Duration) -> Result<Command> {
    let mut command = logging_irongrey(daemon, place, delay)?;
    command.arg("--quiet");
    Ok(command)
}

/// The same with its decision log on standard error.
fn logging_irongrey(daemon: &Daemon, place: &Place, delay: Duration) -> Result<Command> {
    let mut command = Command::new(daemon.program()?);
    command.arg("serve").args(place.listen_option()).arg("--state").arg(place.state());
    command.args(["--workers", "1", "--delay", &format!("{}s", delay.as_secs())]).args(&daemon.extra);
    Ok(command)
}

/// The same with its decision log in a file.
pub(crate) fn irongrey_with_log(daemon: &Daemon, place: &Place, delay: Duration) -> Result<Command> {
    let mut command = logging_irongrey(daemon, place, delay)?;
    let path = place.log();
    command.stderr(File::create(&path).with_context(|| format!("{}: cannot be made", path.display()))?);
    Ok(command)
}

/// The command that runs this program's own baseline.
pub(crate) fn baseline(place: &Place) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("baseline").args(place.listen_option());
    Ok(command)
}

/// The command that runs postgrey with its defaults, as its own user if greyload is root.
pub(crate) fn postgrey(program: &Path, place: &Place, delay: Duration) -> Result<Command> {
    place.make_state("postgrey")?;
    let mut command = Command::new(program);
    command
        .arg(place.listen_option().join("="))
        .arg(format!("--delay={}", delay.as_secs()))
        .arg(format!("--dbdir={}", place.state().display()))
        .arg("-q");
    Ok(command)
}

/// The command that runs sqlgrey with its defaults, but with `SQLite`, as its own user if greyload is root.
pub(crate) fn sqlgrey(program: &Path, place: &Place, delay: Duration) -> Result<Command> {
    let user = place.make_state("sqlgrey")?;
    let group = Group::from_gid(user.gid)?.map_or_else(|| user.gid.to_string(), |group| group.name);
    let (inet, state) = (&place.endpoint, place.state());
    let settings = format!(
        "inet = {inet}\nuser = {}\ngroup = {group}\nloglevel = 0\nreconnect_delay = {}\ndb_type = SQLite\ndb_name = {}\n",
        user.name,
        delay.as_secs() / 60,
        state.join("sqlgrey.db").display()
    );
    let file = state.join("sqlgrey.conf");
    std::fs::write(&file, settings)?;
    let mut command = Command::new(program);
    command.arg("-f").arg(file).stderr(Stdio::null());
    Ok(command)
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// From before fork and exec to the first answer.
    pub(crate) first_answer_after: Duration,
    /// That answer's line.
    pub(crate) first_answer: String,
}

impl Server {
    /// Starts `command` and asks request `number` of `workload` until there is an answer.
    pub(crate) fn start(mut command: Command, endpoint: &Endpoint, workload: &Workload, number: u64) -> Result<Self> {
        let mut request = Template::buffer(1);
        Template::new().write(workload, number, &mut request);
        let program = command.get_program().to_owned();
        let started = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", Path::new(&program).display()))?;
        let mut server = Self { child, first_answer_after: Duration::ZERO, first_answer: String::new() };
        server.first_answer = server.await_answer(&program, endpoint, &request, started)?;
        server.first_answer_after = started.elapsed();
        Ok(server)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Result<i32> {
        Ok(i32::try_from(self.child.id())?)
    }

    /// Ends it with SIGKILL and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn await_answer(
        &mut self,
        program: &OsStr,
        endpoint: &Endpoint,
        request: &[u8],
        started: Instant,
    ) -> Result<String> {
        let name = Path::new(program).display();
        while started.elapsed() < START_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                bail!("{name} ended with {status} before it answered");
            }
            // Fine-grained against the 50 ms that are measured, yet not taking a core from the server that starts.
            match endpoint.connect() {
                Ok(mut stream) => return ask(&mut stream, request, started),
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        }
        bail!("{name} did not listen on {endpoint} within {} s", START_LIMIT.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.kill();
    }
}

/// Sends one request and waits for the whole answer, of which it returns the line, up to the limit of a start.
pub(crate) fn ask(stream: &mut Stream, request: &[u8], started: Instant) -> Result<String> {
    stream.write_all(request)?;
    let (mut reply, mut filled) = ([0; 1024], 0);
    while started.elapsed() < START_LIMIT && filled < reply.len() {
        match stream.read(&mut reply[filled..]) {
            Ok(0) => bail!("the server closed the connection after {}", excerpt(&reply[..filled])),
            Ok(length) => filled += length,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_micros(50));
            }
            Err(error) => return Err(error.into()),
        }
        if reply[..filled].ends_with(b"\n\n") {
            return Ok(String::from_utf8_lossy(&reply[..filled - 2]).into_owned());
        }
    }
    bail!("the server gave no whole answer: {}", excerpt(&reply[..filled]))
}

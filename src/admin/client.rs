//! Asks a running daemon over its control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;

use super::message::{Answer, Ask};

/// The daemon answers at once, but for the second that forgetting takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer at most: ten thousand releases.
const LONGEST_ANSWER: u64 = 16 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error(
        "{}: {source}: no daemon has its control socket there; start it, or name its state directory with --state or its socket \
         with --control", path.display()
    )]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// This user may not.
    #[error(
        "{}: {source}: ask as root or as the daemon's user; for others give the daemon a `control-group` and a `control` socket \
         outside its state directory", path.display()
    )]
    Forbidden {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It took too long.
    #[error("{}: no answer within {} s: other tools may keep the daemon busy, so ask again", path.display(), PATIENCE.as_secs())]
    Late {
        /// The socket.
        path: PathBuf,
    },
    /// The connection ended or what came is no answer.
    #[error("{}: no answer: {source}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// What is wrong with the question, in the daemon's words.
    #[error("{0}")]
    Refused(String),
    /// Why the daemon could not do it, in its words.
    #[error("{0}")]
    Failed(String),
}

/// Asks the daemon whose control socket is `path`.
pub fn ask(path: &Path, ask: &Ask) -> Result<Answer, AskError> {
    let own = || path.to_owned();
    let stream = connect(path).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => AskError::Forbidden { path: own(), source },
        io::ErrorKind::WouldBlock => AskError::Late { path: own() },
        _ => AskError::NoDaemon { path: own(), source },
    })?;
    match exchange(&stream, ask) {
        Ok(Answer::Error(what)) => Err(AskError::Refused(what)),
        Ok(Answer::Failure(what)) => Err(AskError::Failed(what)),
        Ok(answer) => Ok(answer),
        Err(source) if source.kind() == io::ErrorKind::WouldBlock => Err(AskError::Late { path: own() }),
        Err(source) => Err(AskError::Broken { path: own(), source }),
    }
}

/// Connecting, too, takes as long as the daemon's queue is full.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket.into())
}

fn exchange(mut stream: &UnixStream, ask: &Ask) -> io::Result<Answer> {
    let mut line = serde_json::to_vec(ask)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(LONGEST_ANSWER)).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&answer)?)
}

//! Asks a running daemon over its control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    #[error("{}: {source}: no daemon has its control socket there; start it, or name the socket with --control", path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// This user may not.
    #[error("{}: {source}: ask as root or as a member of the socket's group (control-group)", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The connection ended or what came is no answer.
    #[error("{}: no answer: {source}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The daemon's own words.
    #[error("{0}")]
    Refused(String),
}

/// Asks the daemon whose control socket is `path`.
pub fn ask(path: &Path, ask: &Ask) -> Result<Answer, AskError> {
    let own = || path.to_owned();
    let stream = UnixStream::connect(path).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => AskError::Forbidden { path: own(), source },
        _ => AskError::NoDaemon { path: own(), source },
    })?;
    match exchange(&stream, ask) {
        Ok(Answer::Error(what)) => Err(AskError::Refused(what)),
        Ok(answer) => Ok(answer),
        Err(source) => Err(AskError::Broken { path: own(), source }),
    }
}

fn exchange(mut stream: &UnixStream, ask: &Ask) -> io::Result<Answer> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
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

//! [`Databases`] and [`Dump`]: postgrey's Berkeley databases, read through `db_dump`, which joins the environment that postgrey
//! has open: what a running postgrey has not written to the file yet is seen as well, and page locks keep both from each other.
//!
//! As root `db_dump` is run as the owner of the databases, so that no file of root's is left among postgrey's.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use thiserror::Error;

/// How much of what `db_dump` complains about is kept.
const KEPT: u64 = 512;

/// Why postgrey's entries cannot be read. Nothing has been changed.
#[derive(Debug, Error)]
pub enum SourceError {
    /// There is no such database.
    #[error("{}: no such file; DIR is postgrey's --dbdir (Debian: /var/lib/postgrey)", .0.display())]
    NoDatabase(PathBuf),
    /// It cannot be opened.
    #[error("{}: cannot be opened: {source}; run this as root, or as the user that postgrey runs as", path.display())]
    Unreadable {
        /// The database.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A copy, in which what stands only in the log would be passed over.
    #[error(
        "{}: there are postgrey's logs (log.*), but not the environment that they belong to (__db.*), so what stands only in \
         them would be missed; start postgrey there and import beside it, or make a copy COPY of the directory, run \
         `db_recover -h COPY && rm COPY/log.*` and import that", .0.display()
    )]
    NoEnvironment(PathBuf),
    /// The program is missing.
    #[error(
        "db_dump: no such program, and postgrey's databases are read with it; install it (Debian: apt install db-util)"
    )]
    NotInstalled,
    /// The program cannot be run.
    #[error("db_dump: cannot be run for {}: {source}", path.display())]
    NotRun {
        /// The database.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The program gave up.
    #[error(
        "{}: db_dump gave up ({status}): {said}; nothing was taken over; if the database is damaged, import it from a backup, or \
         stop postgrey and see what db_verify says", path.display()
    )]
    Failed {
        /// The database.
        path: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        said: String,
    },
    /// The program writes something else.
    #[error(
        "{}: line {line} of what db_dump writes is {what}; nothing was taken over; is db_dump that of Berkeley DB 5 (Debian: \
         db-util)?", path.display()
    )]
    Malformed {
        /// The database.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl SourceError {
    /// The exit code: 2 for what should be something else, 1 for what cannot be read.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::NoDatabase(_) | Self::NoEnvironment(_) | Self::Malformed { .. } => 2,
            Self::Unreadable { .. } | Self::NotInstalled | Self::NotRun { .. } | Self::Failed { .. } => 1,
        }
    }
}

/// The databases of one postgrey.
#[derive(Debug)]
pub(super) struct Databases {
    pub(super) triplets: PathBuf,
    /// `None` if postgrey ran without an auto-whitelist.
    pub(super) clients: Option<PathBuf>,
}

impl Databases {
    pub(super) fn find(directory: &Path) -> Result<Self, SourceError> {
        let triplets = directory.join("postgrey.db");
        let clients = directory.join("postgrey_clients.db");
        if !open(&triplets)? {
            return Err(SourceError::NoDatabase(triplets));
        }
        let clients = open(&clients)?.then_some(clients);
        let unlisted = |source| SourceError::Unreadable { path: directory.to_owned(), source };
        let mut has_log = false;
        for entry in fs::read_dir(directory).map_err(unlisted)? {
            has_log |= entry.map_err(unlisted)?.file_name().as_encoded_bytes().starts_with(b"log.");
        }
        if has_log && !directory.join("__db.001").exists() {
            return Err(SourceError::NoEnvironment(directory.to_owned()));
        }
        Ok(Self { triplets, clients })
    }
}

/// Whether there is such a file, which can be read.
fn open(path: &Path) -> Result<bool, SourceError> {
    match File::open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(SourceError::Unreadable { path: path.to_owned(), source }),
    }
}

/// Hands over each key and value of a database. The error may come when some have been handed over.
pub(super) fn each(path: &Path, take: impl FnMut(&[u8], &[u8])) -> Result<(), SourceError> {
    let not_run = |source| SourceError::NotRun { path: path.to_owned(), source };
    let mut child = start(path)?;
    let said = child.stderr.take().map(listen);
    let read = match child.stdout.take() {
        Some(stdout) => Lines { input: BufReader::with_capacity(1 << 16, stdout), path, line: 0 }.pairs(take),
        None => Ok(None),
    };
    if read.is_err() {
        // It may wait for a reader that has gone.
        let _ = child.kill();
    }
    let status = child.wait().map_err(not_run)?;
    let said = said.and_then(|said| said.join().ok()).unwrap_or_default();
    let ended_at = read?;
    if !status.success() {
        let said = if said.is_empty() { "it does not say why".to_owned() } else { said };
        return Err(SourceError::Failed { path: path.to_owned(), status, said });
    }
    ended_at.map_or(Ok(()), |line| {
        Err(SourceError::Malformed { path: path.to_owned(), line, what: "missing: it ends early" })
    })
}

fn start(path: &Path) -> Result<Child, SourceError> {
    let mut command = Command::new("db_dump");
    command.arg("-h").arg(path.parent().unwrap_or(Path::new("."))).arg(path.file_name().unwrap_or_default());
    command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if nix::unistd::geteuid().is_root()
        && let Ok(owner) = fs::metadata(path)
    {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => SourceError::NotInstalled,
        _ => SourceError::NotRun { path: path.to_owned(), source },
    })
}

/// Takes what the program complains about, all of it, as it would wait otherwise, and keeps the beginning.
fn listen(mut stderr: ChildStderr) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let _ = stderr.by_ref().take(KEPT).read_to_end(&mut kept);
        let _ = io::copy(&mut stderr, &mut io::sink());
        String::from_utf8_lossy(&kept).lines().collect::<Vec<_>>().join("; ").escape_debug().to_string()
    })
}

/// What `db_dump` writes: a header, then keys and values in hexadecimal, a line each.
struct Lines<'p, R> {
    input: R,
    path: &'p Path,
    line: u64,
}

impl<R: BufRead> Lines<'_, R> {
    /// The line that is missing if the end was not reached.
    fn pairs(mut self, mut take: impl FnMut(&[u8], &[u8])) -> Result<Option<u64>, SourceError> {
        let (mut line, mut key, mut value) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_hexadecimal = false;
        loop {
            match self.next(&mut line)? {
                Some(b"HEADER=END") if is_hexadecimal => break,
                Some(b"HEADER=END") => return Err(self.malformed("the end of a header without format=bytevalue")),
                Some(b"format=bytevalue") => is_hexadecimal = true,
                Some(header) if header.contains(&b'=') => {}
                Some(_) => return Err(self.malformed("none of its header")),
                None => return Ok(Some(self.line)),
            }
        }
        loop {
            match self.next(&mut line)? {
                Some(b"DATA=END") => return Ok(None),
                Some(hexadecimal) if decode(hexadecimal, &mut key) => {}
                Some(_) => return Err(self.malformed("no key in hexadecimal")),
                None => return Ok(Some(self.line)),
            }
            match self.next(&mut line)? {
                Some(hexadecimal) if decode(hexadecimal, &mut value) => take(&key, &value),
                Some(_) => return Err(self.malformed("no value in hexadecimal")),
                None => return Ok(Some(self.line)),
            }
        }
    }

    /// The next line without its end; `None` behind the last one.
    fn next<'l>(&mut self, line: &'l mut Vec<u8>) -> Result<Option<&'l [u8]>, SourceError> {
        line.clear();
        let read = self.input.read_until(b'\n', line);
        read.map_err(|source| SourceError::NotRun { path: self.path.to_owned(), source })?;
        self.line += 1;
        Ok(line.strip_suffix(b"\n"))
    }

    fn malformed(&self, what: &'static str) -> SourceError {
        SourceError::Malformed { path: self.path.to_owned(), line: self.line, what }
    }
}

/// A blank, then two digits a byte.
fn decode(text: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(digits) = text.strip_prefix(b" ") else { return false };
    out.clear();
    let (pairs, rest) = digits.as_chunks::<2>();
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for [high, low] in pairs {
        let (Some(high), Some(low)) = (value(*high), value(*low)) else { return false };
        out.push(high << 4 | low);
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    fn read(text: &str) -> Result<(bool, Pairs), String> {
        let mut pairs = Vec::new();
        let lines = Lines { input: text.as_bytes(), path: Path::new("x.db"), line: 0 };
        let whole = lines.pairs(|key, value| pairs.push((key.to_owned(), value.to_owned())));
        whole.map(|ended_at| (ended_at.is_none(), pairs)).map_err(|error| error.to_string())
    }

    const HEADER: &str = "VERSION=3\nformat=bytevalue\ntype=btree\ndb_pagesize=4096\nHEADER=END\n";

    #[test]
    fn pairs_are_read_to_the_end() {
        let (whole, pairs) = read(&format!("{HEADER} 6162\n 31\n \n 0aFF\nDATA=END\n")).unwrap();
        assert!(whole);
        assert_eq!(pairs, [(b"ab".to_vec(), b"1".to_vec()), (Vec::new(), vec![0x0a, 0xff])]);
    }

    #[test]
    fn an_end_that_comes_early_is_seen() {
        for text in ["", "VERSION=3\n", HEADER, &format!("{HEADER} 6162\n"), &format!("{HEADER} 6162\n 31\nDATA=END")] {
            assert_eq!(read(text).map(|read| read.0), Ok(false), "{text}");
        }
    }

    #[test]
    fn the_line_that_is_wrong_is_named() {
        for (text, line) in [
            ("VERSION=3\nformat=print\nHEADER=END\n", "line 3 "),
            ("hello\n", "line 1 "),
            (&format!("{HEADER} 616\n"), "line 6 "),
            (&format!("{HEADER} 61\nx\n"), "line 7 "),
            (&format!("{HEADER} 61\n zz\n"), "line 7 "),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("x.db: ") && error.contains(line), "{error}");
        }
    }
}

//! A recorded file read line by line, plain or gzip, whatever its name says: the first bytes decide.
//!
//! Not more than one line is held, and a line has a bound, so that a file of any size and kind can be given.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use flate2::bufread::MultiGzDecoder;

/// Longest line, with its end.
const LONGEST: u64 = 64 * 1024;

/// An open file.
pub(super) struct Input {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    /// Number of the line read last, from 1.
    line: u64,
    /// When the file was last written to.
    pub(super) modified: SystemTime,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Input({})", self.place())
    }
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let open = || -> std::io::Result<_> {
            let file = File::open(path)?;
            let modified = file.metadata()?.modified()?;
            let mut plain = BufReader::with_capacity(256 * 1024, file);
            let is_gzip = plain.fill_buf()?.starts_with(&[0x1f, 0x8b]);
            let reader: Box<dyn BufRead + Send> = if is_gzip {
                Box::new(BufReader::with_capacity(256 * 1024, MultiGzDecoder::new(plain)))
            } else {
                Box::new(plain)
            };
            Ok((reader, modified))
        };
        let (reader, modified) =
            open().with_context(|| format!("{}: cannot be read; give a file with --file", path.display()))?;
        Ok(Self { path: path.to_owned(), reader, line: 0, modified })
    }

    /// Appends the next line with its end to `out`; false at the end of the file.
    pub(super) fn read_line(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        let read = (&mut self.reader).take(LONGEST).read_until(b'\n', out);
        let read = read.with_context(|| format!("{}: cannot be read after that; is the file whole?", self.place()))?;
        self.line += u64::from(read > 0);
        if read as u64 == LONGEST && !out.ends_with(b"\n") {
            bail!("{}: longer than {LONGEST} bytes; this is no file of text lines", self.place());
        }
        Ok(read > 0)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lines read so far.
    pub(super) fn lines(&self) -> u64 {
        self.line
    }

    /// File and line, for errors.
    pub(super) fn place(&self) -> String {
        format!("{}: line {}", self.path.display(), self.line)
    }
}

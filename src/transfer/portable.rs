//! irongrey's portable form, a text: `docs/FORMAT.md`, "Export".
//!
//! It can be read only under the key that it was written under, and only whole: the last line counts the records and has a
//! checksum of all before it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::clock::UnixSecs;
use crate::table::{Kind, MAX_COUNT, Record, Secret, Tag};

/// The first line of each export, but for the version.
const TITLE: &str = "irongrey export ";
/// The version that is written, and the only one that there is.
const VERSION: u32 = 1;
/// No line is as long.
const LONGEST: u64 = 128;

/// Why a file is not taken over. Nothing has been changed.
#[derive(Debug, Error)]
#[error("{}: {reason}", path.display())]
pub struct PortableError {
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug, Error)]
enum Reason {
    #[error("cannot be read: {0}")]
    Io(io::Error),
    #[error("this is no export of irongrey; make one with: irongrey export --output FILE")]
    NoExport,
    #[error("an export of version {0}, and this irongrey knows version {VERSION}; take the irongrey that wrote it")]
    OtherVersion(String),
    #[error(
        "made with another key (fingerprint {found:032x}, here {here:032x}), so its tags say nothing here; import it into a new \
         state directory into which the key file of the exporting one was copied first"
    )]
    OtherKey { found: u128, here: u128 },
    #[error("line {line} is damaged: {text}; nothing was taken over, export once more")]
    Damaged { line: u64, text: String },
    #[error(
        "cut off behind line {0}: the last line, which begins with `end`, is missing; nothing was taken over, export once more"
    )]
    CutOff(u64),
    #[error(
        "damaged: its checksum is {found:08x}, and the last line says {said:08x}; nothing was taken over, export once more"
    )]
    Checksum { found: u32, said: u32 },
    #[error("its last line counts {said} records, and there are {found}; nothing was taken over, export once more")]
    Count { found: u64, said: u64 },
    #[error("something follows line {0}, which should be the last; nothing was taken over, export once more")]
    Behind(u64),
}

impl PortableError {
    /// The exit code: 1 if it cannot be read, 2 if it is not what it should be.
    pub(super) fn exit_code(&self) -> u8 {
        if matches!(self.reason, Reason::Io(_)) { 1 } else { 2 }
    }
}

/// Writes the portable form.
#[derive(Debug)]
pub(super) struct Export<W> {
    out: W,
    checksum: crc32fast::Hasher,
    records: u64,
}

impl<W: Write> Export<W> {
    pub(super) fn begin(out: W, secret: &Secret) -> io::Result<Self> {
        let mut export = Self { out, checksum: crc32fast::Hasher::new(), records: 0 };
        export.line(&format!("{TITLE}{VERSION}\nkey {:032x}\n", secret.fingerprint()))?;
        Ok(export)
    }

    pub(super) fn record(&mut self, record: &Record) -> io::Result<()> {
        let (tag, time) = (record.tag.bits(), record.time.0);
        let Some(kind) = name(record.kind) else { return Ok(()) };
        self.records += 1;
        match record.kind {
            Kind::Client => self.line(&format!("{kind} {tag:016x} {time} {}\n", record.count)),
            _ => self.line(&format!("{kind} {tag:016x} {time}\n")),
        }
    }

    /// Writes the last line; how many records there are.
    pub(super) fn end(mut self) -> io::Result<u64> {
        let checksum = self.checksum.clone().finalize();
        let records = self.records;
        self.line(&format!("end {records} {checksum:08x}\n"))?;
        self.out.flush()?;
        Ok(records)
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        self.checksum.update(line.as_bytes());
        self.out.write_all(line.as_bytes())
    }
}

fn name(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Pending => Some("pending"),
        Kind::Passed => Some("passed"),
        Kind::Client => Some("client"),
        Kind::Void => None,
    }
}

/// All records of an export that was made under `secret`. The error names the file and the line.
pub(super) fn read(path: &Path, secret: &Secret, take: impl FnMut(Record)) -> Result<(), PortableError> {
    let read = File::open(path).map_err(Reason::Io).and_then(|file| {
        let lines = BufReader::with_capacity(1 << 16, file);
        Import { lines, line: Vec::new(), number: 0, checksum: crc32fast::Hasher::new() }.read(secret, take)
    });
    read.map_err(|reason| PortableError { path: path.to_owned(), reason })
}

struct Import<R> {
    lines: R,
    /// The present line without its end.
    line: Vec<u8>,
    number: u64,
    /// Of the lines before the present one.
    checksum: crc32fast::Hasher,
}

impl<R: BufRead> Import<R> {
    fn read(mut self, secret: &Secret, mut take: impl FnMut(Record)) -> Result<(), Reason> {
        let title = if self.next()? { self.text() } else { "" };
        let version = title.strip_prefix(TITLE).ok_or(Reason::NoExport)?;
        if version != VERSION.to_string() {
            return Err(Reason::OtherVersion(version.escape_debug().to_string()));
        }
        self.more()?;
        let found = self.text().strip_prefix("key ").and_then(|digits| hexadecimal(digits, 32));
        let (found, here) = (found.ok_or_else(|| self.damaged())?, secret.fingerprint());
        if found != here {
            return Err(Reason::OtherKey { found, here });
        }
        let mut records = 0;
        loop {
            self.more()?;
            if let Some(end) = self.text().strip_prefix("end ") {
                let end = end.split_once(' ').and_then(|(count, sum)| Some((number(count)?, hexadecimal(sum, 8)?)));
                let (said, sum) = end.ok_or_else(|| self.damaged())?;
                return self.check_end(records, said, u32::try_from(sum).unwrap_or_default());
            }
            take(record(self.text()).ok_or_else(|| self.damaged())?);
            records += 1;
        }
    }

    fn check_end(mut self, found: u64, said: u64, sum: u32) -> Result<(), Reason> {
        let checksum = self.checksum.clone().finalize();
        if checksum != sum {
            return Err(Reason::Checksum { found: checksum, said: sum });
        }
        if found != said {
            return Err(Reason::Count { found, said });
        }
        let last = self.number;
        if self.next()? || !self.line.is_empty() { Err(Reason::Behind(last)) } else { Ok(()) }
    }

    /// Goes to the next line, which has to be there.
    fn more(&mut self) -> Result<(), Reason> {
        let whole_before = self.number;
        if self.next()? { Ok(()) } else { Err(Reason::CutOff(whole_before)) }
    }

    /// Goes to the next line; false if there is no whole one.
    fn next(&mut self) -> Result<bool, Reason> {
        if self.number > 0 {
            self.checksum.update(&self.line);
            self.checksum.update(b"\n");
        }
        self.line.clear();
        self.lines.by_ref().take(LONGEST).read_until(b'\n', &mut self.line).map_err(Reason::Io)?;
        let is_whole = self.line.pop_if(|last| *last == b'\n').is_some();
        if !is_whole && self.line.len() as u64 == LONGEST {
            self.number += 1;
            return Err(if self.number == 1 { Reason::NoExport } else { self.damaged() });
        }
        self.number += u64::from(is_whole);
        Ok(is_whole)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.line).unwrap_or_default()
    }

    fn damaged(&self) -> Reason {
        Reason::Damaged { line: self.number, text: self.line.escape_ascii().to_string() }
    }
}

fn record(line: &str) -> Option<Record> {
    let mut words = line.split(' ');
    let kind = words.next()?;
    let kind = [Kind::Pending, Kind::Passed, Kind::Client].into_iter().find(|known| name(*known) == Some(kind))?;
    let tag = Tag::from_bits(u64::try_from(hexadecimal(words.next()?, 16)?).ok()?)?;
    let time = UnixSecs(u32::try_from(number(words.next()?)?).ok()?);
    let count = if kind == Kind::Client { u16::try_from(number(words.next()?)?).ok()? } else { 0 };
    (count <= MAX_COUNT && words.next().is_none()).then_some(Record { tag, kind, time, count, origin: 0 })
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests;

//! Writes the requests of a workload in the protocol's own form: to be looked at, or to be replayed.
//!
//! A summary goes to the standard error, so that the output holds requests alone.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::cli::Requests;
use crate::workload::Part;

/// Requests of a workload without an end, if nobody says how many.
const SAMPLE: u64 = 1000;
/// Bytes that are gathered before they are written.
const CHUNK: usize = 64 * 1024;

/// What was written.
#[derive(Debug, Default)]
struct Written {
    requests: u64,
    networks: HashSet<u64>,
    latest: Option<Duration>,
}

/// Writes them and says how many there were.
pub(crate) fn run(args: &Requests) -> Result<ExitCode> {
    let most = args.most.unwrap_or(if args.workload.ends() { u64::MAX } else { SAMPLE });
    let mut source = args.workload.source(args.part.unwrap_or(Part::WHOLE))?;
    let path = args.output.as_deref();
    let place = || path.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
    let refused = || format!("{}: cannot be written", place());
    let mut output = Output::open(path).with_context(refused)?;
    let mut written = Written::default();
    let mut chunk = Vec::with_capacity(2 * CHUNK);
    while written.requests < most
        && let Some(planned) = source.next(&mut chunk)?
    {
        written.requests += 1;
        written.networks.insert(planned.network);
        written.latest = planned.due.or(written.latest);
        if chunk.len() >= CHUNK {
            match output.write_all(&chunk) {
                // Whoever reads has seen enough.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                result => result.with_context(refused)?,
            }
            chunk.clear();
        }
    }
    output.write_all(&chunk).and_then(|()| output.finish()).with_context(refused)?;
    eprintln!("{written}");
    if let Some(summary) = source.summary() {
        eprintln!("{summary}");
    }
    Ok(ExitCode::SUCCESS)
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests of {} client networks", self.requests, self.networks.len())?;
        match self.latest {
            Some(latest) => write!(f, " over {} s of virtual time", latest.as_secs()),
            None => write!(f, ", without times"),
        }
    }
}

/// Where the requests go.
enum Output {
    Stdout(io::Stdout),
    Plain(File),
    Gzip(GzEncoder<File>),
}

impl Output {
    fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else { return Ok(Self::Stdout(io::stdout())) };
        let file = File::create(path)?;
        Ok(if path.extension().is_some_and(|extension| extension == "gz") {
            Self::Gzip(GzEncoder::new(file, Compression::fast()))
        } else {
            Self::Plain(file)
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.write_all(bytes),
            Self::Plain(file) => file.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Stdout(mut stdout) => stdout.flush(),
            Self::Plain(_) => Ok(()),
            Self::Gzip(encoder) => encoder.finish().map(drop),
        }
    }
}

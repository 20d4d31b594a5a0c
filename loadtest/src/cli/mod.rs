//! The command line: what the user typed, without any I/O.

mod compare;
mod drive;
mod verify;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};

use crate::endpoint::Endpoint;
use crate::workload::{Part, WorkloadOptions};

pub(crate) use compare::Compare;
pub(crate) use drive::Drive;
pub(crate) use verify::Verify;

/// Load generator and benchmarks for greylisting policy servers.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Drive a running server: in a closed loop (one outstanding request a connection), or with --rate in an open one.
    Drive(Drive),
    /// Serve as the floor: read up to the blank line, answer DUNNO without looking. Ends when killed.
    Baseline(Baseline),
    /// Start irongrey, the baseline, postgrey and sqlgrey in turn on the same workload and compare them.
    Compare(Compare),
    /// Fill a state, kill -9 the daemon, and measure exec to first answer.
    Restart(Restart),
    /// Flood the daemon and measure the bytes of file that a triplet takes in full segments.
    Fill(Fill),
    /// Start irongrey, kill it now and then, and compare each answer with an independent model of greylisting.
    Verify(Verify),
    /// Write a workload's requests in the protocol's form, to look at them or to replay them.
    Requests(Requests),
}

/// What the kernel takes.
const LONGEST_SOCKET_PATH: usize = 107;

/// Where the server listens.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Target {
    /// TCP address of the server.
    #[arg(long, value_name = "ADDRESS:PORT")]
    inet: Option<SocketAddr>,
    /// Path of the server's unix socket.
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,
}

impl Target {
    /// The one endpoint that was named.
    pub(crate) fn endpoint(&self) -> Result<Endpoint> {
        match (self.inet, &self.unix) {
            (Some(address), None) => Ok(Endpoint::Inet(address)),
            (None, Some(path)) => {
                ensure!(
                    path.as_os_str().len() <= LONGEST_SOCKET_PATH,
                    "{}: a socket's path has at most {LONGEST_SOCKET_PATH} bytes; give a shorter one",
                    path.display()
                );
                Ok(Endpoint::Unix(path.clone()))
            }
            _ => bail!("give one of --inet and --unix"),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Baseline {
    #[command(flatten)]
    pub(crate) target: Target,
}

/// How irongrey is found and where its state is put.
#[derive(Clone, Debug, Args)]
pub(crate) struct Daemon {
    /// The irongrey program; by default the one beside greyload.
    #[arg(long, value_name = "PATH")]
    irongrey: Option<PathBuf>,
    /// One more argument for `irongrey serve`; may be repeated.
    #[arg(long = "irongrey-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) extra: Vec<String>,
    /// Where the servers' own directories are made and removed; on a disk, not on tmpfs.
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    pub(crate) scratch: PathBuf,
    /// Print the table as Markdown.
    #[arg(long)]
    pub(crate) markdown: bool,
}

impl Daemon {
    /// The program to start.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        let program = match &self.irongrey {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("irongrey"),
        };
        program.canonicalize().with_context(|| {
            format!("{}: no such program; build it with cargo build --release or give --irongrey", program.display())
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    /// Seed of the workload.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// State to fill before the kill, in record and index bytes in use (24 a triplet): a number with K, M or G.
    #[arg(long, default_value = "1G", value_parser = parse_size)]
    pub(crate) state_size: u64,
    /// Restarts to measure.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) times: u32,
    /// Restart as after a power loss: the state seems to come from another boot, so indexes are rebuilt before the first answer.
    #[arg(long)]
    pub(crate) other_boot: bool,
    /// Connections that have asked once and are idle when the memory of the last start is read.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) idle_connections: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Fill {
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    /// Seed of the workload.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Triplets to send.
    #[arg(long, default_value_t = 6_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Requests {
    #[command(flatten)]
    pub(crate) workload: WorkloadOptions,
    /// Requests to write at most; by default 1,000, and of a file all.
    #[arg(long = "requests", value_name = "NUMBER")]
    pub(crate) most: Option<u64>,
    /// Only one of several disjoint shares of the client networks: 2/4 is the second of four.
    #[arg(long, value_name = "INDEX/PARTS")]
    pub(crate) part: Option<Part>,
    /// File to write to, compressed if its name ends in .gz; by default the standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

fn parse_size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|_| format!("`{text}` is no size; write it like 512M or 1G"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_are_read_and_refused() {
        assert_eq!(parse_size("1G"), Ok(1 << 30));
        assert_eq!(parse_size("3K"), Ok(3072));
        assert_eq!(parse_size("17"), Ok(17));
        assert!(parse_size("G").is_err());
        assert!(parse_size("99999999999G").is_err());
    }
}

//! `greyload`, the load generator for greylisting policy servers.
//!
//! Drivers in a closed and an open loop, seeded workloads, a server that does nothing as the baseline, and the measurements
//! that docs/BENCHMARKS.md shows: `compare` (rate, processor time, memory, latency), `restart` (time to the first answer after
//! `kill -9`) and `fill` (bytes of file a triplet). `requests` writes a workload to a file.

mod accounting;
mod baseline;
mod cli;
mod compare;
mod directory;
mod drive;
mod driver;
mod endpoint;
mod fill;
mod reply;
mod report;
mod requests;
mod restart;
mod servers;
mod spread;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    match raise_file_limit().and_then(|()| run(Cli::parse())) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("greyload: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// 0: every request got an answer; 1: some did not, or the server answered nonsense; 2: the run could not be made.
fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Drive(args) => drive::run(&args),
        Command::Baseline(args) => baseline::serve(&args.target.endpoint()?),
        Command::Compare(args) => compare::run(&args),
        Command::Restart(args) => restart::run(&args),
        Command::Fill(args) => fill::run(&args),
        Command::Requests(args) => requests::run(&args),
    }
}

/// Raises the soft limit on open files to the hard one, so that thousands of connections need no `ulimit`.
fn raise_file_limit() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(())
}

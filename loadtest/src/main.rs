//! `greyload`, the load generator for greylisting policy servers.
//!
//! `drive` sends a `workload` to a server in a closed or an open loop (`driver`) and shows what came of it (`report`);
//! docs/LOADTEST.md is for those who use it. `requests` writes a workload to a file, `baseline` is a server that does nothing.
//! The measurements of docs/BENCHMARKS.md: `compare` (rate, processor time, memory, latency, side by side), `restart` (time to
//! the first answer after `kill -9`) and `fill` (bytes of file a triplet).

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
mod verify;
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
        Command::Verify(args) => verify::run(&args),
        Command::Requests(args) => requests::run(&args),
    }
}

/// Raises the soft limit on open files to the hard one, so that thousands of connections need no `ulimit`.
fn raise_file_limit() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(())
}

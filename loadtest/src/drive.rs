//! The command `drive`: one load against a server that runs already, watched, and ended by Ctrl-C with what was done.

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::accounting;
use crate::cli::Drive;
use crate::driver::{self, Load, Progress, Stop, Supply, Tally};
use crate::report::{self, Sheet};
use crate::workload::{Kind, WorkloadOptions};

/// Without another end.
const REQUESTS: u64 = 1_000_000;

/// Drives the server and prints what came of it.
pub(crate) fn run(args: &Drive) -> Result<ExitCode> {
    if let Some(core) = args.core {
        accounting::pin_to(core)?;
    }
    let destination = args.report.as_deref().map(report::Destination::claim).transpose()?;
    survey(&args.workload)?;
    let load = load(args)?;
    let is_known = args.workload.workload == Kind::Known;
    ensure!(is_known || args.prime_wait.is_none(), "--prime-wait sends a working set; give --workload known");
    let failed = args.prime_wait.map(|wait| driver::prime(&load, Duration::from_secs(wait))).transpose()?.flatten();
    let tally = failed.map_or_else(|| watch(&load), Ok)?;
    let is_clean = tally.is_clean();
    let sheet = Sheet::new(args, &load, tally)?;
    let printed = sheet.print();
    if let Some(destination) = &destination {
        sheet.write_to(destination)?;
    }
    printed?;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks a file through before anything is sent, and says what it holds.
pub(crate) fn survey(workload: &WorkloadOptions) -> Result<()> {
    if let Some(file) = workload.seekable_file() {
        eprintln!("{}: being read through first", file.display());
    }
    if let Some(summary) = workload.survey()? {
        eprintln!("{summary}");
    }
    Ok(())
}

fn load(args: &Drive) -> Result<Load> {
    ensure!(args.threads <= args.connections, "every thread needs a connection; raise --connections");
    let supply = Supply::new(&args.workload);
    let has_times = matches!(supply, Supply::Planned(_));
    ensure!(has_times || args.speed.is_none(), "flood and known have no times of their own; give --rate, not --speed");
    let is_endless = args.duration.is_none() && !args.workload.ends();
    Ok(Load {
        endpoint: args.target.endpoint()?,
        connections: args.connections,
        threads: args.threads,
        batch: args.batch as usize,
        rate: args.rate,
        speed: args.speed,
        supply,
        first: 0,
        requests: args.requests.or(is_endless.then_some(REQUESTS)),
        duration: args.duration,
        patience: args.patience,
        spin: args.spin,
        stop: Stop::on_signals()?,
    })
}

/// Runs the load, with a line about it.
fn watch(load: &Load) -> Result<Tally> {
    let progress = Progress::new(load)?;
    std::thread::scope(|scope| {
        let (end, ended) = channel();
        let progress = &progress;
        scope.spawn(move || show(progress, &ended));
        let tally = driver::run(load, progress);
        drop(end);
        tally
    })
}

/// Shows the progress each second until the other side of `ended` is gone.
fn show(progress: &Progress, ended: &Receiver<()>) {
    let mut meter = report::Meter::new();
    while ended.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
        meter.show(&progress.now());
    }
}

//! The command `drive`: one load against a server that runs already, watched, and ended by Ctrl-C with what was done.

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::accounting;
use crate::cli::Drive;
use crate::driver::{self, Load, Progress, Stop, Supply, Tally};
use crate::report::{self, Sheet};
use crate::workload::Kind;

/// Without another end.
const REQUESTS: u64 = 1_000_000;

/// Drives the server and prints what came of it.
pub(crate) fn run(args: &Drive) -> Result<ExitCode> {
    if let Some(core) = args.core {
        accounting::pin_to(core)?;
    }
    let destination = args.report.as_deref().map(report::Destination::claim).transpose()?;
    if let Some(summary) = args.workload.survey()? {
        eprintln!("{summary}");
    }
    let load = load(args)?;
    if let Some(wait) = args.prime_wait {
        ensure!(args.workload.workload == Kind::Known, "--prime-wait sends a working set; give --workload known");
        prime(&load, args.workload.working_set, Duration::from_secs(wait))?;
    }
    let tally = watch(&load)?;
    let is_clean = tally.is_clean();
    let sheet = Sheet::new(args, &load, tally)?;
    sheet.print();
    if let Some(destination) = &destination {
        sheet.write_to(destination)?;
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

/// Sends the working set twice, with a wait between.
fn prime(load: &Load, working_set: u64, wait: Duration) -> Result<()> {
    let load = Load { requests: Some(working_set), duration: None, rate: None, ..load.clone() };
    driver::run(&load, &Progress::new(&load)?)?.check("priming")?;
    load.stop.sleep(wait);
    driver::run(&load, &Progress::new(&load)?)?.check("priming")?;
    Ok(())
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

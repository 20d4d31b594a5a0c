//! Bytes of file a triplet: a flood through the daemon, then the sizes of the segments that it filled.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::cli::Fill;
use crate::directory;
use crate::driver::{self, Load, Progress};
use crate::report;
use crate::servers::{self, Place, Server, Transport};
use crate::workload::Workload;

/// The daemon's greylisting delay, which lets no triplet pass.
const DELAY: Duration = Duration::from_secs(300);

/// Floods the daemon and prints the sizes of its segments.
pub(crate) fn run(args: &Fill) -> Result<ExitCode> {
    let place = Place::new(&args.daemon.scratch, Transport::Unix)?;
    let workload = Workload::flood(args.seed);
    let _server = Server::start(servers::irongrey(&args.daemon, &place, DELAY)?, &place.endpoint, &workload, 0)?;
    let load = Load::pipelined(&place.endpoint, workload, 1, args.requests.saturating_sub(1));
    let tally = driver::run(&load, &Progress::new(&load)?)?.check("filling")?;
    let deferred = tally.answers.deferred + 1;

    let segments = directory::segments(&place.state())?;
    print!("{}", report::segments(&segments, args.daemon.markdown));
    let recorded: u64 = segments.iter().map(|segment| segment.records).sum();
    println!("{deferred} triplets were deferred, {recorded} records stand in the files.");
    let full = || segments.iter().filter(|segment| segment.is_full());
    let (bytes, records) = (full().map(|s| s.allocated).sum::<u64>(), full().map(|s| s.records).sum::<u64>());
    ensure!(records > 0, "no segment is full yet; raise --requests");
    println!(
        "In full segments: {bytes} bytes / {records} records = {:.3} bytes a triplet.",
        report::ratio(bytes, records)
    );
    Ok(if recorded == deferred { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

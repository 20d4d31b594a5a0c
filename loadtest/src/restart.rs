//! Exec to first answer: a state filled through the daemon, `kill -9`, and the daemon started again, several times.
//!
//! Every start is asked for another triplet of the fill, whose delay has passed by then: only a daemon that has its state
//! answers with the header, so a quick start with an empty memory does not count.
//!
//! With `--other-boot` the file `run` names another boot before each start, as after a power loss in which every page had been
//! written: then the indexes of segments that are not sealed are rebuilt before the first answer.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::cli::Restart;
use crate::directory;
use crate::driver::{self, Load, Progress};
use crate::report;
use crate::servers::{self, Place, Server, Transport};
use crate::spread::Spread;
use crate::workload::Workload;

/// Bytes of record and index of one triplet.
const BYTES_A_TRIPLET: u64 = 24;
/// The daemon's greylisting delay for this measurement.
const DELAY: Duration = Duration::from_secs(1);
/// The pending ring has a quarter of the limit, and its segments in use and in reserve may each be larger than the state.
const LIMIT_FACTOR: u64 = 16;

/// Fills, kills, and measures the starts.
pub(crate) fn run(args: &Restart) -> Result<ExitCode> {
    let place = Place::new(&args.daemon.scratch, Transport::Unix)?;
    let workload = Workload::flood(args.seed);
    let triplets = args.state_size / BYTES_A_TRIPLET;
    ensure!(triplets > u64::from(args.times), "--state-size is too small for {} restarts", args.times);
    let command = || {
        let mut command = servers::irongrey(&args.daemon, &place, DELAY)?;
        command.args(["--max-state", &(args.state_size * LIMIT_FACTOR).to_string()]);
        anyhow::Ok(command)
    };

    let mut server = Server::start(command()?, &place.endpoint, &workload, 0)?;
    let load = Load::pipelined(&place.endpoint, workload.clone(), 1, triplets - 1);
    let tally = driver::run(&load, &Progress::new(&load)?)?.check("filling")?;
    println!("Filled {triplets} triplets, {:.0} a second.", tally.rate());
    let filled = Instant::now();
    server.kill()?;
    let segments = directory::segments(&place.state())?;
    let (bytes, records) =
        (segments.iter().map(|s| s.allocated).sum::<u64>(), segments.iter().map(|s| s.records).sum::<u64>());
    let unsealed: u64 = segments.iter().filter(|segment| !segment.sealed).map(|segment| segment.records).sum();
    println!("After kill -9: {records} records, {unsealed} not sealed, in {} files of {bytes} bytes.", segments.len());
    // Stored times are whole seconds, so one more than the delay has to pass.
    std::thread::sleep((DELAY + Duration::from_secs(1)).saturating_sub(filled.elapsed()));

    let mut times = Vec::new();
    let mut forgotten = 0;
    for start in 0..args.times {
        if args.other_boot {
            directory::forget_boot(&place.state())?;
        }
        let number = u64::from(start) * (triplets / u64::from(args.times));
        let mut server = Server::start(command()?, &place.endpoint, &workload, number)?;
        let millis = server.first_answer_after.as_secs_f64() * 1000.0;
        let known = server.first_answer.starts_with("action=PREPEND");
        forgotten += u32::from(!known);
        println!("start {}: {millis:.2} ms, triplet {number} {}", start + 1, if known { "known" } else { "FORGOTTEN" });
        times.push(millis);
        server.kill()?;
    }
    if let Some(spread) = Spread::of(times) {
        println!("{}", report::restarts(records, unsealed, bytes, &spread, args.daemon.markdown));
    }
    Ok(if forgotten == 0 && records >= triplets { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

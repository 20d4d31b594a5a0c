//! Exec to first answer: a state filled through the daemon, `kill -9`, and the daemon started again, several times.
//!
//! Every start is asked for another triplet of the fill, whose delay has passed by then: only a daemon that has its state
//! answers with the header, so a quick start with an empty memory does not count.
//!
//! With `--other-boot` the file `run` names another boot before each start, as after a power loss in which every page had been
//! written: then the indexes of segments that are not sealed are rebuilt before the first answer.
//!
//! The daemon of the last start then gets idle connections, each of which has asked once, and its memory is read when what a
//! start leaves to do is done. Page cache is not counted: the kernel takes it back when it needs it.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::accounting::{self, Memory};
use crate::cli::Restart;
use crate::directory;
use crate::driver::{self, Load, Progress};
use crate::endpoint::{Endpoint, Stream};
use crate::report;
use crate::servers::{self, Place, Server, Transport};
use crate::spread::Spread;
use crate::workload::{Template, Workload};

/// Bytes of record and index of one triplet.
const BYTES_A_TRIPLET: u64 = 24;
/// The daemon's greylisting delay for this measurement.
const DELAY: Duration = Duration::from_secs(1);
/// The pending ring has a quarter of the limit, and its segments in use and in reserve may each be larger than the state.
const LIMIT_FACTOR: u64 = 16;
/// Memory that has not changed for so long is that of a daemon at rest.
const STILL: Duration = Duration::from_secs(1);
/// How long that may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);

/// Fills, kills, and measures the starts.
pub(crate) fn run(args: &Restart) -> Result<ExitCode> {
    let place = Place::new(&args.daemon.scratch, Transport::Unix)?;
    let workload = Workload::flood(args.seed);
    let triplets = args.state_size / BYTES_A_TRIPLET;
    ensure!(triplets > u64::from(args.times), "--state-size is too small for {} restarts", args.times);
    fill(args, &place, &workload, triplets)?;
    let filled = Instant::now();
    let segments = directory::segments(&place.state())?;
    let (bytes, records) =
        (segments.iter().map(|s| s.allocated).sum::<u64>(), segments.iter().map(|s| s.records).sum::<u64>());
    let unsealed: u64 = segments.iter().filter(|segment| !segment.sealed).map(|segment| segment.records).sum();
    println!("After kill -9: {records} records, {unsealed} not sealed, in {} files of {bytes} bytes.", segments.len());
    // Stored times are whole seconds, so one more than the delay has to pass.
    std::thread::sleep((DELAY + Duration::from_secs(1)).saturating_sub(filled.elapsed()));

    let (mut times, mut forgotten, mut last) = (Vec::new(), 0, None);
    for start in 0..args.times {
        // Killed before the next one starts.
        drop(last.take());
        let number = u64::from(start) * (triplets / u64::from(args.times));
        let server = start_again(args, &place, &workload, number)?;
        let millis = server.first_answer_after.as_secs_f64() * 1000.0;
        let known = server.first_answer.starts_with("action=PREPEND");
        forgotten += u32::from(!known);
        println!("start {}: {millis:.2} ms, triplet {number} {}", start + 1, if known { "known" } else { "FORGOTTEN" });
        times.push(millis);
        last = Some(server);
    }
    if let Some(spread) = Spread::of(times) {
        println!("{}", report::restarts(records, unsealed, bytes, &spread, args.daemon.markdown));
    }
    if let Some(server) = last {
        let _idle = idle_connections(&place.endpoint, args.idle_connections, &workload)?;
        let memory = settled_memory(server.pid()?)?;
        println!("{}", report::memory(args.idle_connections, memory, args.daemon.markdown));
    }
    Ok(if forgotten == 0 && records >= triplets { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has a daemon take that many triplets, and kills it.
fn fill(args: &Restart, place: &Place, workload: &Workload, triplets: u64) -> Result<()> {
    let _server = Server::start(command(args, place)?, &place.endpoint, workload, 0)?;
    let load = Load::pipelined(&place.endpoint, workload.clone(), 1, triplets - 1);
    let tally = driver::run(&load, &Progress::new(&load)?)?.check("filling")?;
    println!("Filled {triplets} triplets, {:.0} a second.", tally.rate());
    Ok(())
}

fn start_again(args: &Restart, place: &Place, workload: &Workload, number: u64) -> Result<Server> {
    if args.other_boot {
        directory::forget_boot(&place.state())?;
    }
    Server::start(command(args, place)?, &place.endpoint, workload, number)
}

fn command(args: &Restart, place: &Place) -> Result<Command> {
    let mut command = servers::irongrey(&args.daemon, place, DELAY)?;
    command.args(["--max-state", &(args.state_size * LIMIT_FACTOR).to_string()]);
    Ok(command)
}

/// Connections that have each had an answer, and ask nothing more.
fn idle_connections(endpoint: &Endpoint, count: u32, workload: &Workload) -> Result<Vec<Stream>> {
    let request = |number| {
        let mut request = Template::buffer(1);
        Template::new().write(workload, number, &mut request);
        request
    };
    let connect = |number| {
        let mut stream = endpoint.connect().with_context(|| format!("cannot make idle connection {}", number + 1))?;
        servers::ask(&mut stream, &request(u64::from(number)), Instant::now())?;
        Ok(stream)
    };
    (0..count).map(connect).collect()
}

/// The memory of a daemon that has done what its start had left to do: until then it grows.
fn settled_memory(pid: i32) -> Result<Memory> {
    let (begun, mut last) = (Instant::now(), accounting::memory(pid)?);
    loop {
        std::thread::sleep(STILL);
        let now = accounting::memory(pid)?;
        if now.resident == last.resident {
            return Ok(now);
        }
        ensure!(begun.elapsed() < SETTLE_LIMIT, "the daemon's memory still grows after {} s", SETTLE_LIMIT.as_secs());
        last = now;
    }
}

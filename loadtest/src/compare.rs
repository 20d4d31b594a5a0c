//! The servers side by side: every round runs each once, from an empty state, on the same requests.
//!
//! The server is kept on one core and the load on another, where it spins: whether a reply has to wake it would depend on how
//! fast the server is, and the waking falls on the server. The order turns from round to round, so that a slow drift of
//! the machine falls on all alike, and ratios are taken within a round. Processor time is that of all threads of the
//! server from its first answer to the end of the load, upkeep and the making of segments included.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::accounting::{self, Costs};
use crate::cli::Compare;
use crate::drive;
use crate::driver::{self, Load, Progress, Stop, Supply, Tally};
use crate::report::{self, Comparison, Destination};
use crate::servers::{self, Kind, Place, Server, Transport};
use crate::workload::{Workload, WorkloadOptions};

/// As Postfix's `smtpd_policy_service_timeout`: a server that leaves a connection aside for less is slow, and has its figures.
const PATIENCE: Duration = Duration::from_secs(100);

/// One server, on one kind of socket, in one round.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) round: u32,
    pub(crate) kind: Kind,
    pub(crate) transport: Transport,
    pub(crate) tally: Tally,
    pub(crate) costs: Costs,
    /// Decisions that should stand in the log and do not.
    pub(crate) unlogged: u64,
}

impl Sample {
    /// Whether all requests were answered; the figures of a server that failed mean nothing.
    pub(crate) fn is_whole(&self) -> bool {
        self.tally.is_clean() && self.tally.answers.total() > 0
    }

    /// Processor time a request, in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    pub(crate) fn micros_a_request(&self) -> f64 {
        self.costs.processor.as_secs_f64() * 1e6 / self.tally.answers.total() as f64
    }
}

/// Runs all rounds, prints the tables, and writes them if that is wished.
pub(crate) fn run(args: &Compare) -> Result<ExitCode> {
    ensure!(args.server_core != args.load_core, "the server and the load need a core each; see --server-core");
    let destination = args.report.as_deref().map(Destination::claim).transpose()?;
    drive::survey(&args.workload)?;
    let (contestants, workload, started) = (contestants(args), args.workload.workload, Instant::now());
    let (mut comparisons, stop) = (Vec::new(), Stop::on_signals()?);
    for &connections in &args.connections {
        let samples = rounds(args, connections, &contestants, &stop)?;
        let comparison = Comparison { connections, workload, contestants: contestants.clone(), samples };
        if args.connections.len() > 1 {
            report::print(&format!("{}:\n\n", comparison.heading()))?;
        }
        report::print(&format!("{}\n", comparison.table(args.daemon.markdown)))?;
        comparisons.push(comparison);
        if stop.is_asked() {
            eprintln!("interrupted: the figures are those of the rounds that had ended");
            break;
        }
    }
    if let Some(destination) = &destination {
        report::write_comparisons(&comparisons, started.elapsed(), destination)?;
    }
    let mut samples = comparisons.iter().flat_map(|comparison| &comparison.samples);
    Ok(if samples.all(|sample| sample.tally.is_clean()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All rounds, or those that had ended when the end was asked for.
fn rounds(args: &Compare, connections: u32, contestants: &[(Kind, Transport)], stop: &Stop) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for round in 0..args.rounds {
        let turned = contestants.iter().cycle().skip(round as usize).take(contestants.len());
        for &(kind, transport) in turned {
            eprint!("round {} of {}: {} over {} ...", round + 1, args.rounds, kind.name(), transport.name());
            let sample = measure(args, connections, round, (kind, transport), stop);
            if stop.is_asked() {
                eprintln!();
                return Ok(samples);
            }
            let sample = sample?;
            match &sample.tally.first_failure {
                Some(failure) => eprintln!(" failed: {}", report::harmless(failure)),
                None => eprintln!(" {:.0} requests a second, {:.2} us", sample.tally.rate(), sample.micros_a_request()),
            }
            samples.push(sample);
        }
    }
    Ok(samples)
}

fn contestants(args: &Compare) -> Vec<(Kind, Transport)> {
    let mut contestants = Vec::new();
    for transport in [Transport::Tcp, Transport::Unix] {
        contestants.push((Kind::Baseline, transport));
        if !args.without_irongrey {
            contestants.push((Kind::Irongrey, transport));
        }
    }
    if args.postgrey.exists() {
        contestants.push((Kind::Postgrey, Transport::Tcp));
    } else {
        eprintln!("{}: not there, so postgrey is left out; install it or give --postgrey", args.postgrey.display());
    }
    if args.sqlgrey.exists() {
        contestants.push((Kind::Sqlgrey, Transport::Tcp));
    } else {
        eprintln!("{}: not there, so sqlgrey is left out; install it or give --sqlgrey", args.sqlgrey.display());
    }
    contestants
}

fn measure(
    args: &Compare,
    connections: u32,
    round: u32,
    (kind, transport): (Kind, Transport),
    stop: &Stop,
) -> Result<Sample> {
    let place = Place::new(&args.daemon.scratch, transport)?;
    let delay = delay(args, kind);
    let command = match kind {
        Kind::Baseline => servers::baseline(&place)?,
        Kind::Irongrey if args.decision_log => servers::irongrey_with_log(&args.daemon, &place, delay)?,
        Kind::Irongrey => servers::irongrey(&args.daemon, &place, delay)?,
        Kind::Postgrey => servers::postgrey(&args.postgrey, &place, delay)?,
        Kind::Sqlgrey => servers::sqlgrey(&args.sqlgrey, &place, delay)?,
    };
    // The first request of a flood, which none of the measurement repeats.
    let first = Workload::flood(args.workload.seed);
    accounting::pin_to(args.server_core)?;
    let server = Server::start(command, &place.endpoint, &first, 0)?;
    accounting::pin_to(args.load_core)?;
    let closed = Load { stop: stop.clone(), ..Load::closed(&place.endpoint, connections, first, 1, 0) };
    let load = load(args, kind, closed);
    // Stored times are whole seconds.
    let failed = match kind {
        Kind::Baseline => None,
        _ => driver::prime(&load, delay + Duration::from_secs(1))?,
    };
    let run = || failed.map_or_else(|| driver::run(&load, &Progress::new(&load)?), Ok);
    let (costs, tally) = accounting::observe(server.pid()?, run)?;
    ensure!(tally.answers.total() > 0 || !tally.is_clean(), "{}: the workload has no requests", kind.name());
    let unlogged = if kind == Kind::Irongrey && args.decision_log {
        tally.answers.total().saturating_sub(place.logged_decisions()?)
    } else {
        0
    };
    Ok(Sample { round, kind, transport, tally, costs, unlogged })
}

/// The load for one kind of server: slow ones get fewer requests, and a working set that they can be primed with.
fn load(args: &Compare, kind: Kind, closed: Load) -> Load {
    let requests = match kind {
        Kind::Postgrey => args.postgrey_requests,
        Kind::Sqlgrey => args.sqlgrey_requests,
        Kind::Baseline | Kind::Irongrey => args.requests,
    };
    let working_set = args.workload.working_set.min(requests);
    let supply = Supply::new(&WorkloadOptions { working_set, ..args.workload.clone() });
    Load { supply, requests: Some(requests), patience: PATIENCE, spin: true, ..closed }
}

/// The greylisting delay that a server is started with.
fn delay(args: &Compare, kind: Kind) -> Duration {
    let seconds = u64::from(args.workload.mix.delay);
    Duration::from_secs(if kind == Kind::Sqlgrey { seconds.next_multiple_of(60).max(60) } else { seconds })
}

//! `greyload verify`: irongrey under load, each answer compared with that of an independent model of greylisting, while the
//! daemon is killed and started again.
//!
//! ```text
//! source part i --> caller i (connection, model of its networks) --+--> irongrey --test-clock, killed now and then
//! ```
//!
//! Time is the workload's. No caller runs ahead of the others by more than some minutes, as the daemon drops what has expired by
//! the latest time that it has seen.

mod asked;
mod caller;
mod model;

use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::cli::Verify;
use crate::driver::Stop;
use crate::endpoint::Endpoint;
use crate::servers::{self, Place, Server, Transport};
use crate::workload::{Part, Source, Workload};
use caller::{Caller, Outcome};
use model::Model;

/// The beginning of the workload, unless another is given: 2030-01-01.
const START: u32 = 1_893_456_000;
/// How far a caller may run ahead of the one that is furthest behind.
const AHEAD: Duration = Duration::from_secs(300);
/// How many disagreements are shown.
const SHOWN: usize = 20;
/// Between two lines about how far it is.
const REPORT: Duration = Duration::from_secs(10);

/// Where the callers are.
struct Course {
    /// Requests that have been answered.
    done: AtomicU64,
    /// The next request's time of each caller, in seconds since the beginning.
    times: Vec<AtomicU64>,
    stop: Stop,
}

/// Runs it to the end; 1 if there is a disagreement.
pub(crate) fn run(args: &Verify) -> Result<ExitCode> {
    let mut args = args.clone();
    ensure!(args.workload.numbered().is_none(), "flood and known have no times of their own; give --workload mix");
    args.workload.test_clock.get_or_insert(START);
    let place = Place::new(&args.daemon.scratch, Transport::Tcp)?;
    let Endpoint::Inet(address) = place.endpoint else { bail!("verify needs a TCP socket") };
    let parts = (0..args.connections).filter_map(|index| Part::new(index, args.connections));
    let sources = parts.map(|part| args.workload.source(part)).collect::<Result<Vec<_>>>()?;
    let course = Course {
        done: AtomicU64::new(0),
        times: sources.iter().map(|_| AtomicU64::new(0)).collect(),
        stop: Stop::on_signals()?,
    };
    let mut server = start(&args, &place)?;
    let started = Instant::now();
    let outcomes = thread::scope(|scope| {
        let (course, delay) = (&course, args.workload.mix.delay);
        let each = args.requests.div_ceil(u64::from(args.connections));
        let callers: Vec<_> = (0..)
            .zip(sources)
            .map(|(number, source)| {
                scope.spawn(move || call(number, source, each, Caller::new(address, Model::new(delay)), course))
            })
            .collect();
        let killed = kill(&args, &place, &mut server, course, || callers.iter().all(ScopedJoinHandle::is_finished));
        let outcomes: Result<Vec<Outcome>> =
            callers.into_iter().map(|caller| caller.join().map_err(|_| anyhow!("a caller has panicked"))?).collect();
        killed.and(outcomes)
    })?;
    Ok(report(&outcomes, started.elapsed()))
}

fn start(args: &Verify, place: &Place) -> Result<Server> {
    let mut command: Command =
        servers::irongrey(&args.daemon, place, Duration::from_secs(args.workload.mix.delay.into()))?;
    command.args(["--workers", &args.workers.to_string(), "--test-clock", "--greylist-text", "Wait %s seconds"]);
    // Of a network that no workload with times has.
    Server::start(command, &place.endpoint, &Workload::flood(args.workload.seed), 0)
}

/// Kills and starts the server at equal distances, and says how far it is.
fn kill(args: &Verify, place: &Place, server: &mut Server, course: &Course, is_over: impl Fn() -> bool) -> Result<()> {
    let (mut kills, mut said) = (0, Instant::now());
    while !is_over() {
        thread::sleep(Duration::from_millis(1));
        let done = course.done.load(Ordering::Relaxed);
        if kills < args.kills && done >= args.requests / u64::from(args.kills + 1) * u64::from(kills + 1) {
            kills += 1;
            server.kill()?;
            *server = start(args, place).inspect_err(|_| course.stop.ask())?;
        }
        if said.elapsed() >= REPORT {
            said = Instant::now();
            eprintln!("{done} of {} requests, {kills} kills", args.requests);
        }
    }
    Ok(())
}

/// One caller's whole share.
fn call(number: usize, mut source: Source, requests: u64, mut caller: Caller, course: &Course) -> Result<Outcome> {
    let mut request = Vec::new();
    let mut ask_all = || -> Result<()> {
        for _ in 0..requests {
            request.clear();
            let Some(planned) = source.next(&mut request)? else { break };
            let due = planned.due.context("verify needs a workload with times")?.as_secs();
            course.times[number].store(due, Ordering::Relaxed);
            while !course.stop.is_asked() && course.slowest() + AHEAD.as_secs() < due {
                thread::sleep(Duration::from_millis(1));
            }
            if course.stop.is_asked() {
                break;
            }
            caller.ask(&request)?;
            course.done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    let result = ask_all();
    course.times[number].store(u64::MAX, Ordering::Relaxed);
    result.inspect_err(|_| course.stop.ask())?;
    Ok(caller.outcome)
}

impl Course {
    fn slowest(&self) -> u64 {
        self.times.iter().map(|time| time.load(Ordering::Relaxed)).min().unwrap_or(u64::MAX)
    }
}

fn report(outcomes: &[Outcome], elapsed: Duration) -> ExitCode {
    let sum = |part: fn(&Outcome) -> u64| outcomes.iter().map(part).sum::<u64>();
    let [deferred, passed, known] = [|o: &Outcome| o.deferred, |o: &Outcome| o.passed, |o: &Outcome| o.known].map(sum);
    println!(
        "{} requests in {:.1} s: {deferred} deferred, {passed} passed after their delay, {known} known; {} repeated after a kill",
        deferred + passed + known,
        elapsed.as_secs_f64(),
        sum(|outcome| outcome.repeated),
    );
    let wrong = sum(|outcome| outcome.wrong);
    println!("{wrong} disagreements with the model");
    let disagreements = outcomes.iter().flat_map(|outcome| &outcome.disagreements).take(SHOWN);
    disagreements.for_each(|disagreement| println!("  {disagreement}"));
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! The drivers: a closed loop, in which every connection has one batch of requests outstanding, and an open loop, in which
//! requests are due by a schedule whether or not the server has answered those before.
//!
//! ```text
//! run: connects ─┬─ Generator (a thread): a loop over a poll of its own
//!                │    Feed      what is sent next, when, and on which connection: Numbers or Queues, due by Schedule
//!                │    Conn ...  one connection: writes requests, takes replies
//!                │    Record    counts of this second ──> Progress (all threads; to be watched) ──> Tally
//!                └─ Generator ...
//! ```
//!
//! In the open loop a latency counts from the time at which the request was due: what waits because the server is slow is
//! the server's latency too. What was lost is counted and the first failure kept.

mod clock;
mod conn;
mod feed;
mod generator;
mod numbers;
mod pace;
mod progress;
mod queues;
mod record;
mod seconds;
mod stop;
mod tally;
#[cfg(test)]
mod tests;
mod timer;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result};

pub(crate) use self::pace::{Rate, Schedule};
pub(crate) use self::progress::{Progress, Snapshot};
pub(crate) use self::stop::Stop;
pub(crate) use self::tally::{Second, Tally};

use self::clock::Clock;
use self::feed::Feed;
use self::generator::Generator;
use self::numbers::{Numbers, Share};
use self::queues::Queues;
use self::tally::Outcome;
use crate::endpoint::Endpoint;
use crate::workload::{Part, Source, Workload, WorkloadOptions};

/// How long a server may say nothing, unless the user says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the source of one thread: that of the networks which fall to it. Arguments: thread, threads.
pub(crate) type Plan = Arc<dyn Fn(u32, u32) -> Result<Source> + Send + Sync>;

/// Where requests come from.
#[derive(Clone)]
pub(crate) enum Supply {
    /// Any connection takes the next.
    Numbered(Workload),
    /// In an order that holds within each network.
    Planned(Plan),
}

impl Supply {
    /// Requests that can be made in place, or those of a source for each thread.
    pub(crate) fn new(options: &WorkloadOptions) -> Self {
        if let Some(workload) = options.numbered() {
            return Self::Numbered(workload);
        }
        let options = options.clone();
        Self::Planned(Arc::new(move |thread, threads| {
            options.source(Part::new(thread, threads).context("a thread beyond the last")?)
        }))
    }
}

/// What is to be sent, and how.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) endpoint: Endpoint,
    pub(crate) connections: u32,
    /// Threads of the generator, at most one a connection.
    pub(crate) threads: u32,
    /// Most requests of one write.
    pub(crate) batch: usize,
    /// An open loop at this rate.
    pub(crate) rate: Option<Rate>,
    /// An open loop at the times of planned requests, so many times as fast. Without this and a rate the loop is closed.
    pub(crate) speed: Option<f64>,
    pub(crate) supply: Supply,
    /// Number of the first request in a numbered workload.
    pub(crate) first: u64,
    /// The run ends after so many requests.
    pub(crate) requests: Option<u64>,
    /// The run ends after this time.
    pub(crate) duration: Option<Duration>,
    /// A server that says nothing for so long hangs.
    pub(crate) patience: Duration,
    /// Never sleep, so that a server's reply wakes nobody. Takes a whole core a thread.
    pub(crate) spin: bool,
    pub(crate) stop: Stop,
}

impl Load {
    /// A closed loop of one thread: one outstanding request a connection.
    pub(crate) fn closed(endpoint: &Endpoint, connections: u32, workload: Workload, first: u64, requests: u64) -> Self {
        Self {
            endpoint: endpoint.clone(),
            connections,
            threads: 1,
            batch: 1,
            rate: None,
            speed: None,
            supply: Supply::Numbered(workload),
            first,
            requests: Some(requests),
            duration: None,
            patience: PATIENCE,
            spin: false,
            stop: Stop::default(),
        }
    }

    /// The load that fills a state fastest: few connections, many requests in each write.
    pub(crate) fn pipelined(endpoint: &Endpoint, workload: Workload, first: u64, requests: u64) -> Self {
        Self { batch: 16, ..Self::closed(endpoint, 32, workload, first, requests) }
    }

    /// Of an open loop at a rate.
    pub(crate) fn schedule(&self) -> Result<Option<Schedule>> {
        self.rate.map(|rate| Schedule::new(rate, self.requests, self.duration)).transpose()
    }

    /// The requests of one thread.
    fn feed(&self, thread: u32) -> Result<Feed> {
        let schedule = self.schedule()?;
        let requests = self.requests.unwrap_or(u64::MAX);
        let share =
            Share { thread: thread.into(), threads: self.threads.into(), requests, schedule, speed: self.speed };
        Ok(match &self.supply {
            Supply::Numbered(workload) => Feed::Numbers(Numbers::new(workload.clone(), self.first, self.batch, share)),
            Supply::Planned(plan) => {
                let connections = (thread..self.connections).step_by(self.threads as usize).len();
                Feed::Queues(Queues::new(plan(thread, self.threads)?, self.batch, connections, share))
            }
        })
    }
}

/// Runs the load to its end.
pub(crate) fn run(load: &Load, progress: &Progress) -> Result<Tally> {
    let generator = |thread| Generator::new(load, thread, load.feed(thread)?, progress);
    let mut generators: Vec<_> = (0..load.threads).map(generator).collect::<Result<_>>()?;
    if let Some(refusal) = connect(load, &mut generators)? {
        let (lost, first_failure) = (load.requests.unwrap_or(0), Some((0, refusal)));
        let outcome = Outcome { lost, first_failure, ..Outcome::default() };
        return Ok(Tally::sum(vec![outcome], progress, Duration::ZERO));
    }
    let clock = progress.start();
    let outcomes = run_threads(load, generators, clock)?;
    Ok(Tally::sum(outcomes, progress, Duration::from_nanos(clock.now())))
}

/// Sends the working set of `known` twice, so long apart, so that it passes; what came of a pass that failed. There is none in
/// other workloads.
pub(crate) fn prime(load: &Load, wait: Duration) -> Result<Option<Tally>> {
    let Supply::Numbered(workload) = &load.supply else { return Ok(None) };
    let Some(working_set) = workload.working_set() else { return Ok(None) };
    let load = Load { requests: Some(working_set), duration: None, rate: None, first: 0, ..load.clone() };
    for pause in [Duration::ZERO, wait] {
        load.stop.sleep(pause);
        let mut tally = run(&load, &Progress::new(&load)?)?;
        if !tally.is_clean() {
            tally.first_failure =
                tally.first_failure.map(|why| format!("when the working set was sent before the run, {why}"));
            return Ok(Some(tally));
        }
    }
    Ok(None)
}

/// Makes all connections; if the server refuses one, why.
fn connect(load: &Load, generators: &mut [Generator<'_>]) -> Result<Option<String>> {
    let threads = generators.len();
    for index in 0..load.connections as usize {
        if load.stop.is_asked() {
            break;
        }
        match load.endpoint.connect() {
            Ok(stream) => generators[index % threads].add(stream)?,
            Err(error) if is_of_the_server(error.kind()) => {
                let advice =
                    if index == 0 { "does it run, and listen there?" } else { "it may take no more connections" };
                let place = format!("{} (connection {})", load.endpoint, index + 1);
                return Ok(Some(format!("cannot connect to {place}: {error}; {advice}")));
            }
            Err(error) => {
                let advice = "open files (ulimit -Hn) and, to one TCP address, local ports are the limits";
                let what = format!("cannot make connection {} to {}; {advice}", index + 1, load.endpoint);
                return Err(Error::new(error).context(what));
            }
        }
    }
    Ok(None)
}

/// Runs each generator in a thread, the last of them in this one: system calls cost more in a process of several threads.
fn run_threads(load: &Load, mut generators: Vec<Generator<'_>>, clock: Clock) -> Result<Vec<Outcome>> {
    // One thread that cannot go on ends the run of all.
    let run = |generator: Generator<'_>| generator.run(clock).inspect_err(|_| load.stop.ask());
    let last = generators.pop();
    std::thread::scope(|scope| {
        let threads: Vec<_> = generators.into_iter().map(|generator| scope.spawn(move || run(generator))).collect();
        let mut outcomes: Vec<_> = last.into_iter().map(run).collect();
        for thread in threads {
            outcomes.push(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        outcomes.into_iter().collect()
    })
}

/// Whether a server is to blame that cannot be connected to: it is not there, does not listen, or accepts nobody.
fn is_of_the_server(kind: ErrorKind) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotFound, TimedOut, WouldBlock};
    matches!(kind, ConnectionRefused | ConnectionReset | ConnectionAborted | NotFound | TimedOut | WouldBlock)
}

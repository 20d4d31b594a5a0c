//! The options of `verify`.

use clap::Args;

use super::Daemon;
use crate::workload::WorkloadOptions;

#[derive(Clone, Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    /// The workload has to have times of its own (mix, or replay and maillog of files that have them); --test-clock is the time of
    /// its beginning, by default 2030-01-01. --delay is also the delay that irongrey is started with.
    #[command(flatten)]
    pub(crate) workload: WorkloadOptions,
    /// Requests in all.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: u64,
    /// Connections, each with its own share of the client networks and one outstanding request.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) connections: u32,
    /// Workers of irongrey.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) workers: u32,
    /// How often irongrey is killed (SIGKILL) and started again meanwhile.
    #[arg(long, default_value_t = 5)]
    pub(crate) kills: u32,
}

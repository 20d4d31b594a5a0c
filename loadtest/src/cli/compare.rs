//! The options of `compare`.

use std::path::PathBuf;

use clap::Args;

use super::Daemon;
use crate::workload::WorkloadOptions;

#[derive(Debug, Args)]
pub(crate) struct Compare {
    #[command(flatten)]
    pub(crate) daemon: Daemon,
    /// --delay is also the delay that the servers are started with; sqlgrey takes whole minutes. The working set of `known` is
    /// sent, and again when it has passed, before the measurement.
    #[command(flatten)]
    pub(crate) workload: WorkloadOptions,
    /// The postgrey program; left out of the comparison if it does not exist.
    #[arg(long, value_name = "PATH", default_value = "/usr/sbin/postgrey")]
    pub(crate) postgrey: PathBuf,
    /// The sqlgrey program, run with `SQLite`; left out of the comparison if it does not exist.
    #[arg(long, value_name = "PATH", default_value = "/usr/sbin/sqlgrey")]
    pub(crate) sqlgrey: PathBuf,
    /// Rounds; in each every server runs once, from an empty state.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Requests a server and round.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: u64,
    /// Requests to postgrey a round.
    #[arg(long, default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) postgrey_requests: u64,
    /// Requests to sqlgrey a round.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sqlgrey_requests: u64,
    /// Connections; several numbers, such as 100,1000,5000, make a table each.
    #[arg(long, default_value = "100", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: Vec<u32>,
    /// Core of the server.
    #[arg(long, default_value_t = 0)]
    pub(crate) server_core: usize,
    /// Core of the load.
    #[arg(long, default_value_t = 1)]
    pub(crate) load_core: usize,
    /// Write the tables as a page and every round as JSON into this directory, which must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Have irongrey log its decisions to a file.
    #[arg(long)]
    pub(crate) decision_log: bool,
    /// Leave irongrey out: the baseline against postgrey and sqlgrey alone.
    #[arg(long)]
    pub(crate) without_irongrey: bool,
}

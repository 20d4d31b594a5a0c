//! The options that choose a workload, and the source that they make.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::network::Part;
use super::replay::Replay;
use super::template::{Numbered, Workload};
use super::{Origin, Source};

/// Which requests there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Every triplet is new.
    Flood,
    /// One working set of triplets, over and over.
    Known,
    /// Recorded requests of a file in the protocol's own form.
    Replay,
}

/// A workload as the user chose it.
#[derive(Clone, Debug, Args)]
pub(crate) struct WorkloadOptions {
    #[arg(long, value_enum, default_value = "flood")]
    pub(crate) workload: Kind,
    /// Seed of the workload; the same seed makes the same requests.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Triplets of the working set of `known`.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) working_set: u64,
    /// The file of `replay`, plain or gzip.
    #[arg(long, value_name = "FILE", required_if_eq("workload", "replay"))]
    pub(crate) file: Option<PathBuf>,
    /// How often `replay` goes through its file.
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
    /// Give each request that has a time the attribute `policy_test_time`, counted from these Unix seconds, for a server
    /// with --test-clock.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) test_clock: Option<u32>,
}

impl WorkloadOptions {
    /// The source of the requests of one part. `flood` and `known` never end.
    pub(crate) fn source(&self, part: Part) -> Result<Source> {
        let file = || self.file.as_deref().context("give the file to read with --file FILE");
        let origin = match self.workload {
            Kind::Flood => Origin::Numbered(Numbered::new(Workload::flood(self.seed), part)),
            Kind::Known => Origin::Numbered(Numbered::new(Workload::known(self.seed, self.working_set), part)),
            Kind::Replay => Origin::Replay(Box::new(Replay::open(file()?, self.repeat, part)?)),
        };
        Ok(Source::new(origin, self.test_clock))
    }

    /// Whether the requests come to an end by themselves.
    pub(crate) fn ends(&self) -> bool {
        self.workload == Kind::Replay
    }
}

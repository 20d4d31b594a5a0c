//! The options that choose a workload, and the source that they make.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use super::mail::Role;
use super::maillog::Maillog;
use super::mix::Mix;
use super::network::Part;
use super::replay::Replay;
use super::template::{Numbered, Workload};
use super::{Origin, Source};

/// Which requests there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A relay's traffic: legitimate senders that retry, newsletters, bounces, bots.
    Mix,
    /// Every triplet is new.
    Flood,
    /// One working set of triplets, over and over.
    Known,
    /// Recorded requests of a file in the protocol's own form.
    Replay,
    /// Requests rebuilt from a Postfix mail log.
    Maillog,
}

impl fmt::Display for Kind {
    /// As it is written on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
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
    /// The file of `replay` and `maillog`, plain or gzip.
    #[arg(long, value_name = "FILE", required_if_eq_any([("workload", "replay"), ("workload", "maillog")]))]
    pub(crate) file: Option<PathBuf>,
    /// How often `replay` goes through its file.
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
    /// Give each request that has a time the attribute `policy_test_time`, counted from these Unix seconds, for a server
    /// with --test-clock.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) test_clock: Option<u32>,
    #[command(flatten)]
    pub(crate) mix: MixOptions,
}

/// What the mixed load is made of. Shares are percent of the messages; what is left of a hundred is mail of regular
/// correspondents.
#[derive(Clone, Debug, Args)]
pub(crate) struct MixOptions {
    /// Share of messages from legitimate senders who write once.
    #[arg(long, value_name = "PERCENT", default_value_t = 12)]
    pub(crate) strangers: u8,
    /// Share of newsletters with the recipient in the sender's address.
    #[arg(long, value_name = "PERCENT", default_value_t = 10)]
    pub(crate) newsletters: u8,
    /// Share of bounces (null sender).
    #[arg(long, value_name = "PERCENT", default_value_t = 3)]
    pub(crate) bounces: u8,
    /// Share of bots that never retry.
    #[arg(long, value_name = "PERCENT", default_value_t = 30)]
    pub(crate) bots: u8,
    /// Share of bots that retry at once.
    #[arg(long, value_name = "PERCENT", default_value_t = 5)]
    pub(crate) hasty_bots: u8,
    /// Share of messages over IPv6, whatever their kind.
    #[arg(long, value_name = "PERCENT", default_value_t = 15, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) ipv6: u8,
    /// Share of messages with 2 to 20 recipients, newsletters and bounces aside.
    #[arg(long, value_name = "PERCENT", default_value_t = 15, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) several: u8,
    /// Regular correspondences of `mix`, and as many subscriptions to newsletters.
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000,
        value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(crate) correspondents: u32,
    /// New messages a second of virtual time.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) per_second: u32,
    /// The server's greylist delay, after which a retry of `mix` is taken to pass.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) delay: u32,
}

impl MixOptions {
    /// The shares that were given; the rest is [`Role::Regular`].
    pub(super) fn shares(&self) -> [(u8, Role); 5] {
        [
            (self.strangers, Role::Stranger),
            (self.newsletters, Role::Newsletter),
            (self.bounces, Role::Bounce),
            (self.bots, Role::Bot),
            (self.hasty_bots, Role::HastyBot),
        ]
    }

    fn check(&self) -> Result<()> {
        let sum: u32 = self.shares().into_iter().map(|(share, _)| u32::from(share)).sum();
        ensure!(
            sum <= 100,
            "--strangers, --newsletters, --bounces, --bots and --hasty-bots add up to {sum} percent; lower them to at most 100"
        );
        Ok(())
    }
}

impl WorkloadOptions {
    /// The workload, if its requests are made from their numbers.
    pub(crate) fn numbered(&self) -> Option<Workload> {
        match self.workload {
            Kind::Flood => Some(Workload::flood(self.seed)),
            Kind::Known => Some(Workload::known(self.seed, self.working_set)),
            Kind::Mix | Kind::Replay | Kind::Maillog => None,
        }
    }

    /// The source of the requests of one part. `mix`, `flood` and `known` never end.
    pub(crate) fn source(&self, part: Part) -> Result<Source> {
        let file = || self.file.as_deref().context("give the file to read with --file FILE");
        let origin = match self.workload {
            Kind::Mix => {
                self.mix.check()?;
                Origin::Mix(Box::new(Mix::new(self.seed, &self.mix, part)))
            }
            Kind::Flood => Origin::Numbered(Numbered::new(Workload::flood(self.seed), part)),
            Kind::Known => Origin::Numbered(Numbered::new(Workload::known(self.seed, self.working_set), part)),
            Kind::Replay => Origin::Replay(Box::new(Replay::open(file()?, self.repeat, part)?)),
            Kind::Maillog => Origin::Maillog(Box::new(Maillog::open(file()?, part)?)),
        };
        Ok(Source::new(origin, self.test_clock))
    }

    /// The file of the workload, if it can be read more than once: no pipe.
    pub(crate) fn seekable_file(&self) -> Option<&Path> {
        self.file.as_deref().filter(|file| self.ends() && file.is_file())
    }

    /// Reads the file of the workload to its end, so that one that is broken costs no run; what it holds.
    pub(crate) fn survey(&self) -> Result<Option<String>> {
        if self.seekable_file().is_none() {
            return Ok(None);
        }
        let mut source = Self { repeat: 1, ..self.clone() }.source(Part::WHOLE)?;
        let mut request = Vec::new();
        while source.next(&mut request)?.is_some() {
            request.clear();
        }
        Ok(source.summary())
    }

    /// What decides which requests there are, for a report.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("Workload", self.workload.to_string())];
        match (self.workload, &self.file) {
            (Kind::Replay | Kind::Maillog, Some(file)) => settings.push(("File", file.display().to_string())),
            (kind, _) => {
                settings.push(("Seed", self.seed.to_string()));
                if kind == Kind::Known {
                    settings.push(("Working set", format!("{} triplets", self.working_set)));
                }
            }
        }
        settings
    }

    /// Whether the requests come to an end by themselves.
    pub(crate) fn ends(&self) -> bool {
        matches!(self.workload, Kind::Replay | Kind::Maillog)
    }
}

//! The command lines of `irongrey import` and `irongrey export`, to [`ImportSettings`] and [`ExportSettings`].
//!
//! What greylisting depends on is spelled as on both daemons' command lines and has the same defaults: who gave the daemon an
//! option gives it here as well.

use std::path::PathBuf;

use clap::Args;

use super::check::{self, ConfigError};
use super::postgrey::networks;
use super::{Host, StateSettings, SyncMode, places, units};
use crate::grey::Terms;

/// What an import needs to know.
#[derive(Clone, Debug)]
pub struct ImportSettings {
    /// What is read: postgrey's directory, or the file of an export.
    pub source: PathBuf,
    /// Where it goes.
    pub state: StateSettings,
    /// As many event loops as a daemon without `--workers` would have.
    pub workers: usize,
    /// On which terms it is kept.
    pub terms: Terms,
    /// User to become as root, by name or number; `None`: the one who owns the state, or would if there were one.
    pub user: Option<String>,
    /// Group to become.
    pub group: Option<String>,
}

/// What an export needs to know.
#[derive(Clone, Debug)]
pub struct ExportSettings {
    /// The state directory.
    pub state: PathBuf,
    /// What has expired on these terms is left out.
    pub terms: Terms,
    /// The file to write; `None`: standard output.
    pub output: Option<PathBuf>,
}

/// How long is remembered.
#[derive(Clone, Debug, Args)]
struct LifeArgs {
    /// Leave out what was not seen for this long, and an eighth of it more; a bare number is days
    #[arg(long, value_name = "TIME", default_value = "35d", value_parser = units::days)]
    max_age: u32,
    /// Leave out first attempts that are older; a bare number is days
    #[arg(long, value_name = "TIME", default_value = "2d", value_parser = units::days)]
    retry_window: u32,
}

/// Where an import goes.
#[derive(Clone, Debug, Args)]
struct TargetArgs {
    /// State directory, made if there is none [default: /var/lib/irongrey as root, else ~/.local/state/irongrey]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Size of the state at most
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = units::size)]
    max_state: u64,
    /// User to become as root [default: who owns the state, or for a new one irongrey, postgrey or nobody]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Group to become as root [default: the user's]
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
}

/// What may be written on the command line of `irongrey import postgrey`.
#[derive(Clone, Debug, Args)]
pub struct ImportPostgreyArgs {
    /// postgrey's database directory, its --dbdir (Debian: /var/lib/postgrey)
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    life: LifeArgs,
    /// How long postgrey greylists: who has waited so long has passed
    #[arg(long, value_name = "TIME", default_value = "300s", value_parser = units::seconds)]
    delay: u32,
    /// Prefix length of IPv4 networks, as postgrey has had it and irongrey will have it
    #[arg(long, value_name = "N", default_value = "24", value_parser = clap::value_parser!(u8).range(0..=32))]
    ipv4cidr: u8,
    /// Prefix length of IPv6 networks, as postgrey has had it and irongrey will have it
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u8).range(0..=128))]
    ipv6cidr: u8,
    /// The client's whole address counts, as it has for postgrey and will for irongrey
    #[arg(long)]
    lookup_by_host: bool,
}

/// What may be written on the command line of `irongrey import file`.
#[derive(Clone, Debug, Args)]
pub struct ImportFileArgs {
    /// What `irongrey export` has written
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    life: LifeArgs,
}

/// What may be written on the command line of `irongrey export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// State directory [default: /var/lib/irongrey as root, else ~/.local/state/irongrey]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Write to this file, which appears when it is whole [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    life: LifeArgs,
}

impl ImportPostgreyArgs {
    /// The settings that these options ask for on `host`.
    pub fn settings(&self, host: &Host) -> Result<ImportSettings, ConfigError> {
        let terms = Terms {
            delay: self.delay,
            networks: networks(self.lookup_by_host, self.ipv4cidr, self.ipv6cidr),
            ..self.life.terms()
        };
        check::terms(&terms)?;
        self.target.settings(&self.directory, terms, host)
    }
}

impl ImportFileArgs {
    /// The settings that these options ask for on `host`.
    pub fn settings(&self, host: &Host) -> Result<ImportSettings, ConfigError> {
        self.target.settings(&self.file, self.life.terms(), host)
    }
}

impl ExportArgs {
    /// The settings that these options ask for on `host`.
    pub fn settings(&self, host: &Host) -> Result<ExportSettings, ConfigError> {
        Ok(ExportSettings {
            state: places::state(self.state.as_deref(), host)?,
            terms: self.life.terms(),
            output: self.output.as_deref().map(|path| host.absolute(path)),
        })
    }
}

impl LifeArgs {
    fn terms(&self) -> Terms {
        Terms { max_age: self.max_age, retry_window: self.retry_window, ..Terms::DEFAULT }
    }
}

impl TargetArgs {
    fn settings(&self, source: &std::path::Path, terms: Terms, host: &Host) -> Result<ImportSettings, ConfigError> {
        let dir = places::state(self.state.as_deref(), host)?;
        Ok(ImportSettings {
            source: host.absolute(source),
            // All is synced once, at the end.
            state: StateSettings { dir, max_size: self.max_state, sync: SyncMode::Os },
            workers: host.default_workers(),
            terms,
            user: self.user.clone(),
            group: self.group.clone(),
        })
    }
}

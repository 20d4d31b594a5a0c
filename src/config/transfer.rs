//! The command lines of `irongrey import` and `irongrey export`, to [`ImportSettings`] and [`ExportSettings`].
//!
//! What greylisting depends on is spelled as on both daemons' command lines. Where no option is given the daemon's configuration
//! file counts, and then the daemon's defaults; who gave the daemon an option on its command line gives it here as well.

use std::path::{Path, PathBuf};

use clap::Args;

use super::check::{self, ConfigError};
use super::postgrey::networks;
use super::{Asked, Host, ProcessSettings, Settings, StateSettings, SyncMode, units};
use crate::grey::{Networks, Terms};

/// What an import needs to know.
#[derive(Clone, Debug)]
pub struct ImportSettings {
    /// What is read: postgrey's directory, or the file of an export.
    pub source: PathBuf,
    /// Where it goes.
    pub state: StateSettings,
    /// As many event loops as the daemon would have.
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
    /// Leave out what was not seen for this long, and an eighth of it more; a bare number is days [default: the daemon's]
    #[arg(long, value_name = "TIME", value_parser = units::days)]
    max_age: Option<u32>,
    /// Leave out first attempts that are older; a bare number is days [default: the daemon's]
    #[arg(long, value_name = "TIME", value_parser = units::days)]
    retry_window: Option<u32>,
}

/// Where the daemon's settings stand, which count where no option is given here.
#[derive(Clone, Debug, Args)]
struct DaemonArgs {
    /// The daemon's configuration file [default: /etc/irongrey/irongrey.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// State directory [default: the daemon's]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// Where an import goes.
#[derive(Clone, Debug, Args)]
struct TargetArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// Size of the state at most [default: the daemon's]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    max_state: Option<u64>,
    /// User to become as root [default: who owns the state, or for a new one the daemon's]
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
    /// How long postgrey greylists: who has waited so long has passed [default: the daemon's]
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    delay: Option<u32>,
    /// Prefix length of IPv4 networks, as postgrey has had it and irongrey will have it [default: the daemon's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=32))]
    ipv4cidr: Option<u8>,
    /// Prefix length of IPv6 networks, as postgrey has had it and irongrey will have it [default: the daemon's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=128))]
    ipv6cidr: Option<u8>,
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
    #[command(flatten)]
    daemon: DaemonArgs,
    /// Write to this file, which appears when it is whole [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    life: LifeArgs,
}

impl ImportPostgreyArgs {
    /// The settings that these options ask for on `host`, beside the daemon's.
    pub fn settings(&self, host: &Host) -> Result<ImportSettings, ConfigError> {
        let daemon = self.target.daemon.settings(host)?;
        let Networks { ipv4_prefix, ipv6_prefix } = daemon.terms.networks;
        let [ipv4, ipv6] = [self.ipv4cidr.unwrap_or(ipv4_prefix), self.ipv6cidr.unwrap_or(ipv6_prefix)];
        let terms = Terms {
            delay: self.delay.unwrap_or(daemon.terms.delay),
            networks: networks(self.lookup_by_host, ipv4, ipv6),
            ..self.life.terms(&daemon)
        };
        check::terms(&terms)?;
        Ok(self.target.settings(&self.directory, terms, daemon, host))
    }
}

impl ImportFileArgs {
    /// The settings that these options ask for on `host`, beside the daemon's.
    pub fn settings(&self, host: &Host) -> Result<ImportSettings, ConfigError> {
        let daemon = self.target.daemon.settings(host)?;
        Ok(self.target.settings(&self.file, self.life.terms(&daemon), daemon, host))
    }
}

impl ExportArgs {
    /// The settings that these options ask for on `host`, beside the daemon's.
    pub fn settings(&self, host: &Host) -> Result<ExportSettings, ConfigError> {
        let daemon = self.daemon.settings(host)?;
        let output = self.output.as_deref().map(|path| host.absolute(path));
        Ok(ExportSettings { terms: self.life.terms(&daemon), state: daemon.state.dir, output })
    }
}

impl LifeArgs {
    fn terms(&self, daemon: &Settings) -> Terms {
        Terms {
            max_age: self.max_age.unwrap_or(daemon.terms.max_age),
            retry_window: self.retry_window.unwrap_or(daemon.terms.retry_window),
            ..daemon.terms
        }
    }
}

impl DaemonArgs {
    /// What the daemon would run on.
    fn settings(&self, host: &Host) -> Result<Settings, ConfigError> {
        Ok(Asked::of_daemon(self.config.as_deref(), self.state.as_deref())?.read(host)?.settings)
    }
}

impl TargetArgs {
    fn settings(&self, source: &Path, terms: Terms, daemon: Settings, host: &Host) -> ImportSettings {
        let ProcessSettings { user, group, .. } = daemon.process;
        ImportSettings {
            source: host.absolute(source),
            // All is synced once, at the end.
            state: StateSettings {
                dir: daemon.state.dir,
                max_size: self.max_state.unwrap_or(daemon.state.max_size),
                sync: SyncMode::Os,
            },
            workers: daemon.workers,
            terms,
            user: self.user.clone().or(user),
            group: self.group.clone().or(group),
        }
    }
}

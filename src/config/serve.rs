//! The command line of `irongrey serve`, to [`Settings`].
//!
//! Every option has a default that works: without any, an ordinary user gets a daemon on the loopback address with its
//! state in that user's state directory.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, RangedI64ValueParser, RangedU64ValueParser};
use clap::{Args, Command};

use super::check::{self, ConfigError};
use super::postgrey::{ACTION, HEADER, networks};
use super::switch::{OFF, Switch};
use super::{
    ControlSettings, Facility, Host, Inet, Listen, LogSettings, LogTarget, MAX_WORKERS, ProcessSettings, Settings,
    StateSettings, SyncMode, Texts, places, units,
};
use crate::grey::{OnFull, Terms};

/// The port that Postfix's tutorials use for greylisting.
const PORT: u16 = 10_023;
const TEXT: &str = "Greylisted for %s seconds";

/// What may be written on the command line of `irongrey serve`.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
#[allow(clippy::struct_excessive_bools, reason = "these are switches of a command line")]
pub struct ServeArgs {
    /// Configuration file [default: /etc/irongrey/irongrey.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Listen on a TCP socket; repeatable [default: 127.0.0.1:10023 if no socket is named or handed over]
    #[arg(long, value_name = "[HOST:]PORT")]
    pub inet: Vec<Inet>,
    /// Listen on a unix socket; repeatable
    #[arg(long, value_name = "PATH")]
    pub unix: Vec<PathBuf>,
    /// Mode of the unix sockets
    #[arg(long, value_name = "MODE", default_value = "0660", value_parser = units::mode)]
    pub socketmode: u32,
    /// Group of the unix sockets [default: the daemon's]
    #[arg(long, value_name = "GROUP")]
    pub socket_group: Option<String>,
    /// Unix socket for the tools, such as `irongrey explain` [default: control in the state directory]
    #[arg(long, value_name = "PATH")]
    pub control: Option<PathBuf>,
    /// Group that may use the tools [default: the daemon's]
    #[arg(long, value_name = "GROUP")]
    pub control_group: Option<String>,
    /// State directory [default: /var/lib/irongrey as root, else ~/.local/state/irongrey]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// How long to greylist
    #[arg(long, value_name = "TIME", default_value = "300s", value_parser = units::seconds)]
    pub delay: u32,
    /// Forget what was not seen for this long; a bare number is days
    #[arg(long, value_name = "TIME", default_value = "35d", value_parser = units::days)]
    pub max_age: u32,
    /// Time for the first retry; a bare number is days
    #[arg(long, value_name = "TIME", default_value = "2d", value_parser = units::days)]
    pub retry_window: u32,
    /// Whitelist a client after this many passes, 0: never
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u16).range(0..=4095))]
    pub auto_whitelist_clients: u16,
    /// Prefix length of the network that stands for an IPv4 client
    #[arg(long, value_name = "N", default_value = "24", value_parser = clap::value_parser!(u8).range(0..=32))]
    pub ipv4cidr: u8,
    /// Prefix length of the network that stands for an IPv6 client
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u8).range(0..=128))]
    pub ipv6cidr: u8,
    /// Take the client's whole address
    #[arg(long, switch = OFF)]
    pub lookup_by_host: bool,
    /// Action of a greylisted request
    #[arg(long, value_name = "ACTION", default_value = ACTION, value_parser = units::reply_text)]
    pub greylist_action: String,
    /// Text of a greylisted request; %s: seconds left, %r: the recipient's domain
    #[arg(long, value_name = "TEXT", default_value = TEXT, value_parser = units::reply_text)]
    pub greylist_text: String,
    /// Header of a delayed message; %t: seconds, %v: version, %h: host, %d: date
    #[arg(long, value_name = "TEXT", default_value = HEADER, value_parser = units::reply_text)]
    pub x_greylist_header: String,
    /// Name of this host in the header [default: the system's]
    #[arg(long, value_name = "NAME", value_parser = units::reply_text)]
    pub hostname: Option<String>,
    /// Whitelist of clients, instead of those in the usual places; repeatable
    #[arg(long, value_name = "FILE")]
    pub whitelist_clients: Vec<PathBuf>,
    /// Whitelist of recipients, instead of those in the usual places; repeatable
    #[arg(long, value_name = "FILE")]
    pub whitelist_recipients: Vec<PathBuf>,
    /// Size of the state at most
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = units::size)]
    pub max_state: u64,
    /// How often new state is synced to the disk; `os`: when the kernel does it; `always`: before each reply leaves
    #[arg(long, value_name = "TIME|os|always", default_value = "1s", value_parser = units::sync_mode)]
    pub sync: SyncMode,
    /// Answer to an unknown sender that cannot be recorded
    #[arg(long, value_name = "ANSWER", default_value = "dunno", value_parser = PossibleValuesParser::new(["dunno", "defer"]))]
    pub on_full: String,
    /// Event loops [default: one a core]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_WORKERS as u64))]
    pub workers: Option<usize>,
    /// Connections at one time
    #[arg(long, value_name = "N", default_value_t = check::DEFAULT_MAX_CONNECTIONS,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub max_connections: usize,
    /// Connections that may wait to be accepted
    #[arg(long, value_name = "N", default_value_t = check::DEFAULT_LISTEN_QUEUE,
          value_parser = RangedI64ValueParser::<i32>::new().range(1..=65_535))]
    pub listen_queue_size: i32,
    /// Close each connection after one reply, for clients that wait for that
    #[arg(long, switch = OFF)]
    pub close_after_reply: bool,
    /// User to become, by name or number [default as root: irongrey, postgrey or nobody]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Group to become, by name or number [default: the user's]
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Log no decisions
    #[arg(short, long, switch = OFF)]
    pub quiet: bool,
    /// Log more of what the daemon does
    #[arg(short, long, switch = OFF)]
    pub verbose: bool,
    /// Log to syslog with this facility instead of standard error [default with -d: mail]
    #[arg(long, value_name = "F")]
    pub syslog_facility: Option<Facility>,
    /// Run in the background
    #[arg(short, long, switch = OFF)]
    pub daemonize: bool,
    /// Write the process id to this file
    #[arg(long, value_name = "PATH")]
    pub pidfile: Option<PathBuf>,
    /// Refuse system calls that a daemon at work does not make
    #[arg(long, switch = OFF)]
    pub seccomp: bool,
    /// Take the time from the request attribute `policy_test_time`
    #[arg(long, hide = true)]
    pub test_clock: bool,
    /// The words themselves, which are read once more together with the file.
    #[arg(skip)]
    pub words: Vec<OsString>,
}

/// The options as a command of their own, without its name.
pub(super) fn definition() -> Command {
    built(ServeArgs::augment_args(Command::new("serve").no_binary_name(true).disable_help_flag(true)))
}

/// A definition that is complete, so that none of its many copies has to be made so.
pub(super) fn built(mut definition: Command) -> Command {
    definition.build();
    definition
}

impl ServeArgs {
    /// The settings that these options ask for on `host`, without what only a file can say.
    pub(crate) fn settings(&self, host: &Host) -> Result<Settings, ConfigError> {
        let state = places::state(self.state.as_deref(), host)?;
        check::checked(Settings {
            program: "irongrey",
            listen: self.listen(host)?,
            listen_queue_size: self.listen_queue_size,
            socket_mode: self.socketmode,
            socket_group: self.socket_group.clone(),
            workers: self.workers.unwrap_or_else(|| host.default_workers()),
            max_connections: self.max_connections,
            close_after_reply: self.close_after_reply,
            terms: self.terms(),
            texts: Texts {
                action: self.greylist_action.clone(),
                text: self.greylist_text.clone(),
                header: self.x_greylist_header.clone(),
                hostname: self.hostname.clone().unwrap_or_else(|| host.name.clone()),
            },
            lists: places::serve(&self.whitelist_clients, &self.whitelist_recipients, host),
            control: ControlSettings::new(self.control.as_deref(), self.control_group.as_deref(), &state, host),
            state: StateSettings { dir: state, max_size: self.max_state, sync: self.sync },
            logs: LogSettings { target: self.log_target(), quiet: self.quiet, verbose: self.verbose },
            process: ProcessSettings {
                user: self.user.clone(),
                group: self.group.clone(),
                daemonize: self.daemonize,
                pidfile: self.pidfile.as_deref().map(|path| host.absolute(path)),
                seccomp: self.seccomp,
            },
            test_clock: self.test_clock,
            config: None,
            rules: Vec::new(),
            unread: Vec::new(),
        })
    }

    fn listen(&self, host: &Host) -> Result<Vec<Listen>, ConfigError> {
        if self.inet.is_empty() && self.unix.is_empty() && host.handed_over.is_empty() {
            return check::sockets(&[Inet::new(Ipv4Addr::LOCALHOST, PORT)], std::iter::empty(), host);
        }
        check::sockets(&self.inet, self.unix.iter().map(|path| Listen::Unix(host.absolute(path))), host)
    }

    fn terms(&self) -> Terms {
        Terms {
            delay: self.delay,
            retry_window: self.retry_window,
            max_age: self.max_age,
            auto_whitelist_clients: self.auto_whitelist_clients,
            networks: networks(self.lookup_by_host, self.ipv4cidr, self.ipv6cidr),
            on_full: if self.on_full == "defer" { OnFull::Defer } else { OnFull::Dunno },
        }
    }

    fn log_target(&self) -> LogTarget {
        match self.syslog_facility {
            Some(facility) => LogTarget::Syslog(facility),
            None if self.daemonize => LogTarget::Syslog(Facility::MAIL),
            None => LogTarget::Stderr,
        }
    }
}

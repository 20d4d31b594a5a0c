//! postgrey's own command line, every option with postgrey's spelling, meaning and default, to [`Settings`].
//!
//! State goes to `irongrey` below `--dbdir`, beside postgrey's files and never into them. The default header names
//! irongrey; everything else that a mail server's administrator sees is as with postgrey.

use std::path::PathBuf;

use clap::builder::RangedI64ValueParser;
use clap::{ArgAction, Args};

use super::check::{self, ConfigError};
use super::{
    ControlSettings, Facility, Host, Inet, Listen, LogSettings, LogTarget, ProcessSettings, Settings, StateSettings,
    SyncMode, Texts, places, units,
};
use crate::grey::{Networks, OnFull, Terms};
use crate::table::MAX_COUNT;

/// The header's default text.
pub(super) const HEADER: &str = "X-Greylist: delayed %t seconds by irongrey-%v at %h; %d";
/// The default action.
pub(super) const ACTION: &str = "DEFER_IF_PERMIT";
const TEXT: &str = "Greylisted, see http://postgrey.schweikert.ch/help/%r.html";

/// What may be written on postgrey's command line.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
#[allow(clippy::struct_excessive_bools, reason = "these are switches of a command line")]
pub struct PostgreyArgs {
    /// Log more of what the daemon does
    #[arg(short, long, alias = "v")]
    pub verbose: bool,
    /// Log no decisions
    #[arg(short, long, alias = "q")]
    pub quiet: bool,
    /// Print the whole help
    #[arg(long, action = ArgAction::HelpLong)]
    pub man: Option<bool>,
    /// Facility of syslog, which is used with --daemonize
    #[arg(long, aliases = ["syslogfacility", "facility"], value_name = "F", default_value_t = Facility::MAIL)]
    pub syslog_facility: Facility,
    /// Listen on a unix socket
    #[arg(short, long, alias = "u", value_name = "PATH")]
    pub unix: Vec<PathBuf>,
    /// Mode of the unix sockets
    #[arg(long, value_name = "MODE", default_value = "0666", value_parser = units::mode)]
    pub socketmode: u32,
    /// Listen on a TCP socket, on the loopback address if no host is given
    #[arg(short, long, alias = "i", value_name = "[HOST:]PORT")]
    pub inet: Vec<Inet>,
    /// Run in the background and log to syslog
    #[arg(short, long, alias = "d")]
    pub daemonize: bool,
    /// Write the process id to this file, with --daemonize
    #[arg(long, value_name = "PATH")]
    pub pidfile: Option<PathBuf>,
    /// User to become, by name or number [default as root: irongrey, postgrey or nobody]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Group to become, by name or number [default: the user's]
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Keep the state in `irongrey` below this directory
    #[arg(long, value_name = "DIR", default_value = "/var/lib/postgrey")]
    pub dbdir: PathBuf,
    /// How long to greylist, in seconds
    #[arg(long, value_name = "N", default_value = "300", value_parser = units::seconds)]
    pub delay: u32,
    /// Forget what was not seen for this long, in days
    #[arg(long, value_name = "N", default_value = "35", value_parser = units::days)]
    pub max_age: u32,
    /// Time for the first retry, in days or as `Nh`
    #[arg(long, value_name = "N", default_value = "2", value_parser = units::days)]
    pub retry_window: u32,
    /// Action of a greylisted request
    #[arg(long, value_name = "A", default_value = ACTION, allow_hyphen_values = true, value_parser = units::reply_text)]
    pub greylist_action: String,
    /// Text of a greylisted request; %s: seconds left, %r: the recipient's domain
    #[arg(long, value_name = "T", default_value = TEXT, allow_hyphen_values = true, value_parser = units::reply_text)]
    pub greylist_text: String,
    /// Take the client's network for the client (the default)
    #[arg(long)]
    pub lookup_by_subnet: bool,
    /// Prefix length of IPv4 networks
    #[arg(long, value_name = "N", default_value = "24", value_parser = clap::value_parser!(u8).range(0..=32))]
    pub ipv4cidr: u8,
    /// Prefix length of IPv6 networks
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u8).range(0..=128))]
    pub ipv6cidr: u8,
    /// Take the client's whole address
    #[arg(long)]
    pub lookup_by_host: bool,
    /// Store only hashes, as irongrey always does
    #[arg(long)]
    pub privacy: bool,
    /// Name of this host in the header [default: the system's]
    #[arg(long, value_name = "NAME", value_parser = units::reply_text)]
    pub hostname: Option<String>,
    /// Close each connection after one reply, for Exim
    #[arg(long)]
    pub exim: bool,
    /// Whitelist of clients, instead of those in the usual places; repeatable
    #[arg(long, value_name = "FILE")]
    pub whitelist_clients: Vec<PathBuf>,
    /// Whitelist of recipients, instead of those in the usual places; repeatable
    #[arg(long, value_name = "FILE")]
    pub whitelist_recipients: Vec<PathBuf>,
    /// Whitelist a client after this many passes, 0: never
    #[arg(long, value_name = "N", default_value = "5", num_args = 0..=1, default_missing_value = "5",
          value_parser = auto_whitelist_clients)]
    pub auto_whitelist_clients: u16,
    /// Connections that may wait to be accepted
    #[arg(long, value_name = "N", default_value_t = check::DEFAULT_LISTEN_QUEUE,
          value_parser = RangedI64ValueParser::<i32>::new().range(1..=65_535))]
    pub listen_queue_size: i32,
    /// Header of a delayed message; %t: seconds, %v: version, %h: host, %d: date
    #[arg(long, value_name = "T", default_value = HEADER, allow_hyphen_values = true, value_parser = units::reply_text)]
    pub x_greylist_header: String,
    /// Refuse system calls that a daemon at work does not make
    #[arg(long, hide = true)]
    pub seccomp: bool,
    /// Take the time from the request attribute `policy_test_time`
    #[arg(long, hide = true)]
    pub test_clock: bool,
    /// The first word that is no option and all after it, which postgrey does not read
    #[arg(hide = true, trailing_var_arg = true)]
    pub unread: Vec<String>,
}

impl PostgreyArgs {
    /// The settings that these options ask for on `host`.
    pub(crate) fn settings(&self, host: &Host) -> Result<Settings, ConfigError> {
        let unix = self.unix.iter().map(|path| Listen::Unix(host.absolute(path)));
        let state = host.absolute(&self.dbdir).join("irongrey");
        check::checked(Settings {
            program: "postgrey",
            listen: check::sockets(&self.inet, unix, host)?,
            listen_queue_size: self.listen_queue_size,
            socket_mode: self.socketmode,
            socket_group: None,
            workers: host.default_workers(),
            max_connections: check::DEFAULT_MAX_CONNECTIONS,
            close_after_reply: self.exim,
            terms: self.terms(),
            texts: self.texts(host),
            lists: places::postgrey(&self.whitelist_clients, &self.whitelist_recipients, host),
            control: ControlSettings::new(None, None, &state, host),
            state: StateSettings {
                dir: state,
                max_size: check::DEFAULT_MAX_SIZE,
                sync: SyncMode::Every(std::time::Duration::from_secs(1)),
            },
            logs: LogSettings { target: self.log_target(), quiet: self.quiet, verbose: self.verbose },
            process: ProcessSettings {
                user: self.user.clone(),
                group: self.group.clone(),
                daemonize: self.daemonize,
                pidfile: self.pidfile.as_deref().filter(|_| self.daemonize).map(|path| host.absolute(path)),
                seccomp: self.seccomp,
            },
            test_clock: self.test_clock,
            config: None,
            rules: Vec::new(),
            unread: self.unread.iter().filter(|word| !word.is_empty()).cloned().collect(),
        })
    }

    fn terms(&self) -> Terms {
        Terms {
            delay: self.delay,
            retry_window: self.retry_window,
            max_age: self.max_age,
            auto_whitelist_clients: self.auto_whitelist_clients,
            networks: networks(self.lookup_by_host, self.ipv4cidr, self.ipv6cidr),
            on_full: OnFull::Dunno,
        }
    }

    fn texts(&self, host: &Host) -> Texts {
        // The service files of some distributions pass an empty text when none is configured.
        let or_default = |text: &String, default: &str| if text.is_empty() { default.to_owned() } else { text.clone() };
        Texts {
            action: or_default(&self.greylist_action, ACTION),
            text: or_default(&self.greylist_text, TEXT),
            header: or_default(&self.x_greylist_header, HEADER),
            hostname: self.hostname.clone().unwrap_or_else(|| host.name.clone()),
        }
    }

    /// postgrey in the foreground logs to standard error, whatever facility is named.
    fn log_target(&self) -> LogTarget {
        if self.daemonize { LogTarget::Syslog(self.syslog_facility) } else { LogTarget::Stderr }
    }
}

/// Without a value it means the default, as with postgrey.
fn auto_whitelist_clients(text: &str) -> Result<u16, String> {
    let text = if text.is_empty() { "5" } else { text };
    let count = text.parse().ok().filter(|count| *count <= MAX_COUNT);
    count.ok_or_else(|| format!("expected a whole number in 0..={MAX_COUNT}"))
}

/// The networks that the three options about them ask for.
pub(super) fn networks(lookup_by_host: bool, ipv4_prefix: u8, ipv6_prefix: u8) -> Networks {
    if lookup_by_host { Networks { ipv4_prefix: 32, ipv6_prefix: 128 } } else { Networks { ipv4_prefix, ipv6_prefix } }
}

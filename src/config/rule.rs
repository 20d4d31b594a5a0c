//! A rule as an administrator writes it: the keys of a table `[[rule]]`, defined as options are.

use std::path::PathBuf;

use clap::{Args, Command};

use super::file::Entry;
use super::serve::built;
use super::switch::{OFF, ON, Switch};
use super::{Host, Shown, units};

/// The keys of a rule. It holds for a request if any of its recipients, senders or clients does, or if it names none.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
pub struct RuleArgs {
    /// Name in logs [default: rule and its number]
    #[arg(long, value_name = "NAME", value_parser = units::reply_text)]
    pub name: Option<String>,
    /// Recipients: user@domain, user@, or a domain and all below it
    #[arg(long, value_name = "RECIPIENT")]
    pub recipient: Vec<String>,
    /// Senders, in the same forms
    #[arg(long, value_name = "SENDER")]
    pub sender: Vec<String>,
    /// Clients: a network such as 192.0.2.0/24, or a host name and all below it
    #[arg(long, value_name = "CLIENT")]
    pub client: Vec<String>,
    /// File with recipients, one a line
    #[arg(long, value_name = "FILE")]
    pub recipient_file: Vec<PathBuf>,
    /// File with senders, one a line
    #[arg(long, value_name = "FILE")]
    pub sender_file: Vec<PathBuf>,
    /// File with clients, one a line
    #[arg(long, value_name = "FILE")]
    pub client_file: Vec<PathBuf>,
    /// Greylist what it holds for; false: let it pass
    #[arg(long, switch = ON)]
    pub greylist: bool,
    /// Log and count what would be deferred, and let it pass
    #[arg(long, switch = OFF)]
    pub observe: bool,
    /// How long to greylist [default: as everywhere]
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    pub delay: Option<u32>,
    /// Text of a greylisted request [default: as everywhere]
    #[arg(long, value_name = "TEXT", value_parser = units::reply_text)]
    pub greylist_text: Option<String>,
    /// Prefix length of the network that stands for an IPv4 client [default: as everywhere]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=32))]
    pub ipv4cidr: Option<u8>,
    /// Prefix length of the network that stands for an IPv6 client [default: as everywhere]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=128))]
    pub ipv6cidr: Option<u8>,
    /// Take the client's whole address
    #[arg(long, switch = OFF)]
    pub lookup_by_host: bool,
}

impl RuleArgs {
    /// Relative files start from the directory that the daemon was started in.
    pub(super) fn make_absolute(&mut self, host: &Host) {
        for path in [&mut self.recipient_file, &mut self.sender_file, &mut self.client_file].into_iter().flatten() {
            *path = host.absolute(path);
        }
    }

    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.recipient_file, &self.sender_file, &self.client_file].into_iter().flatten()
    }
}

/// A rule, and the line of the file on which it begins.
#[derive(Clone, Debug)]
pub struct RuleTable {
    /// From 1.
    pub line: usize,
    /// Its keys.
    pub arguments: RuleArgs,
    /// The same keys as they were written.
    pub(super) entries: Vec<Entry>,
}

impl RuleTable {
    /// Whether it names no recipients, senders or clients, not even an empty list or file of them: then it holds for all.
    pub(super) fn selects_all(&self) -> bool {
        let is_selector =
            |key: &str| matches!(key.strip_suffix("-file").unwrap_or(key), "recipient" | "sender" | "client");
        !self.entries.iter().any(|entry| is_selector(&entry.key))
    }

    /// The keys as they were written.
    pub(super) fn shown(&self) -> impl Iterator<Item = Shown> {
        self.entries.iter().map(Shown::from)
    }

    /// The same without their place in the file.
    pub fn text(&self) -> Vec<String> {
        self.shown().map(|shown| shown.to_string()).collect()
    }

    /// Where a key has this value.
    pub(super) fn line_of(&self, key: &str, value: &str) -> Option<usize> {
        let values = self.entries.iter().filter(|entry| entry.key == key).flat_map(|entry| &entry.values);
        values.into_iter().find(|(text, _)| text == value).map(|(_, line)| *line)
    }
}

/// What a table may hold.
pub(super) fn definition() -> Command {
    built(RuleArgs::augment_args(Command::new("rule").no_binary_name(true).disable_help_flag(true)))
}

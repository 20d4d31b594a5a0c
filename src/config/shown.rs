//! [`Shown`]: each setting as an administrator would write it, and where it is from: for `irongrey config show`, and to tell at
//! a reload what has changed.

use std::fmt::{self, Write};

use clap::{Arg, ArgMatches, Command};

use super::asked::{Configured, is_given};
use super::check::ConfigError;
use super::file::{DEFAULT_FILE, Entry, is_list, settable};
use super::{Listen, Settings, lists, rules};

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The key in the file, and the long option.
    pub key: String,
    /// What it is set to. Several for what may be given several times.
    pub values: Vec<String>,
    /// Whether it may be given several times.
    pub is_list: bool,
    /// Where that is from.
    pub origin: Origin,
}

/// Where a setting is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An option of the command line.
    CommandLine,
    /// The configuration file, on this line.
    File {
        /// From 1.
        line: usize,
    },
    /// Nobody has set it.
    Default,
    /// The same, and the value is this machine's. Written into a file it would count as set.
    FoundOut,
}

/// Every setting, in the order of the help. `matches` holds file and command line, `given` the command line alone.
pub(super) fn shown(
    definition: &Command,
    matches: &ArgMatches,
    given: &ArgMatches,
    from_file: &[&Entry],
    settings: &Settings,
) -> Vec<Shown> {
    let one = |(key, argument): (&str, &Arg)| {
        let raw = matches.get_raw(argument.get_id().as_str()).into_iter().flatten();
        let values: Vec<String> = raw.map(|value| value.to_string_lossy().into_owned()).collect();
        let found_out = if values.is_empty() { found_out(key, settings) } else { Vec::new() };
        let is_found_out = !found_out.is_empty();
        Shown {
            key: key.to_owned(),
            values: if is_found_out { found_out } else { values },
            is_list: is_list(argument),
            origin: match from_file.iter().find(|entry| entry.key == key) {
                _ if is_given(given, key) => Origin::CommandLine,
                Some(entry) => Origin::File { line: entry.line },
                None if is_found_out => Origin::FoundOut,
                None => Origin::Default,
            },
        }
    };
    settable(definition).map(one).collect()
}

/// The value of what depends on the machine when nobody sets it; empty for what is then not set at all.
fn found_out(key: &str, settings: &Settings) -> Vec<String> {
    let sockets = |shown: fn(&Listen) -> Option<String>| settings.listen.iter().filter_map(shown).collect();
    match key {
        "inet" => sockets(|socket| match socket {
            Listen::Inet(address) => Some(address.to_string()),
            Listen::Unix(_) => None,
        }),
        "control" => vec![settings.control.path.display().to_string()],
        "state" => vec![settings.state.dir.display().to_string()],
        "workers" => vec![settings.workers.to_string()],
        "hostname" => vec![settings.texts.hostname.clone()],
        _ => Vec::new(),
    }
}

impl Configured {
    /// Reads also the files that the settings name, as a start does. Says what was read.
    pub fn check(&self) -> Result<String, ConfigError> {
        let lists = lists::load(&self.settings.lists, &[])?;
        let (_, rule_files) = rules::load(&self.settings, &self.settings.texts.replies())?;
        let mut text = match &self.settings.config {
            Some(path) => format!("{}: in order\n", path.display()),
            None => format!("no {DEFAULT_FILE}: the defaults count\n"),
        };
        for source in &lists.sources {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{source}");
        }
        for file in &rule_files {
            let _ = writeln!(text, "{file}");
        }
        Ok(text)
    }
}

/// As a configuration file, each setting with where it is from.
impl fmt::Display for Configured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.settings.config.as_ref().map_or_else(String::new, |path| path.display().to_string());
        let mut line = |setting: &dyn fmt::Display, origin: Origin| match origin {
            Origin::CommandLine => writeln!(formatter, "{:<60} # command line", setting.to_string()),
            Origin::File { line } => writeln!(formatter, "{:<60} # {path}, line {line}", setting.to_string()),
            Origin::Default => writeln!(formatter, "{:<60} # default", setting.to_string()),
            Origin::FoundOut => writeln!(formatter, "{:<60} # default here", format!("# {setting}")),
        };
        for shown in &self.shown {
            line(shown, shown.origin)?;
        }
        for rule in &self.settings.rules {
            line(&"\n[[rule]]", Origin::File { line: rule.line })?;
            rule.shown().try_for_each(|shown| line(&shown, shown.origin))?;
        }
        Ok(())
    }
}

/// The settings that a reload takes over; every other needs a restart.
const AT_WORK: [&str; 16] = [
    "delay",
    "max-age",
    "retry-window",
    "auto-whitelist-clients",
    "ipv4cidr",
    "ipv6cidr",
    "lookup-by-host",
    "greylist-action",
    "greylist-text",
    "x-greylist-header",
    "hostname",
    "whitelist-clients",
    "whitelist-recipients",
    "on-full",
    "quiet",
    "verbose",
];

/// Whether a reload takes over the setting of this key.
pub(super) fn may_change_at_work(key: &str) -> bool {
    AT_WORK.contains(&key)
}

/// A key of the file, as it stands there.
impl From<&Entry> for Shown {
    fn from(entry: &Entry) -> Self {
        Self {
            key: entry.key.clone(),
            values: entry.values.iter().map(|(value, _)| value.clone()).collect(),
            is_list: entry.is_list,
            origin: Origin::File { line: entry.line },
        }
    }
}

impl Shown {
    /// Whether a reload takes it over; else it needs a restart.
    pub fn may_change_at_work(&self) -> bool {
        may_change_at_work(&self.key)
    }

    /// The value as TOML; `None` if it is not set. An empty list is set where it is written: it keeps a rule from holding for all.
    pub fn value(&self) -> Option<String> {
        match &self.values[..] {
            [] if self.origin == Origin::Default => None,
            [one] if !self.is_list => Some(toml_value(one)),
            values => {
                Some(format!("[{}]", values.iter().map(|value| toml_value(value)).collect::<Vec<_>>().join(", ")))
            }
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            Some(value) => write!(formatter, "{} = {value}", self.key),
            None => write!(formatter, "# {} is not set", self.key),
        }
    }
}

/// A value as TOML: numbers and switches bare, anything else in quotes.
pub(super) fn toml_value(text: &str) -> String {
    let is_number = text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
    if is_number || matches!(text, "true" | "false") { text.to_owned() } else { toml::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_so_that_toml_reads_them() {
        for (text, expected) in [
            ("5", "5"),
            ("0660", "\"0660\""),
            ("-1", "-1"),
            ("true", "true"),
            ("300s", "\"300s\""),
            ("", "\"\""),
            ("a \"b\" \\ c", r#"'a "b" \ c'"#),
            ("it's \"so\"", "\"\"\"it's \"so\"\"\"\""),
        ] {
            assert_eq!(toml_value(text), expected);
        }
    }
}

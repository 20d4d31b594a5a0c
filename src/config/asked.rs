//! [`Asked`]: how the daemon was asked to run, from which its settings are read at start and again at each reload. What stands
//! on the command line wins over the configuration file.

use std::fmt::{self, Write};

use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};

use super::check::ConfigError;
use super::file::{DEFAULT_FILE, Entry, File};
use super::postgrey::PostgreyArgs;
use super::rule::{RuleArgs, RuleTable};
use super::serve::{self, ServeArgs};
use super::shown::{Shown, shown};
use super::{Host, Origin, Settings, lists};

/// The words that the daemon was started with, of either command.
#[derive(Clone, Debug)]
pub enum Asked {
    /// `irongrey serve`, which has a configuration file.
    Serve(Box<ServeArgs>),
    /// `irongrey postgrey`, which has none.
    Postgrey(Box<PostgreyArgs>),
}

/// Settings, and where each of them is from.
#[derive(Debug)]
pub struct Configured {
    /// What the daemon runs on.
    pub settings: Settings,
    /// Every setting of `irongrey serve`, as an administrator would write it; none of `irongrey postgrey`.
    pub shown: Vec<Shown>,
}

impl Configured {
    /// Reads also the files that the settings name. Says what they are.
    pub fn check(&self) -> Result<String, ConfigError> {
        let lists = lists::load(&self.settings.lists, &[])?;
        let mut text = match &self.settings.config {
            Some(path) => format!("{}: in order\n", path.display()),
            None => format!("no {DEFAULT_FILE}: the defaults count\n"),
        };
        for source in &lists.sources {
            let _ = writeln!(text, "{source}");
        }
        Ok(text)
    }
}

/// As a configuration file, each setting with where it is from.
impl fmt::Display for Configured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for shown in &self.shown {
            let origin = match (shown.origin, &self.settings.config) {
                (Origin::CommandLine, _) => "command line".to_owned(),
                (Origin::File { line }, Some(path)) => format!("{}, line {line}", path.display()),
                (Origin::File { .. }, None) | (Origin::Default, _) => "default".to_owned(),
            };
            let setting = shown.to_string();
            writeln!(formatter, "{setting:<60} # {origin}")?;
        }
        Ok(())
    }
}

impl Asked {
    /// Reads the configuration file, if there is one, and puts both together.
    pub fn read(&self, host: &Host) -> Result<Configured, ConfigError> {
        match self {
            Self::Serve(arguments) => read(arguments, host),
            Self::Postgrey(arguments) => Ok(Configured { settings: arguments.settings(host)?, shown: Vec::new() }),
        }
    }
}

fn read(arguments: &ServeArgs, host: &Host) -> Result<Configured, ConfigError> {
    let file = File::find(arguments.config.as_deref(), host)?;
    let definition = serve::definition();
    let given = definition.clone().try_get_matches_from(&arguments.words)?;
    let from_file: Vec<&Entry> = file.iter().flat_map(|file| &file.settings).collect();
    let from_file: Vec<&Entry> = from_file.into_iter().filter(|entry| !is_given(&given, &entry.key)).collect();
    let words = from_file.iter().flat_map(|entry| entry.words()).map(Into::into);
    let matches = definition.clone().try_get_matches_from(words.chain(arguments.words.iter().cloned()))?;
    let mut settings = ServeArgs::from_arg_matches(&matches)?.settings(host)?;
    settings.rules = file.as_ref().map_or_else(|| Ok(Vec::new()), rules)?;
    let shown = shown(&definition, &matches, &given, &from_file, &settings);
    settings.config = file.map(|file| file.path);
    Ok(Configured { settings, shown })
}

/// Whether an option stands on the command line.
pub(super) fn is_given(given: &ArgMatches, key: &str) -> bool {
    given.value_source(&key.replace('-', "_")) == Some(ValueSource::CommandLine)
}

fn rules(file: &File) -> Result<Vec<RuleTable>, ConfigError> {
    let rule = |table: &super::file::Table| {
        let words = table.entries.iter().flat_map(Entry::words);
        let matches = super::rule::definition().try_get_matches_from(words)?;
        Ok(RuleTable { line: table.line, arguments: RuleArgs::from_arg_matches(&matches)? })
    };
    file.rules.iter().map(rule).collect()
}

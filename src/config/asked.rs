//! [`Asked`]: how the daemon was asked to run, from which its settings are read at start and again at each reload. What stands
//! on the command line wins over the configuration file.

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};

use super::check::ConfigError;
use super::file::{Entry, File, Table};
use super::postgrey::PostgreyArgs;
use super::rule::{self, RuleArgs, RuleTable};
use super::serve::{self, ServeArgs};
use super::shown::{Shown, shown};
use super::{Host, Settings};

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

impl Asked {
    /// `irongrey serve` with no other words than these two options, if they are given: what the tools take for the daemon.
    pub fn of_daemon(config: Option<&Path>, state: Option<&Path>) -> Result<Self, ConfigError> {
        let named = [("--config", config), ("--state", state)].into_iter();
        let words = named.filter_map(|(option, path)| Some([OsString::from(option), path?.into()]));
        let words: Vec<OsString> = words.flatten().collect();
        let matches = serve::definition().try_get_matches_from(&words)?;
        Ok(Self::Serve(Box::new(ServeArgs { words, ..ServeArgs::from_arg_matches(&matches)? })))
    }

    /// The same with the configuration file that was found, as if it had been named: it has to be there from now on.
    #[must_use]
    pub fn with_file(self, file: &Path) -> Self {
        match self {
            Self::Serve(arguments) => Self::Serve(Box::new(ServeArgs { config: Some(file.to_owned()), ..*arguments })),
            Self::Postgrey(_) => self,
        }
    }

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
    let settings = ServeArgs::from_arg_matches(&matches)?.settings(host);
    let mut settings = settings.map_err(|error| placed(error, file.as_ref(), &from_file))?;
    settings.rules = file.as_ref().map_or_else(|| Ok(Vec::new()), |file| rules(file, host))?;
    let shown = shown(&definition, &matches, &given, &from_file, &settings);
    settings.config = file.map(|file| file.path);
    Ok(Configured { settings, shown })
}

/// The error with the place in the file of the first key that it names.
fn placed(error: ConfigError, file: Option<&File>, from_file: &[&Entry]) -> ConfigError {
    let said = error.to_string();
    let named = from_file.iter().find(|entry| said.contains(&format!("--{}=", entry.key)));
    match file.zip(named) {
        Some((file, entry)) => {
            ConfigError::InFile { path: file.path.clone(), line: entry.line, error: Box::new(error) }
        }
        None => error,
    }
}

/// Whether an option stands on the command line.
pub(super) fn is_given(given: &ArgMatches, key: &str) -> bool {
    given.value_source(&key.replace('-', "_")) == Some(ValueSource::CommandLine)
}

fn rules(file: &File, host: &Host) -> Result<Vec<RuleTable>, ConfigError> {
    let definition = rule::definition();
    let rule = |table: &Table| {
        let words = table.entries.iter().flat_map(Entry::words);
        let matches = definition.clone().try_get_matches_from(words)?;
        let mut arguments = RuleArgs::from_arg_matches(&matches)?;
        arguments.make_absolute(host);
        Ok(RuleTable { line: table.line, arguments, entries: table.entries.clone() })
    };
    file.rules.iter().map(rule).collect()
}

#[cfg(test)]
#[path = "asked_tests.rs"]
mod tests;

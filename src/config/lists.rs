//! Reads the whitelists that the settings name: both lists whole, or an error and nothing.
//!
//! A reload calls [`load`] again, with the files that were read before as ones that have to be there if they are still wanted,
//! and swaps the result in; while it fails the lists in use stay.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::read::{self, ReadError};
use super::{Builtin, ListSettings};
use crate::grey::whitelist::{
    BadLine, ClientListBuilder, DEFAULT_CLIENTS, DEFAULT_RECIPIENTS, Lists, RecipientListBuilder, TooManyPatterns,
};

/// The lists, and what they were made from.
#[derive(Debug)]
pub struct Loaded {
    /// Both whitelists.
    pub lists: Lists,
    /// Each source in the order of reading.
    pub sources: Vec<Source>,
}

/// Where entries of a list came from; prints as part of a log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Which of the lists.
    pub kind: Kind,
    /// The file; `None` for the list that ships with irongrey.
    pub file: Option<PathBuf>,
    /// How many entries it has.
    pub entries: usize,
}

/// One of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Clients that are never greylisted.
    Clients,
    /// Recipients for whom nothing is greylisted.
    Recipients,
}

/// Why the lists cannot be made.
#[derive(Debug, Error)]
pub enum ListError {
    /// A file cannot be read.
    #[error("{kind} whitelist {error}")]
    Unreadable {
        /// The list.
        kind: Kind,
        /// Which file, and why.
        error: ReadError,
    },
    /// A file that was read before is not there any more.
    #[error("{kind} whitelist {} is gone: put it back, empty if need be, or restart the daemon without it", path.display())]
    Gone {
        /// The list.
        kind: Kind,
        /// The file.
        path: PathBuf,
    },
    /// A line of a file, or of a list that ships with irongrey, is no entry.
    #[error("{kind} whitelist {}, {bad}", shown(path.as_deref()))]
    BadLine {
        /// The list.
        kind: Kind,
        /// The file; `None` for the list that ships with irongrey.
        path: Option<PathBuf>,
        /// The line and its mistake.
        bad: BadLine,
    },
    /// The regexes of all files of a kind are too large together.
    #[error("{kind} whitelist: {error}")]
    TooManyPatterns {
        /// The list.
        kind: Kind,
        /// How many they are.
        error: TooManyPatterns,
    },
}

/// What keeps the process from reading these files again, now that it is another user, say.
pub fn unreadable(sources: &[Source]) -> Vec<ListError> {
    let opened = sources.iter().filter_map(|source| {
        let error = read::check_readable(source.file.as_deref()?).err()?;
        Some(ListError::Unreadable { kind: source.kind, error })
    });
    opened.collect()
}

/// Reads all files and makes both lists. A file in `before` that is read if it exists has to.
pub fn load(settings: &ListSettings, before: &[Source]) -> Result<Loaded, ListError> {
    let mut sources = Vec::new();

    let mut clients = ClientListBuilder::default();
    let files = Files {
        kind: Kind::Clients,
        named: &settings.clients,
        if_present: &settings.clients_if_present,
        builtin: settings.builtin,
        shipped: DEFAULT_CLIENTS,
    };
    files.read_into(&mut sources, |text| clients.add(text))?;
    let clients = clients.build().map_err(|error| ListError::TooManyPatterns { kind: Kind::Clients, error })?;

    let mut recipients = RecipientListBuilder::default();
    let files = Files {
        kind: Kind::Recipients,
        named: &settings.recipients,
        if_present: &settings.recipients_if_present,
        builtin: settings.builtin,
        shipped: DEFAULT_RECIPIENTS,
    };
    files.read_into(&mut sources, |text| recipients.add(text))?;
    for (kind, path) in before.iter().filter_map(|before| Some((before.kind, before.file.as_ref()?))) {
        let if_present = match kind {
            Kind::Clients => &settings.clients_if_present,
            Kind::Recipients => &settings.recipients_if_present,
        };
        let is_read = sources.iter().any(|source| source.kind == kind && source.file.as_ref() == Some(path));
        if !is_read && if_present.contains(path) {
            return Err(ListError::Gone { kind, path: path.clone() });
        }
    }
    let recipients =
        recipients.build().map_err(|error| ListError::TooManyPatterns { kind: Kind::Recipients, error })?;

    Ok(Loaded { lists: Lists { clients, recipients }, sources })
}

/// All that makes up one of the lists.
struct Files<'a> {
    kind: Kind,
    named: &'a [PathBuf],
    if_present: &'a [PathBuf],
    builtin: Builtin,
    shipped: &'static str,
}

impl Files<'_> {
    fn read_into(
        &self,
        sources: &mut Vec<Source>,
        mut add: impl FnMut(&[u8]) -> Result<usize, BadLine>,
    ) -> Result<(), ListError> {
        let before = sources.len();
        let mut add = |sources: &mut Vec<Source>, path: Option<&Path>, text: &[u8]| {
            let (kind, path) = (self.kind, path.map(Path::to_owned));
            match add(text) {
                Ok(entries) => sources.push(Source { kind, file: path, entries }),
                Err(bad) => return Err(ListError::BadLine { kind, path, bad }),
            }
            Ok(())
        };
        for path in self.named {
            add(sources, Some(path), &self.read(path)?)?;
        }
        for path in self.if_present {
            match self.read(path) {
                Ok(text) => add(sources, Some(path), &text)?,
                Err(ListError::Unreadable { error, .. }) if error.is_absent() => {}
                Err(error) => return Err(error),
            }
        }
        let wanted = match self.builtin {
            Builtin::Always => true,
            Builtin::WithoutFiles => sources.len() == before,
            Builtin::Never => false,
        };
        if wanted { add(sources, None, self.shipped.as_bytes()) } else { Ok(()) }
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, ListError> {
        read::read(path).map_err(|error| ListError::Unreadable { kind: self.kind, error })
    }
}

fn shown(path: Option<&Path>) -> String {
    path.map_or_else(|| "shipped with irongrey".to_owned(), |path| path.display().to_string())
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Clients => "client",
            Self::Recipients => "recipient",
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.entries == 1 { "entry" } else { "entries" };
        write!(formatter, "{} whitelist {}: {} {plural}", self.kind, shown(self.file.as_deref()), self.entries)
    }
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;

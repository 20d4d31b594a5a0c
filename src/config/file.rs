//! The configuration file: TOML whose keys are the long options of a command line, so that there is one definition of what
//! may be set, what it means and what is wrong with a value.
//!
//! Each key becomes the words that mean the same (`delay = "5m"` is `--delay=5m`), and is tried alone against the definition, so
//! that a mistake is told with its line. All mistakes of a file are told at once.

mod entry;

use std::path::{Path, PathBuf};

use clap::Command;
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use entry::entries;
pub(super) use entry::{Entry, is_list, settable};

use super::read::{self, ReadError};
use super::{Host, rule, serve};

/// Read if it exists and no other file is named.
pub const DEFAULT_FILE: &str = "/etc/irongrey/irongrey.toml";
/// The key of the tables that are rules.
const RULE: &str = "rule";

/// What a configuration file says.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) settings: Vec<Entry>,
    pub(super) rules: Vec<Table>,
}

/// The keys of one rule, and the line on which it begins.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) line: usize,
    pub(super) entries: Vec<Entry>,
}

/// Why a configuration file cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("configuration {0}")]
    Unreadable(#[from] ReadError),
    /// Something in it is not right.
    #[error("{}", told(path, mistakes))]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// Each mistake, in the order of lines.
        mistakes: Vec<Mistake>,
    },
}

/// Something in a file that is not right, and what would be.
#[derive(Debug)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

fn told(path: &Path, mistakes: &[Mistake]) -> String {
    let path = path.display();
    let lines = mistakes.iter().map(|Mistake { line, what }| format!("{path}, line {line}: {what}"));
    lines.collect::<Vec<_>>().join("\n")
}

impl File {
    /// Reads the file that is named, or the default one if there is one.
    pub(super) fn find(named: Option<&Path>, host: &Host) -> Result<Option<Self>, FileError> {
        let path = named.map_or_else(|| PathBuf::from(DEFAULT_FILE), |path| host.absolute(path));
        match read::read(&path) {
            Ok(bytes) => Self::parse(path, &bytes).map(Some),
            Err(error) if named.is_none() && error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn parse(path: PathBuf, bytes: &[u8]) -> Result<Self, FileError> {
        let mut mistakes = Vec::new();
        let parsed = Self::take(bytes, &mut mistakes);
        mistakes.sort_by_key(|mistake| mistake.line);
        match parsed {
            Some((settings, rules)) if mistakes.is_empty() => Ok(Self { path, settings, rules }),
            _ => Err(FileError::Mistakes { path, mistakes }),
        }
    }

    fn take(bytes: &[u8], mistakes: &mut Vec<Mistake>) -> Option<(Vec<Entry>, Vec<Table>)> {
        let lines = Lines::of(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                mistakes.push(Mistake { line: lines.at(error.valid_up_to()), what: "not UTF-8 text".to_owned() });
                return None;
            }
        };
        let mut table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let line = lines.at(error.span().map_or(0, |span| span.start));
                mistakes.push(Mistake { line, what: error.message().to_owned() });
                return None;
            }
        };
        let rules = table.remove(RULE).map(|rules| tables(&rules, &rule::definition(), &lines, mistakes));
        let settings = entries(&table, &serve::definition(), &[RULE], &lines, mistakes);
        Some((settings, rules.unwrap_or_default()))
    }
}

/// The tables of `[[rule]]`.
fn tables(
    rules: &Spanned<DeValue<'_>>,
    definition: &Command,
    lines: &Lines,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Table> {
    let mut refuse = |value: &Spanned<DeValue<'_>>| {
        let what = "each rule begins with a line [[rule]]".to_owned();
        mistakes.push(Mistake { line: lines.at(value.span().start), what });
    };
    let DeValue::Array(rules) = rules.get_ref() else {
        refuse(rules);
        return Vec::new();
    };
    let mut found = Vec::with_capacity(rules.len());
    for rule in rules {
        match rule.get_ref() {
            DeValue::Table(table) => found.push((lines.at(rule.span().start), table)),
            _ => refuse(rule),
        }
    }
    let table = |(line, table)| Table { line, entries: entries(table, definition, &[], lines, mistakes) };
    found.into_iter().map(table).collect()
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(bytes: &[u8]) -> Self {
        Self(std::iter::once(0).chain(memchr::memchr_iter(b'\n', bytes).map(|end| end + 1)).collect())
    }

    /// The number of the line, from 1, that holds a byte.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|&start| start <= offset)
    }
}

#[cfg(test)]
mod tests;

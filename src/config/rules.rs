//! From rules as they were written, and the files that they name, to the rules that decide.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::read::{self, ReadError};
use super::rule::{RuleArgs, RuleTable};
use super::{Settings, postgrey};
use crate::grey::Terms;
use crate::grey::rules::{BadRule, Rule, RuleMistake, Rules, RulesBuilder, SelectorKind, Selectors};
use crate::grey::whitelist::{BadLine, each_entry};
use crate::policy::Replies;

/// Why the rules cannot be made.
#[derive(Debug, Error)]
pub enum RuleError {
    /// A file that a rule names cannot be read.
    #[error("{}, line {line}: a rule's file {error}", config.display())]
    Unreadable {
        /// The configuration file.
        config: PathBuf,
        /// Where the rule begins in it.
        line: usize,
        /// Which file, and why.
        error: ReadError,
    },
    /// A line of such a file is no entry.
    #[error("{}, {bad}", path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line and its mistake.
        bad: BadLine,
    },
    /// A rule cannot be.
    #[error("{}, line {line}: {bad}", path.display())]
    Bad {
        /// The configuration file, or the one that the rule names.
        path: PathBuf,
        /// Where the rule, or the wrong entry, stands in it.
        line: usize,
        /// Which rule, and why.
        bad: Box<BadRule>,
    },
}

/// A file that a rule names; prints as a log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// The file.
    pub path: PathBuf,
    /// How many entries it has.
    pub entries: usize,
}

impl fmt::Display for RuleFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.entries == 1 { "entry" } else { "entries" };
        write!(formatter, "rule's file {}: {} {plural}", self.path.display(), self.entries)
    }
}

/// Makes the rules of these settings, and tells the files that they name; `replies` are those of everything else.
pub fn load(settings: &Settings, replies: &Replies) -> Result<(Rules, Vec<RuleFile>), RuleError> {
    let config = settings.config.as_deref().unwrap_or(Path::new("configuration"));
    let mut builder = RulesBuilder::default();
    let mut files = Vec::new();
    for table in &settings.rules {
        let arguments = &table.arguments;
        let mut sources = Sources { config, table, read: Vec::new() };
        let selectors = Selectors {
            recipients: sources.entries(SelectorKind::Recipient, &arguments.recipient, &arguments.recipient_file)?,
            senders: sources.entries(SelectorKind::Sender, &arguments.sender, &arguments.sender_file)?,
            clients: sources.entries(SelectorKind::Client, &arguments.client, &arguments.client_file)?,
            all: table.selects_all(),
        };
        builder.add(rule(arguments, &settings.terms, replies), &selectors).map_err(|bad| sources.bad(bad))?;
        files.extend(sources.read.into_iter().map(|read| read.file));
    }
    Ok((builder.build(), files))
}

fn rule(arguments: &RuleArgs, terms: &Terms, replies: &Replies) -> Rule {
    let RuleArgs { ipv4cidr, ipv6cidr, lookup_by_host, .. } = arguments;
    let by_prefix = postgrey::networks(
        *lookup_by_host,
        ipv4cidr.unwrap_or(terms.networks.ipv4_prefix),
        ipv6cidr.unwrap_or(terms.networks.ipv6_prefix),
    );
    Rule {
        name: arguments.name.clone(),
        greylist: arguments.greylist,
        observe: arguments.observe,
        terms: Terms { delay: arguments.delay.unwrap_or(terms.delay), networks: by_prefix, ..*terms },
        replies: arguments.greylist_text.as_deref().map(|text| replies.with_text(text)),
    }
}

/// What the entries of one rule were read from.
struct Sources<'a> {
    config: &'a Path,
    table: &'a RuleTable,
    read: Vec<Read>,
}

/// One of its files.
struct Read {
    kind: SelectorKind,
    file: RuleFile,
    text: Vec<u8>,
}

impl Sources<'_> {
    /// Those that are written there, and those in files, one a line.
    fn entries(&mut self, kind: SelectorKind, written: &[String], files: &[PathBuf]) -> Result<Vec<String>, RuleError> {
        let mut entries = written.to_vec();
        for path in files {
            let text = read::read(path).map_err(|error| RuleError::Unreadable {
                config: self.config.to_owned(),
                line: self.table.line,
                error,
            })?;
            let push = |entry: &str| {
                entries.push(entry.to_owned());
                Ok(())
            };
            let count = each_entry(&text, push).map_err(|bad| RuleError::BadLine { path: path.clone(), bad })?;
            self.read.push(Read { kind, file: RuleFile { path: path.clone(), entries: count }, text });
        }
        Ok(entries)
    }

    /// The mistake with its place: the line of a wrong entry, else that of the rule.
    fn bad(&self, bad: BadRule) -> RuleError {
        let place = match &bad.mistake {
            RuleMistake::Entry { kind, entry, .. } => self.place(*kind, entry),
            RuleMistake::EmptyEntry(kind) => self.place(*kind, ""),
            _ => None,
        };
        let (path, line) = place.unwrap_or((self.config, self.table.line));
        RuleError::Bad { path: path.to_owned(), line, bad: Box::new(bad) }
    }

    /// Where an entry stands first: in the rule itself, or in one of its files.
    fn place(&self, kind: SelectorKind, entry: &str) -> Option<(&Path, usize)> {
        if let Some(line) = self.table.line_of(&kind.to_string(), entry) {
            return Some((self.config, line));
        }
        self.read.iter().filter(|read| read.kind == kind).find_map(|Read { file, text, .. }| {
            let text = String::from_utf8_lossy(text);
            let is_it = |line: &str| line.split('#').next().unwrap_or_default().trim() == entry;
            let index = text.trim_start_matches('\u{feff}').lines().position(is_it)?;
            Some((file.path.as_path(), index + 1))
        })
    }
}

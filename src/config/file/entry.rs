//! One key of a table, as words of a command line.

use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::{rule, serve};
use super::{Lines, Mistake};

/// How like a key has to be to what was written, from 0 to 1, to be what was meant.
const LIKE: f64 = 0.75;

/// One key and what it was set to.
#[derive(Clone, Debug)]
pub(in crate::config) struct Entry {
    pub(in crate::config) key: String,
    /// The line of the key, from 1.
    pub(in crate::config) line: usize,
    /// Each value and its line.
    pub(in crate::config) values: Vec<(String, usize)>,
    /// Whether it may have several.
    pub(in crate::config) is_list: bool,
}

impl Entry {
    /// The words of a command line that mean the same.
    pub(in crate::config) fn words(&self) -> impl Iterator<Item = String> {
        self.values.iter().map(|(value, _)| format!("--{}={value}", self.key))
    }
}

/// The arguments of a definition that a file may set.
pub(in crate::config) fn settable(definition: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let arguments = definition.get_arguments().filter(|argument| !argument.is_hide_set());
    let named = arguments.filter_map(|argument| Some((argument.get_long()?, argument)));
    named.filter(|(name, _)| *name != "config")
}

/// Whether an argument may be given several times.
pub(in crate::config) fn is_list(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append)
}

/// Every key of `table` that `definition` knows; the others, and values that it does not take, are mistakes. `other` keys are
/// possible beside it.
pub(super) fn entries(
    table: &DeTable<'_>,
    definition: &Command,
    other: &[&str],
    lines: &Lines,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Entry> {
    let mut found = Vec::with_capacity(table.len());
    for (key, value) in table {
        let line = lines.at(key.span().start);
        let name: &str = key.get_ref();
        let read = match settable(definition).find(|(known, _)| *known == name) {
            None => Err(elsewhere(name, definition).unwrap_or_else(|| {
                unknown(name, settable(definition).map(|(known, _)| known).chain(other.iter().copied()))
            })),
            Some((_, argument)) => match values(argument, value, lines) {
                Ok(values) => Ok(Entry { key: name.to_owned(), line, values, is_list: is_list(argument) }),
                Err(what) => Err(format!("{name}: {what}")),
            },
        };
        match read.map_err(|what| Mistake { line, what }).and_then(|entry| tried(definition, entry)) {
            Ok(entry) => found.push(entry),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    found.sort_by_key(|entry| entry.line);
    found
}

/// What to say about a key that stands among those of a rule and is not one of them, or the other way round. All that follows a
/// line `[[rule]]` is the rule's.
fn elsewhere(key: &str, definition: &Command) -> Option<String> {
    let (serve, rule) = (serve::definition(), rule::definition());
    let is_key_of =
        |other: &Command| other.get_name() != definition.get_name() && settable(other).any(|(known, _)| known == key);
    if is_key_of(&serve) {
        Some(format!("'{key}' is no key of a rule; write it above the first [[rule]]"))
    } else if is_key_of(&rule) {
        Some(format!("'{key}' is a key of a rule; write it below a line [[rule]]"))
    } else {
        None
    }
}

/// What to say about a key that nothing is set by.
pub(super) fn unknown<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> String {
    let likeness = |name: &str| strsim::jaro_winkler(&key.to_lowercase().replace('_', "-"), name);
    let nearest = known.map(|name| (likeness(name), name)).max_by(|one, other| one.0.total_cmp(&other.0));
    match nearest.filter(|(likeness, _)| *likeness >= LIKE) {
        Some((_, name)) => format!("unknown key '{key}'; the nearest is '{name}'"),
        None => format!("unknown key '{key}'; `irongrey config example` shows all"),
    }
}

fn values(argument: &Arg, value: &Spanned<DeValue<'_>>, lines: &Lines) -> Result<Vec<(String, usize)>, String> {
    match value.get_ref() {
        DeValue::Array(values) if is_list(argument) => values.iter().map(|value| one(value, lines)).collect(),
        DeValue::Array(_) => Err("one value is expected, not a list".to_owned()),
        _ => Ok(vec![one(value, lines)?]),
    }
}

fn one(value: &Spanned<DeValue<'_>>, lines: &Lines) -> Result<(String, usize), String> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Integer(_) => return Err("write this number in quotes, such as \"0660\"".to_owned()),
        other => return Err(format!("a text, a number, true or false is expected, not a {}", other.type_str())),
    };
    Ok((text, lines.at(value.span().start)))
}

/// The entry if the definition takes each of its values.
fn tried(definition: &Command, entry: Entry) -> Result<Entry, Mistake> {
    let take = |words: Vec<String>| definition.clone().try_get_matches_from(words);
    if take(entry.words().collect()).is_ok() {
        return Ok(entry);
    }
    let refused = entry.words().zip(&entry.values).find_map(|(word, (_, line))| Some((take(vec![word]).err()?, *line)));
    let Some((error, line)) = refused else { return Ok(entry) };
    // What clap says in its first paragraph; the rest is about the command line.
    let said = error.to_string();
    let said = said.split("\n\n").next().unwrap_or_default().replace("\n ", "");
    Err(Mistake { line, what: said.trim_start_matches("error: ").trim().to_owned() })
}

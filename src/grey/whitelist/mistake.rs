//! What can be wrong with a line of a whitelist. Every message says what would be right.

use thiserror::Error;

use crate::grey::lookup::{EntryMistake, shown};

/// A line that is no entry.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}: `{}`: {mistake}", shown(.entry))]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
    /// The line without comment and surrounding space.
    pub entry: String,
    /// What is wrong with it.
    pub mistake: Mistake,
}

/// Why a line is no entry, and what to write instead.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Mistake {
    /// The line is not UTF-8.
    #[error("not UTF-8 text: write the file in UTF-8, or domain names in their xn-- form")]
    NotUtf8,
    /// Something follows the entry.
    #[error("white space inside an entry: write one entry a line, comments after `#`, a space in a regex as `\\x20`")]
    SeveralWords,
    /// A regex without its second slash.
    #[error(
        "a regex without its closing slash: write `/regex/`; `#` starts a comment even there, as a character it is `\\x23`"
    )]
    OpenRegex,
    /// Flags behind a regex.
    #[error("something behind the regex's closing slash: write `/regex/` alone, case is always ignored")]
    RegexFlags,
    /// `//`.
    #[error("an empty regex: write `/./` for every name, or remove the line")]
    EmptyRegex,
    /// A regex that the engine does not take, with its reason.
    #[error(
        "not a regex that irongrey can run: {0}; of Perl's regexes those with look-around, back-references or \
         possessive quantifiers cannot be: write it without, as several lines if need be"
    )]
    Regex(String),
    /// A regex that means something else in Perl than it would here.
    #[error("{0} in a regex is read differently by Perl: write it without")]
    NotPerl(&'static str),
    /// An entry that is no regex.
    #[error("{0}{or_regex}", or_regex = or_regex(.0))]
    Entry(#[from] EntryMistake),
}

/// The regexes of one kind of list are too large together.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "its {count} regexes are too large to run as one: write domain names in place of regexes where you can ({reason})"
)]
pub struct TooManyPatterns {
    /// How many there are.
    pub count: usize,
    /// The engine's own words.
    pub reason: String,
}

/// What no other entry can say a regex may.
fn or_regex(mistake: &EntryMistake) -> &'static str {
    match mistake {
        EntryMistake::Subdomains { .. }
        | EntryMistake::NameCharacter(_)
        | EntryMistake::NotBare
        | EntryMistake::Wildcard
        | EntryMistake::AddressCharacter(_) => "; or write a `/regex/`",
        _ => "",
    }
}

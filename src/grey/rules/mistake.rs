//! What can be wrong with a rule. Every message says what would be right.

use std::fmt;

use thiserror::Error;

use super::RuleNumber;
use crate::grey::lookup::{EntryMistake, shown};

/// A rule that cannot be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("rule {number}{}: {mistake}", shown_name(.name.as_deref()))]
pub struct BadRule {
    /// Its place in the administrator's order.
    pub number: RuleNumber,
    /// The name that it was given.
    pub name: Option<String>,
    /// What is wrong with it.
    pub mistake: RuleMistake,
}

/// Why a rule cannot be, and what to write instead.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RuleMistake {
    /// A name that would not be one word of a log line, or could be taken for a rule's number.
    #[error(
        "not a name for a rule: write at most {0} printable ASCII characters without space and comma, not all digits"
    )]
    Name(usize),
    /// Two rules of one name.
    #[error("rule {first} has the same name: give each rule its own, or none")]
    SameName {
        /// The other rule.
        first: RuleNumber,
    },
    /// An entry that is none.
    #[error("{kind} `{}`: {mistake}", shown(.entry))]
    Entry {
        /// The list that it stands in.
        kind: SelectorKind,
        /// As it was written.
        entry: String,
        /// What is wrong with it.
        mistake: EntryMistake,
    },
    /// An entry without text.
    #[error("an empty {0}: remove it{hint}", hint = null_sender(*.0))]
    EmptyEntry(SelectorKind),
    /// Nothing could ever pass.
    #[error(
        "a delay of {delay}s is not shorter than the retry window of {retry_window}s: a retry would come too early or too \
         late, and nothing would ever pass; choose a shorter delay or a longer window"
    )]
    DelayFillsWindow {
        /// Seconds.
        delay: u32,
        /// Seconds.
        retry_window: u32,
    },
    /// The same.
    #[error(
        "a delay of {delay}s is longer than the max-age of {max_age}s: each first attempt would be forgotten before its time, and \
         nothing would ever pass; choose a shorter delay or a larger age"
    )]
    DelayOutlivesAge {
        /// Seconds.
        delay: u32,
        /// Seconds.
        max_age: u32,
    },
    /// It observes what it does not greylist.
    #[error("it observes but does not greylist, so there is nothing to observe: let it do one of the two")]
    ObservesNothing,
}

/// Which of a rule's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectorKind {
    /// Recipients.
    Recipient,
    /// Senders.
    Sender,
    /// Clients.
    Client,
}

impl fmt::Display for SelectorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Recipient => "recipient",
            Self::Sender => "sender",
            Self::Client => "client",
        })
    }
}

fn shown_name(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" `{}`", shown(name)))
}

fn null_sender(kind: SelectorKind) -> &'static str {
    if kind == SelectorKind::Sender { ", or write `<>` for mail without a sender" } else { "" }
}

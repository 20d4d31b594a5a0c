//! [`RulesBuilder`]: from what an administrator wrote to [`Rules`], one rule after another.

use std::collections::HashMap;

use super::mistake::{BadRule, RuleMistake, SelectorKind};
use super::{Rule, RuleNumber, Rules};
use crate::grey::lookup::{ClientsBuilder, EntryMistake, Mailboxes};

/// The longest name of a rule, in bytes.
const LONGEST_NAME: usize = 64;
/// Mail without a sender, as it is written in a list of senders.
const NULL_SENDER: &str = "<>";

/// The entries of one rule: it matches a request if any of them does.
///
/// Upper and lower case are the same. An address stands for its extensions too (`user+anything@domain`).
#[derive(Clone, Debug, Default)]
pub struct Selectors {
    /// `user@domain`, `user@` of any domain, or `domain` with all below it.
    pub recipients: Vec<String>,
    /// The same forms for the sender as the client gives it, and `<>` for mail without one.
    pub senders: Vec<String>,
    /// A network (`192.0.2.0/24`, `192.0.2`, `2001:db8::/32`, an address), or a host name with all below it.
    pub clients: Vec<String>,
    /// It matches every request. Else one without entries matches none: its lists may be empty for the time being.
    pub all: bool,
}

/// Rules that are still growing in number.
#[derive(Debug, Default)]
pub struct RulesBuilder {
    rules: Vec<Rule>,
    names: HashMap<String, RuleNumber>,
    recipients: Mailboxes<RuleNumber>,
    senders: Mailboxes<RuleNumber>,
    null_sender: Option<RuleNumber>,
    clients: ClientsBuilder<RuleNumber>,
    everything: Option<RuleNumber>,
}

impl RulesBuilder {
    /// Adds a rule behind those that are there. After an error the builder is of no further use.
    pub fn add(&mut self, rule: Rule, selectors: &Selectors) -> Result<(), BadRule> {
        let number = RuleNumber::of(self.rules.len());
        let bad = |name: &Option<String>, mistake| BadRule { number, name: name.clone(), mistake };
        check_terms(&rule).map_err(|mistake| bad(&rule.name, mistake))?;
        self.add_name(rule.name.as_deref(), number).map_err(|mistake| bad(&rule.name, mistake))?;
        self.add_selectors(selectors, number).map_err(|mistake| bad(&rule.name, mistake))?;
        let name = rule.name.unwrap_or_else(|| number.to_string());
        self.rules.push(Rule { name: Some(name), ..rule });
        Ok(())
    }

    /// Makes the rules.
    pub fn build(self) -> Rules {
        Rules {
            listed: self.rules.into_boxed_slice(),
            recipients: self.recipients,
            senders: self.senders,
            null_sender: self.null_sender,
            clients: self.clients.build(),
            everything: self.everything,
        }
    }

    fn add_name(&mut self, name: Option<&str>, number: RuleNumber) -> Result<(), RuleMistake> {
        let Some(name) = name else { return Ok(()) };
        let is_of_word = |byte: u8| byte.is_ascii_graphic() && byte != b',';
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        if is_number || name.len() > LONGEST_NAME || !name.bytes().all(is_of_word) {
            return Err(RuleMistake::Name(LONGEST_NAME));
        }
        match self.names.insert(name.to_owned(), number) {
            Some(first) => Err(RuleMistake::SameName { first }),
            None => Ok(()),
        }
    }

    fn add_selectors(&mut self, selectors: &Selectors, number: RuleNumber) -> Result<(), RuleMistake> {
        let Selectors { recipients, senders, clients, all } = selectors;
        for entry in recipients {
            add(SelectorKind::Recipient, entry, |entry| self.recipients.insert(entry, number))?;
        }
        for entry in senders {
            if entry == NULL_SENDER {
                self.null_sender.get_or_insert(number);
                continue;
            }
            add(SelectorKind::Sender, entry, |entry| self.senders.insert(entry, number))?;
        }
        for entry in clients {
            add(SelectorKind::Client, entry, |entry| self.clients.insert(entry, number))?;
        }
        if *all {
            self.everything.get_or_insert(number);
        }
        Ok(())
    }
}

fn add(
    kind: SelectorKind,
    entry: &str,
    insert: impl FnOnce(&str) -> Result<(), EntryMistake>,
) -> Result<(), RuleMistake> {
    if entry.is_empty() {
        return Err(RuleMistake::EmptyEntry(kind));
    }
    insert(entry).map_err(|mistake| RuleMistake::Entry { kind, entry: entry.to_owned(), mistake })
}

fn check_terms(rule: &Rule) -> Result<(), RuleMistake> {
    let terms = &rule.terms;
    if rule.observe && !rule.greylist {
        return Err(RuleMistake::ObservesNothing);
    }
    if terms.delay >= terms.retry_window {
        return Err(RuleMistake::DelayFillsWindow { delay: terms.delay, retry_window: terms.retry_window });
    }
    if terms.delay >= terms.established_life() {
        return Err(RuleMistake::DelayOutlivesAge { delay: terms.delay, max_age: terms.max_age });
    }
    Ok(())
}

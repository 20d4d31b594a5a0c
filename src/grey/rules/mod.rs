//! Rules: for which requests greylisting is another than for the rest, or is none at all.
//!
//! A [`RulesBuilder`] takes rules in the administrator's order. Each has any number of entries, which are recipients, senders
//! or clients; it matches a request if **any** of them does (there is no "and": a rule for one sender to one recipient
//! cannot be written), and a rule may match every request. The first rule that matches a request is the one
//! that holds for it, and whitelists come before all rules.
//!
//! An entry is looked up as a whitelist's is, and stands for the number of its rule; a look-up takes the least number that
//! it finds. So it costs as much as the labels of the request's names, however many rules there are. Nothing here reads
//! files, and rules once built are never changed: a reload builds new ones.

mod builder;
mod mistake;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::Terms;
use super::lookup::{Clients, Mailboxes, Rank};
use crate::policy::Replies;

pub use builder::{RulesBuilder, Selectors};
pub use mistake::{BadRule, RuleMistake, SelectorKind};

/// What holds for the requests that a rule matches.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in logs and messages. A rule that is added without one has its number for a name.
    pub name: Option<String>,
    /// Whether anything is greylisted; if not, a request passes and leaves the state as it is.
    pub greylist: bool,
    /// Whether what would be deferred is only counted and logged. The state remembers it as if it had been deferred.
    pub observe: bool,
    /// Its own delay and networks. The retry window and the age of what is remembered have to be those of the state, which
    /// are the same for every rule.
    pub terms: Terms,
    /// Its own texts, if they are not those of all.
    pub replies: Option<Replies>,
}

impl Rule {
    /// Its name in logs: the one given, or its number.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

/// A rule's place in the administrator's order, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleNumber(NonZeroU32);

impl RuleNumber {
    /// Of the rule with this index.
    fn of(index: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    fn index(self) -> usize {
        usize::try_from(self.0.get() - 1).unwrap_or(usize::MAX)
    }
}

/// The first rule comes before all others.
impl Default for RuleNumber {
    fn default() -> Self {
        Self(NonZeroU32::MIN)
    }
}

impl Rank for RuleNumber {}

impl fmt::Display for RuleNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// All rules, immutable once built. The default is none: then the same holds for every request.
#[derive(Debug, Default)]
pub struct Rules {
    listed: Box<[Rule]>,
    recipients: Mailboxes<RuleNumber>,
    senders: Mailboxes<RuleNumber>,
    /// The first rule for mail without a sender.
    null_sender: Option<RuleNumber>,
    clients: Clients<RuleNumber>,
    /// The first rule that matches every request.
    everything: Option<RuleNumber>,
}

impl Rules {
    /// The first rule that matches a request; `None` if none does. The same for every request with these attributes, and
    /// without any effect.
    #[inline]
    pub fn find(
        &self,
        client_name: &[u8],
        client_address: IpAddr,
        sender: &[u8],
        recipient: &[u8],
    ) -> Option<(RuleNumber, &Rule)> {
        if self.listed.is_empty() {
            return None;
        }
        let number = self.find_number(client_name, client_address, sender, recipient)?;
        self.get(number).map(|rule| (number, rule))
    }

    fn find_number(
        &self,
        client_name: &[u8],
        client_address: IpAddr,
        sender: &[u8],
        recipient: &[u8],
    ) -> Option<RuleNumber> {
        // Postfix delivers to `user@example.org.` as well: no rule is evaded by a dot.
        let [client_name, sender, recipient] =
            [client_name, sender, recipient].map(|name| name.strip_suffix(b".").unwrap_or(name));
        let found = [
            self.recipients.find(recipient),
            if sender.is_empty() { self.null_sender } else { self.senders.find(sender) },
            self.clients.find_name(client_name),
            self.clients.find_address(client_address),
            self.everything,
        ];
        found.into_iter().flatten().min()
    }

    /// The rule of a number.
    pub fn get(&self, number: RuleNumber) -> Option<&Rule> {
        self.listed.get(number.index())
    }

    /// The longest delay of any rule that greylists, in seconds; 0 if there is none.
    pub fn longest_delay(&self) -> u32 {
        let delays = self.listed.iter().filter(|rule| rule.greylist).map(|rule| rule.terms.delay);
        delays.max().unwrap_or(0)
    }
}

//! The messages of the mixed load: what message `n` is follows from the seed and `n` alone.
//!
//! So a message in a queue needs no more memory than its number, and the parts of a load agree on who sends what without
//! a word between them. Messages arrive at an even rate, each at a random moment of its slot.

use super::draw::{Draw, scramble};
use super::host::Host;
use super::options::MixOptions;
use super::schedule::Mta;
use super::text::{decimal, hex, letters, person, word};

/// Mailboxes that mail is sent to.
const MAILBOXES: u32 = 50_000;
/// Most recipients of a message.
const MOST_RECIPIENTS: u32 = 20;

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// From somebody who writes to the same recipients again and again.
    Regular,
    /// From somebody who has not written before and will not again.
    Stranger,
    /// To a subscriber, the sender's address made for this issue and recipient.
    Newsletter,
    /// With the null sender.
    Bounce,
    Bot,
    HastyBot,
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    pub(super) role: Role,
    pub(super) host: Host,
    pub(super) mta: Mta,
    pub(super) ipv6: bool,
    pub(super) recipients: u32,
    /// Which correspondence it belongs to, if its triplets are to come again: below twice the number of correspondents.
    pub(super) correspondence: Option<u32>,
    /// Decides sender and recipients.
    who: u64,
    /// The message's own: for what differs between two messages of one correspondence.
    pub(super) chance: u64,
}

/// The model that messages are made from.
#[derive(Clone, Debug)]
pub(super) struct Model {
    seed: u64,
    options: MixOptions,
}

impl Model {
    pub(super) fn new(seed: u64, options: MixOptions) -> Self {
        Self { seed: scramble(seed), options }
    }

    /// When message `number` comes for the first time, in microseconds from the start.
    pub(super) fn arrival(&self, number: u64) -> u64 {
        let slot = 1_000_000 / u64::from(self.options.per_second);
        number * 1_000_000 / u64::from(self.options.per_second) + scramble(self.seed ^ !number) % slot
    }

    /// Message `number`.
    pub(super) fn mail(&self, number: u64) -> Mail {
        let mut draw = Draw::new(scramble(self.seed ^ number));
        let role = self.role(draw.below(100));
        let chance = draw.bits();
        let correspondents = self.options.correspondents;
        let correspondence = match role {
            Role::Regular => Some(draw.skewed_below(correspondents)),
            Role::Newsletter => Some(correspondents + draw.below(correspondents)),
            _ => None,
        };
        let who = scramble(self.seed ^ correspondence.map_or(number, |c| !u64::from(c)));
        let mut who_draw = Draw::new(who);
        let host = match role {
            Role::Regular | Role::Stranger | Role::Bounce => Host::of_people(&mut who_draw),
            Role::Newsletter => Host::of_newsletters(&mut who_draw),
            Role::Bot | Role::HastyBot => Host::of_bots(&mut who_draw),
        };
        let mta = match role {
            Role::Bot => Mta::Bot,
            Role::HastyBot => Mta::HastyBot,
            _ => host.mta(),
        };
        let ipv6 = who_draw.chance(self.options.ipv6);
        let alone = matches!(role, Role::Newsletter | Role::Bounce);
        let recipients = if !alone && who_draw.chance(self.options.several) {
            2 + who_draw.skewed_below(MOST_RECIPIENTS - 1)
        } else {
            1
        };
        let again = !(role == Role::Newsletter && Verp::of(host) == Verp::Token);
        Mail { role, host, mta, ipv6, recipients, correspondence: correspondence.filter(|_| again), who, chance }
    }

    /// The role of a message whose draw was `percent`.
    fn role(&self, percent: u32) -> Role {
        let mut end = 0;
        for (share, role) in self.options.shares() {
            end += u32::from(share);
            if percent < end {
                return role;
            }
        }
        Role::Regular
    }
}

/// How a sender of newsletters writes issue and recipient into the sender's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verp {
    /// As numbers, which postgrey folds.
    Numbers,
    /// After a plus, where postgrey cuts.
    Plus,
    /// As a token that nothing folds: each issue is a new triplet.
    Token,
}

impl Verp {
    fn of(host: Host) -> Self {
        [Self::Numbers, Self::Plus, Self::Token][(host.number() % 3) as usize]
    }
}

impl Mail {
    /// From which of the host's networks an attempt comes.
    pub(super) fn network(&self, attempt: u32) -> u32 {
        self.host.network(self.chance ^ u64::from(attempt))
    }

    /// Writes the sender's address.
    pub(super) fn write_sender(&self, out: &mut Vec<u8>) {
        match self.role {
            Role::Bounce => return,
            Role::Regular | Role::Stranger => person(out, self.who >> 20),
            Role::Newsletter => self.write_verp(out),
            Role::Bot | Role::HastyBot => {
                person(out, self.who >> 20);
                out.push(b'@');
                out.extend_from_slice(word(self.chance));
                letters(out, self.chance >> 48);
                out.extend_from_slice(b".example");
                return;
            }
        }
        out.push(b'@');
        self.host.write_domain(out);
    }

    fn write_verp(&self, out: &mut Vec<u8>) {
        let (issue, subscriber) = (self.chance >> 50, self.who >> 32);
        match Verp::of(self.host) {
            Verp::Numbers => {
                out.extend_from_slice(b"bounce-");
                decimal(out, issue);
                out.push(b'-');
                decimal(out, subscriber);
            }
            Verp::Plus => {
                out.extend_from_slice(b"news+");
                decimal(out, issue);
                out.push(b'-');
                self.write_mailbox(0, b'=', out);
            }
            Verp::Token => {
                out.extend_from_slice(b"b-");
                hex(out, self.chance | 0xa << 60);
            }
        }
    }

    /// Writes the address of recipient `index`, counted from 0.
    pub(super) fn write_recipient(&self, index: u32, out: &mut Vec<u8>) {
        self.write_mailbox(index, b'@', out);
    }

    /// Recipients are a stride apart that shares no factor with the number of mailboxes, so a message has none twice.
    fn write_mailbox(&self, index: u32, at: u8, out: &mut Vec<u8>) {
        let mailbox = ((self.who >> 16) + u64::from(index) * 7919) % u64::from(MAILBOXES);
        person(out, mailbox);
        out.push(at);
        out.extend_from_slice(b"customer-");
        letters(out, mailbox % 97);
        out.extend_from_slice(b".test");
    }
}

//! [`Stream`]: an endless stream of random requests in which greylisting happens often: mail is retried, from another
//! address of its network, with another tag in its sender, in another case, and at the very edges of the time limits.

use std::collections::VecDeque;

use crate::support::{Request, Rng};

/// Mails that are still retried. Few enough that each is met often.
const REMEMBERED: usize = 40;
const START: u64 = 1_700_000_000;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// Addresses of one network a line, for the usual prefix lengths; some are written in another form.
const NETWORKS: [&[&str]; 9] = [
    &["192.0.2.1", "192.0.2.2", "192.0.2.99", "192.0.2.254"],
    &["198.51.100.7", "198.51.100.127", "198.51.100.128", "198.51.100.200"],
    &["203.0.113.1", "203.0.113.2"],
    &["10.1.16.1", "10.1.17.1", "10.1.31.255", "10.1.32.1"],
    &["172.16.0.1"],
    &["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:DB8:1:2:0::1", "2001:db8:1:2:ffff::1"],
    &["2001:db8:1:3::1", "2001:db8:1::1"],
    &["2001:db8:5:1::9", "2001:db8:6::25", "2001:db8:6::26"],
    &["2001:db8:4::1", "2001:db8:7::1", "2001:db8:8::1"],
];
const NAMES: [&str; 10] = [
    "unknown",
    "mail.sender.example",
    "listed.example",
    "MX1.Listed.Example",
    "notlisted.example",
    "pool-12.provider.example",
    "pool-x.provider.example",
    "a.trusted.host.example",
    "mail.debian.org",
    "listed.example.org",
];
/// Senders that are one key, or look as if they were, a line.
const SENDERS: [&[&str]; 15] = [
    &["alice@sender.example", "ALICE@Sender.Example", "alice+tag@sender.example", "Alice+x+y@sender.example"],
    &["", ""],
    &["bounce-1-22@list.example", "bounce-333-4@list.example", "bounce-x-4@list.example", "BOUNCE-1-2@list.example"],
    &["bounce_12@list.example", "bounce_13@list.example", "b12@list.example", "12b@list.example"],
    &["prvs=0123456789=carol@batv.example", "prvs=abcdef0123=carol@batv.example", "carol@batv.example"],
    &["prvs=carol=0123456789@batv.example", "PRVS=carol=0123456789@batv.example", "prvs=carol=012345678@batv.example"],
    &["prvs=a=b=c@batv.example", "prvs=0123456789=abcdefghij@batv.example", "prvs=0123456789=@batv.example"],
    &["prvs=dan=0123456789+1@batv.example", "prvs=dan=0123456789-1@batv.example", "dan@batv.example"],
    &["prvs==0123456789@batv.example", "prvs=0123456789=dan+1@batv.example", "prvs=0123456789=dan-12@batv.example"],
    &["nodomain", "NoDomain", "no+domain", "no-12", "no-13"],
    &["a@b-12@c.example", "a@b-13@c.example", "a-1@1@c.example", "a-2@1@c.example"],
    &["SRS0=aBcd=12=sender.example=eve@forward.example", "SRS0=aBcd=13=sender.example=eve@forward.example"],
    &["+1@plus.example", "+2@plus.example", "@plus.example", "#@plus.example"],
    &["12@34.example", "13@34.example", "12@35.example"],
    &["j\u{f6}rg-1@kunde.example", "J\u{d6}RG-2@kunde.example", "j\u{f6}rg+1@kunde.example", "50%-1@kunde.example"],
];
const RECIPIENTS: [&str; 18] = [
    "bob@customer.test",
    "bob@customer.test",
    "Bob@Customer.TEST",
    "carol@customer.test",
    "carol@customer.test",
    "dave+ext@customer.test",
    "dave+12@customer.test",
    "",
    "postmaster@customer.test",
    "Postmaster+x@other.test",
    "abuse@customer.test",
    "abuse@other.test",
    "anyone@open.test",
    "anyone@sub.Open.test",
    "list-7@lists.test",
    "j\u{f6}rg@kunde.test",
    "\"two words\"@customer.test",
    "nodomain",
];

/// The limits at whose edges requests are made.
#[derive(Clone)]
pub(super) struct Clock {
    delay: u64,
    window: u64,
    end: Option<u64>,
}

impl Clock {
    pub(super) fn new(delay: u64, window: u64) -> Self {
        Self { delay, window, end: None }
    }

    /// The whole stream is over after so many days.
    pub(super) fn within_days(self, days: u64) -> Self {
        Self { end: Some(START + days * DAY), ..self }
    }
}

/// A mail that has been tried.
#[derive(Clone)]
struct Mail {
    addresses: Vec<String>,
    name: &'static str,
    senders: &'static [&'static str],
    sender: &'static str,
    recipient: &'static str,
    first: u64,
}

/// The stream; the same for the same seed.
pub(super) struct Stream {
    rng: Rng,
    clock: Clock,
    now: u64,
    mails: VecDeque<Mail>,
    number: u64,
    instance: u64,
    connection: usize,
}

impl Stream {
    pub(super) fn new(seed: u64, clock: Clock) -> Self {
        Self { rng: Rng::new(seed), clock, now: START, mails: VecDeque::new(), number: 0, instance: 0, connection: 0 }
    }

    /// The next request, and on which of two connections it is to be asked.
    pub(super) fn request(&mut self) -> (usize, Request) {
        // A message has some recipients; only then does the clock go on and another connection may be used.
        if self.rng.percent(60) {
            self.instance += 1;
            self.connection = self.rng.index(2);
            self.step();
        }
        let mail = if !self.mails.is_empty() && self.rng.percent(75) { self.retry() } else { self.fresh() };
        let address = &mail.addresses[self.rng.index(mail.addresses.len())];
        let request = Request::new(address, mail.sender, mail.recipient)
            .with("client_name", mail.name)
            .with("instance", &format!("1f.{}.0", self.instance))
            .with("queue_id", &self.queue_id())
            .at(self.now);
        (self.connection, self.spoiled(request))
    }

    /// Mostly another one each time, so that a line of the log is known by it.
    fn queue_id(&mut self) -> String {
        self.number += 1;
        if self.rng.percent(10) { String::new() } else { format!("A676A{:06X}", self.number) }
    }

    /// In some cases leaves an attribute out.
    fn spoiled(&mut self, request: Request) -> Request {
        if self.rng.percent(94) {
            return request;
        }
        let names = ["client_address", "client_name", "sender", "recipient", "etrn_domain", "instance", "queue_id"];
        request.without(self.rng.pick(&names))
    }

    fn fresh(&mut self) -> Mail {
        let senders = self.rng.pick(&SENDERS);
        let mail = Mail {
            addresses: self.network(),
            name: self.rng.pick(&NAMES),
            senders,
            sender: self.rng.pick(senders),
            recipient: self.rng.pick(&RECIPIENTS),
            first: self.now,
        };
        self.mails.push_back(mail.clone());
        if self.mails.len() > REMEMBERED {
            self.mails.pop_front();
        }
        mail
    }

    /// Mostly a network that others use as well; otherwise one that nobody has used yet, none of it on a whitelist.
    fn network(&mut self) -> Vec<String> {
        if self.rng.percent(70) {
            return self.rng.pick(&NETWORKS).iter().map(ToString::to_string).collect();
        }
        let (high, low) = (self.rng.below(256), self.rng.below(256));
        [1, 2, 200].map(|host| format!("10.{high}.{low}.{host}")).to_vec()
    }

    fn retry(&mut self) -> Mail {
        let index = self.rng.index(self.mails.len());
        let mut mail = self.mails[index].clone();
        if self.rng.percent(30) {
            mail.sender = self.rng.pick(mail.senders);
        }
        if self.rng.percent(10) {
            mail.recipient = self.rng.pick(&RECIPIENTS);
        }
        mail
    }

    /// Lets time go by: mostly a little, often to the edge of a limit of some mail, sometimes very long.
    fn step(&mut self) {
        let to = match self.rng.below(1_000) {
            0..400 => self.now + self.rng.below(5),
            400..600 => self.edge(self.clock.delay),
            600..615 => self.edge(self.clock.window),
            615..650 => self.edge(HOUR),
            650..900 => self.now + self.rng.below(self.clock.delay + 1),
            900..985 => self.now + self.rng.below(2 * HOUR),
            985..997 => self.now + self.rng.below(2 * DAY),
            _ => self.now + self.rng.below(90 * DAY),
        };
        let end = self.clock.end.unwrap_or(u64::MAX);
        self.now = if to > end { self.now + self.rng.below(2) } else { to };
    }

    /// The second before, at, or after the time when this limit is reached for some mail; not before now.
    fn edge(&mut self, limit: u64) -> u64 {
        if self.mails.is_empty() {
            return self.now;
        }
        let index = self.rng.index(self.mails.len());
        let edge = self.mails[index].first + limit + self.rng.below(3) - 1;
        edge.max(self.now)
    }
}

//! (request, state, now) -> [`Decision`]. The order and the bounds are postgrey's.

use std::net::IpAddr;

use super::rules::{RuleNumber, Rules};
use super::whitelist::Lists;
use super::{Change, Client, Full, Instances, OnFull, Releases, State, Terms, Triplet, key};
use crate::clock::UnixSecs;
use crate::policy::{Request, Verdict};
use crate::table::{MAX_COUNT, Secret, Tag};

/// A client's passed triplets are counted at most once in this many seconds.
const COUNT_INTERVAL: u32 = 3600;

/// What to answer, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub verdict: Verdict,
    /// Why, as postgrey's log line names it.
    pub reason: Reason,
    /// The rule that held, if it was not a whitelist that let the request pass before.
    pub rule: Option<RuleNumber>,
    /// Whether the request was to be deferred for this reason, but its rule only observes.
    pub observed: bool,
}

impl Decision {
    /// A decision that no rule has a part in.
    pub const fn new(verdict: Verdict, reason: Reason) -> Self {
        Self { verdict, reason, rule: None, observed: false }
    }

    /// The same by a rule that defers nothing.
    fn observed_by(self, rule: RuleNumber) -> Self {
        let observed = matches!(self.verdict, Verdict::Defer { .. });
        Self { verdict: Verdict::Dunno, rule: Some(rule), observed, ..self }
    }
}

/// Why a request was answered as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `client whitelist`.
    ClientWhitelist,
    /// `recipient whitelist`.
    RecipientWhitelist,
    /// `released`: an administrator lets the sender or the recipient pass for a time.
    Released,
    /// `rule`: one that does not greylist.
    Rule,
    /// `client AWL`.
    ClientAwl,
    /// `new`.
    New,
    /// `early-retry (Ns missing)`.
    EarlyRetry {
        /// Seconds until the triplet may pass.
        missing: u32,
    },
    /// `triplet found`.
    TripletFound,
    /// An attribute that greylisting needs is missing, or the request is not one for greylisting.
    NotGreylisted,
    /// The client's address is no address.
    UnparsableAddress,
    /// The triplet is unknown and could not be recorded.
    StateFull,
}

impl Reason {
    /// As postgrey's log line has it, but for the seconds of an early retry.
    pub fn text(self) -> &'static str {
        match self {
            Self::ClientWhitelist => "client whitelist",
            Self::RecipientWhitelist => "recipient whitelist",
            Self::Released => "released",
            Self::Rule => "rule",
            Self::ClientAwl => "client AWL",
            Self::New => "new",
            Self::EarlyRetry { .. } => "early-retry",
            Self::TripletFound => "triplet found",
            Self::StateFull => "state full",
            Self::NotGreylisted => "not greylisted",
            Self::UnparsableAddress => "unparsable client address",
        }
    }
}

/// What a decision depends on beside request, state and time.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Times, counts and networks where no rule holds.
    pub terms: &'a Terms,
    /// The rules.
    pub rules: &'a Rules,
    /// The whitelists.
    pub lists: &'a Lists,
    /// Who is let pass for a time.
    pub releases: &'a Releases,
    /// The key of the state's tags.
    pub secret: &'a Secret,
}

/// Decides one request at `now`. `instances` is the connection's; `scratch` is overwritten.
pub fn decide(
    request: &Request<'_>,
    policy: Policy<'_>,
    state: &mut impl State,
    instances: &mut Instances,
    scratch: &mut Vec<u8>,
    now: UnixSecs,
) -> Decision {
    let pass = |reason| Decision::new(Verdict::Dunno, reason);
    let Some(asked) = Asked::of(request) else { return pass(Reason::NotGreylisted) };
    let Policy { terms, rules, lists, secret, .. } = policy;
    let address = key::parse_address(asked.client_address);
    let rule = address.and_then(|address| rules.find(asked.client_name, address, asked.sender, asked.recipient));
    let terms = rule.map_or(terms, |(_, rule)| &rule.terms);
    // Most requests are in no whitelist: what the state will be asked is fetched while the lists are looked through.
    let known = address.map(|address| {
        let client = key::client_tag(secret, address, scratch);
        let triplet = key::triplet_tag(secret, terms.networks, address, asked.sender, asked.recipient, scratch);
        state.prefetch(client, triplet);
        (address, Tags { client, triplet })
    });
    if lists.clients.has_name(asked.client_name) {
        return pass(Reason::ClientWhitelist);
    }
    let Some((address, tags)) = known else { return pass(Reason::UnparsableAddress) };
    if let Some(reason) = let_pass(policy, address, &asked, now) {
        return pass(reason);
    }
    let mut is_new_message = || {
        request.instance.is_none_or(|instance| instances.is_new(key::instance_tag(secret, instance, scratch).bits()))
    };
    let mut greylist = Greylist { terms, state, tags, now };
    match rule {
        None => greylist.decide(&mut is_new_message),
        Some((number, rule)) if !rule.greylist => Decision { rule: Some(number), ..pass(Reason::Rule) },
        // No message gets the header: none was delayed.
        Some((number, rule)) if rule.observe => greylist.decide(&mut || false).observed_by(number),
        Some((number, _)) => Decision { rule: Some(number), ..greylist.decide(&mut is_new_message) },
    }
}

/// The whitelist that an address or a recipient is in, or a release.
fn let_pass(policy: Policy<'_>, address: IpAddr, asked: &Asked<'_>, now: UnixSecs) -> Option<Reason> {
    let Policy { lists, releases, .. } = policy;
    if lists.clients.has_address(address) {
        return Some(Reason::ClientWhitelist);
    }
    if lists.recipients.has(asked.recipient) {
        return Some(Reason::RecipientWhitelist);
    }
    releases.hold(asked.sender, asked.recipient, now).then_some(Reason::Released)
}

/// What greylisting needs to know of a request.
struct Asked<'a> {
    client_name: &'a [u8],
    client_address: &'a [u8],
    sender: &'a [u8],
    recipient: &'a [u8],
}

impl<'a> Asked<'a> {
    /// `None` if something is missing or it is not greylisting's to answer: another kind of request, a state in which
    /// Postfix names no single recipient, an authenticated client.
    fn of(request: &Request<'a>) -> Option<Self> {
        let is_policy_request = request.request == Some(b"smtpd_access_policy");
        let is_authenticated = request.sasl_username.is_some_and(|name| !name.is_empty());
        let recipient = request.recipient?;
        let names_recipient = !recipient.is_empty() || request.protocol_state.is_none_or(|state| state == b"RCPT");
        (is_policy_request && !is_authenticated && names_recipient).then_some(Self {
            client_name: request.client_name?,
            client_address: request.client_address?,
            sender: request.sender?,
            recipient,
        })
    }
}

struct Tags {
    client: Tag,
    triplet: Tag,
}

/// The part of a decision that reads and writes the state.
struct Greylist<'a, S> {
    terms: &'a Terms,
    state: &'a mut S,
    tags: Tags,
    now: UnixSecs,
}

impl<S: State> Greylist<'_, S> {
    /// The client auto-whitelist, then the triplet.
    fn decide(&mut self, is_new_message: &mut dyn FnMut() -> bool) -> Decision {
        let client = self.client();
        if client.is_some_and(|client| client.count >= self.terms.auto_whitelist_clients) {
            self.refresh_client(client);
            return Decision::new(Verdict::Dunno, Reason::ClientAwl);
        }
        self.triplet(client, is_new_message)
    }

    fn client(&self) -> Option<Client> {
        (self.terms.auto_whitelist_clients > 0).then(|| self.state.client(self.tags.client, self.now)).flatten()
    }

    fn triplet(&mut self, client: Option<Client>, is_new_message: &mut dyn FnMut() -> bool) -> Decision {
        match self.state.triplet(self.tags.triplet, self.now) {
            Triplet::Passed { last } => {
                if self.is_stale(last) {
                    // A last-seen time that cannot be recorded only lets the entry expire a little sooner.
                    let _ = self.append(self.tags.triplet, Change::Passed(self.now));
                }
                Decision::new(Verdict::Dunno, Reason::TripletFound)
            }
            Triplet::Pending { first } => self.retry(first, client, is_new_message),
            Triplet::Unknown if self.terms.delay == 0 => self.retry(self.now, client, is_new_message),
            Triplet::Unknown => self.new_triplet(),
        }
    }

    fn new_triplet(&mut self) -> Decision {
        let recorded = self.append(self.tags.triplet, Change::Pending(self.now));
        let defer = Verdict::Defer { seconds_left: self.terms.delay };
        match (recorded, self.terms.on_full) {
            (Ok(()), _) => Decision::new(defer, Reason::New),
            (Err(Full), OnFull::Defer) => Decision::new(defer, Reason::StateFull),
            (Err(Full), OnFull::Dunno) => Decision::new(Verdict::Dunno, Reason::StateFull),
        }
    }

    fn retry(&mut self, first: UnixSecs, client: Option<Client>, is_new_message: &mut dyn FnMut() -> bool) -> Decision {
        let delayed = self.now.since(first);
        if delayed < self.terms.delay {
            let missing = self.terms.delay - delayed;
            let verdict = Verdict::Defer { seconds_left: missing };
            // postgrey calls a retry new while no second has passed.
            let reason = if delayed == 0 { Reason::New } else { Reason::EarlyRetry { missing } };
            return Decision::new(verdict, reason);
        }
        // A pass that cannot be recorded is still a pass.
        let _ = self.append(self.tags.triplet, Change::Passed(self.now));
        self.count_client(client);
        let verdict = if is_new_message() { Verdict::Prepend { delayed } } else { Verdict::Dunno };
        Decision::new(verdict, Reason::TripletFound)
    }

    fn count_client(&mut self, client: Option<Client>) {
        let due = client.is_none_or(|client| self.now.since(client.last) >= COUNT_INTERVAL);
        if self.terms.auto_whitelist_clients > 0 && due {
            let count = client.map_or(0, |client| client.count).saturating_add(1).min(MAX_COUNT);
            let _ = self.append(self.tags.client, Change::Client(Client { count, last: self.now }));
        }
    }

    fn refresh_client(&mut self, client: Option<Client>) {
        if let Some(client) = client.filter(|client| self.is_stale(client.last)) {
            let _ = self.append(self.tags.client, Change::Client(Client { last: self.now, ..client }));
        }
    }

    /// Whether a recorded last-seen time is so old that a newer one is worth a record.
    fn is_stale(&self, last: UnixSecs) -> bool {
        self.now.since(last) > self.terms.max_age / 8
    }

    fn append(&mut self, tag: Tag, change: Change) -> Result<(), Full> {
        self.state.append(tag, change, self.now)
    }
}

#[cfg(test)]
mod tests;

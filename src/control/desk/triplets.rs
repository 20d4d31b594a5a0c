//! One triplet or client: explained, released, forgotten.

use std::net::IpAddr;

use super::{Desk, Refusal, lock};
use crate::admin::message::{Answer, Counted, Explanation, Known, Triplet};
use crate::admin::timestamp;
use crate::clock::UnixSecs;
use crate::grey::rules::Rule;
use crate::grey::{self, Change, Client, Decision, Full, Instances, Policy, State, Terms, decide};
use crate::logs;
use crate::metrics::Counter;
use crate::policy::{Request, Verdict};
use crate::store::Session;
use crate::table::Tag;
use crate::worker::Live;

const FULL: &str = "the state takes no record at the moment (disk full?): see the log";
const UNSYNCED: &str = "; it could not be synced to the disk, so a power loss takes it back: see the log";
const CROWDED: &str = "this was released and forgotten so often lately that once more would push out what is known of others; take \
    another address for tests, or write a rule";

/// What is to be appended about a tag.
enum Append {
    Change(Change),
    Void,
}

/// A triplet, understood.
struct Asked {
    name: String,
    address: IpAddr,
    sender: String,
    recipient: String,
}

impl Asked {
    fn of(triplet: &Triplet) -> Result<Self, String> {
        let (name, address) = client(&triplet.client)?;
        let sender = bare(&triplet.sender, "sender")?;
        let recipient = bare(&triplet.recipient, "recipient")?;
        if recipient.is_empty() {
            return Err("the recipient is empty: give an address such as user@example.org".to_owned());
        }
        Ok(Self { name, address, sender, recipient })
    }

    fn rule<'l>(&self, live: &'l Live) -> Option<&'l Rule> {
        let Self { name, address, sender, recipient } = self;
        let found = live.rules.find(name.as_bytes(), *address, sender.as_bytes(), recipient.as_bytes());
        found.map(|(_, rule)| rule)
    }

    fn request<'r>(&'r self, address: &'r str) -> Request<'r> {
        Request {
            request: Some(b"smtpd_access_policy"),
            protocol_state: Some(b"RCPT"),
            client_address: Some(address.as_bytes()),
            client_name: Some(self.name.as_bytes()),
            sender: Some(self.sender.as_bytes()),
            recipient: Some(self.recipient.as_bytes()),
            // As of every Postfix since 2.3.
            etrn_domain: Some(b""),
            ..Request::default()
        }
    }
}

/// A client's name and address.
fn client(text: &str) -> Result<(String, IpAddr), String> {
    let (name, address) = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((name, address)) => (name, address),
        None => ("unknown", text),
    };
    match address.strip_prefix("IPv6:").unwrap_or(address).parse::<IpAddr>() {
        Ok(address) if !name.contains(char::is_control) => Ok((name.to_owned(), address.to_canonical())),
        Ok(_) => Err(format!("client {text:?}: a name has no control characters")),
        Err(_) => Err(format!(
            "client {text:?}: {address:?} is no IP address; give one, or NAME[ADDRESS] as in Postfix's log"
        )),
    }
}

/// An address without the angle brackets of SMTP. Postfix sends no control characters, and neither the log nor a terminal wants
/// them.
fn bare(address: &str, side: &str) -> Result<String, String> {
    if address.contains(char::is_control) {
        return Err(format!("{side} {address:?}: an address has no control characters"));
    }
    Ok(address.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(address).to_owned())
}

/// The state as it is, whatever is decided.
struct Look<'s>(Session<'s>);

impl State for Look<'_> {
    fn prefetch(&self, client: Tag, triplet: Tag) {
        self.0.prefetch(client, triplet);
    }

    fn triplet(&self, tag: Tag, now: UnixSecs) -> grey::Triplet {
        self.0.triplet(tag, now)
    }

    fn client(&self, tag: Tag, now: UnixSecs) -> Option<Client> {
        self.0.client(tag, now)
    }

    fn append(&mut self, _: Tag, _: Change, _: UnixSecs) -> Result<(), Full> {
        Ok(())
    }
}

impl Desk {
    pub(super) fn explain(&self, triplet: &Triplet) -> Result<Answer, Refusal> {
        let asked = Asked::of(triplet)?;
        let (live, releases, now) = (self.shared.live.load(), self.shared.releases.load(), self.now());
        let Live { terms, rules, lists, .. } = &**live;
        let policy = Policy { terms, rules, lists, releases: &releases, secret: &self.shared.secret };
        let address = asked.address.to_string();
        let request = asked.request(&address);
        let mut writer = lock(&self.writer);
        let mut look = Look(writer.session());
        let decision = decide(&request, policy, &mut look, &mut Instances::default(), &mut Vec::new(), now);
        let rule = asked.rule(&live);
        let terms = live.terms(rule);
        let client = grey::client_tag(&self.shared.secret, asked.address, &mut Vec::new());
        let mut sender = Vec::new();
        grey::push_sender(asked.sender.as_bytes(), &mut sender);
        let (mut reason, mut reply) = (Vec::new(), Vec::new());
        logs::write_reason(&mut reason, decision);
        live.replies(rule).write(decision.verdict, &request, now, &mut reply);
        Ok(Answer::Explanation(Box::new(Explanation {
            now: now.0,
            network: network(asked.address, terms),
            sender: String::from_utf8_lossy(&sender).to_lowercase(),
            recipient: asked.recipient.to_lowercase(),
            rule: decision.rule.and(rule).map(|rule| rule.name().to_owned()),
            delay: terms.delay,
            state: known(look.0.triplet(self.tag(&asked, terms), now)),
            client: look.0.client(client, now).map(|client| Counted { count: client.count, last: client.last.0 }),
            client_needs: terms.auto_whitelist_clients,
            reason: String::from_utf8_lossy(&reason).into_owned(),
            passes: passes(decision, now),
            reply: String::from_utf8_lossy(&reply).trim_end().to_owned(),
        })))
    }

    pub(super) fn release(&self, triplet: &Triplet) -> Result<Answer, Refusal> {
        let (asked, live, now) = (Asked::of(triplet)?, self.shared.live.load(), self.now());
        let terms = live.terms(asked.rule(&live));
        let tag = self.tag(&asked, terms);
        let kept = self.change(tag, |session| {
            let known = session.triplet(tag, now);
            // As recent as a worker leaves it.
            if matches!(known, grey::Triplet::Passed { last } if now.since(last) <= terms.max_age / 8) {
                return Ok(None);
            }
            // What was forgotten in this second is so to its end.
            let time = if session.is_forgotten(tag, now, now) { now.plus(1) } else { now };
            Ok(Some(Append::Change(Change::Passed(time))))
        })?;
        Ok(Answer::Done(format!("released: {}{kept}", shown(&asked, terms))))
    }

    pub(super) fn forget(&self, triplet: &Triplet) -> Result<Answer, Refusal> {
        let (asked, live, now) = (Asked::of(triplet)?, self.shared.live.load(), self.now());
        let terms = live.terms(asked.rule(&live));
        let tag = self.tag(&asked, terms);
        let kept = self.change(tag, |session| match session.triplet(tag, now) {
            grey::Triplet::Unknown => Ok(None),
            grey::Triplet::Passed { last } if last > now => Err(ahead(last)),
            grey::Triplet::Passed { .. } | grey::Triplet::Pending { .. } => Ok(Some(Append::Void)),
        })?;
        Ok(Answer::Done(format!("forgotten: {}{kept}", shown(&asked, terms))))
    }

    pub(super) fn forget_client(&self, text: &str) -> Result<Answer, Refusal> {
        let (_, address) = client(text)?;
        let now = self.now();
        let tag = grey::client_tag(&self.shared.secret, address, &mut Vec::new());
        let kept = self.change(tag, |session| match session.client(tag, now) {
            None => Ok(None),
            Some(client) if client.last > now => Err(ahead(client.last)),
            Some(_) => Ok(Some(Append::Void)),
        })?;
        Ok(Answer::Done(format!("forgotten: what was counted of client {address}{kept}")))
    }

    /// Appends what `wanted` says of the state, nothing if all is so already, and makes it durable. What has been appended holds even
    /// if that fails, which is then told.
    fn change(
        &self,
        tag: Tag,
        wanted: impl FnOnce(&Session<'_>) -> Result<Option<Append>, Refusal>,
    ) -> Result<&'static str, Refusal> {
        let failures = || self.counters.totals().get(Counter::SyncFailures);
        let before = failures();
        {
            let mut writer = lock(&self.writer);
            let mut session = writer.session();
            let appended = match wanted(&session)? {
                Some(_) if session.is_crowded(tag) => return Err(Refusal::Daemon(CROWDED.to_owned())),
                Some(Append::Change(change)) => session.append(tag, change, self.now()),
                Some(Append::Void) => session.forget(tag, self.now()),
                None => Ok(()),
            };
            appended.map_err(|Full| Refusal::Daemon(FULL.to_owned()))?;
        }
        // What was so already as well: the workers' records may not be durable yet.
        self.store.sync();
        Ok(if failures() == before { "" } else { UNSYNCED })
    }

    fn tag(&self, asked: &Asked, terms: &Terms) -> Tag {
        let Asked { address, sender, recipient, .. } = asked;
        let [sender, recipient] = [sender, recipient].map(String::as_bytes);
        grey::triplet_tag(&self.shared.secret, terms.networks, *address, sender, recipient, &mut Vec::new())
    }
}

/// Why something stays known: what is forgotten is what was known up to now.
fn ahead(last: UnixSecs) -> Refusal {
    let last = timestamp(last);
    Refusal::Daemon(format!(
        "it was seen at {last}, by a clock that was ahead, and can be forgotten only once that time has come; nothing was changed"
    ))
}

fn network(address: IpAddr, terms: &Terms) -> String {
    let networks = terms.networks;
    let prefix = if address.is_ipv4() { networks.ipv4_prefix } else { networks.ipv6_prefix };
    format!("{}/{prefix}", networks.network_of(address))
}

fn shown(asked: &Asked, terms: &Terms) -> String {
    let Asked { address, sender, recipient, .. } = asked;
    format!("network {}, sender <{sender}>, recipient <{recipient}>", network(*address, terms))
}

fn known(triplet: grey::Triplet) -> Known {
    match triplet {
        grey::Triplet::Unknown => Known::Unknown,
        grey::Triplet::Pending { first } => Known::Pending { first: first.0 },
        grey::Triplet::Passed { last } => Known::Passed { last: last.0 },
    }
}

fn passes(decision: Decision, now: UnixSecs) -> Option<u32> {
    match decision.verdict {
        Verdict::Defer { seconds_left } => Some(now.plus(seconds_left).0),
        Verdict::Dunno | Verdict::Prepend { .. } => None,
    }
}

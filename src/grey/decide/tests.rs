//! Each rule of the decision on a state that is a map.

mod rules;

use std::collections::HashMap;

use super::*;
use crate::grey::{Networks, ReleasesBuilder};

const TERMS: Terms = Terms {
    delay: 300,
    retry_window: 172_800,
    max_age: 35 * 86_400,
    auto_whitelist_clients: 2,
    networks: Networks { ipv4_prefix: 24, ipv6_prefix: 64 },
    on_full: OnFull::Dunno,
};

/// A state without expiry, and with a count of what was appended.
#[derive(Default)]
struct Map {
    triplets: HashMap<Tag, Triplet>,
    clients: HashMap<Tag, Client>,
    appended: usize,
    full: bool,
}

impl State for Map {
    fn prefetch(&self, _client: Tag, _triplet: Tag) {}

    fn triplet(&self, tag: Tag, now: UnixSecs) -> Triplet {
        match self.triplets.get(&tag) {
            Some(&Triplet::Pending { first }) if first <= now => Triplet::Pending { first },
            Some(&Triplet::Passed { last }) => Triplet::Passed { last },
            _ => Triplet::Unknown,
        }
    }

    fn client(&self, tag: Tag, _now: UnixSecs) -> Option<Client> {
        self.clients.get(&tag).copied()
    }

    fn append(&mut self, tag: Tag, change: Change, _now: UnixSecs) -> Result<(), Full> {
        if self.full {
            return Err(Full);
        }
        self.appended += 1;
        match change {
            Change::Pending(first) => drop(self.triplets.insert(tag, Triplet::Pending { first })),
            Change::Passed(last) => drop(self.triplets.insert(tag, Triplet::Passed { last })),
            Change::Client(client) => drop(self.clients.insert(tag, client)),
        }
        Ok(())
    }
}

/// One connection to a daemon that is only the decision.
struct Talk {
    terms: Terms,
    rules: Rules,
    lists: Lists,
    releases: Releases,
    state: Map,
    instances: Instances,
}

const ASKED: Request<'_> = Request {
    request: Some(b"smtpd_access_policy"),
    protocol_state: Some(b"RCPT"),
    client_address: Some(b"192.0.2.1"),
    client_name: Some(b"mx.example"),
    sender: Some(b"a@b"),
    recipient: Some(b"c@d"),
    instance: None,
    queue_id: None,
    etrn_domain: None,
    sasl_username: None,
    policy_test_time: None,
};

impl Talk {
    fn new(terms: Terms) -> Self {
        Self {
            terms,
            rules: Rules::default(),
            lists: Lists::default(),
            releases: Releases::default(),
            state: Map::default(),
            instances: Instances::default(),
        }
    }

    fn ask(&mut self, now: u32, request: &Request<'_>) -> (Verdict, Reason) {
        let decision = self.decide(now, request);
        (decision.verdict, decision.reason)
    }

    fn decide(&mut self, now: u32, request: &Request<'_>) -> Decision {
        let policy = Policy {
            terms: &self.terms,
            rules: &self.rules,
            lists: &self.lists,
            releases: &self.releases,
            secret: &Secret([3; 16]),
        };
        let (state, instances) = (&mut self.state, &mut self.instances);
        decide(request, policy, state, instances, &mut Vec::new(), UnixSecs(now))
    }
}

#[test]
fn who_is_released_passes_until_the_time_is_over_and_leaves_no_trace() {
    let mut talk = Talk::new(Terms::DEFAULT);
    let mut builder = ReleasesBuilder::default();
    builder.recipient("d", UnixSecs(1_010)).unwrap();
    talk.releases = builder.build();
    assert_eq!(talk.ask(1_000, &ASKED), (Verdict::Dunno, Reason::Released));
    assert_eq!(talk.ask(1_011, &ASKED), NEW);
}

const PASSED: (Verdict, Reason) = (Verdict::Dunno, Reason::TripletFound);
const NOT_OURS: (Verdict, Reason) = (Verdict::Dunno, Reason::NotGreylisted);
const NEW: (Verdict, Reason) = (Verdict::Defer { seconds_left: 300 }, Reason::New);

fn header(delayed: u32) -> (Verdict, Reason) {
    (Verdict::Prepend { delayed }, Reason::TripletFound)
}

#[test]
fn a_triplet_passes_at_exactly_the_delay_and_early_retries_write_nothing() {
    let mut talk = Talk::new(TERMS);
    assert_eq!(talk.ask(1000, &ASKED), NEW);
    assert_eq!(talk.ask(1000, &ASKED), NEW, "within the same second");
    let early = (Verdict::Defer { seconds_left: 1 }, Reason::EarlyRetry { missing: 1 });
    assert_eq!(talk.ask(1299, &ASKED), early);
    assert_eq!(talk.state.appended, 1);
    assert_eq!(talk.ask(1300, &ASKED), header(300));
    assert_eq!(talk.ask(1301, &ASKED), PASSED);
    assert_eq!(talk.state.appended, 3, "pending, passed, client");
}

#[test]
fn a_last_seen_time_is_recorded_again_after_an_eighth_of_max_age() {
    let mut talk = Talk::new(Terms { auto_whitelist_clients: 0, ..TERMS });
    talk.ask(1000, &ASKED);
    talk.ask(1300, &ASKED);
    let eighth = TERMS.max_age / 8;
    talk.ask(1300 + eighth, &ASKED);
    assert_eq!(talk.state.appended, 2);
    talk.ask(1301 + eighth, &ASKED);
    assert_eq!(talk.state.appended, 3);
}

#[test]
fn requests_that_are_not_greylistings_are_let_through() {
    let mut talk = Talk::new(TERMS);
    for request in [
        Request { request: None, ..ASKED },
        Request { request: Some(b"SMTPD_ACCESS_POLICY"), ..ASKED },
        Request { client_address: None, ..ASKED },
        Request { client_name: None, ..ASKED },
        Request { sender: None, ..ASKED },
        Request { recipient: None, ..ASKED },
        Request { sasl_username: Some(b"bob"), ..ASKED },
        Request { protocol_state: Some(b"DATA"), recipient: Some(b""), ..ASKED },
    ] {
        assert_eq!(talk.ask(1000, &request), NOT_OURS, "{request:?}");
    }
    let no_address = Request { client_address: Some(b"unknown"), ..ASKED };
    assert_eq!(talk.ask(1000, &no_address), (Verdict::Dunno, Reason::UnparsableAddress));
    for request in [
        Request { sender: Some(b""), recipient: Some(b"1@d"), ..ASKED },
        Request { recipient: Some(b""), ..ASKED },
        Request { client_name: Some(b""), recipient: Some(b"2@d"), ..ASKED },
        Request { sasl_username: Some(b""), recipient: Some(b"3@d"), ..ASKED },
        Request { protocol_state: Some(b"DATA"), recipient: Some(b"4@d"), ..ASKED },
    ] {
        assert_eq!(talk.ask(1000, &request), NEW, "{request:?}");
    }
}

#[test]
fn a_client_is_whitelisted_by_its_passes_at_most_one_an_hour() {
    let mut talk = Talk::new(TERMS);
    let from = |sender| Request { sender: Some(sender), ..ASKED };
    for sender in [&b"a@b"[..], b"b@b", b"c@b"] {
        talk.ask(1000, &from(sender));
    }
    assert_eq!(talk.ask(2000, &from(b"a@b")), header(1000));
    assert_eq!(talk.ask(5599, &from(b"b@b")), header(4599), "within the hour: not counted");
    assert_eq!(talk.ask(5599, &from(b"d@b")), NEW);
    assert_eq!(talk.ask(5600, &from(b"c@b")), header(4600), "the hour is over: counted");
    assert_eq!(talk.ask(5601, &from(b"d@b")), (Verdict::Dunno, Reason::ClientAwl));
    let neighbour = Request { client_address: Some(b"192.0.2.2"), ..from(b"e@b") };
    assert_eq!(talk.ask(5601, &neighbour), NEW, "by the whole address");
    let appended = talk.state.appended;
    talk.ask(5600 + TERMS.max_age / 8, &from(b"x@b"));
    assert_eq!(talk.state.appended, appended);
    talk.ask(5601 + TERMS.max_age / 8, &from(b"x@b"));
    assert_eq!(talk.state.appended, appended + 1, "last-seen refreshed, no triplet touched");
}

#[test]
fn an_auto_whitelist_of_0_is_off_and_of_1_begins_with_the_next_request() {
    let mut talk = Talk::new(Terms { auto_whitelist_clients: 0, ..TERMS });
    talk.ask(1000, &ASKED);
    talk.ask(1300, &ASKED);
    assert!(talk.state.clients.is_empty());
    let mut talk = Talk::new(Terms { auto_whitelist_clients: 1, ..TERMS });
    talk.ask(1000, &ASKED);
    assert_eq!(talk.ask(1300, &ASKED), header(300));
    assert_eq!(talk.ask(1301, &ASKED), (Verdict::Dunno, Reason::ClientAwl));
}

#[test]
fn one_message_gets_one_header() {
    let mut talk = Talk::new(Terms { auto_whitelist_clients: 0, ..TERMS });
    let recipients: Vec<String> = (0..12).map(|number| format!("r{number}@d")).collect();
    let to = |number: usize, instance: Option<&'static [u8]>| Request {
        recipient: Some(recipients[number].as_bytes()),
        instance,
        ..ASKED
    };
    for number in 0..12 {
        talk.ask(1000, &to(number, None));
    }
    assert_eq!(talk.ask(1300, &to(0, Some(b"A"))), header(300));
    assert_eq!(talk.ask(1300, &to(1, Some(b"A"))), PASSED);
    assert_eq!(talk.ask(1300, &to(2, Some(b"B"))), header(300));
    assert_eq!(talk.ask(1300, &to(3, Some(b"A"))), PASSED);
    assert_eq!(talk.ask(1300, &to(4, None)), header(300));
    assert_eq!(talk.ask(1300, &to(5, None)), header(300));
    assert_eq!(talk.ask(1300, &to(6, Some(b""))), header(300));
    assert_eq!(talk.ask(1300, &to(7, Some(b""))), PASSED);
}

#[test]
fn when_nothing_can_be_recorded_known_senders_pass_and_unknown_ones_as_configured() {
    let mut talk = Talk::new(TERMS);
    talk.ask(1000, &ASKED);
    talk.state.full = true;
    assert_eq!(talk.ask(1300, &ASKED), header(300));
    let unknown = Request { sender: Some(b"x@y"), ..ASKED };
    assert_eq!(talk.ask(1300, &unknown), (Verdict::Dunno, Reason::StateFull));
    talk.terms.on_full = OnFull::Defer;
    assert_eq!(talk.ask(1300, &unknown), (Verdict::Defer { seconds_left: 300 }, Reason::StateFull));
}

#[test]
fn a_delay_of_0_passes_at_once() {
    let mut talk = Talk::new(Terms { delay: 0, ..TERMS });
    assert_eq!(talk.ask(1000, &ASKED), header(0));
    assert_eq!(talk.ask(1000, &ASKED), PASSED);
}

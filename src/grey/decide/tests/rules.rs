//! What rules change of a decision, and what comes before them.

use super::*;
use crate::grey::rules::{Rule, RulesBuilder, Selectors};
use crate::grey::whitelist::{ClientListBuilder, RecipientListBuilder};

impl Talk {
    /// With a rule for each of these recipients.
    fn with_rules(rules: Vec<(&str, Rule)>) -> Self {
        let mut builder = RulesBuilder::default();
        for (recipient, rule) in rules {
            builder.add(rule, &Selectors { recipients: vec![recipient.to_owned()], ..Selectors::default() }).unwrap();
        }
        Self { rules: builder.build(), ..Self::new(TERMS) }
    }

    /// The name of the rule that held for a decision.
    fn rule_of(&self, decision: Decision) -> &str {
        decision.rule.and_then(|number| self.rules.get(number)).map_or("", Rule::name)
    }
}

const RULE: Rule = Rule { name: None, greylist: true, observe: false, terms: TERMS, replies: None };

fn to(recipient: &str) -> Request<'_> {
    Request { recipient: Some(recipient.as_bytes()), ..ASKED }
}

#[test]
fn a_rule_that_does_not_greylist_lets_pass_and_leaves_the_state() {
    let mut talk = Talk::with_rules(vec![("in.test", RULE), ("test", Rule { greylist: false, ..RULE })]);
    let passed = talk.decide(1000, &to("a@out.test"));
    assert_eq!((passed.verdict, passed.reason, passed.observed), (Verdict::Dunno, Reason::Rule, false));
    assert_eq!((talk.rule_of(passed), talk.state.appended), ("2", 0));
    let new = talk.decide(1000, &to("a@in.test"));
    assert_eq!(((new.verdict, new.reason), talk.rule_of(new)), (NEW, "1"));
    let other = talk.decide(1000, &ASKED);
    assert_eq!(((other.verdict, other.reason), other.rule), (NEW, None));
}

#[test]
fn a_rule_has_its_own_delay_and_networks() {
    let slow = Terms { delay: 600, networks: Networks { ipv4_prefix: 32, ipv6_prefix: 128 }, ..TERMS };
    let mut talk = Talk::with_rules(vec![("slow.test", Rule { terms: slow, ..RULE })]);
    let neighbour = |recipient| Request { client_address: Some(b"192.0.2.2"), ..to(recipient) };
    assert_eq!(talk.ask(1000, &to("a@slow.test")), (Verdict::Defer { seconds_left: 600 }, Reason::New));
    assert_eq!(talk.ask(1000, &to("a@other.test")), NEW);
    assert_eq!(talk.ask(1300, &neighbour("a@other.test")), header(300));
    assert_eq!(talk.ask(1300, &to("a@slow.test")).1, Reason::EarlyRetry { missing: 300 });
    assert_eq!(talk.ask(1600, &neighbour("a@slow.test")).1, Reason::New, "another host is another triplet");
    let passed = talk.decide(1600, &to("a@slow.test"));
    assert_eq!(((passed.verdict, passed.reason), talk.rule_of(passed)), (header(600), "1"));
}

#[test]
fn what_is_observed_is_remembered_but_never_deferred_and_gets_no_header() {
    let observe = Rule { observe: true, ..RULE };
    let mut talk = Talk::with_rules(vec![("seen.test", observe)]);
    let request = Request { instance: Some(b"A"), ..to("a@seen.test") };
    let decided = |reason, observed| (Verdict::Dunno, reason, observed, "1");
    for (now, expected) in [
        (1000, decided(Reason::New, true)),
        (1100, decided(Reason::EarlyRetry { missing: 200 }, true)),
        (1300, decided(Reason::TripletFound, false)),
        (1301, decided(Reason::TripletFound, false)),
    ] {
        let decision = talk.decide(now, &request);
        let rule = talk.rule_of(decision);
        assert_eq!((decision.verdict, decision.reason, decision.observed, rule), expected, "{now}");
    }
    assert_eq!(talk.state.appended, 3, "pending, passed, client");
    // The message has not had its header: the next recipient's rule may add it.
    talk.ask(1000, &ASKED);
    assert_eq!(talk.ask(1301, &Request { instance: Some(b"A"), ..ASKED }), header(301));
    talk.state.full = true;
    let full = talk.decide(1301, &to("b@seen.test"));
    assert_eq!((full.verdict, full.reason, full.observed), (Verdict::Dunno, Reason::StateFull, false));
}

#[test]
fn whitelists_come_before_rules() {
    let mut talk = Talk::with_rules(vec![("test", Rule { greylist: false, ..RULE })]);
    let mut clients = ClientListBuilder::default();
    clients.add(b"good.example\n198.51.100.0/24").unwrap();
    let mut recipients = RecipientListBuilder::default();
    recipients.add(b"postmaster@").unwrap();
    talk.lists = Lists { clients: clients.build().unwrap(), recipients: recipients.build().unwrap() };
    for (request, reason) in [
        (Request { client_name: Some(b"good.example"), ..to("a@x.test") }, Reason::ClientWhitelist),
        (Request { client_address: Some(b"198.51.100.1"), ..to("a@x.test") }, Reason::ClientWhitelist),
        (to("postmaster@x.test"), Reason::RecipientWhitelist),
        (Request { client_address: Some(b"unknown"), ..to("a@x.test") }, Reason::UnparsableAddress),
    ] {
        let decision = talk.decide(1000, &request);
        assert_eq!((decision.verdict, decision.reason, decision.rule), (Verdict::Dunno, reason, None), "{request:?}");
    }
    assert_eq!(talk.ask(1000, &to("a@x.test")).1, Reason::Rule);
}

#[test]
fn the_auto_whitelist_comes_after_the_rule_and_counts_by_its_terms() {
    let strict = Terms { auto_whitelist_clients: 0, ..TERMS };
    let rules = vec![("free.test", Rule { greylist: false, ..RULE }), ("strict.test", Rule { terms: strict, ..RULE })];
    let mut talk = Talk::with_rules(rules);
    talk.terms.auto_whitelist_clients = 1;
    talk.ask(1000, &ASKED);
    talk.ask(1300, &ASKED);
    assert_eq!(talk.ask(1301, &to("a@other.test")).1, Reason::ClientAwl);
    assert_eq!(talk.ask(1301, &to("a@free.test")).1, Reason::Rule);
    assert_eq!(talk.ask(1301, &to("a@strict.test")), NEW);
}

//! Rules on the wire: a text of their own, no deferral where they only observe, and new ones with the next turn.

use std::sync::Arc;

use super::support::*;
use crate::grey::rules::{Rule, RulesBuilder, Selectors};
use crate::grey::whitelist::Lists;
use crate::metrics::Counter;
use crate::worker::Live;

/// What holds for the recipients of a domain.
struct Wanted {
    domain: &'static str,
    greylist: bool,
    observe: bool,
    text: Option<&'static str>,
}

/// Swaps in these rules, as a reload does.
fn set_rules(server: &Server, wanted: &[Wanted]) {
    let live = server.shared.live.load();
    let mut builder = RulesBuilder::default();
    for wanted in wanted {
        let replies = wanted.text.map(|text| live.replies.with_text(text));
        let Wanted { domain, greylist, observe, .. } = *wanted;
        let rule = Rule { name: None, greylist, observe, terms: live.terms, replies };
        let selectors = Selectors { recipients: vec![domain.to_owned()], ..Selectors::default() };
        builder.add(rule, &selectors).unwrap();
    }
    let (terms, replies, rules) = (live.terms, live.replies.clone(), builder.build());
    server.shared.live.store(Arc::new(Live { terms, replies, rules, lists: Lists::default(), quiet: true }));
}

#[test]
fn each_rule_answers_in_its_own_words() {
    let server = Server::with_workers(1);
    let greylist = |domain, text| Wanted { domain, greylist: true, observe: false, text };
    set_rules(&server, &[greylist("r1.test", Some("wait %s s, %r")), greylist("r2.test", None)]);
    let mut client = server.tcp();
    client.send(&request(1));
    client.expect(b"action=DEFER_IF_PERMIT wait 300 s, r1.test\n\n");
    client.ask(2);
    client.ask(3);
    set_rules(&server, &[]);
    client.ask(1);
    server.await_count(Counter::Greylisted, 4);
    server.stop();
}

#[test]
fn a_rule_that_observes_counts_and_one_that_does_not_greylist_lets_pass() {
    let server = Server::with_workers(1);
    let observe = Wanted { domain: "r1.test", greylist: true, observe: true, text: Some("never said") };
    let pass = Wanted { domain: "r2.test", greylist: false, observe: false, text: None };
    set_rules(&server, &[observe, pass]);
    let mut client = server.tcp();
    client.send(&[request(1), request(1), request(2)].concat());
    client.expect(&[DUNNO, DUNNO, DUNNO].concat());
    client.ask(3);
    server.await_count(Counter::Requests, 4);
    for (counter, expected) in [
        (Counter::Observed, 2),
        (Counter::New, 3),
        (Counter::RulePassed, 1),
        (Counter::Greylisted, 1),
        (Counter::Headers, 0),
    ] {
        assert_eq!(server.count(counter), expected, "{}", counter.name());
    }
    server.stop();
}

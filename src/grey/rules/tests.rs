//! The look-up against a search through all rules, and each mistake.

use super::*;
use crate::grey::EntryMistake;

fn rule(name: Option<&str>) -> Rule {
    Rule { name: name.map(str::to_owned), greylist: true, observe: false, terms: Terms::DEFAULT, replies: None }
}

fn texts(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|&entry| entry.to_owned()).collect()
}

fn selectors(recipients: &[&str], senders: &[&str], clients: &[&str]) -> Selectors {
    let all = recipients.is_empty() && senders.is_empty() && clients.is_empty();
    Selectors { recipients: texts(recipients), senders: texts(senders), clients: texts(clients), all }
}

fn rules(listed: &[Selectors]) -> Rules {
    let mut builder = RulesBuilder::default();
    for selectors in listed {
        builder.add(rule(None), selectors).expect("a good rule");
    }
    builder.build()
}

/// Name, address, sender, recipient.
type Asked<'a> = (&'a str, &'a str, &'a str, &'a str);

fn found(rules: &Rules, (name, address, sender, recipient): Asked<'_>) -> Option<u32> {
    let address = address.parse().expect("an address");
    let found = rules.find(name.as_bytes(), address, sender.as_bytes(), recipient.as_bytes());
    found.map(|(number, rule)| {
        assert_eq!(rule.name(), number.to_string());
        number.0.get()
    })
}

#[test]
fn no_rules_match_nothing() {
    assert_eq!(found(&Rules::default(), ("mx.example", "192.0.2.1", "", "a@example.org")), None);
    assert_eq!(Rules::default().longest_delay(), 0);
}

#[test]
fn the_first_rule_of_which_any_entry_matches_holds() {
    let rules = rules(&[
        selectors(&["vip@example.org", "example.net"], &[], &["192.0.2.0/24"]),
        selectors(&["example.org", "VIP@"], &["Partner.test", "<>"], &["mail.example", "2001:db8::/32"]),
        selectors(&["vip@example.org"], &["news@partner.test"], &["192.0.2.7", "0.0.0.0/0"]),
    ]);
    for (asked, expected) in [
        (("x", "203.0.113.1", "a@b", "VIP+new@Example.org"), Some(1)),
        (("x", "203.0.113.1", "a@b", "a@sub.example.net"), Some(1)),
        (("x", "192.0.2.7", "a@b", "c@d"), Some(1)),
        (("x", "203.0.113.1", "a@b", "a@example.org"), Some(2)),
        (("x", "203.0.113.1", "a@b", "vip@d"), Some(2)),
        (("x", "203.0.113.1", "news@partner.test", "c@d"), Some(2)),
        (("x", "203.0.113.1", "", "c@d"), Some(2)),
        (("out.MAIL.example", "203.0.113.1", "a@b", "c@d"), Some(2)),
        (("x", "2001:db8::1", "a@b", "c@d"), Some(2)),
        (("x", "203.0.113.1", "a@b", "c@d"), Some(3)),
        (("x", "2001:db9::1", "a@b", "c@d"), None),
        (("example.org", "2001:db9::1", "a@example.org", "c@mail.example"), None),
    ] {
        assert_eq!(found(&rules, asked), expected, "{asked:?}");
    }
}

#[test]
fn a_dot_behind_a_domain_does_not_lead_past_its_rule() {
    let rules = rules(&[selectors(&["example.org", "a@example.net"], &["partner.test"], &["mail.example"])]);
    for asked in [
        ("x", "203.0.113.1", "a@b", "a@example.org."),
        ("x", "203.0.113.1", "a@b", "A+b@example.net."),
        ("x", "203.0.113.1", "a@sub.partner.test.", "c@d"),
        ("mail.example.", "203.0.113.1", "a@b", "c@d"),
    ] {
        assert_eq!(found(&rules, asked), Some(1), "{asked:?}");
    }
    assert_eq!(found(&rules, ("x", "203.0.113.1", "a@b", "a@example.org..")), None, "no address of any domain");
}

#[test]
fn a_rule_for_all_matches_every_request() {
    let all = || selectors(&[], &[], &[]);
    let rules = rules(&[selectors(&["example.org"], &[], &[]), all(), all()]);
    assert_eq!(found(&rules, ("", "192.0.2.1", "", "a@example.org")), Some(1));
    assert_eq!(found(&rules, ("", "192.0.2.1", "", "")), Some(2));
}

#[test]
fn a_rule_whose_lists_are_empty_matches_nothing() {
    let rules = rules(&[Selectors::default(), selectors(&[], &[], &[])]);
    assert_eq!(found(&rules, ("x", "203.0.113.1", "a@b", "c@d")), Some(2));
}

#[test]
fn rules_are_named_and_counted() {
    let mut builder = RulesBuilder::default();
    builder.add(rule(Some("customers")), &selectors(&["a.test"], &[], &[])).expect("good");
    let slow = Terms { delay: 900, ..Terms::DEFAULT };
    builder.add(Rule { terms: slow, ..rule(None) }, &selectors(&["b.test"], &[], &[])).expect("good");
    let slowest = Terms { delay: 9_000, ..Terms::DEFAULT };
    builder.add(Rule { terms: slowest, greylist: false, ..rule(None) }, &selectors(&[], &[], &[])).expect("good");
    let rules = builder.build();
    let name = |recipient: &[u8]| {
        let found = rules.find(b"", [192, 0, 2, 1].into(), b"", recipient);
        found.map(|(_, rule)| rule.name()).expect("one without entries is there")
    };
    assert_eq!((name(b"x@a.test"), name(b"x@b.test"), name(b"x@c.test")), ("customers", "2", "3"));
    assert_eq!(rules.longest_delay(), 900, "of those that greylist");
}

#[test]
fn mistakes_name_the_rule_and_what_would_be_right() {
    let bad = |rule: Rule, selectors: &Selectors| {
        let mut builder = RulesBuilder::default();
        builder.add(self::rule(Some("first")), &Selectors::default()).expect("good");
        builder.add(rule, selectors).expect_err("bad").to_string()
    };
    let (none, long) = (Selectors::default(), "x".repeat(65));
    for name in ["", "7", "two words", "a,b", "m\u{fc}nchen", &long] {
        let message = bad(rule(Some(name)), &none);
        assert!(message.starts_with("rule 2 `") && message.contains("not a name for a rule"), "{message}");
    }
    assert_eq!(
        bad(rule(Some("first")), &none),
        "rule 2 `first`: rule 1 has the same name: give each rule its own, or none"
    );
    let terms = Terms { delay: 60, retry_window: 60, ..Terms::DEFAULT };
    let message = bad(Rule { terms, ..rule(Some("slow")) }, &none);
    assert!(message.starts_with("rule 2 `slow`: a delay of 60s is not shorter than"), "{message}");
    let terms = Terms { delay: 68, max_age: 60, ..Terms::DEFAULT };
    let message = bad(Rule { terms, ..rule(Some("slow")) }, &none);
    assert!(message.starts_with("rule 2 `slow`: a delay of 68s is longer than the max-age of 60s"), "{message}");
    let message = bad(Rule { observe: true, greylist: false, ..rule(None) }, &none);
    assert!(message.starts_with("rule 2: it observes but does not greylist"), "{message}");
    for (selectors, expected) in [
        (selectors(&["a.test", "192.0.2.1"], &[], &[]), "rule 2: recipient `192.0.2.1`: a network in a list"),
        (selectors(&["<>"], &[], &[]), "rule 2: recipient `<>`: an address has no '<'"),
        (selectors(&[], &["@a.test"], &[]), "rule 2: sender `@a.test`: write `a.test`"),
        (selectors(&[], &[""], &[]), "rule 2: an empty sender: remove it, or write `<>`"),
        (selectors(&[""], &[], &[]), "rule 2: an empty recipient: remove it"),
        (selectors(&[], &[], &["a@b.test"]), "rule 2: client `a@b.test`: an e-mail address in a list of clients"),
        (selectors(&[], &[], &["/mx/"]), "rule 2: client `/mx/`: a host name has no '/'"),
    ] {
        let message = bad(rule(None), &selectors);
        assert!(message.starts_with(expected), "{message}");
        assert!(!message.contains("regex"), "a rule has none: {message}");
    }
    let error = RulesBuilder::default().add(rule(None), &selectors(&[], &[], &["10/8"])).expect_err("bad");
    let mistake = EntryMistake::ShortWithPrefix("10.0.0.0/8".into());
    let entry = RuleMistake::Entry { kind: SelectorKind::Client, entry: "10/8".into(), mistake };
    assert_eq!(error, BadRule { number: RuleNumber::default(), name: None, mistake: entry });
}

const DOMAINS: &[&str] = &["org", "example.org", "a.example.org", "b.a.example.org", "Example.net", "xexample.org"];
const USERS: &[&str] = &["u", "V", "u+x", "u+x+y", "v+"];
const NETWORKS: &[&str] =
    &["192.0.2.0/24", "192.0.2.128/25", "192.0.2.129", "192.0", "0.0.0.0/0", "2001:db8::/32", "::/0"];
const ADDRESSES: &[&str] = &["192.0.2.1", "192.0.2.129", "192.0.2.200", "192.0.9.9", "10.0.0.1", "2001:db8::9", "::1"];

/// The same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(bits).expect("31 bits") % bound
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn mailbox(&mut self) -> String {
        match self.below(8) {
            0 => String::new(),
            1 => self.one_of(DOMAINS).to_owned(),
            2 => format!("{}@", self.one_of(USERS)),
            _ => format!("{}@{}", self.one_of(USERS), self.one_of(DOMAINS)),
        }
    }

    fn mailbox_entry(&mut self) -> String {
        match self.below(3) {
            0 => self.one_of(DOMAINS).to_owned(),
            1 => format!("{}@", self.one_of(USERS)),
            _ => format!("{}@{}", self.one_of(USERS), self.one_of(DOMAINS)),
        }
    }

    fn selectors(&mut self) -> Selectors {
        let mut selectors = Selectors::default();
        // Never none: a rule that matches all would hide those behind it.
        for _ in 0..=self.below(3) {
            match self.below(5) {
                0 | 1 => selectors.recipients.push(self.mailbox_entry()),
                2 if self.below(4) == 0 => selectors.senders.push("<>".to_owned()),
                2 => selectors.senders.push(self.mailbox_entry()),
                3 => selectors.clients.push(self.one_of(NETWORKS).to_owned()),
                _ => selectors.clients.push(self.one_of(DOMAINS).to_owned()),
            }
        }
        selectors
    }
}

fn is_in_domain(domain: &str, name: &str) -> bool {
    name == domain || name.ends_with(&format!(".{domain}"))
}

fn is_mailbox(entry: &str, mailbox: &str) -> bool {
    let Some((user, domain)) = entry.split_once('@') else {
        return match mailbox.rsplit_once('@') {
            Some((_, domain)) => is_in_domain(entry, domain),
            None => mailbox != entry && is_in_domain(entry, mailbox),
        };
    };
    let Some((local, its_domain)) = mailbox.split_once('@') else { return false };
    let extension = local.strip_prefix(user).unwrap_or_default();
    let is_user = local == user || (extension.len() > 1 && extension.starts_with('+'));
    is_user && (domain.is_empty() || domain == its_domain)
}

fn is_client(entry: &str, name: &str, address: IpAddr) -> bool {
    match (entry, address) {
        ("::/0", _) | ("0.0.0.0/0", IpAddr::V4(_)) => true,
        ("192.0", IpAddr::V4(address)) => address.octets()[..2] == [192, 0],
        ("192.0.2.0/24", IpAddr::V4(address)) => address.octets()[..3] == [192, 0, 2],
        ("192.0.2.128/25", IpAddr::V4(address)) => address.octets()[..3] == [192, 0, 2] && address.octets()[3] >= 128,
        ("2001:db8::/32", IpAddr::V6(address)) => address.segments()[..2] == [0x2001, 0xdb8],
        _ => entry.parse() == Ok(address) || is_in_domain(entry, name),
    }
}

fn matches(selectors: &Selectors, name: &str, address: IpAddr, sender: &str, recipient: &str) -> bool {
    let lower = |entry: &String| entry.to_ascii_lowercase();
    selectors.recipients.iter().any(|entry| is_mailbox(&lower(entry), recipient))
        || selectors
            .senders
            .iter()
            .any(|entry| if entry == "<>" { sender.is_empty() } else { is_mailbox(&lower(entry), sender) })
        || selectors.clients.iter().any(|entry| is_client(&lower(entry), name, address))
}

#[test]
fn a_look_up_agrees_with_a_search_through_all_rules() {
    let seed = ahash::RandomState::new().hash_one("rules") | 1;
    let mut random = Random(seed);
    let mut hits = 0;
    for round in 0..500 {
        let listed: Vec<Selectors> = (0..=random.below(12)).map(|_| random.selectors()).collect();
        let rules = rules(&listed);
        for _ in 0..60 {
            let (name, address) = (random.one_of(DOMAINS), random.one_of(ADDRESSES));
            let (sender, recipient) = (random.mailbox(), random.mailbox());
            let asked = (name, address, &*sender, &*recipient);
            let lower = |text: &str| text.to_ascii_lowercase();
            let parsed = address.parse().expect("an address");
            let first = listed
                .iter()
                .position(|selectors| matches(selectors, &lower(name), parsed, &lower(&sender), &lower(&recipient)));
            let expected = first.map(|index| u32::try_from(index + 1).expect("small"));
            assert_eq!(found(&rules, asked), expected, "{asked:?} round {round} seed {seed}: {listed:#?}");
            hits += usize::from(expected.is_some());
        }
    }
    assert!(hits > 3_000, "the model has to match at times: {hits} seed {seed}");
}

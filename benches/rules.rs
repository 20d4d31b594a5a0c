//! What rules cost a request: none, ten, and one for each of 50,000 domains, side by side.
//!
//! `cargo bench --bench rules`. `find` is the look-up alone, `decide` a whole decision on a state that knows every triplet
//! and costs nothing. 16,384 requests take turns; half of them are for a domain that has a rule, all over the rules. Which
//! rule is found is compared with the one known from how the request was made.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use irongrey::clock::UnixSecs;
use irongrey::grey::rules::{Rule, Rules, RulesBuilder, Selectors};
use irongrey::grey::whitelist::Lists;
use irongrey::grey::{Change, Client, Full, Instances, Policy, Releases, State, Terms, Triplet, decide};
use irongrey::policy::Request;
use irongrey::table::{Secret, Tag};

#[path = "support/thread_time.rs"]
mod thread_time;
use thread_time::{ThreadTime, criterion};

const REQUESTS: usize = 1 << 14;
const SIZES: [usize; 3] = [0, 10, 50_000];
const NOW: UnixSecs = UnixSecs(1_795_514_400);

/// Knows every triplet.
struct Passed;

impl State for Passed {
    fn prefetch(&self, _: Tag, _: Tag) {}

    fn triplet(&self, _: Tag, _: UnixSecs) -> Triplet {
        Triplet::Passed { last: NOW }
    }

    fn client(&self, _: Tag, _: UnixSecs) -> Option<Client> {
        None
    }

    fn append(&mut self, _: Tag, _: Change, _: UnixSecs) -> Result<(), Full> {
        Ok(())
    }
}

fn domain(number: usize) -> String {
    let bits = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    match number % 3 {
        0 => format!("d{bits:x}.example"),
        1 => format!("d{bits:x}.co.example"),
        _ => format!("mail{number}.net.example"),
    }
}

fn rules(size: usize) -> Rules {
    let mut builder = RulesBuilder::default();
    for number in 0..size {
        let rule = Rule { name: None, greylist: true, observe: false, terms: Terms::DEFAULT, replies: None };
        let selectors = Selectors { recipients: vec![domain(number)], ..Selectors::default() };
        builder.add(rule, &selectors).expect("well formed");
    }
    builder.build()
}

/// One request, and the number of the domain that it is for.
struct Asked {
    domain: usize,
    recipient: String,
    sender: String,
    client_name: String,
    client_address: IpAddr,
}

impl Asked {
    /// One of twice as many domains as there are rules.
    fn new(index: usize, rules: usize) -> Self {
        let domain = (index * 7_919) % (2 * rules).max(1);
        let address = Ipv4Addr::from_bits(0xC633_0000 | u32::try_from(index).expect("it is small"));
        Self {
            domain,
            recipient: format!("user{index}@{}", self::domain(domain)),
            sender: format!("info@sender{index}.test"),
            client_name: format!("out{index}.mx{}.test", index % 977),
            client_address: address.into(),
        }
    }

    /// The number of its rule, from 1.
    fn rule(&self, rules: usize) -> Option<usize> {
        (self.domain < rules).then_some(self.domain + 1)
    }
}

fn bench(criterion: &mut Criterion<ThreadTime>) {
    let (lists, secret, terms) = (Lists::default(), Secret([9; 16]), Terms::DEFAULT);
    for size in SIZES {
        let rules = rules(size);
        let asked: Vec<Asked> = (0..REQUESTS).map(|index| Asked::new(index, size)).collect();
        let addresses: Vec<String> = asked.iter().map(|asked| asked.client_address.to_string()).collect();
        let mut group = criterion.benchmark_group(format!("{size} rules"));
        group.throughput(Throughput::Elements(1));
        let mut next = 0;
        group.bench_function("find", |bencher| {
            bencher.iter(|| {
                next = (next + 1) % REQUESTS;
                let Asked { recipient, sender, client_name, client_address, .. } = black_box(&asked[next]);
                let (name, sender, recipient) = (client_name.as_bytes(), sender.as_bytes(), recipient.as_bytes());
                let found = rules.find(name, *client_address, sender, recipient);
                assert_eq!(found.is_some(), asked[next].rule(size).is_some());
            });
        });
        let releases = Releases::default();
        let policy = Policy { terms: &terms, rules: &rules, lists: &lists, releases: &releases, secret: &secret };
        let (mut instances, mut scratch) = (Instances::default(), Vec::new());
        group.bench_function("decide", |bencher| {
            bencher.iter(|| {
                next = (next + 1) % REQUESTS;
                let request = request(black_box(&asked[next]), &addresses[next]);
                let decision = decide(&request, policy, &mut Passed, &mut instances, &mut scratch, NOW);
                assert_eq!(decision.rule.is_some(), asked[next].rule(size).is_some());
            });
        });
        group.finish();
        for asked in &asked {
            let Asked { recipient, sender, client_name, client_address, .. } = asked;
            let found = rules.find(client_name.as_bytes(), *client_address, sender.as_bytes(), recipient.as_bytes());
            let found = found.map(|(_, rule)| rule.name().to_owned());
            assert_eq!(found, asked.rule(size).map(|number| number.to_string()), "{recipient}");
        }
    }
}

fn request<'a>(asked: &'a Asked, address: &'a str) -> Request<'a> {
    Request {
        request: Some(b"smtpd_access_policy"),
        client_address: Some(address.as_bytes()),
        client_name: Some(asked.client_name.as_bytes()),
        sender: Some(asked.sender.as_bytes()),
        recipient: Some(asked.recipient.as_bytes()),
        ..Request::default()
    }
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = bench
}
criterion_main!(benches);

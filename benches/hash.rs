//! What it costs to make the tag of a triplet: of bytes that are ready, and of a request's text.
//!
//! `ready` is the keyed hash alone, over what FORMAT.md says is hashed. `from text` is a decision down to the point at which the
//! state is asked: both tags, that of the client and that of the triplet, with the address parsed and masked to its network,
//! the sender's varying parts taken out, and all in lower case, as for every request. The state that is asked keeps the
//! tag and knows every triplet; the lists are empty. Each tag is compared with that of bytes put together here.

use std::cell::Cell;
use std::hint::black_box;
use std::net::IpAddr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use irongrey::clock::UnixSecs;
use irongrey::grey::rules::Rules;
use irongrey::grey::whitelist::Lists;
use irongrey::grey::{
    Change, Client, Full, Instances, Networks, Policy, Reason, Releases, State, Terms, Triplet, decide,
};
use irongrey::policy::Request;
use irongrey::table::{Secret, Tag};

#[path = "support/thread_time.rs"]
mod thread_time;
use thread_time::{ThreadTime, criterion};

const NOW: UnixSecs = UnixSecs(1_795_514_400);
const SECRET: Secret = Secret([9; 16]);
const SENDER: &str = "newsletter@lists.example.org";
const RECIPIENT: &str = "firstname.lastname@customer.test";
/// A client, its prefix that counts, and its network.
const CLIENTS: [(&str, u8, &str); 4] = [
    ("192.0.2.217", 32, "192.0.2.217"),
    ("192.0.2.217", 24, "192.0.2.0"),
    ("2001:db8:1:2:a:b:c:d", 128, "2001:db8:1:2:a:b:c:d"),
    ("2001:db8:1:2:a:b:c:d", 64, "2001:db8:1:2::"),
];

/// A state that keeps the triplet's tag.
#[derive(Default)]
struct Asked(Cell<Option<Tag>>);

impl State for Asked {
    fn prefetch(&self, _: Tag, _: Tag) {}

    fn triplet(&self, tag: Tag, now: UnixSecs) -> Triplet {
        self.0.set(Some(tag));
        Triplet::Passed { last: now }
    }

    fn client(&self, _: Tag, _: UnixSecs) -> Option<Client> {
        None
    }

    fn append(&mut self, _: Tag, _: Change, _: UnixSecs) -> Result<(), Full> {
        Err(Full)
    }
}

/// What is hashed of a triplet.
fn key(network: &str) -> Vec<u8> {
    let network = match network.parse().expect("an address") {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut key = b"T".to_vec();
    for field in [&network, SENDER.as_bytes(), RECIPIENT.as_bytes()] {
        key.extend_from_slice(&u32::try_from(field.len()).expect("it is short").to_le_bytes());
        key.extend_from_slice(field);
    }
    key
}

fn tags(criterion: &mut Criterion<ThreadTime>) {
    let (rules, lists) = (Rules::default(), Lists::default());
    let (mut state, mut instances, mut scratch) = (Asked::default(), Instances::default(), Vec::new());
    let mut group = criterion.benchmark_group("tag of a triplet");
    for (client, prefix, network) in CLIENTS {
        let key = key(network);
        let tag = SECRET.tag(&key);
        let networks = Networks { ipv4_prefix: prefix.min(32), ipv6_prefix: prefix };
        let terms = Terms { networks, ..Terms::DEFAULT };
        let releases = Releases::default();
        let policy = Policy { terms: &terms, rules: &rules, lists: &lists, releases: &releases, secret: &SECRET };
        let request = Request {
            request: Some(b"smtpd_access_policy"),
            client_address: Some(client.as_bytes()),
            client_name: Some(b"mail.example.org"),
            sender: Some(SENDER.as_bytes()),
            recipient: Some(RECIPIENT.as_bytes()),
            ..Request::default()
        };
        group.throughput(Throughput::Bytes(key.len() as u64));
        group.bench_function(format!("ready/{network}"), |bencher| {
            bencher.iter(|| assert_eq!(SECRET.tag(black_box(&key)), tag));
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("from text/{client} by {prefix} bits"), |bencher| {
            bencher.iter(|| {
                let request = black_box(&request);
                let decision = decide(request, policy, &mut state, &mut instances, &mut scratch, NOW);
                assert_eq!((decision.reason, state.0.take()), (Reason::TripletFound, Some(tag)));
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = tags
}
criterion_main!(benches);

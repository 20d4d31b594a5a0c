//! What a decision and its reply cost beside the state's own look-ups: the two tags, the order of the rules, the text.

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use irongrey::clock::UnixSecs;
use irongrey::grey::rules::Rules;
use irongrey::grey::whitelist::Lists;
use irongrey::grey::{Change, Client, Full, Instances, Policy, Reason, Releases, State, Terms, Triplet, decide};
use irongrey::policy::{Replies, Request, Resume, Status, parse};
use irongrey::table::{Secret, Tag};

#[path = "support/thread_time.rs"]
mod thread_time;
use thread_time::{ThreadTime, criterion};

const REQUESTS: &[u8] = include_bytes!("../tests/data/postfix-3.7-requests.txt");
const NOW: UnixSecs = UnixSecs(1_795_514_400);
const SECRET: Secret = Secret([9; 16]);
const TERMS: Terms = Terms::DEFAULT;

/// The last change of each tag.
#[derive(Default)]
struct Map(HashMap<Tag, Change, ahash::RandomState>);

impl State for Map {
    fn prefetch(&self, _: Tag, _: Tag) {}

    fn triplet(&self, tag: Tag, _: UnixSecs) -> Triplet {
        match self.0.get(&tag) {
            Some(Change::Pending(first)) => Triplet::Pending { first: *first },
            Some(Change::Passed(last)) => Triplet::Passed { last: *last },
            _ => Triplet::Unknown,
        }
    }

    fn client(&self, tag: Tag, _: UnixSecs) -> Option<Client> {
        match self.0.get(&tag) {
            Some(Change::Client(client)) => Some(*client),
            _ => None,
        }
    }

    fn append(&mut self, tag: Tag, change: Change, _: UnixSecs) -> Result<(), Full> {
        self.0.insert(tag, change);
        Ok(())
    }
}

fn request() -> Request<'static> {
    match parse(REQUESTS, &mut Resume::default()) {
        Ok(Status::Complete { request, .. }) => request,
        other => panic!("{other:?}"),
    }
}

/// The tag of the request's triplet: that of all that its first attempt appends.
fn triplet_tag(request: &Request<'_>, policy: Policy<'_>) -> Tag {
    let mut state = Map::default();
    decide(request, policy, &mut state, &mut Instances::default(), &mut Vec::new(), NOW);
    *state.0.keys().next().expect("a pending triplet")
}

fn decisions(criterion: &mut Criterion<ThreadTime>) {
    let (rules, lists, request) = (Rules::default(), Lists::default(), request());
    let releases = Releases::default();
    let policy = Policy { terms: &TERMS, rules: &rules, lists: &lists, releases: &releases, secret: &SECRET };
    let replies = Replies::new("DEFER_IF_PERMIT", "Greylisted, see %r", "X-Greylist: %t s at %h; %d", "mx.test", "1");
    let tag = triplet_tag(&request, policy);
    let (mut state, mut scratch, mut out) = (Map::default(), Vec::new(), Vec::with_capacity(4096));
    let mut group = criterion.benchmark_group("decide and write the reply");
    for (name, known, after, reason) in [
        ("new", None, 0, Reason::New),
        ("early retry", Some(Change::Pending(NOW)), 1, Reason::EarlyRetry { missing: 299 }),
        ("first pass, with its header", Some(Change::Pending(NOW)), 300, Reason::TripletFound),
        ("known triplet", Some(Change::Passed(NOW)), 1, Reason::TripletFound),
    ] {
        let now = NOW.plus(after);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                state.0.clear();
                state.0.extend(known.map(|change| (tag, change)));
                out.clear();
                let (request, mut instances) = (black_box(&request), Instances::default());
                let decision = decide(request, policy, &mut state, &mut instances, &mut scratch, now);
                replies.write(decision.verdict, request, now, &mut out);
                assert_eq!(decision.reason, reason);
                assert_eq!(out.starts_with(b"action=PREPEND"), name.starts_with("first"));
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = decisions
}
criterion_main!(benches);

//! The desk over a state of its own, at times that the tests say.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwap;

use super::*;
use crate::admin::message::{Known, Party, Period, Side, Triplet};
use crate::config::{StateSettings, SyncMode};
use crate::grey::rules::Rules;
use crate::grey::whitelist::Lists;
use crate::grey::{self, Change, Client, State, Terms};
use crate::policy::Replies;
use crate::table::Tag;
use crate::worker::{Live, PATIENCE};

const NOW: u32 = 1_800_000_000;

fn desk(dir: &Path) -> Desk {
    let state = StateSettings { dir: dir.to_owned(), max_size: 1 << 30, sync: SyncMode::Os };
    let store = Store::open(&state, &Terms::DEFAULT, 1, UnixSecs(NOW)).unwrap();
    let replies = Replies::new("DEFER_IF_PERMIT", "wait", "X-Greylist: %t", "mx.test", "0");
    let (terms, rules, lists) = (Terms::DEFAULT, Rules::default(), Lists::default());
    let shared = Shared {
        live: ArcSwap::from_pointee(Live { terms, replies, rules, lists, quiet: true }),
        releases: ArcSwap::default(),
        secret: *store.secret(),
        test_clock: true,
        latest_test_time: AtomicU32::new(NOW),
        close_after_reply: false,
        patience: PATIENCE,
        listener_counters: Arc::default(),
    };
    Desk {
        shared: Arc::new(shared),
        counters: Arc::default(),
        writer: Mutex::new(store.writer()),
        store,
        releases: Mutex::default(),
        workers: 1,
        max_state: state.max_size,
        begun: Instant::now(),
    }
}

impl Desk {
    fn at(&self, time: u32) -> &Self {
        self.shared.latest_test_time.store(time, Ordering::Relaxed);
        self.store.upkeep(UnixSecs(time), true);
        self
    }

    fn ask(&self, ask: Ask) -> Result<Answer, String> {
        match self.work(ask) {
            Answer::Error(error) | Answer::Failure(error) => Err(error),
            answer => Ok(answer),
        }
    }

    fn known(&self) -> Known {
        match self.work(Ask::Explain(triplet())) {
            Answer::Explanation(explanation) => explanation.state,
            other => panic!("{other:?}"),
        }
    }

    fn append(&self, tag: Tag, change: Change) {
        lock(&self.writer).session().append(tag, change, self.now()).unwrap();
    }

    fn tag_of_triplet(&self) -> Tag {
        let (networks, address) = (Terms::DEFAULT.networks, "192.0.2.1".parse().unwrap());
        grey::triplet_tag(&self.shared.secret, networks, address, b"a@b.example", b"c@d.example", &mut Vec::new())
    }
}

fn triplet() -> Triplet {
    let [client, sender, recipient] = ["192.0.2.1", "a@b.example", "c@d.example"].map(str::to_owned);
    Triplet { client, sender, recipient }
}

#[test]
fn what_is_asked_for_again_and_again_takes_no_segment_from_others() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    for minute in 1..1000 {
        let _ = desk.at(NOW + minute * 60).work(Ask::Release(triplet()));
        assert!(matches!(desk.known(), Known::Passed { .. }), "{minute}");
    }
    for minute in 1000..2000 {
        let _ = desk.at(NOW + minute * 60).work(Ask::Forget(triplet()));
        let _ = desk.work(Ask::ForgetClient { client: "192.0.2.1".to_owned() });
        desk.append(desk.tag_of_triplet(), Change::Pending(UnixSecs(NOW + minute * 60 + 1)));
    }
    assert_eq!(desk.store.sizes()[1].segments, 1);
    let refused = desk.ask(Ask::Forget(triplet())).unwrap_err();
    assert!(refused.contains("other"), "{refused}");
}

#[test]
fn what_the_clock_keeps_from_being_forgotten_is_not_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let ahead = UnixSecs(NOW + 3600);
    let client = grey::client_tag(&desk.shared.secret, "192.0.2.1".parse().unwrap(), &mut Vec::new());
    desk.append(desk.tag_of_triplet(), Change::Passed(ahead));
    desk.append(client, Change::Client(Client { count: 5, last: ahead }));
    for forget in [Ask::Forget(triplet()), Ask::ForgetClient { client: "192.0.2.1".to_owned() }] {
        let error = desk.ask(forget.clone()).unwrap_err();
        assert!(error.contains("2027-01-15T09:00:00Z"), "{error}");
        desk.at(ahead.0).ask(forget).unwrap();
        desk.at(NOW);
    }
    assert_eq!(desk.at(ahead.0).known(), Known::Unknown);
}

#[test]
fn a_release_counts_in_the_second_of_a_forget() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    desk.append(desk.tag_of_triplet(), Change::Passed(UnixSecs(NOW)));
    desk.ask(Ask::Forget(triplet())).unwrap();
    assert_eq!(desk.known(), Known::Unknown);
    desk.ask(Ask::Release(triplet())).unwrap();
    assert!(matches!(desk.known(), Known::Passed { .. }));
}

#[test]
fn releases_can_be_ended_where_there_are_too_many() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let party = |number| Party { side: Side::Sender, name: format!("n{number}.example") };
    let entry = |number| {
        format!("[[release]]\nside = \"sender\"\nname = \"n{number}.example\"\nuntil = \"2033-05-18T03:33:20Z\"\n")
    };
    let text: String = (0..10_005).map(entry).collect();
    desk.store.keep_releases(&text).unwrap();
    *lock(&desk.releases) = ReleaseBook::open(&desk.store, UnixSecs(NOW)).0;
    assert!(desk.ask(Ask::ReleaseFor(Period { party: party(20_000), seconds: 60 })).is_err());
    desk.ask(Ask::ReleaseFor(Period { party: party(7), seconds: 60 })).unwrap();
    desk.ask(Ask::EndRelease(party(5))).unwrap();
    assert_eq!(desk.stats().releases, 10_004);
}

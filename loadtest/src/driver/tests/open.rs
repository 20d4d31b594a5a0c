//! The open loop: latency counts from when a request was due, and the run says who was too slow.

use std::sync::Arc;
use std::time::Duration;

use super::{answering, baseline, closed, drive};
use crate::driver::{Load, Progress, Supply, Tally, run};
use crate::endpoint::Endpoint;
use crate::workload::{Planned, Source};

/// A server that stands still once.
fn pausing(pause: Duration) -> Endpoint {
    let mut requests = 0;
    answering(move |_| {
        requests += 1;
        if requests == 200 {
            std::thread::sleep(pause);
        }
    })
}

fn at(tally: &Tally, quantile: f64) -> Duration {
    Duration::from_nanos(tally.latency.value_at_quantile(quantile))
}

#[test]
fn a_pause_of_the_server_falls_on_all_requests_that_were_due_meanwhile() {
    let pause = Duration::from_millis(300);
    let rate = "1000".parse().ok();
    for threads in [1, 2] {
        let open = drive(&Load { threads, rate, ..closed(&pausing(pause), 4, 1000) });
        assert_eq!((open.answers.total(), open.lost), (1000, 0));
        // About 300 of 1,000 requests were due in the pause, the first of them 300 ms before its end.
        assert!(at(&open, 0.99) > Duration::from_millis(250), "{:?}", at(&open, 0.99));
        assert!(at(&open, 0.85) > Duration::from_millis(100), "{:?}", at(&open, 0.85));
        assert!(open.elapsed > Duration::from_millis(990), "{:?}", open.elapsed);
    }
    let closed = drive(&closed(&pausing(pause), 4, 1000));
    assert!(at(&closed, 0.99) < Duration::from_millis(100), "{:?}", at(&closed, 0.99));
    assert!(at(&closed, 1.0) > Duration::from_millis(250), "{:?}", at(&closed, 1.0));
}

#[test]
fn a_ramp_sends_what_its_mean_says() {
    let directory = tempfile::tempdir().unwrap();
    let duration = Some(Duration::from_secs(1));
    let load = closed(&baseline(&directory), 10, 0);
    let tally = drive(&Load { rate: "100..1900".parse().ok(), duration, requests: None, ..load });
    assert!(tally.is_clean() && !tally.is_saturated(), "{tally:?}");
    assert!(tally.answers.total().abs_diff(1000) < 100, "{}", tally.answers.total());
}

#[test]
fn a_server_that_does_not_keep_up_is_saturated() {
    let endpoint = answering(|_| std::thread::sleep(Duration::from_millis(2)));
    for (requests, duration) in [(None, Some(Duration::from_secs(1))), (Some(500), None)] {
        let load = closed(&endpoint, 4, 0);
        let tally = drive(&Load { rate: "5000".parse().ok(), requests, duration, ..load });
        assert!(tally.is_clean() && tally.is_saturated(), "{tally:?}");
        assert!(tally.answers.total() <= 500 && tally.behind > Duration::from_millis(500), "{tally:?}");
        assert!(at(&tally, 1.0) > Duration::from_millis(500));
        let due = if requests.is_some() { 500 } else { 5000 };
        assert!((tally.answers.total() + tally.unsent).abs_diff(due) <= 150, "{tally:?}");
    }
}

#[test]
fn a_generator_that_does_not_keep_up_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let tally = drive(&Load { rate: "1e9".parse().ok(), ..closed(&baseline(&directory), 1000, 20_000) });
    assert!(tally.is_clean() && tally.late > 100, "{} late", tally.late);
}

#[test]
fn a_quiet_connection_is_no_hang() {
    let load = closed(&answering(|_| ()), 2, 3);
    let tally = drive(&Load { rate: "5".parse().ok(), patience: Duration::from_millis(100), ..load });
    assert!(tally.is_clean(), "{:?}", tally.first_failure);
    assert!(tally.elapsed >= Duration::from_millis(400) && tally.own_share() < 0.5, "{tally:?}");
}

/// Five requests, a second apart if they have times.
fn hourglass(timed: bool) -> Supply {
    Supply::Planned(Arc::new(move |_, _| {
        let due = move |number| timed.then(|| Duration::from_secs(number));
        let planned = move |number| (Planned { due: due(number), network: number }, b"a=b\n\n".to_vec());
        Ok(Source::given((0..5).map(planned)))
    }))
}

#[test]
fn planned_requests_come_at_their_own_times_at_the_speed_asked_for() {
    let endpoint = answering(|_| ());
    let load = |speed, timed| Load { speed, supply: hourglass(timed), requests: None, ..closed(&endpoint, 2, 0) };
    let tally = drive(&load(Some(10.0), true));
    assert!(tally.is_clean() && tally.elapsed >= Duration::from_millis(400), "{tally:?}");
    assert_eq!(tally.answers.total(), 5);
    let tally = drive(&load(None, true));
    assert!(tally.is_clean() && tally.elapsed < Duration::from_millis(400), "{tally:?}");
    let timeless = load(Some(10.0), false);
    let refused = run(&timeless, &Progress::new(&timeless).unwrap()).unwrap_err();
    assert!(refused.to_string().contains("give --rate"), "{refused}");
}

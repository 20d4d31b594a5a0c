//! The closed loop: counts, threads, batches, ends, and the order of planned requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{answering, baseline, closed, drive};
use crate::driver::{Load, Progress, Supply, run};
use crate::workload::{Planned, Source};

#[test]
fn every_request_of_every_thread_is_answered_once() {
    let seen = Arc::new(Mutex::new(HashMap::<String, u64>::new()));
    let counted = Arc::clone(&seen);
    let endpoint = answering(move |request| {
        *counted.lock().unwrap().entry(request.to_owned()).or_default() += 1;
    });
    for (threads, batch) in [(1, 1), (3, 1), (1, 7), (2, 16)] {
        seen.lock().unwrap().clear();
        let tally = drive(&Load { threads, batch, ..closed(&endpoint, 5, 1000) });
        assert!(tally.is_clean(), "{:?}", tally.first_failure);
        assert_eq!((tally.answers.dunno, tally.answers.total(), tally.threads), (1000, 1000, threads));
        assert_eq!((tally.latency.len(), tally.late), (1000, 0));
        assert_eq!(tally.seconds.iter().map(|second| second.answers.total()).sum::<u64>(), 1000);
        assert!(!tally.is_saturated() && !tally.interrupted);
        let seen = seen.lock().unwrap();
        assert_eq!((seen.len(), seen.values().max()), (1000, Some(&1)), "{threads} threads, batches of {batch}");
    }
}

#[test]
fn a_batch_that_the_socket_has_no_room_for_is_sent_to_its_end() {
    let tally = drive(&Load { batch: 10_000, ..closed(&answering(|_| ()), 1, 20_000) });
    assert!(tally.is_clean(), "{:?}", tally.first_failure);
    assert_eq!(tally.answers.total(), 20_000);
}

#[test]
fn a_duration_ends_the_run_and_its_last_requests_are_answered() {
    let directory = tempfile::tempdir().unwrap();
    let duration = Some(Duration::from_millis(300));
    let tally = drive(&Load { requests: None, duration, ..closed(&baseline(&directory), 10, 0) });
    assert!(tally.is_clean() && tally.answers.total() > 0, "{tally:?}");
    assert!(tally.elapsed >= Duration::from_millis(300), "{:?}", tally.elapsed);
}

#[test]
fn seconds_add_up_and_are_shown_while_the_run_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let load = Load {
        threads: 2,
        requests: None,
        duration: Some(Duration::from_millis(2200)),
        ..closed(&baseline(&directory), 4, 0)
    };
    let progress = Progress::new(&load).unwrap();
    let (tally, seen) = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&load, &progress).unwrap());
        let deadline = Instant::now() + Duration::from_secs(30);
        let seen = loop {
            let now = progress.now();
            if now.second.answers.total() > 0 || Instant::now() > deadline {
                break now;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        (running.join().unwrap(), seen)
    });
    assert!(seen.second.p50 > 0 && seen.second.p99 >= seen.second.p50, "{seen:?}");
    assert!(seen.done >= seen.second.answers.total() && seen.done < tally.answers.total(), "{seen:?}");
    assert_eq!(tally.seconds.len(), 3);
    assert_eq!(tally.seconds.iter().map(|second| second.answers.total()).sum::<u64>(), tally.answers.total());
}

#[test]
fn ctrl_c_ends_the_run_with_what_was_done() {
    let directory = tempfile::tempdir().unwrap();
    let load = Load { threads: 2, ..closed(&baseline(&directory), 8, u64::MAX - 1) };
    let progress = Progress::new(&load).unwrap();
    let tally = std::thread::scope(|scope| {
        scope.spawn(|| {
            while progress.now().done < 100 {
                std::thread::sleep(Duration::from_millis(1));
            }
            load.stop.ask();
        });
        run(&load, &progress).unwrap()
    });
    assert!(tally.interrupted && tally.is_clean(), "{:?}", tally.first_failure);
    assert!(tally.answers.total() >= 100);
    assert_eq!(tally.answers, progress.now().answers);
}

/// Each thread's source has networks of its own; requests name their network and running number.
fn planned(thread: u32, threads: u32) -> Source {
    let networks = (0..20_u64).filter(move |network| network % u64::from(threads) == u64::from(thread));
    let numbers = (0..50).flat_map(move |number| networks.clone().map(move |network| (network, number)));
    Source::given(numbers.map(|(network, number)| {
        (Planned { due: None, network }, format!("network={network}\nnumber={number}\n\n").into_bytes())
    }))
}

#[test]
fn requests_of_a_network_arrive_in_their_order() {
    let seen = Arc::new(Mutex::new(HashMap::<String, Vec<u64>>::new()));
    let collected = Arc::clone(&seen);
    let endpoint = answering(move |request| {
        let (network, number) = request.split_once("\nnumber=").unwrap();
        collected.lock().unwrap().entry(network.to_owned()).or_default().push(number.parse().unwrap());
    });
    let supply = Supply::Planned(Arc::new(|thread, threads| Ok(planned(thread, threads))));
    let tally = drive(&Load { threads: 2, batch: 3, supply, requests: None, ..closed(&endpoint, 7, 0) });
    assert!(tally.is_clean(), "{:?}", tally.first_failure);
    assert_eq!(tally.answers.total(), 1000);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 20);
    for (network, numbers) in seen.iter() {
        assert_eq!(*numbers, (0..50).collect::<Vec<_>>(), "{network}");
    }
}

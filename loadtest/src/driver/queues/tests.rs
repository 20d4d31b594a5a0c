//! Queues without connections: what each is given, in which order, when, and what is left.

use super::*;

const CONNECTIONS: usize = 4;

/// Requests `NETWORK.RUNNING-NUMBER;` of ten networks in turn.
fn queues(requests: u64, batch: usize, millis: Option<u64>) -> Queues {
    let source = Source::given((0..requests).map(move |number| {
        let due = millis.map(|millis| Duration::from_millis(millis * number));
        (Planned { due, network: number % 10 }, format!("{}.{number};", number % 10).into_bytes())
    }));
    let share = Share { thread: 0, threads: 1, requests: u64::MAX, schedule: None, speed: millis.map(|_| 1.0) };
    Queues::new(source, batch, CONNECTIONS, share)
}

fn take(queues: &mut Queues, conn: usize, now: u64) -> (String, Vec<u64>) {
    let mut since = Vec::new();
    let portion = queues.portion(conn, now, &mut since).unwrap();
    (String::from_utf8(portion.to_vec()).unwrap(), since)
}

#[test]
fn a_network_keeps_its_order_and_its_connection() {
    let mut queues = queues(1000, 3, None);
    let (mut sent, mut homes) = (vec![Vec::new(); 10], vec![None; 10]);
    let mut turn = 0;
    while (0..CONNECTIONS).any(|conn| !queues.is_over(conn)) {
        // Connections of unequal speed.
        for conn in (0..CONNECTIONS).filter(|conn| turn % (conn + 1) == 0) {
            for request in take(&mut queues, conn, 0).0.split_terminator(';') {
                let (network, number) = request.split_once('.').unwrap();
                let network: usize = network.parse().unwrap();
                sent[network].push(number.parse::<usize>().unwrap());
                assert_eq!(*homes[network].get_or_insert(conn), conn);
            }
        }
        turn += 1;
    }
    for (network, numbers) in sent.iter().enumerate() {
        assert_eq!(*numbers, (0..100).map(|round| round * 10 + network).collect::<Vec<_>>());
    }
    homes.sort_unstable();
    homes.dedup();
    assert!(homes.len() > 1, "all networks on one connection");
}

#[test]
fn a_full_queue_stops_the_source() {
    let mut queues = queues(u64::MAX, 1, None);
    queues.pump(0).unwrap();
    assert!(queues.lines.iter().all(|queue| queue.marks.len() <= DEPTH));
    assert_eq!(queues.lines.iter().map(|queue| queue.marks.len()).max(), Some(DEPTH));
}

#[test]
fn a_parked_connection_is_woken_when_its_request_is_due() {
    let mut queues = queues(20, 1, Some(1));
    (0..CONNECTIONS).for_each(|conn| queues.park(conn, 5));
    let home = |number| place(number, CONNECTIONS);
    assert_eq!(queues.wake(0).unwrap(), Some((home(0), 5)));
    assert_eq!(take(&mut queues, home(0), 0), ("0.0;".to_owned(), vec![0]));
    assert_eq!((queues.wake(0).unwrap(), queues.next_due()), (None, Some(1_000_000)));
    queues.park(home(0), 6);
    let mut seen = Vec::new();
    while let Some((conn, _)) = queues.wake(3_500_000).unwrap() {
        seen.extend(take(&mut queues, conn, 3_500_000).1);
        queues.park(conn, 7);
    }
    let left = (0..CONNECTIONS).flat_map(|conn| take(&mut queues, conn, 3_500_000).1);
    seen.extend(left);
    seen.sort_unstable();
    assert_eq!(seen, [1_000_000, 2_000_000, 3_000_000]);
}

#[test]
fn what_was_due_and_not_sent_is_counted_once() {
    let mut queues = queues(200, 1, Some(1));
    queues.wake(50_000_000).unwrap();
    let home = place(0, CONNECTIONS);
    assert_eq!(take(&mut queues, home, 50_000_000).1.len(), 1);
    // 151 of 200 are due, of which one has been sent.
    assert_eq!([queues.close(150_000_000).unwrap(), queues.close(150_000_000).unwrap()], [150, 0]);
}

#[test]
fn what_belonged_to_a_lost_connection_is_lost() {
    let mut queues = queues(100, 1, None);
    let lost = place(3, CONNECTIONS);
    queues.forget(lost);
    let mut sent = 0;
    while (0..CONNECTIONS).any(|conn| !queues.is_over(conn)) {
        sent += (0..CONNECTIONS).map(|conn| take(&mut queues, conn, 0).1.len() as u64).sum::<u64>();
    }
    let meant = (0..100).filter(|number| place(number % 10, CONNECTIONS) == lost).count() as u64;
    assert_eq!((queues.rest(), sent), (meant, 100 - meant));
}

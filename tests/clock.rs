//! Clocks that are set while delays run: by an hour, by ten years, to the ends of what is stored. The clock is that of the
//! requests (`--test-clock`).

use tempfile::TempDir;

use crate::support::{Client, Daemon, Pair, Program, Request, Setup};

const NOW: u64 = 1_700_000_000;
const HOUR: u64 = 3600;
const YEAR: u64 = 365 * 24 * HOUR;
const DELAY: u64 = 300;
const KNOWN: &str = "action=DUNNO";

/// Where a clock is set to, from [`NOW`] on.
const TIMES: [(&str, u64); 9] = [
    ("an hour ahead", NOW + HOUR),
    ("an hour back", NOW - HOUR),
    ("ten years ahead", NOW + 10 * YEAR),
    ("ten years back", NOW - 10 * YEAR),
    ("1970", 1),
    ("before 2038", (1 << 31) - 1),
    ("after 2038", 1 << 31),
    ("before 2106", u32::MAX as u64 - 2 * DELAY),
    ("the last hour that can be stored", u32::MAX as u64 - HOUR),
];

fn mail(sender: &str) -> Request {
    Request::new("192.0.2.1", &format!("{sender}@sender.example"), "bob@customer.test")
}

fn deferred_for(seconds: u64) -> String {
    format!("action=DEFER_IF_PERMIT 4.2.0 Greylisted for {seconds} seconds")
}

fn is_first_pass(reply: &str) -> bool {
    reply.starts_with("action=PREPEND ")
}

/// A daemon that knows some senders at [`NOW`]: `known0` and so on have passed, `waiting0` and so on have tried once.
fn daemon(dir: &TempDir) -> Daemon {
    let options = ["--test-clock", "--quiet", "--auto-whitelist-clients=0"];
    let daemon = Setup::new(Program::Serve, dir.path()).with(options).start();
    let mut client = daemon.client();
    for number in 0..20 {
        let (known, waiting) = (mail(&format!("known{number}x")), mail(&format!("waiting{number}x")));
        assert_eq!(client.ask(&known.clone().at(NOW - DELAY)), deferred_for(DELAY));
        assert!(is_first_pass(&client.ask(&known.at(NOW))));
        assert_eq!(client.ask(&waiting.at(NOW)), deferred_for(DELAY));
    }
    daemon
}

/// Who comes for the first time at `time` waits the whole delay, by the clock as it is now.
fn check_new(client: &mut Client, sender: &str, time: u64) {
    assert_eq!(client.ask(&mail(sender).at(time)), deferred_for(DELAY), "{sender} is new");
    assert_eq!(client.ask(&mail(sender).at(time + DELAY - 1)), deferred_for(1), "{sender} has not waited");
    assert!(is_first_pass(&client.ask(&mail(sender).at(time + DELAY))), "{sender} has waited");
}

#[test]
fn a_clock_that_is_set_lets_nobody_pass_early_and_forgets_nobody() {
    for (name, time) in TIMES {
        let dir = TempDir::new().unwrap();
        let daemon = daemon(&dir);
        let mut client = daemon.client();
        println!("{name}");
        check_new(&mut client, "newx", time);
        // Whose delay runs waits by the step less, or more: no longer than anybody who is new.
        let reply = client.ask(&mail("waiting0x").at(time));
        match time {
            0..NOW => assert_eq!(reply, deferred_for(DELAY), "{name}"),
            _ if time - NOW <= 2 * 24 * HOUR => assert!(is_first_pass(&reply), "{name}: {reply}"),
            _ => assert_eq!(reply, deferred_for(DELAY), "{name}: the retry window is over"),
        }
        // Known is who was known, unless that has expired by the clock as it is.
        let known = client.ask(&mail("known0x").at(time));
        let is_known = time < NOW + 39 * 24 * HOUR;
        assert_eq!(known == KNOWN, is_known, "{name}: {known}");

        // When the clock is right again, nothing has been lost; neither by then nor for the next daemon.
        for number in 1..20 {
            assert_eq!(client.ask(&mail(&format!("known{number}x")).at(NOW + 10)), KNOWN, "{name}");
        }
        drop(client);
        let daemon = daemon.kill_and_restart();
        let mut client = daemon.client();
        for number in 1..20 {
            assert_eq!(client.ask(&mail(&format!("known{number}x")).at(NOW + 20)), KNOWN, "{name}, restarted");
            let reply = client.ask(&mail(&format!("waiting{number}x")).at(NOW + DELAY - 20));
            assert_eq!(reply, deferred_for(20), "{name}, restarted");
            assert!(
                is_first_pass(&client.ask(&mail(&format!("waiting{number}x")).at(NOW + DELAY))),
                "{name}, restarted"
            );
        }
        check_new(&mut client, "newerx", NOW + DELAY);
        let journal = daemon.journal().lines();
        assert!(!journal.iter().any(|line| line.contains("panic")), "{name}: {journal:?}");
    }
}

/// As in postgrey: a delay that runs when the clock is set changes by the step.
#[test]
fn a_running_delay_changes_by_the_step_as_in_postgrey() {
    let Some(pair) = Pair::start("clock::a_running_delay_changes_by_the_step", &["--auto-whitelist-clients=0"]) else {
        return;
    };
    for (number, step) in [-3600_i64, -299, -100, -1, 1, 100, 299, 300, 3600].into_iter().enumerate() {
        // A day each, as what one step leaves is not the next one's.
        let tried = NOW + number as u64 * 24 * HOUR;
        let sender = format!("step{number}x");
        let at = |time: u64| pair.ask(&mail(&sender).at(time));
        let set = |seconds: u64| (tried + seconds).checked_add_signed(step).unwrap();
        for time in [tried, set(0), set(150), set(299), set(300), set(301)] {
            let [theirs, ours] = at(time);
            let kind = |reply: &str| reply.split(' ').take(2).collect::<Vec<_>>().join(" ");
            let seconds = |reply: &str| reply.split(' ').find_map(|word| word.parse::<u64>().ok());
            assert_eq!(is_first_pass(&theirs), is_first_pass(&ours), "step {step} at {time}: {theirs} / {ours}");
            assert_eq!(kind(&theirs), kind(&ours), "step {step}");
            if !is_first_pass(&ours) {
                assert_eq!(seconds(&theirs), seconds(&ours), "step {step}");
            }
        }
    }
}

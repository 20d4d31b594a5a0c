//! Clocks that are set: an hour, ten years, to the beginning of time, to the ends of 31 and of 32 bits, and right again.
//!
//! The daemon goes by the clock of its requests and is asked about running delays, about senders that nothing is known of,
//! and about what was earned before: triplets that have passed and a client of the auto-whitelist. What it has to answer is
//! told by [`model`], and by postgrey for whatever has not passed yet.

mod model;

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Client, Daemon, Program, Request, Setup, skipped, tool, unix_now};
use model::{Answer, DELAY, Earned, Mail};

/// When the clock is set.
static NOW: LazyLock<u64> = LazyLock::new(unix_now);

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const TEN_YEARS: u64 = 3_653 * DAY;
/// The last second that 32 bits hold, in 2106.
const END: u64 = u32::MAX as u64;
/// How long the delays run already when the clock is set.
const RUNNING: [u64; 6] = [0, 1, HOUR / 2, HOUR, HOUR * 3 / 2, DELAY - 1];
/// From so large a step on segments are rolled over by their age: a quarter of max-age.
const ROLLS_OVER: u64 = 9 * DAY;

/// The daemon with what it was told, and postgrey beside it.
struct Clocked {
    irongrey: Daemon,
    postgrey: Option<Daemon>,
    mails: Vec<Mail>,
    whitelisted: Earned,
    /// Recipients that the whitelisted client has written to.
    recipients: usize,
    dir: TempDir,
}

impl Clocked {
    /// Asks for all that there is before the clock is set.
    fn start(test: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let options = ["--delay=7200", "--greylist-text=Wait %s seconds", "--auto-whitelist-clients=2"];
        let setup = |program| Setup::new(program, dir.path()).with(options);
        let postgrey = tool("postgrey").map(|_| setup(Program::Postgrey).start());
        if postgrey.is_none() {
            skipped(&format!("clock::{test}, the comparison"), "postgrey is not installed");
        }
        let irongrey = setup(Program::Irongrey).with(["--test-clock"]).start();
        let earned = *NOW - DAY + DELAY + HOUR;
        let mut clocked =
            Self { irongrey, postgrey, mails: Vec::new(), whitelisted: Earned::at(earned), recipients: 0, dir };
        for second in [*NOW - DAY, *NOW - DAY + DELAY] {
            clocked.check(0..20, second);
        }
        clocked.earn_the_whitelist();
        for (number, running) in (20..).zip(RUNNING) {
            clocked.check(number..number + 1, *NOW - running);
        }
        clocked
    }

    /// Two mails of one client pass, an hour apart.
    fn earn_the_whitelist(&mut self) {
        let mut client = self.irongrey.client();
        let [one, two] = [self.whitelisted_mail(), self.whitelisted_mail()];
        let mut answer = |mail: &Request, time| Answer::of(&client.ask(&mail.clone().at(time)));
        let first = *NOW - DAY;
        assert_eq!([answer(&one, first), answer(&two, first)], [Answer::Deferred(DELAY); 2]);
        assert_eq!(answer(&one, first + DELAY), Answer::Passes(DELAY));
        assert_eq!(answer(&two, first + DELAY + HOUR), Answer::Passes(DELAY + HOUR));
    }

    /// The whitelisted client's mail to one more recipient.
    fn whitelisted_mail(&mut self) -> Request {
        self.recipients += 1;
        Request::new("203.0.113.9", "carol@sender.example", &format!("r{}x@customer.test", self.recipients))
    }

    /// Asks about these mails at this time; each answer has to be right.
    #[track_caller]
    fn check(&mut self, numbers: std::ops::Range<usize>, now: u64) {
        let known = self.mails.len();
        self.mails.extend((known..numbers.end).map(Mail::new));
        let mut clients: Vec<Client> =
            [Some(&self.irongrey), self.postgrey.as_ref()].into_iter().flatten().map(Daemon::client).collect();
        for number in numbers {
            let mail = &mut self.mails[number];
            let asks_both = !mail.has_passed();
            let expected = mail.answer(now);
            for (client, name) in clients.iter_mut().zip(["irongrey", "postgrey"]).take(1 + usize::from(asks_both)) {
                let answer = Answer::of(&client.ask(&mail.request(now)));
                assert_eq!(answer, expected, "of {name} to mail {number} at {now} (now is {})", *NOW);
            }
        }
    }

    /// Asks about everything: what is known already, one more sender that is not, one more recipient of the whitelisted
    /// client.
    #[track_caller]
    fn check_all(&mut self, now: u64) {
        self.check(0..self.mails.len() + 1, now);
        let expected = if self.whitelisted.counts(now) { Answer::Known } else { Answer::Deferred(DELAY) };
        let mail = self.whitelisted_mail().at(now);
        assert_eq!(Answer::of(&self.irongrey.client().ask(&mail)), expected, "to the whitelisted client at {now}");
    }

    /// Waits until upkeep has acted on a step, and a little more, in which it may not do any harm.
    fn wait_for_upkeep(&self, step: u64) {
        let next = self.dir.path().join("irongrey-state/irongrey/established-00000003.seg");
        if step > ROLLS_OVER {
            wait_for(&next);
        }
        std::thread::sleep(Duration::from_millis(250));
    }

    /// Kills the daemon and starts another one.
    fn restarted(mut self) -> Self {
        self.assert_sound();
        self.irongrey = self.irongrey.kill_and_restart();
        self
    }

    /// It runs, and has not met anything that it did not expect.
    fn assert_sound(&self) {
        let lines = self.irongrey.journal().lines();
        let bad = |line: &&String| ["panic", "ERROR", "error:"].iter().any(|word| line.contains(word));
        assert_eq!(lines.iter().find(bad), None);
    }
}

fn wait_for(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !path.exists() {
        assert!(Instant::now() < deadline, "no {}", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The clock is set to `target`, goes on for longer than the delay, is set right again, and goes on. There is a restart
/// after each of the two steps.
fn step(test: &str, target: u64) {
    let mut clocked = Clocked::start(test);
    clocked.check_all(target);
    clocked.wait_for_upkeep(target.saturating_sub(*NOW));
    clocked.check_all(target);
    let mut clocked = clocked.restarted();
    for second in [1, HOUR, DELAY - 1, DELAY, DELAY + 1] {
        clocked.check_all(target + second);
    }
    clocked.wait_for_upkeep(target.saturating_sub(*NOW));
    for second in [10, 11] {
        clocked.check_all(*NOW + second);
    }
    let mut clocked = clocked.restarted();
    for second in [12, HOUR, DELAY + 9, DELAY + 10, DELAY + 12] {
        clocked.check_all(*NOW + second);
    }
    clocked.assert_sound();
}

#[test]
fn an_hour_ahead() {
    step("an_hour_ahead", *NOW + HOUR);
}

#[test]
fn an_hour_back() {
    step("an_hour_back", *NOW - HOUR);
}

#[test]
fn ten_years_ahead() {
    step("ten_years_ahead", *NOW + TEN_YEARS);
}

#[test]
fn ten_years_back() {
    step("ten_years_back", *NOW - TEN_YEARS);
}

#[test]
fn to_1970() {
    step("to_1970", 0);
}

/// Over the end of 31 bits, while delays run.
#[test]
fn to_2038() {
    step("to_2038", (1 << 31) - HOUR);
}

#[test]
fn to_2106() {
    step("to_2106", END - DELAY - 1);
}

/// Behind the end of 32 bits the clock stands still: no delay ends any more, and nothing else happens.
#[test]
fn beyond_2106() {
    let mut clocked = Clocked::start("beyond_2106");
    clocked.postgrey = None;
    let mut client = clocked.irongrey.client();
    for time in [END, END + 1, END + DELAY, 10 * END] {
        for mail in &mut clocked.mails {
            assert_eq!(mail.answer(END), Answer::Deferred(DELAY));
            assert_eq!(Answer::of(&client.ask(&mail.request(time))), Answer::Deferred(DELAY), "at {time}");
        }
        clocked.wait_for_upkeep(ROLLS_OVER + 1);
    }
    clocked.check(0..20, *NOW + 10);
    let mut clocked = clocked.restarted();
    clocked.check_all(*NOW + 11);
    clocked.assert_sound();
}

//! [`Watch`]: what was seen of the daemon, look by look. Rates are differences of two looks by the watcher's own clock; a daemon
//! that was started anew between them begins anew here too.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::admin::message::{Answer, Ask, Spread, Stats};
use crate::admin::{AskError, ask};
use crate::metrics::quantile;

/// Intervals whose rates are kept: more than a wide terminal has columns.
const HISTORY: usize = 512;

/// One look.
#[derive(Debug)]
pub(super) struct Look {
    at: Instant,
    answer: Result<Box<Stats>, AskError>,
}

/// What happened between two looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Interval<'s> {
    /// How long it was.
    pub(super) seconds: f64,
    /// Of each counter, a second.
    pub(super) rates: BTreeMap<String, f64>,
    /// The workers' turns, in microseconds.
    pub(super) turns: Spread,
    /// Delays of messages, in seconds.
    pub(super) delays: Spread,
    /// The later look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stats: Option<&'s Stats>,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Watch {
    last: Option<(Instant, Box<Stats>)>,
    interval: Option<Interval<'static>>,
    /// Requests a second, the latest first.
    history: VecDeque<u64>,
    trouble: Option<String>,
}

/// Asks again and again, on a thread of its own: what waits for the daemon does not keep keys waiting.
pub(super) fn look_each(path: PathBuf, interval: Duration) -> Receiver<Look> {
    let (looks, receiver) = sync_channel(0);
    thread::spawn(move || {
        let mut due = Instant::now();
        loop {
            let answer = ask(&path, &Ask::Stats).and_then(|answer| match answer {
                Answer::Stats(stats) => Ok(stats),
                other => Err(AskError::Failed(format!("no figures, but {other:?}"))),
            });
            if looks.send(Look { at: Instant::now(), answer }).is_err() {
                return;
            }
            due = (due + interval).max(Instant::now());
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    });
    receiver
}

impl Watch {
    /// Takes one look into account.
    pub(super) fn take(&mut self, Look { at, answer }: Look) {
        let stats = match answer {
            Ok(stats) => stats,
            Err(error) => {
                self.interval = None;
                self.trouble = Some(error.to_string());
                return;
            }
        };
        self.trouble = None;
        let before = self.last.take().filter(|(_, before)| before.pid == stats.pid && before.uptime <= stats.uptime);
        self.interval = before.map(|(then, before)| between(&before, &stats, at - then));
        if let Some(interval) = &self.interval {
            self.history.push_front(whole(interval.rate("requests")));
            self.history.truncate(HISTORY);
        }
        self.last = Some((at, stats));
    }

    /// The last figures.
    pub(super) fn stats(&self) -> Option<&Stats> {
        self.last.as_ref().map(|(_, stats)| &**stats)
    }

    /// What happened between the last two looks.
    pub(super) fn interval(&self) -> Option<&Interval<'static>> {
        self.interval.as_ref()
    }

    /// Requests a second in each interval, the latest first.
    pub(super) fn history(&self) -> impl Iterator<Item = u64> {
        self.history.iter().copied()
    }

    /// Why the last look found nothing.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}

impl Interval<'_> {
    /// A counter's rate; 0 if the daemon does not know it.
    pub(super) fn rate(&self, counter: &str) -> f64 {
        self.rates.get(counter).copied().unwrap_or_default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates are shown to a tenth")]
fn between(before: &Stats, after: &Stats, elapsed: Duration) -> Interval<'static> {
    let seconds = elapsed.as_secs_f64().max(1e-3);
    let rate = |(name, value): (&String, &u64)| {
        let more = value.saturating_sub(before.counters.get(name).copied().unwrap_or_default());
        (name.clone(), more as f64 / seconds)
    };
    Interval {
        seconds,
        rates: after.counters.iter().map(rate).collect(),
        turns: since(&before.turns, &after.turns),
        delays: since(&before.delays, &after.delays),
        stats: None,
    }
}

/// The values that came after `before`. The largest is known by its bucket only.
fn since(before: &Spread, after: &Spread) -> Spread {
    let old: BTreeMap<u64, u64> = before.buckets.iter().copied().collect();
    let more = |&(largest, count): &(u64, u64)| {
        let more = count.saturating_sub(old.get(&largest).copied().unwrap_or_default());
        (more > 0).then_some((largest, more))
    };
    let buckets: Vec<(u64, u64)> = after.buckets.iter().filter_map(more).collect();
    let at = |hundredths| quantile(buckets.iter().copied(), hundredths).min(after.max);
    Spread { count: buckets.iter().map(|(_, count)| count).sum(), p50: at(50), p99: at(99), max: at(100), buckets }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is neither negative nor near 2^64")]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::figures::tests::stats;

    fn look(at: Instant, stats: Stats) -> Look {
        Look { at, answer: Ok(Box::new(stats)) }
    }

    /// What is seen in three looks: 500 requests a second, then 1,000.
    pub(in crate::admin::top) fn watched() -> Watch {
        let (mut watch, begin) = (Watch::default(), Instant::now());
        for (second, requests) in [(0, 1_000), (2, 2_000), (3, 3_000)] {
            watch.take(look(begin + Duration::from_secs(second), stats(requests)));
        }
        watch
    }

    #[test]
    fn rates_are_differences_by_the_watchers_clock() {
        let watch = watched();
        assert_eq!(watch.history().collect::<Vec<_>>(), [1_000, 500]);
        let interval = watch.interval().unwrap();
        assert_eq!(interval.rates, [("requests".to_owned(), 1_000.0), ("greylisted".to_owned(), 500.0)].into());
        assert_eq!((interval.rate("requests"), interval.rate("unheard_of"), interval.seconds), (1_000.0, 0.0, 1.0));
        assert_eq!(interval.turns, Spread::default());
    }

    #[test]
    fn the_first_look_and_a_daemon_started_anew_have_no_rates() {
        let (mut watch, begin) = (Watch::default(), Instant::now());
        watch.take(look(begin, stats(1_000)));
        assert_eq!(watch.interval(), None);
        watch.take(look(begin + Duration::from_secs(1), Stats { pid: 78, ..stats(10) }));
        assert_eq!(watch.interval(), None);
        watch.take(look(begin + Duration::from_secs(2), Stats { pid: 78, uptime: 1, ..stats(10) }));
        assert_eq!((watch.interval(), watch.history().count()), (None, 0));
    }

    #[test]
    fn a_daemon_that_is_away_is_told_of_and_its_figures_stay() {
        let mut watch = watched();
        watch.take(Look { at: Instant::now(), answer: Err(AskError::Refused("away".to_owned())) });
        assert_eq!((watch.trouble(), watch.interval()), (Some("away"), None));
        assert_eq!(watch.stats().unwrap().counters["requests"], 3_000);
    }

    #[test]
    fn a_spread_of_the_interval_is_made_of_its_buckets() {
        let before = Spread { count: 3, p50: 1, p99: 9, max: 9, buckets: vec![(1, 2), (9, 1)] };
        let after = Spread { count: 7, p50: 2, p99: 9, max: 9, buckets: vec![(1, 3), (2, 1), (4, 2), (9, 1)] };
        let expected = Spread { count: 4, p50: 2, p99: 4, max: 4, buckets: vec![(1, 1), (2, 1), (4, 2)] };
        assert_eq!(since(&before, &after), expected);
        assert_eq!(since(&after, &after), Spread::default());
    }
}

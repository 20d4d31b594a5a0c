//! When requests are due in an open loop: at a rate that is fixed or goes linearly from one to another.
//!
//! A due time follows from the number of the request alone, so requests that wait for a connection need no list, and all
//! threads keep one schedule: each sends every n-th request of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, bail};

/// Requests a second at the beginning and at the end of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    from: f64,
    to: f64,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        if from.to_bits() == to.to_bits() { write!(f, "{from}") } else { write!(f, "{from} to {to}") }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
            _ => Err("write requests a second like 50000, or 1000..50000 for a ramp".to_owned()),
        };
        match text.split_once("..") {
            Some((from, to)) => Ok(Self { from: number(from)?, to: number(to)? }),
            None => number(text).map(|rate| Self { from: rate, to: rate }),
        }
    }
}

/// The due times of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// Requests a second at the beginning.
    from: f64,
    /// By how much that grows each second.
    slope: f64,
    /// Seconds after which nothing more is due; infinite if nobody knows them.
    end: f64,
}

impl Schedule {
    /// The schedule of a run that ends after `duration` or, without one, after `requests`.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    pub(crate) fn new(rate: Rate, requests: Option<u64>, duration: Option<Duration>) -> Result<Self> {
        let Rate { from, to } = rate;
        let is_ramp = from.to_bits() != to.to_bits();
        let end = match (duration, requests) {
            (Some(duration), _) => duration.as_secs_f64(),
            (None, Some(requests)) => requests as f64 / f64::midpoint(from, to),
            (None, None) if is_ramp => bail!("a ramp needs an end: give --duration or --requests"),
            (None, None) => f64::INFINITY,
        };
        Ok(Self { from, slope: if is_ramp { (to - from) / end } else { 0.0 }, end })
    }

    /// The rate from the start to the end of a run of so many seconds, as two points: seconds and requests a second.
    pub(crate) fn course(&self, seconds: f64) -> [(f64, f64); 2] {
        let end = self.end.min(seconds);
        [(0.0, self.from), (end, self.from + self.slope * end)]
    }

    /// Requests that came due a second, on average over a run of so many seconds.
    pub(crate) fn average(&self, seconds: f64) -> f64 {
        let [(_, from), (_, to)] = self.course(seconds);
        f64::midpoint(from, to)
    }

    /// When the request of this index is due, in nanoseconds from the start.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of a run, never negative")]
    pub(crate) fn due(&self, index: u64) -> u64 {
        let index = index as f64;
        // The root of from * t + slope * t^2 / 2 = index, in the form that holds for a slope of 0 too.
        let root = (self.from * self.from + 2.0 * self.slope * index).max(0.0).sqrt();
        (2.0 * index / (self.from + root) * 1e9) as u64
    }

    /// How many requests are due by `now`, give or take one.
    #[expect(clippy::cast_precision_loss, reason = "a run is far shorter than 2^52 ns")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, never negative")]
    pub(crate) fn due_by(&self, now: u64) -> u64 {
        let seconds = now as f64 / 1e9;
        // A rate that falls asks for nothing more once it is 0.
        let seconds = if self.slope < 0.0 { seconds.min(-self.from / self.slope) } else { seconds };
        ((self.from * seconds + self.slope * seconds * seconds / 2.0) as u64).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: &str, requests: Option<u64>, seconds: Option<u64>) -> Schedule {
        Schedule::new(rate.parse().unwrap(), requests, seconds.map(Duration::from_secs)).unwrap()
    }

    #[test]
    fn rates_are_read_and_refused() {
        assert_eq!("50000".parse(), Ok(Rate { from: 5e4, to: 5e4 }));
        assert_eq!("0.5..2".parse(), Ok(Rate { from: 0.5, to: 2.0 }));
        for wrong in ["", "0", "-1", "inf", "5..", "..5", "a"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_fixed_rate_is_even() {
        let schedule = schedule("50000", None, None);
        assert_eq!([0, 1, 50_000].map(|index| schedule.due(index)), [0, 20_000, 1_000_000_000]);
    }

    #[test]
    fn a_ramp_goes_from_one_rate_to_the_other_within_the_run() {
        for (rate, up) in [("1000..3000", true), ("3000..1000", false)] {
            for schedule in [schedule(rate, None, Some(10)), schedule(rate, Some(20_000), None)] {
                assert!(schedule.due(20_000).abs_diff(10_000_000_000) < 1000, "{rate}: {}", schedule.due(20_000));
                let (first, last) = (schedule.due(1), schedule.due(20_000) - schedule.due(19_999));
                let (slow, fast) = if up { (first, last) } else { (last, first) };
                for now in [0, 500_000_000, 9_000_000_000] {
                    assert!(schedule.due(schedule.due_by(now)) > now && schedule.due_by(now) < 20_000, "{rate}: {now}");
                    assert!(schedule.due(schedule.due_by(now).saturating_sub(2)) <= now, "{rate}: {now}");
                }
                assert!(slow.abs_diff(1_000_000) < 2000 && fast.abs_diff(333_333) < 1000, "{rate}: {slow} {fast}");
            }
        }
    }

    #[test]
    fn the_course_of_a_rate_ends_with_the_run_or_with_the_schedule() {
        let course = |schedule: Schedule, seconds| (schedule.course(seconds), schedule.average(seconds));
        let ramp = schedule("1000..3000", None, Some(10));
        assert_eq!(course(ramp, 12.0), ([(0.0, 1000.0), (10.0, 3000.0)], 2000.0));
        assert_eq!(course(ramp, 5.0), ([(0.0, 1000.0), (5.0, 2000.0)], 1500.0));
        assert_eq!(course(schedule("3000..1000", Some(20_000), None), 20.0).0[1], (10.0, 1000.0));
        assert_eq!(course(schedule("50", None, None), 7.0), ([(0.0, 50.0), (7.0, 50.0)], 50.0));
    }

    #[test]
    fn a_rate_beyond_all_reason_has_due_times_too() {
        let schedule = schedule("1e300", None, Some(1));
        assert_eq!((schedule.due(1), schedule.due_by(1_000_000_000)), (0, u64::MAX));
    }

    #[test]
    fn a_ramp_without_an_end_is_refused() {
        assert!(Schedule::new("1..2".parse().unwrap(), None, None).is_err());
        assert!(Schedule::new("2".parse().unwrap(), None, None).is_ok());
    }
}

//! [`Tally`]: how many requests were compared, how they came out, and how long either server took.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::compare::Difference;
use super::link::Outcome;
use super::question::Source;
use crate::config::Side;
use crate::metrics::{Histogram, Values};

/// Counts since the start. Shown as the text of a summary.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    requests: u64,
    same: u64,
    /// In the order of [`Difference::ALL`].
    differences: [u64; Difference::ALL.len()],
    /// Requests answered with the answer of the server that is not chosen, and with none.
    by_other: u64,
    by_neither: u64,
    /// Microseconds of each answer, in the order of [`Side::BOTH`].
    took: [Histogram; 2],
}

impl Tally {
    /// Counts one request.
    pub(super) fn count(&self, difference: Option<Difference>, source: Source, outcomes: &[Outcome; 2]) {
        let mut counts = self.counts();
        counts.requests += 1;
        match difference {
            Some(difference) => counts.differences[difference as usize] += 1,
            None => counts.same += 1,
        }
        match source {
            Source::Chosen => {}
            Source::Other => counts.by_other += 1,
            Source::Neither => counts.by_neither += 1,
        }
        for (histogram, outcome) in counts.took.iter_mut().zip(outcomes) {
            if let Ok(answer) = outcome {
                histogram.add(u64::try_from(answer.took.as_micros()).unwrap_or(u64::MAX));
            }
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        let requests = counts.requests;
        write!(f, "requests={requests} same={}", share(counts.same, requests))?;
        for (difference, count) in Difference::ALL.iter().zip(counts.differences) {
            write!(f, " {}={}", difference.name(), share(count, requests))?;
        }
        write!(f, " answered_by_other={} answered_dunno={}", counts.by_other, counts.by_neither)?;
        for (side, took) in Side::BOTH.iter().zip(&counts.took) {
            let mut values = Values::default();
            values.include(took);
            let [p50, p99] = [50, 99].map(|hundredths| values.quantile(hundredths));
            let name = side.name();
            write!(f, " {name}_answers={} {name}_p50={} {name}_p99={}", values.count(), Millis(p50), Millis(p99))?;
        }
        Ok(())
    }
}

fn share(count: u64, of: u64) -> String {
    // Hundredths of a percent, rounded down: what is not all is not shown as 100%.
    match (u128::from(count) * 10_000).checked_div(of.into()) {
        Some(share) if count > 0 => format!("{count}({}.{:02}%)", share / 100, share % 100),
        _ => count.to_string(),
    }
}

/// Microseconds, shown as milliseconds.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}ms", self.0 / 1_000, self.0 % 1_000 / 10)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::link::{Answer, Silence};
    use super::*;

    #[test]
    fn each_request_counts_once() {
        let tally = Tally::default();
        assert!(tally.to_string().starts_with("requests=0 same=0 old_defers=0 "), "{tally}");
        let answer = |micros| Ok(Answer { reply: Vec::new(), took: Duration::from_micros(micros) });
        for _ in 0..997 {
            tally.count(None, Source::Chosen, &[answer(2_000), answer(100)]);
        }
        tally.count(Some(Difference::OldDefers), Source::Chosen, &[answer(2_000), answer(100)]);
        tally.count(Some(Difference::OldSilent), Source::Other, &[Err(Silence::Down), answer(100)]);
        tally.count(Some(Difference::BothSilent), Source::Neither, &[Err(Silence::Down), Err(Silence::Late)]);
        assert_eq!(
            tally.to_string(),
            "requests=1000 same=997(99.70%) old_defers=1(0.10%) new_defers=0 other_action=0 other_text=0 \
             old_silent=1(0.10%) new_silent=0 both_silent=1(0.10%) answered_by_other=1 answered_dunno=1 \
             old_answers=998 old_p50=2.00ms old_p99=2.00ms new_answers=999 new_p50=0.10ms new_p99=0.10ms"
        );
    }

    #[test]
    fn the_names_are_in_the_order_of_the_variants() {
        for (index, difference) in Difference::ALL.iter().enumerate() {
            assert_eq!(*difference as usize, index);
        }
    }
}

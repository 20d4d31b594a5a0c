//! When a sender tries again after it has been deferred.
//!
//! Ages are whole seconds from the first attempt. Where a queue runner looks at the queue at its own times, a retry comes
//! up to one run later than the earliest moment; how much later is the same for all retries of a message. Ages grow with
//! each retry, and every schedule ends.

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;

/// The program that sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mta {
    /// `minimal_backoff_time` 300 s, then the age of the message, at most `maximal_backoff_time` 4000 s; a queue run each
    /// 300 s.
    Postfix,
    /// Debian's rule `F,2h,15m; G,16h,1h,1.5; F,4d,6h`, a queue run each 15 min.
    Exim,
    /// All that is queued each 30 min (`-q30m`).
    Sendmail,
    /// The square of the attempt times 400 s (remote deliveries).
    Qmail,
    /// `MessageRetryInterval` 15 min for two days.
    Exchange,
    /// Like the large providers: within minutes at first, twice as long each time, at the end each 4 h.
    Provider,
    /// Never.
    Bot,
    /// At once, four times within 20 s.
    HastyBot,
}

impl Mta {
    /// Seconds between the first attempt and retry `retry`, counted from 1; `None` once the sender has given up.
    /// `chance` is the message's own.
    pub(super) fn age(self, retry: u32, chance: u64) -> Option<u32> {
        let (run, lifetime) = match self {
            Self::Postfix => (5 * MINUTE, 5 * DAY),
            Self::Exim => (15 * MINUTE, 4 * DAY),
            Self::Sendmail => (30 * MINUTE, 5 * DAY),
            Self::Qmail => (10, 7 * DAY),
            Self::Exchange => (MINUTE, 2 * DAY),
            Self::Provider => (2 * MINUTE, 3 * DAY),
            Self::Bot => return None,
            Self::HastyBot => (1, 20),
        };
        let earliest = self.earliest(retry)?;
        let late = u32::try_from(chance % u64::from(run)).unwrap_or_default();
        (earliest <= lifetime).then_some(earliest + late)
    }

    fn earliest(self, retry: u32) -> Option<u32> {
        let age = match self {
            Self::Postfix if retry <= 5 => (5 * MINUTE) << (retry - 1),
            Self::Postfix => 80 * MINUTE + (retry - 5).checked_mul(4000)?,
            Self::Exim if retry <= 8 => 15 * MINUTE * retry,
            Self::Exim => later_exim(retry - 8),
            Self::Sendmail => (30 * MINUTE).checked_mul(retry - 1)? + 1,
            Self::Qmail => retry.checked_pow(2)?.checked_mul(400)?,
            Self::Exchange => (15 * MINUTE).checked_mul(retry)?,
            Self::Provider if retry <= 7 => 2 * MINUTE * ((1 << retry) - 1),
            Self::Provider => 254 * MINUTE + (retry - 7).checked_mul(4 * HOUR)?,
            Self::Bot => return None,
            Self::HastyBot => *[1, 3, 8, 20].get(retry as usize - 1)?,
        };
        Some(age)
    }
}

/// Exim after its first two hours: steps that grow by half until the age is 16 h, then of 6 h.
fn later_exim(retry: u32) -> u32 {
    let (mut age, mut step) = (2 * HOUR, HOUR);
    for _ in 0..retry {
        age += step;
        step = if age < 16 * HOUR { step + step / 2 } else { 6 * HOUR };
    }
    age
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Mta; 8] =
        [Mta::Postfix, Mta::Exim, Mta::Sendmail, Mta::Qmail, Mta::Exchange, Mta::Provider, Mta::Bot, Mta::HastyBot];

    fn ages(mta: Mta, chance: u64) -> Vec<u32> {
        (1..).map_while(|retry| mta.age(retry, chance)).collect()
    }

    #[test]
    fn the_first_retries_are_those_of_the_program() {
        let starts: [(Mta, &[u32]); 8] = [
            (Mta::Postfix, &[300, 600, 1200, 2400, 4800, 8800, 12_800]),
            (Mta::Exim, &[900, 1800, 2700, 3600, 4500, 5400, 6300, 7200, 10_800, 16_200, 24_300]),
            (Mta::Sendmail, &[1, 1801, 3601]),
            (Mta::Qmail, &[400, 1600, 3600, 6400]),
            (Mta::Exchange, &[900, 1800, 2700]),
            (Mta::Provider, &[120, 360, 840, 1800, 3720, 7560, 15_240, 29_640]),
            (Mta::Bot, &[]),
            (Mta::HastyBot, &[1, 3, 8, 20]),
        ];
        for (mta, start) in starts {
            assert_eq!(ages(mta, 0)[..start.len()], *start, "{mta:?}");
        }
    }

    #[test]
    fn ages_grow_and_end() {
        for mta in ALL {
            for chance in [0, 7, 299, 899, 1799] {
                let ages = ages(mta, chance);
                assert!(ages.windows(2).all(|pair| pair[0] < pair[1]), "{mta:?} {ages:?}");
                assert!(ages.len() < 256, "{mta:?}: {} retries", ages.len());
            }
        }
        assert_eq!(ages(Mta::HastyBot, 1).len(), 4);
        assert!(ages(Mta::Bot, 1).is_empty());
    }

    #[test]
    fn a_queue_run_delays_all_retries_of_a_message_alike() {
        let (prompt, late) = (ages(Mta::Postfix, 0), ages(Mta::Postfix, 299));
        assert!(prompt.iter().zip(&late).all(|(prompt, late)| prompt + 299 == *late));
        assert_eq!(ages(Mta::Postfix, 300), prompt);
    }
}

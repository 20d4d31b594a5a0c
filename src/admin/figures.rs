//! The daemon's figures in words, and which of them tell of trouble.

use super::message::{RingStats, Spread, Stats};
use super::text::lines;
use super::times::{absolute, length};
use crate::metrics::Counter;

/// Counters that stay at 0 where all is well.
const TROUBLE: [Counter; 15] = [
    Counter::SyncFailures,
    Counter::SpareFailures,
    Counter::StateFull,
    Counter::UnrecordedPasses,
    Counter::SegmentsDroppedEarly,
    Counter::LogLinesDropped,
    Counter::AcceptPauses,
    Counter::Evicted,
    Counter::LimitRequest,
    Counter::LimitLine,
    Counter::LimitAttributes,
    Counter::PartialTimeouts,
    Counter::SlowReaders,
    Counter::UnknownRequests,
    Counter::UnparsableAddresses,
];

/// The figures, one thing a line, then every counter that is not 0 with what it counts.
pub(super) fn text(stats: &Stats) -> String {
    let Stats { version, pid, now, uptime, workers, connections, turns, delays, .. } = stats;
    let heads = lines([
        ("irongrey", format!("{version}, process {pid}, {workers} workers")),
        ("time", absolute(*now)),
        ("serves since", length(*uptime)),
        ("connections", count(*connections)),
        ("turns", spread(turns, microseconds)),
        ("delays", spread(delays, length)),
        ("pending", ring(&stats.pending)),
        ("established", ring(&stats.established)),
        ("state", share(stats)),
        ("released", format!("{} senders and recipients", stats.releases)),
        ("trouble", trouble(stats).unwrap_or_else(|| "none".to_owned())),
    ]);
    let counted: Vec<_> = Counter::ALL.iter().map(|counter| (counter, of(stats, *counter))).collect();
    let counted = counted.iter().filter(|(_, value)| *value > 0);
    let counters = counted.map(|(counter, value)| {
        format!("{:23} {:>15}  {}\n", counter.name(), count(*value), counter.meaning().trim_end_matches('.'))
    });
    heads + "\n" + &counters.collect::<String>()
}

/// A counter; 0 if the daemon does not know it.
pub(super) fn of(stats: &Stats, counter: Counter) -> u64 {
    stats.counters.get(counter.name()).copied().unwrap_or_default()
}

/// What should be 0 and is not.
pub(super) fn trouble(stats: &Stats) -> Option<String> {
    let counted = TROUBLE.map(|counter| (counter.name(), of(stats, counter)));
    let some: Vec<_> = counted.iter().filter(|(_, value)| *value > 0).collect();
    let some: Vec<_> = some.iter().map(|(name, value)| format!("{name} {}", count(*value))).collect();
    (!some.is_empty()).then(|| some.join(", "))
}

/// The bytes of both rings, and how many there may be.
pub(super) fn share(stats: &Stats) -> String {
    let percent = used(stats) * 100.0;
    format!("{} of {} ({percent:.1} %)", bytes(stats.pending.bytes + stats.established.bytes), bytes(stats.max_state))
}

/// The part of the state's room that is taken, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a share is shown to a thousandth")]
pub(super) fn used(stats: &Stats) -> f64 {
    ((stats.pending.bytes + stats.established.bytes) as f64 / stats.max_state.max(1) as f64).min(1.0)
}

/// One ring.
pub(super) fn ring(RingStats { segments, records, bytes: size }: &RingStats) -> String {
    let segments = if *segments == 1 { "1 segment".to_owned() } else { format!("{segments} segments") };
    format!("{segments}, {} records, {}", count(*records), bytes(*size))
}

fn spread(spread: &Spread, shown: impl Fn(u64) -> String) -> String {
    match spread.count {
        0 => "none yet".to_owned(),
        number => format!(
            "{}: half within {}, 99 % within {}, longest {}",
            count(number),
            shown(spread.p50),
            shown(spread.p99),
            shown(spread.max)
        ),
    }
}

/// A length of time below a minute or so.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn microseconds(value: u64) -> String {
    match value {
        0..1_000 => format!("{value} µs"),
        1_000..1_000_000 => format!("{:.1} ms", value as f64 / 1e3),
        _ => format!("{:.1} s", value as f64 / 1e6),
    }
}

/// A number with commas between its thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut scaled, mut power) = (number as f64, 0);
    while scaled >= 1024.0 && power + 1 < UNITS.len() {
        (scaled, power) = (scaled / 1024.0, power + 1);
    }
    if power == 0 { format!("{number} bytes") } else { format!("{scaled:.1} {}", UNITS[power]) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The figures of a daemon that has answered so many requests.
    pub(in crate::admin) fn stats(requests: u64) -> Stats {
        let ring = RingStats { segments: 1, records: 1_234, bytes: 3 << 20 };
        let turns = Spread { count: 7, p50: 12, p99: 1_500, max: 2_000_000, buckets: vec![(12, 6), (2_097_151, 1)] };
        Stats {
            version: "0.1.0".to_owned(),
            pid: 77,
            now: 1_700_000_000,
            uptime: 11_100,
            workers: 2,
            connections: 100,
            counters: [("requests".to_owned(), requests), ("greylisted".to_owned(), requests / 2)].into(),
            turns,
            delays: Spread::default(),
            pending: ring,
            established: ring,
            max_state: 4 << 30,
            releases: 1,
        }
    }

    #[test]
    fn figures_are_told_one_a_line() {
        let mut stats = stats(1_234_567);
        stats.counters.insert("sync_failures".to_owned(), 2);
        let text = text(&stats);
        for line in [
            "irongrey        0.1.0, process 77, 2 workers\n",
            "serves since    3 h 5 min\n",
            "turns           7: half within 12 µs, 99 % within 1.5 ms, longest 2.0 s\n",
            "delays          none yet\n",
            "pending         1 segment, 1,234 records, 3.0 MiB\n",
            "state           6.0 MiB of 4.0 GiB (0.1 %)\n",
            "trouble         sync_failures 2\n",
            "requests                      1,234,567  Requests answered\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(!text.contains("early_retry"), "{text}");
    }

    #[test]
    fn numbers_are_grouped_and_sizes_have_a_unit() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(count(number), text);
        }
        for (number, text) in [(0, "0 bytes"), (1_023, "1023 bytes"), (1 << 20, "1.0 MiB"), (5 << 40, "5.0 TiB")] {
            assert_eq!(bytes(number), text);
        }
    }
}

//! The raw latencies in the two forms that the tools around `HdrHistogram` read.
//!
//! `latency.hgrm` is the percentile distribution as text, in milliseconds as those tools expect it; `latency.hlog` is an
//! interval log with the run as its one interval, and holds every bucket, in nanoseconds.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

use super::units::float;

const NANOSECONDS_A_MILLISECOND: f64 = 1e6;
/// Lines for each halving of what is left above, as the tools print them by default.
const TICKS_A_HALF: u32 = 5;

/// The percentile distribution.
pub(super) fn distribution(latency: &Histogram<u64>) -> String {
    let milliseconds = |nanoseconds: f64| nanoseconds / NANOSECONDS_A_MILLISECOND;
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut total = 0;
    for step in latency.iter_quantiles(TICKS_A_HALF) {
        total += step.count_since_last_iteration();
        let (value, quantile) = (milliseconds(float(step.value_iterated_to())), step.quantile_iterated_to());
        let _ = write!(text, "{value:>12.6} {quantile:>2.12} {total:>10}");
        let _ = if quantile < 1.0 { writeln!(text, " {:>14.2}", 1.0 / (1.0 - quantile)) } else { writeln!(text) };
    }
    let (mean, deviation) = (milliseconds(latency.mean()), milliseconds(latency.stdev()));
    let max = milliseconds(float(latency.max()));
    // A bucket has room for two values more than the precision asks for, rounded up to a power of two.
    let parts = (2 * 10_u64.pow(u32::from(latency.sigfig()))).next_power_of_two();
    let _ = writeln!(text, "#[Mean    = {mean:>12.6}, StdDeviation   = {deviation:>12.6}]");
    let _ = writeln!(text, "#[Max     = {max:>12.6}, Total count    = {:>12}]", latency.len());
    let _ = writeln!(text, "#[Buckets = {:>12}, SubBuckets     = {parts:>12}]", latency.buckets());
    text
}

/// The interval log.
pub(super) fn interval_log(latency: &Histogram<u64>, started: SystemTime, elapsed: Duration) -> Result<Vec<u8>> {
    let (mut bytes, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Latencies of a greyload run in nanoseconds; Interval_Max is in milliseconds]")
        .with_start_time(started)
        .with_base_time(started)
        .with_max_value_divisor(NANOSECONDS_A_MILLISECOND)
        .begin_log_with(&mut bytes, &mut serializer)?;
    log.write_histogram(latency, Duration::ZERO, elapsed, None)
        .map_err(|error| anyhow::anyhow!("the latencies cannot be written as an interval log: {error:?}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    fn latencies() -> Histogram<u64> {
        let mut latency = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        for value in 1..=10_000 {
            latency.record(value * 1000).unwrap();
        }
        latency
    }

    #[test]
    fn the_last_lines_of_the_distribution_fit_the_histogram() {
        let latency = latencies();
        let text = distribution(&latency);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|field| field.parse().unwrap()).collect())
            .collect();
        let last = rows.last().unwrap();
        assert_eq!((last.len(), last[1].to_bits(), last[2].to_bits()), (3, 1.0_f64.to_bits(), 10_000_f64.to_bits()));
        assert!((last[0] * 1e6 - float(latency.max())).abs() < 1.0, "{last:?}");
        assert!(rows.iter().rev().skip(1).all(|row| (row[3] * (1.0 - row[1]) - 1.0).abs() < 0.01), "{text}");
        assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]), "{text}");
        assert!(
            text.contains("Total count    =        10000]") && text.contains("SubBuckets     =         2048]"),
            "{text}"
        );
    }

    #[test]
    fn the_log_gives_the_histogram_back() {
        let (latency, started) = (latencies(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000));
        let bytes = interval_log(&latency, started, Duration::from_secs(7)).unwrap();
        let interval = IntervalLogIterator::new(&bytes)
            .find_map(|entry| if let Ok(LogEntry::Interval(interval)) = entry { Some(interval) } else { None })
            .unwrap();
        assert_eq!(interval.duration(), Duration::from_secs(7));
        let serialized = base64(interval.encoded_histogram());
        let read: Histogram<u64> = Deserializer::new().deserialize(&mut serialized.as_slice()).unwrap();
        assert_eq!(read, latency);
    }

    #[test]
    fn nothing_is_written_too() {
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        assert!(distribution(&latency).contains("Total count    =            0]"));
        assert!(interval_log(&latency, SystemTime::UNIX_EPOCH, Duration::ZERO).is_ok());
    }

    fn base64(text: &str) -> Vec<u8> {
        let digit =
            |c| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|&d| d == c);
        let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
        for value in text.bytes().map_while(digit) {
            held = held << 6 | u32::try_from(value).unwrap();
            bits += 6;
            if bits >= 8 {
                bits -= 8;
                bytes.push(u8::try_from(held >> bits & 255).unwrap());
            }
        }
        bytes
    }
}

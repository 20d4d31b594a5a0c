//! Figures as a person reads them: counts with separators, times in the unit that fits, shares that do not round a rest away.
//!
//! Latencies are nanoseconds everywhere in the program; only here do they become microseconds, milliseconds or seconds.

use std::time::Duration;

/// A count for plots and ratios.
#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds of a run are far below 2^52")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// One figure to another; 0 to nothing.
pub(super) fn quotient(of: f64, to: f64) -> f64 {
    if to > 0.0 { of / to } else { 0.0 }
}

/// `1,234,567`.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count in three digits: `950`, `9.50k`, `224k`, `10.0M`.
pub(super) fn short(value: u64) -> String {
    let units = [("G", 1e9), ("M", 1e6), ("k", 1e3)];
    match units.into_iter().find(|(_, size)| float(value) >= size * 0.9995) {
        Some((unit, size)) => format!("{}{unit}", three_digits(float(value) / size)),
        None => value.to_string(),
    }
}

fn three_digits(value: f64) -> String {
    let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.decimals$}")
}

/// A count that has been reckoned: whole.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no more than a count, and not below 0")]
pub(super) fn about(value: f64) -> String {
    count(value.round() as u64)
}

/// Something a second: whole from 100 on, with one decimal below.
pub(super) fn rate(value: f64) -> String {
    if value >= 99.95 { about(value) } else { format!("{value:.1}") }
}

/// Nanoseconds with three digits: `950 ns`, `4.20 µs`, `42.0 ms`, `1.00 s`.
pub(super) fn latency(nanoseconds: u64) -> String {
    let units = [("s", 1e9), ("ms", 1e6), ("µs", 1e3)];
    // What would be rounded to 1000 of a unit is one of the next.
    match units.into_iter().find(|(_, size)| float(nanoseconds) >= size * 0.9995) {
        Some((unit, size)) => format!("{} {unit}", three_digits(float(nanoseconds) / size)),
        None => format!("{nanoseconds} ns"),
    }
}

/// `4.46 s`, `2 min 5 s`, `1 h 2 min`.
pub(super) fn span(time: Duration) -> String {
    match time.as_secs() {
        0..100 => format!("{:.2} s", time.as_secs_f64()),
        seconds @ 100..6000 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `99.90%`; neither 0 nor 100% unless it is exactly that.
pub(super) fn share(part: u64, whole: u64) -> String {
    let percent = quotient(float(part), float(whole)) * 100.0;
    match percent {
        _ if whole == 0 => "-".to_owned(),
        _ if part > 0 && percent < 0.005 => "<0.01%".to_owned(),
        _ if part < whole && percent >= 99.995 => ">99.99%".to_owned(),
        _ => format!("{percent:.2}%"),
    }
}

/// The text without characters that a terminal would obey or that no XML may hold.
pub(crate) fn harmless(text: &str) -> String {
    let is_bad = |c: char| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
    };
    text.chars().map(|c| if is_bad(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_rates() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 999, 9500, 224_215, 999_700, 10_000_000].map(short),
            ["0", "999", "9.50k", "224k", "1.00M", "10.0M"]
        );
        assert_eq!([0.0, 2.25, 99.94, 99.96, 224_215.4].map(rate), ["0.0", "2.2", "99.9", "100", "224,215"]);
    }

    #[test]
    fn latencies_have_three_digits_in_the_unit_that_fits() {
        let values = [0, 950, 1000, 4200, 42_000, 422_400, 999_600, 1_500_000, 60_000_000_000];
        let shown = ["0 ns", "950 ns", "1.00 µs", "4.20 µs", "42.0 µs", "422 µs", "1.00 ms", "1.50 ms", "60.0 s"];
        assert_eq!(values.map(latency), shown);
    }

    #[test]
    fn spans_of_every_length() {
        let seconds = [4.456, 125.9, 3720.0, 7300.0].map(Duration::from_secs_f64);
        assert_eq!(seconds.map(span), ["4.46 s", "2 min 5 s", "62 min 0 s", "2 h 1 min"]);
    }

    #[test]
    fn a_share_hides_no_rest() {
        let shares = [share(0, 0), share(0, 9), share(1, 1_000_000), share(999_999, 1_000_000), share(9, 9)];
        assert_eq!(shares, ["-", "0.00%", "<0.01%", ">99.99%", "100.00%"]);
        assert_eq!(share(1, 3), "33.33%");
    }

    #[test]
    fn nothing_obeys_a_server() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{0}\u{202e}ü"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}ü");
    }
}

//! Times and lengths of time in words: `2026-11-28 16:57:12 UTC`, `in 4 min 12 s`, `3 h ago`.

use jiff::Timestamp;

use crate::clock::UnixSecs;

/// Units by their seconds, the longest first.
const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];

/// A moment, and how far it is from `now`.
pub(super) fn moment(seconds: u32, now: u32) -> String {
    format!("{}, {}", absolute(seconds), relative(seconds, now))
}

/// A stored time as one of the calendar, which each of them is.
pub(crate) fn timestamp(time: UnixSecs) -> Timestamp {
    Timestamp::from_second(time.0.into()).unwrap_or_default()
}

/// A moment of the calendar.
pub(super) fn absolute(seconds: u32) -> String {
    timestamp(UnixSecs(seconds)).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// How far a moment is from `now`.
pub(super) fn relative(seconds: u32, now: u32) -> String {
    match seconds.cmp(&now) {
        std::cmp::Ordering::Less => format!("{} ago", length((now - seconds).into())),
        std::cmp::Ordering::Equal => "now".to_owned(),
        std::cmp::Ordering::Greater => format!("in {}", length((seconds - now).into())),
    }
}

/// A length of time, by its two largest units.
pub(super) fn length(seconds: u64) -> String {
    let index = UNITS.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
    let (unit, name) = UNITS[index];
    let first = format!("{} {name}", seconds / unit);
    match UNITS.get(index + 1).map(|(next, name)| (seconds % unit / next, name)) {
        Some((rest, name)) if rest > 0 => format!("{first} {rest} {name}"),
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units_at_most() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (252, "4 min 12 s"),
            (3_600, "1 h"),
            (3_601, "1 h"),
            (11_100, "3 h 5 min"),
            (86_400, "1 d"),
            (200_000, "2 d 7 h"),
        ] {
            assert_eq!(length(seconds), words);
        }
    }

    #[test]
    fn moments_are_told_both_ways() {
        assert_eq!(moment(1_700_000_252, 1_700_000_000), "2023-11-14 22:17:32 UTC, in 4 min 12 s");
        assert_eq!(moment(1_700_000_000, 1_700_010_800), "2023-11-14 22:13:20 UTC, 3 h ago");
        assert_eq!(moment(0, 0), "1970-01-01 00:00:00 UTC, now");
        assert_eq!(absolute(u32::MAX), "2106-02-07 06:28:15 UTC");
    }
}

//! Values as an administrator writes them: times (`300s`, `5m`, `2h`, `2d`), sizes (`4G`), modes (`0660`).
//!
//! A bare number means what postgrey means by that option, so each option names the reader that fits it. The errors
//! say what would be right; whoever reads the option adds its name and the value.

use std::time::Duration;

use thiserror::Error;

use super::SyncMode;

/// Seconds in a day.
pub const DAY: u32 = 24 * 60 * 60;
const HOUR: u32 = 60 * 60;

/// Why a value was not understood, worded as what would have been right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnitError {
    /// Not a time.
    #[error("expected a whole number of {0}, or a time such as 300s, 5m, 2h or 2d")]
    Time(&'static str),
    /// A time that does not fit 32 bits of seconds.
    #[error("too long: a time is at most {} days", u32::MAX / DAY)]
    TooLong,
    /// Not a time to wait between two looks.
    #[error("expected a time of at least 1s, such as 1s or 5m")]
    Interval,
    /// Not a size.
    #[error("expected a size in bytes, or with a unit such as 512M or 4G")]
    Size,
    /// Not a mode.
    #[error("expected an octal mode from 0000 to 7777, such as 0660")]
    Mode,
    /// Not a way to sync.
    #[error(
        "expected a time of at least 1s, such as 1s or 5m, or os to leave syncing to the kernel, or always to sync before \
         each reply"
    )]
    Sync,
    /// A text that would break a reply apart.
    #[error("control characters (a line break, for example) are not possible here")]
    ControlCharacter,
}

/// A time in seconds; a bare number is seconds.
pub fn seconds(text: &str) -> Result<u32, UnitError> {
    time(text, 1, "seconds")
}

/// A time of at least a second; a bare number is seconds.
pub fn interval(text: &str) -> Result<u32, UnitError> {
    seconds(text).ok().filter(|seconds| *seconds > 0).ok_or(UnitError::Interval)
}

/// A time in seconds; a bare number is days.
pub fn days(text: &str) -> Result<u32, UnitError> {
    time(text, DAY, "days")
}

/// A size in bytes; the units K, M, G and T are powers of 1,024.
pub fn size(text: &str) -> Result<u64, UnitError> {
    let (digits, unit) = split(text);
    let number: u64 = digits.parse().map_err(|_| UnitError::Size)?;
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(UnitError::Size),
    };
    number.checked_mul(1 << shift).ok_or(UnitError::Size)
}

/// A file mode in octal, with or without a leading zero.
pub fn mode(text: &str) -> Result<u32, UnitError> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 && !text.starts_with('+') => Ok(mode),
        _ => Err(UnitError::Mode),
    }
}

/// A text that becomes part of a reply's line.
pub fn reply_text(text: &str) -> Result<String, UnitError> {
    if text.chars().any(char::is_control) { Err(UnitError::ControlCharacter) } else { Ok(text.to_owned()) }
}

/// When appended records are made durable: a time (a bare number is seconds), `os` or `always`.
pub fn sync_mode(text: &str) -> Result<SyncMode, UnitError> {
    match (text, seconds(text)) {
        ("os", _) => Ok(SyncMode::Os),
        ("always", _) => Ok(SyncMode::Always),
        (_, Ok(interval)) if interval > 0 => Ok(SyncMode::Every(Duration::from_secs(interval.into()))),
        _ => Err(UnitError::Sync),
    }
}

fn time(text: &str, bare: u32, bare_name: &'static str) -> Result<u32, UnitError> {
    let (digits, unit) = split(text.strip_prefix('+').unwrap_or(text));
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" => bare,
        "s" => 1,
        "m" => 60,
        "h" => HOUR,
        "d" => DAY,
        _ => return Err(UnitError::Time(bare_name)),
    };
    if digits.is_empty() {
        return Err(UnitError::Time(bare_name));
    }
    digits.parse::<u32>().ok().and_then(|number| number.checked_mul(scale)).ok_or(UnitError::TooLong)
}

/// The leading decimal digits, and what follows them.
fn split(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_means_what_the_option_means() {
        assert_eq!(seconds("60"), Ok(60));
        assert_eq!(days("10"), Ok(864_000));
        assert_eq!(seconds("0"), Ok(0));
    }

    #[test]
    fn units_are_the_same_for_every_option() {
        for read in [seconds, days] {
            assert_eq!(read("300s"), Ok(300));
            assert_eq!(read("5m"), Ok(300));
            assert_eq!(read("6h"), Ok(21_600));
            assert_eq!(read("2d"), Ok(172_800));
            assert_eq!(read("+12H"), Ok(43_200), "as postgrey reads it");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "s", "abc", "5x", "1.5", "-5", "++5", "5 s", "5mm", "١"] {
            assert_eq!(days(text), Err(UnitError::Time("days")), "{text:?}");
        }
        assert_eq!(days("49710"), Ok(4_294_944_000));
        assert_eq!(days("49711"), Err(UnitError::TooLong));
        assert_eq!(seconds("99999999999"), Err(UnitError::TooLong));
    }

    #[test]
    fn sizes() {
        assert_eq!(size("4G"), Ok(4 << 30));
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("512m"), Ok(512 << 20));
        assert_eq!(size("67108864"), Ok(64 << 20));
        for text in ["", "G", "4GB", "-1", "1.5G", "99999999999T"] {
            assert_eq!(size(text), Err(UnitError::Size), "{text:?}");
        }
    }

    #[test]
    fn sync_modes() {
        assert_eq!(sync_mode("os"), Ok(SyncMode::Os));
        assert_eq!(sync_mode("always"), Ok(SyncMode::Always));
        assert_eq!(sync_mode("5m"), Ok(SyncMode::Every(Duration::from_secs(300))));
        for text in ["", "0", "0s", "never", "OS"] {
            assert_eq!(sync_mode(text), Err(UnitError::Sync), "{text:?}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("0660"), Ok(0o660));
        assert_eq!(mode("666"), Ok(0o666));
        assert_eq!(mode("01777"), Ok(0o1777));
        for text in ["", "888", "rw", "17777", "+660"] {
            assert_eq!(mode(text), Err(UnitError::Mode), "{text:?}");
        }
    }

    #[test]
    fn a_reply_text_is_one_line() {
        assert_eq!(reply_text("try later"), Ok("try later".to_owned()));
        assert_eq!(reply_text("try\nlater"), Err(UnitError::ControlCharacter));
    }
}

//! The time at the start of a log line: classic syslog's `Nov 23 10:00:01`, or RFC 3339.
//!
//! Classic times have neither year nor zone. The year of the first line is the latest in which the line is not younger than
//! the file; it rises when the months go from December to January. The zone is taken to be UTC: only differences count, and
//! a change to or from summer time is an hour's step.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads times in the order of the lines.
#[derive(Debug)]
pub(super) struct Calendar {
    /// The day after the file was last written to.
    end: Date,
    /// Year and month of the latest line.
    latest: Option<(i16, i8)>,
}

impl Calendar {
    /// For a file that was last written to at that time.
    pub(super) fn new(modified: Timestamp) -> Self {
        let written = TimeZone::UTC.to_datetime(modified).date();
        Self { end: written.tomorrow().unwrap_or(written), latest: None }
    }

    /// Splits a line into its time and what follows; `None` if it does not begin with a time.
    pub(super) fn split<'l>(&mut self, line: &'l str) -> Option<(Timestamp, &'l str)> {
        if let Some((stamp, rest)) = line.split_once(' ')
            && let Ok(time) = stamp.parse()
        {
            return Some((time, rest));
        }
        let (stamp, rest) = (line.get(..15)?, line.get(15..)?.strip_prefix(' ')?);
        Some((self.classic(stamp)?, rest))
    }

    fn classic(&mut self, stamp: &str) -> Option<Timestamp> {
        let month = MONTHS.iter().zip(1..).find(|(name, _)| stamp.starts_with(**name))?.1;
        let day = stamp.get(4..6)?.trim_ascii_start().parse().ok()?;
        let time: Time = stamp.get(7..)?.parse().ok()?;
        let year = self.year(month, day)?;
        TimeZone::UTC.to_timestamp(Date::new(year, month, day).ok()?.to_datetime(time)).ok()
    }

    fn year(&mut self, month: i8, day: i8) -> Option<i16> {
        let Some((year, latest)) = self.latest else {
            let fits = |year: &i16| Date::new(*year, month, day).is_ok_and(|date| date <= self.end);
            // Eight years back there has been a 29th of February.
            let year = (0..=8).map(|back| self.end.year() - back).find(fits)?;
            self.latest = Some((year, month));
            return Some(year);
        };
        // Lines may be out of order around the turn of a year as anywhere else.
        if month - latest >= 6 {
            return Some(year - 1);
        }
        let year = if latest - month >= 6 { year + 1 } else { year };
        self.latest = Some((year, month));
        Some(year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(written: &str) -> Calendar {
        Calendar::new(written.parse().unwrap())
    }

    fn time(calendar: &mut Calendar, stamp: &str) -> Option<String> {
        let line = format!("{stamp} mx postfix/smtpd[1]: connect");
        let (time, rest) = calendar.split(&line)?;
        assert_eq!(rest, "mx postfix/smtpd[1]: connect");
        Some(time.to_string())
    }

    #[test]
    fn rfc_3339_is_read_with_its_zone() {
        let mut calendar = calendar("2026-11-25T00:00:00Z");
        let wanted = Some("2026-11-23T09:00:01.25Z".to_owned());
        assert_eq!(time(&mut calendar, "2026-11-23T10:00:01.250000+01:00"), wanted);
        assert_eq!(time(&mut calendar, "2026-11-23T09:00:01.25Z"), wanted);
    }

    #[test]
    fn a_classic_time_gets_the_year_of_the_file() {
        for (written, stamp, wanted) in [
            ("2026-11-25T00:00:00Z", "Nov 23 10:00:01", "2026-11-23T10:00:01Z"),
            ("2026-11-25T23:30:00Z", "Nov 26 00:30:00", "2026-11-26T00:30:00Z"),
            ("2026-01-02T00:00:00Z", "Dec  9 23:59:59", "2025-12-09T23:59:59Z"),
            ("2026-11-25T00:00:00Z", "Feb 29 12:00:00", "2024-02-29T12:00:00Z"),
        ] {
            assert_eq!(time(&mut calendar(written), stamp).as_deref(), Some(wanted), "{stamp}");
        }
    }

    #[test]
    fn the_year_turns_over_once() {
        let mut calendar = calendar("2026-01-02T00:00:00Z");
        for (stamp, wanted) in [
            ("Dec 31 23:59:59", "2025-12-31T23:59:59Z"),
            ("Jan  1 00:00:00", "2026-01-01T00:00:00Z"),
            ("Dec 31 23:59:59", "2025-12-31T23:59:59Z"),
            ("Jan  1 00:00:01", "2026-01-01T00:00:01Z"),
        ] {
            assert_eq!(time(&mut calendar, stamp).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for stamp in [
            "",
            "Nov",
            "Nox 23 10:00:01",
            "Nov 33 10:00:01",
            "Nov 23 25:00:01",
            "2026-13-01T00:00:00Z",
            "é".repeat(8).as_str(),
        ] {
            assert_eq!(time(&mut calendar("2026-11-25T00:00:00Z"), stamp), None, "{stamp}");
        }
    }
}

//! What became of the lines of a mail log: those that requests were made from, and why the others were passed over.
//!
//! At the end of a log each of its lines has been counted once, on one side or the other.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Why a line is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    NoTime,
    Foreign,
    NoRecipient,
    Own,
    NotTaken,
    Undelivered,
}

impl Skip {
    const ALL: [Self; 6] =
        [Self::Foreign, Self::NoRecipient, Self::Own, Self::NotTaken, Self::Undelivered, Self::NoTime];

    fn why(self) -> &'static str {
        match self {
            Self::NoTime => "without a time at the start, or no text",
            Self::Foreign => "of other programs than Postfix",
            Self::NoRecipient => "of Postfix, about no recipient that smtpd refused or accepted",
            Self::Own => "about a client that logged in, or this host itself",
            Self::NotTaken => "about messages that smtpd had not accepted in this log, or over five minutes before",
            Self::Undelivered => "about accepted messages without a delivery in five minutes",
        }
    }
}

/// Counts of lines and requests.
#[derive(Debug, Default)]
pub(super) struct Survey {
    used: u64,
    pub(super) requests: u64,
    skipped: [u64; Skip::ALL.len()],
    /// Times of the first and the last request.
    span: Option<(Timestamp, Timestamp)>,
}

impl Survey {
    /// So many lines gave no request.
    pub(super) fn skip(&mut self, why: Skip, lines: u64) {
        self.skipped[why as usize] += lines;
    }

    /// So many lines gave requests, at that time, which is never before that of the last ones.
    pub(super) fn take(&mut self, time: Timestamp, lines: u64, requests: u64) {
        self.used += lines;
        self.requests += requests;
        self.span = Some((self.span.map_or(time, |(first, _)| first), time));
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} used for {} requests", self.used, self.requests)?;
        if let Some((first, last)) = self.span {
            let shown = |time| TimeZone::UTC.to_datetime(time).strftime("%F %T").to_string();
            write!(f, " from {} to {}", shown(first), shown(last))?;
        }
        let skipped = Skip::ALL.map(|skip| (self.skipped[skip as usize], skip.why()));
        for (lines, why) in skipped.into_iter().filter(|&(lines, _)| lines > 0) {
            write!(f, "\n{lines:>12} passed over: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_with_its_lines() {
        let mut survey = Survey::default();
        assert_eq!(survey.to_string(), "0 used for 0 requests");
        survey.take("2025-12-31T23:59:51Z".parse().unwrap(), 3, 2);
        survey.take("2026-01-01T00:00:09.7Z".parse().unwrap(), 1, 1);
        for skip in Skip::ALL {
            survey.skip(skip, 1 + skip as u64);
        }
        let text = survey.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "4 used for 3 requests from 2025-12-31 23:59:51 to 2026-01-01 00:00:09");
        assert_eq!((lines.len(), lines[1]), (7, "           2 passed over: of other programs than Postfix"));
        assert_eq!(lines[6], "           1 passed over: without a time at the start, or no text");
    }
}

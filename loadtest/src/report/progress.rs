//! How far a run is, on standard error: one live line on a terminal, else a plain line every ten seconds.
//!
//! What is shown of latency and rate is that of the last second; the time left follows from the rate of the whole run.
//! Standard output is left to the result. The line has at most 80 columns: where its words would take more, the kinds of
//! answers are told by two letters. A narrower terminal cuts its end off, so what matters most comes first.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::units::{float, latency, quotient, short};
use crate::driver::Snapshot;
use crate::reply::Answers;

/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);
/// A terminal that nobody has made wider.
const COLUMNS: usize = 80;

/// The line of a run; it is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Meter {
    /// `None` where there is no terminal.
    line: Option<ProgressBar>,
    printed: Duration,
}

impl Meter {
    /// For a run that begins now.
    pub(crate) fn new() -> Self {
        Self::on(std::io::stderr().is_terminal().then(ProgressDrawTarget::stderr))
    }

    fn on(terminal: Option<ProgressDrawTarget>) -> Self {
        let line = terminal.map(|terminal| {
            let line = ProgressBar::with_draw_target(None, terminal);
            ProgressStyle::with_template("{wide_msg}").map_or(line.clone(), |style| line.with_style(style))
        });
        Self { line, printed: Duration::ZERO }
    }

    /// Shows how far the run is.
    pub(crate) fn show(&mut self, now: &Snapshot) {
        if let Some(live) = &self.line {
            live.set_message(line(now));
            live.tick();
        } else if self.is_due(now.elapsed) {
            eprintln!("{}", line(now));
        }
    }

    /// Whether a plain line is due, which then counts as printed.
    fn is_due(&mut self, elapsed: Duration) -> bool {
        let is_due = elapsed.saturating_sub(self.printed) >= PAUSE;
        if is_due {
            self.printed = elapsed;
        }
        is_due
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

/// How much of the run is behind it, from 0 to 1; `None` if nobody knows its end.
fn fraction(now: &Snapshot) -> Option<f64> {
    let requests = now.total.map(|all| quotient(float(now.done), float(all)));
    let time = now.duration.map(|all| quotient(now.elapsed.as_secs_f64(), all.as_secs_f64()));
    requests.into_iter().chain(time).reduce(f64::max).map(|fraction| fraction.min(1.0))
}

/// The line in words if they fit, else in letters.
fn line(now: &Snapshot) -> String {
    let head = head(now);
    let words = format!("{head}{}", kinds(now.answers, ["defer ", "dunno ", "pre ", "other "], "%"));
    if words.chars().count() <= COLUMNS {
        return words;
    }
    format!("{head}{}%", kinds(now.answers, ["de", "du", "pr", "ot"], ""))
}

/// The kinds that have occurred, each with its percentage after a space.
fn kinds(answers: Answers, names: [&str; 4], unit: &str) -> String {
    let parts = [answers.deferred, answers.dunno, answers.prepend, answers.other];
    let mut text = String::new();
    for (name, part) in names.into_iter().zip(parts).filter(|&(_, part)| part > 0) {
        let share = quotient(float(part), float(answers.total())) * 100.0;
        let _ = write!(text, " {name}{share:.0}{unit}");
    }
    text
}

/// All but the kinds of answers.
fn head(now: &Snapshot) -> String {
    let mut parts = vec![short(now.done), format!("{}/s", short(now.second.answers.total()))];
    if now.second.answers.total() == 0 {
        parts.push("no answers".to_owned());
    } else {
        let tight = |nanoseconds| latency(nanoseconds).replace(' ', "");
        parts.push(format!("p50 {} p99 {}", tight(now.second.p50), tight(now.second.p99)));
    }
    parts.push(format!("{} {}", if now.errors > 0 { "ERR" } else { "err" }, short(now.errors)));
    if let Some(fraction) = fraction(now) {
        parts.insert(0, format!("{:.0}%", (fraction * 100.0).floor()));
        let seconds = now.elapsed.as_secs_f64() * quotient(1.0 - fraction, fraction);
        if fraction > 0.0 {
            parts.push(format!("-{}", clock(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))));
        }
    }
    parts.join(" ")
}

/// `0:09`, `12:30`, `1:00:00`, `5d`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        1..100 => format!("{hours}:{minutes:02}:{seconds:02}"),
        _ => format!("{}d", (hours / 24).min(99_999)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Second;
    use indicatif::TermLike;
    use std::io;
    use std::sync::{Arc, Mutex};

    /// A terminal of 40 columns that keeps what is written to it.
    #[derive(Clone, Debug, Default)]
    struct Narrow(Arc<Mutex<String>>);

    impl TermLike for Narrow {
        fn width(&self) -> u16 {
            40
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn snapshot(seconds: u64, deferred: u64, prepend: u64, errors: u64) -> Snapshot {
        let answers = Answers { deferred, prepend, ..Answers::default() };
        Snapshot {
            answers,
            errors,
            second: Second { answers, errors: 0, p50: 422_000, p99: 1_200_000 },
            done: answers.total() + errors,
            total: Some(1_000_000),
            elapsed: Duration::from_secs(seconds),
            duration: None,
        }
    }

    #[test]
    fn the_line_tells_all_in_80_columns() {
        assert_eq!(
            line(&snapshot(2, 300_000, 100_000, 0)),
            "40% 400k 400k/s p50 422µs p99 1.20ms err 0 -0:03 defer 75% pre 25%"
        );
    }

    #[test]
    fn the_widest_figures_fit_in_80_columns() {
        let part = 249_900_000_000;
        let answers = Answers { deferred: part, dunno: part, prepend: part, other: part };
        let second = Second { answers, errors: 0, p50: 59_900_000, p99: 99_900_000 };
        for (done, total) in [(9_990_000_000, 18_000_000_000), (9, 50), (1, u64::MAX)] {
            let now = Snapshot { answers, second, done, total: Some(total), ..snapshot(359_000, 0, 0, 9_990_000_000) };
            let line = line(&now);
            assert!(line.contains("ERR 9.99G -") && line.ends_with(" de25 du25 pr25 ot25%"), "{line}");
            assert!(line.chars().count() <= COLUMNS, "{} columns: {line}", line.chars().count());
        }
    }

    #[test]
    fn a_narrow_terminal_cuts_the_line() {
        let terminal = Narrow::default();
        let mut meter = Meter::on(Some(ProgressDrawTarget::term_like(Box::new(terminal.clone()))));
        meter.show(&snapshot(2, 300_000, 100_000, 0));
        let shown = terminal.0.lock().unwrap().clone();
        assert!(shown.contains("40% 400k 400k/s p50 422µs p99 1.20ms err") && !shown.contains("err 0"), "{shown}");
    }

    #[test]
    fn errors_and_a_silent_second_are_told() {
        let silent = Snapshot { second: Second::default(), ..snapshot(3, 10, 0, 7) };
        assert_eq!(line(&silent), "0% 17 0/s no answers ERR 7 -49:01:08 defer 100%");
    }

    #[test]
    fn a_run_ends_at_what_comes_first() {
        let both = Snapshot { duration: Some(Duration::from_secs(4)), ..snapshot(1, 100, 0, 0) };
        assert_eq!(fraction(&both), Some(0.25));
        let endless = Snapshot { total: None, ..snapshot(1, 100, 0, 0) };
        assert_eq!((fraction(&endless), line(&endless).contains("err 0 defer")), (None, true));
        assert_eq!([9.5, 750.0, 3600.0].map(|s| clock(Duration::from_secs_f64(s))), ["0:10", "12:30", "1:00:00"]);
    }

    #[test]
    fn plain_lines_are_ten_seconds_apart() {
        let mut meter = Meter { line: None, printed: Duration::ZERO };
        let due: Vec<u64> = (0..35).filter(|&second| meter.is_due(Duration::from_secs(second))).collect();
        assert_eq!(due, [10, 20, 30]);
    }
}

//! One run with all that belongs to it: what was asked, what came of it, and where it was made.
//!
//! It is printed as a table, and written as a directory of files: the page `report.html`, the same figures as
//! `report.json`, and the raw latencies. The directory is claimed before the run, so that no run is lost to a bad path.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::figures::Figures;
use super::machine::Machine;
use super::tables::print;
use super::units::harmless;
use super::{histogram, json, page};
use crate::cli::Drive;
use crate::driver::{Load, Schedule, Tally};

/// A run.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) title: String,
    /// Name and value, in the order in which they are shown.
    pub(crate) settings: Vec<(String, String)>,
    /// Whether latency counts from when a request was due.
    pub(crate) is_open: bool,
    /// Of an open loop at a rate.
    pub(crate) asked: Option<Schedule>,
    pub(crate) tally: Tally,
    pub(super) machine: Machine,
}

/// A directory that was empty when the run began.
#[derive(Debug)]
pub(crate) struct Destination(PathBuf);

impl Destination {
    /// Makes the directory, or takes it if it is empty.
    pub(crate) fn claim(path: &Path) -> Result<Self> {
        let place = path.display();
        fs::create_dir_all(path)
            .with_context(|| format!("{place}: cannot make the report's directory; give --report another"))?;
        let mut entries = fs::read_dir(path).with_context(|| format!("{place}: cannot read the report's directory"))?;
        ensure!(entries.next().is_none(), "{place}: is not empty; give --report a new or an empty directory");
        // The user, the mount and the file system all have a say, so it is tried.
        tempfile::tempfile_in(path)
            .with_context(|| format!("{place}: cannot be written to; give --report a directory that is yours"))?;
        Ok(Self(path.to_owned()))
    }

    /// Writes a file into it.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.0.join(name);
        fs::write(&path, bytes).with_context(|| format!("{}: cannot write", path.display()))
    }
}

impl Sheet {
    /// A run with those settings that has just ended.
    pub(crate) fn new(args: &Drive, load: &Load, tally: Tally) -> Result<Self> {
        let machine = Machine::observe(tally.elapsed);
        Ok(Self {
            title: args.title(&load.endpoint),
            settings: args.settings(&load.endpoint),
            is_open: args.is_open(),
            asked: load.schedule()?,
            tally,
            machine,
        })
    }

    /// Prints the table.
    pub(crate) fn print(&self) -> Result<()> {
        print(&self.table())
    }

    /// Writes all files.
    pub(crate) fn write_to(&self, destination: &Destination) -> Result<()> {
        let tally = &self.tally;
        destination.write("report.html", page::report(self).as_bytes())?;
        destination.write("report.json", json::report(self).as_bytes())?;
        destination.write("latency.hgrm", histogram::distribution(&tally.latency).as_bytes())?;
        destination.write(
            "latency.hlog",
            &histogram::interval_log(&tally.latency, self.machine.started.try_into()?, tally.elapsed)?,
        )
    }

    pub(super) fn figures(&self) -> Figures<'_> {
        Figures { tally: &self.tally, asked: self.asked }
    }

    fn table(&self) -> String {
        let mut text = format!("{}\n", harmless(&self.title));
        for verdict in self.figures().verdicts() {
            let mark = if verdict.is_failure { "FAILED" } else { "NOTE" };
            let _ = writeln!(text, "\n{mark}  {}. {}", verdict.head, verdict.text);
        }
        for block in self.figures().blocks() {
            let _ = writeln!(text, "\n{}", block.heading);
            for (name, figure, remark) in block.rows {
                let line = format!("  {name:<12}{figure:>14}  {remark}");
                let _ = writeln!(text, "{}", line.trim_end());
            }
        }
        text
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::driver::Second;
    use crate::reply::Answers;
    use hdrhistogram::Histogram;
    use std::time::Duration;

    /// A run of so many seconds, with a peak of latency every ten.
    pub(in crate::report) fn tally(seconds: u64) -> Tally {
        let mut latency = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        let mut answers = Answers::default();
        let second = |number: u64| {
            let slow = if number % 10 == 7 { 8 } else { 1 };
            let of_second = Answers { deferred: 900 - number % 90, dunno: 60, prepend: 30 + number % 90, other: 10 };
            answers += of_second;
            for step in 0..of_second.total() {
                latency.record(slow * (200_000 + step * step)).unwrap();
            }
            Second { answers: of_second, errors: 0, p50: slow * 450_000, p99: slow * 1_180_000 }
        };
        let seconds: Vec<Second> = (0..seconds).map(second).collect();
        let elapsed = Duration::from_secs(seconds.len() as u64);
        Tally {
            answers,
            elapsed,
            latency,
            lost: 0,
            unsent: 0,
            first_failure: None,
            own_time: elapsed / 2,
            spun: Duration::ZERO,
            seconds,
            late: 0,
            behind: Duration::ZERO,
            threads: 2,
            interrupted: false,
        }
    }

    pub(in crate::report) fn sheet(tally: Tally) -> Sheet {
        let settings = vec![("server".to_owned(), "127.0.0.1:10023".to_owned())];
        let machine = Machine::observe(tally.elapsed);
        Sheet { title: "Flood".to_owned(), settings, is_open: false, asked: None, tally, machine }
    }

    #[test]
    fn the_table_tells_all_figures() {
        let table = sheet(tally(3)).table();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = table.lines().map(words).collect();
        for line in [
            "all 3,000 1,000 a second for 3.00 s",
            "deferred 2,697 89.90%",
            "other 30 1.00%",
            "lost 0 0.00%",
            "p50 449 µs 1,500 were slower",
            "p99.9 1.20 ms 3 were slower",
            "p99.99 1.20 ms too few answers to tell",
            "max 1.20 ms",
            "busy 25% of its 2 threads: not the limit",
            "late sends 0 0.00%",
            "interrupted no",
        ] {
            assert!(lines.iter().any(|is| is == line), "{line} in:\n{table}");
        }
        assert!(!table.contains("FAILED") && !table.contains("NOTE"), "{table}");
    }

    #[test]
    fn a_failure_stands_first() {
        let mut tally = tally(3);
        (tally.lost, tally.first_failure) = (7, Some("the server answered \"5\u{1b}[2J\"".to_owned()));
        tally.interrupted = true;
        let table = sheet(tally).table();
        let mut lines = table.lines().filter(|line| !line.is_empty()).skip(1);
        let first =
            "FAILED  The server failed. First failure: the server answered \"5\u{fffd}[2J\". 7 requests got no answer.";
        assert_eq!(lines.next(), Some(first));
        assert!(lines.next().unwrap().starts_with("NOTE  The run was interrupted."), "{table}");
    }

    #[test]
    fn what_makes_the_figures_doubtful_is_said() {
        let heads = |change: fn(&mut Sheet)| {
            let mut sheet = sheet(tally(3));
            change(&mut sheet);
            sheet.figures().verdicts().into_iter().map(|verdict| (verdict.head, verdict.is_failure)).collect::<Vec<_>>()
        };
        assert_eq!(heads(|_| ()), []);
        assert_eq!(heads(|s| s.tally.own_time = Duration::from_secs(6)), [("The generator may be the limit", false)]);
        assert_eq!(heads(|s| s.tally.late = 3), [("Requests were sent late", false)]);
        assert_eq!(heads(|s| s.tally.late = 2), []);
        assert_eq!(heads(|s| s.tally.behind = Duration::from_millis(900)), [("The rate was not kept up", false)]);
        let mut full = sheet(tally(3));
        full.tally.unsent = 4321;
        assert!(full.table().contains("unsent               4,321  due when the run ended"), "{}", full.table());
        assert_eq!(heads(|s| s.tally.lost = 1), [("Requests were lost", true)]);
        assert_eq!(heads(|s| s.tally = tally(0)), [("Nothing was answered", false)]);
        let mut slow = sheet(tally(1));
        slow.tally.latency.saturating_record(u64::MAX);
        assert!(slow.table().contains("or longer"), "{}", slow.table());
    }

    #[test]
    fn a_directory_is_claimed_only_if_it_is_empty() {
        let scratch = tempfile::tempdir().unwrap();
        let place = scratch.path().join("a/b");
        let destination = Destination::claim(&place).unwrap();
        sheet(tally(2)).write_to(&destination).unwrap();
        let mut names: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["latency.hgrm", "latency.hlog", "report.html", "report.json"]);
        let refused = format!("{:#}", Destination::claim(&place).unwrap_err());
        assert!(refused.contains("is not empty; give --report a new or an empty directory"), "{refused}");
        assert!(Destination::claim(&place.join("report.json")).is_err());
        assert!(fs::read_to_string(place.join("latency.hgrm")).unwrap().contains("2000]"));
    }
}

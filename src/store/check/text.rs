//! The report in words.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use super::survey::{KINDS, Seal, Survey};
use super::{Holder, Report, Role};
use crate::clock::UnixSecs;
use crate::store::file::BadFile;
use crate::store::last_run::LastRun;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directory = printable(&self.directory);
        match &self.holder {
            Holder::Process(pid) => writeln!(f, "{directory}: in use by process {}", printable(pid))?,
            Holder::Nobody => writeln!(f, "{directory}: not in use")?,
            Holder::Unknown => writeln!(f, "{directory}: the lock does not tell whether it is in use")?,
        }
        if !self.segments.is_empty() {
            writeln!(
                f,
                "\n{:<25}{:<8}{:>10}{:>6}{:>9}{:>9}  records",
                "segment", "is", "capacity", "fill", "oldest", "newest"
            )?;
        }
        for (role, segment) in &self.segments {
            self.write_segment(f, *role, segment)?;
        }
        if let Some(all) = self.totals() {
            writeln!(f, "records in all: {all}")?;
        }
        writeln!(f)?;
        for (_, segment) in &self.segments {
            self.write_findings(f, segment)?;
        }
        for (path, bytes) in &self.set_aside {
            let bytes = bytes.map_or("a directory".to_owned(), |bytes| format!("{bytes} bytes"));
            writeln!(f, "{}: damaged and set aside by an earlier start, {bytes}", name(path))?;
        }
        self.write_start(f)
    }
}

impl Report {
    fn write_segment(&self, f: &mut fmt::Formatter<'_>, role: Role, segment: &Survey) -> fmt::Result {
        let [oldest, newest] = match segment.times {
            Some((first, last)) => [first, last].map(|time| age(self.now, time)),
            None => ["-", "-"].map(str::to_owned),
        };
        let percent = segment.records() * 100 / u64::from(segment.capacity);
        let role = match role {
            Role::Sealed => "sealed",
            Role::Closed => "closed",
            Role::Active => "active",
            Role::Spare => "spare",
            Role::Unused => "unused",
        };
        let (name, capacity) = (name(&segment.path), segment.capacity);
        let records = counts(segment.counts);
        writeln!(f, "{name:<25}{role:<8}{capacity:>10}{percent:>5}%{oldest:>9}{newest:>9}  {records}")
    }

    /// The records of all segments, if there are several.
    fn totals(&self) -> Option<String> {
        let sum = |kind: usize| self.segments.iter().map(|(_, segment)| segment.counts[kind]).sum();
        (self.segments.len() > 1).then(|| counts([0, 1, 2, 3].map(sum)))
    }

    fn write_findings(&self, f: &mut fmt::Formatter<'_>, segment: &Survey) -> fmt::Result {
        let name = name(&segment.path);
        let is_damaged = self.is_at_rest() || segment.is_sealed();
        let consequence = match (is_damaged, &self.holder) {
            (true, _) => "damage, as nothing is missing where files were closed or sealed",
            (false, Holder::Nobody) => "a start sees to them",
            (false, _) => "on their way, or a start sees to them",
        };
        let greylisted = "their senders are greylisted once more";
        let findings = [
            (segment.damaged, "damaged records", greylisted),
            (segment.lost, "records lost to a power failure", greylisted),
            (segment.unindexed, "records without a place in the index", consequence),
            (segment.dangling, "places in the index without a record", consequence),
            (segment.unmarked, "records above the fill marks", consequence),
        ];
        for (count, what, consequence) in findings.into_iter().filter(|(count, ..)| *count > 0) {
            writeln!(f, "{name}: {what}: {count}; {consequence}")?;
        }
        if segment.seal == Seal::Damaged {
            writeln!(f, "{name}: its seal is damaged: it counts as not sealed")?;
        }
        if segment.has_failed {
            writeln!(
                f,
                "{name}: the disk has failed to take it: what was last appended may not survive a power failure"
            )?;
        }
        match &segment.unread {
            Some(reason @ BadFile::Length { .. }) => {
                writeln!(
                    f,
                    "{name}: cut off while it was looked at: {reason}; a start sets it aside and serves the rest"
                )
            }
            Some(reason) => writeln!(
                f,
                "{name}: cannot be read to its end: {reason}; the daemon that comes upon that sets it aside and ends with \
                 code 71, and the next start serves the rest"
            ),
            None => Ok(()),
        }
    }

    fn write_start(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let starter = printable(self.starter.name());
        // Beside a daemon one may be in the making.
        for path in self.unfinished.iter().filter(|_| self.holder == Holder::Nobody) {
            let removed = if self.is_removed(path) { "removes it" } else { "cannot remove it" };
            writeln!(f, "{}: not finished when the process died; a start {removed}", name(path))?;
        }
        for (path, reason) in &self.damaged {
            writeln!(f, "{}: damaged: {reason}; a start sets it aside and serves the rest", name(path))?;
        }
        for refusal in &self.refusals {
            writeln!(f, "a start as {starter} is refused: {}", printable(refusal.to_string()))?;
        }
        if let Holder::Process(pid) = &self.holder {
            return writeln!(f, "a second daemon is refused while process {} runs", printable(pid));
        }
        if !self.refusals.is_empty() || self.segments.iter().any(|(_, segment)| segment.unread.is_some()) {
            return Ok(());
        }
        self.write_promise(f)
    }

    /// What a start would do that nothing forbids.
    fn write_promise(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (starter, workers) = (printable(self.starter.name()), self.workers);
        writeln!(f, "nothing that is seen without a start forbids one as {starter} with {workers} workers")?;
        if let Some(why) = &self.shortage {
            writeln!(f, "{why}: known senders pass, unknown ones get the on-full answer until there is room")?;
        }
        if self.segments.is_empty() && !self.has_key {
            return writeln!(f, "a start makes a new key and serves an empty state");
        }
        let open = self.segments.iter().map(|(_, segment)| segment).filter(|segment| !segment.is_sealed());
        let records: u64 = open.map(Survey::records).sum();
        match self.last_run {
            LastRun::Clean => writeln!(f, "closed cleanly: a start serves at once"),
            LastRun::SameBoot { .. } => writeln!(
                f,
                "the last process was killed: a start serves at once and looks for slots that are missing behind that, or \
                 makes the index anew before, if more is missing than a kill leaves"
            ),
            LastRun::OtherBoot => writeln!(
                f,
                "from another boot, or a copy: a start makes the index of {records} records anew before it serves"
            ),
        }
    }
}

fn name(path: &Path) -> String {
    printable(path.file_name().unwrap_or_default())
}

/// Anybody may have named a file, and the report is read on a terminal: what does not print is escaped.
fn printable(text: impl AsRef<OsStr>) -> String {
    let mut printable = String::new();
    for chunk in text.as_ref().as_encoded_bytes().utf8_chunks() {
        printable.extend(chunk.valid().chars().flat_map(char::escape_debug));
        printable.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    printable
}

fn counts(counts: [u64; 4]) -> String {
    let kinds = counts.iter().zip(KINDS).filter(|(count, _)| **count > 0);
    let words: Vec<_> = kinds.map(|(count, (_, name))| format!("{count} {name}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// How long ago, in the two largest units; a time that lies ahead has a minus.
fn age(now: UnixSecs, time: UnixSecs) -> String {
    let (sign, seconds) = if time > now { ("-", time.since(now)) } else { ("", now.since(time)) };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{seconds}s"),
        (0, 0, _) => format!("{sign}{minutes}m{:02}s", seconds % 60),
        (0, ..) => format!("{sign}{hours}h{minutes:02}m"),
        _ => format!("{sign}{days}d{hours:02}h"),
    }
}

//! Requests as they were recorded, in the protocol's own form: lines `name=value`, a blank line after each request.
//!
//! A line `policy_test_time=SECONDS` gives a request its time and is taken out; with a test clock it comes back, counted
//! from that clock's start. All else stays byte for byte. Times that go back are raised to the one before. One
//! request is held at a time.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Planned;
use super::input::Input;
use super::network::{Part, network_of_text};

/// No policy request comes near it.
const LONGEST: usize = 64 * 1024;

/// A file of requests on its way.
#[derive(Debug)]
pub(crate) struct Replay {
    input: Input,
    part: Part,
    /// How often the file is still to be gone through after this time.
    repeat: u32,
    /// Requests read in this round.
    requests: u64,
    /// Time of the first request that has one.
    first: Option<u64>,
    /// When this round began, and the latest time in it.
    round: Duration,
    latest: Duration,
}

/// What is known of a request that was read.
struct Recorded {
    time: Option<u64>,
    network: u64,
}

impl Replay {
    pub(crate) fn open(path: &Path, times: u32, part: Part) -> Result<Self> {
        let input = Input::open(path)?;
        let (round, latest) = (Duration::ZERO, Duration::ZERO);
        Ok(Self { input, part, repeat: times.saturating_sub(1), requests: 0, first: None, round, latest })
    }

    /// Appends the next request that belongs to the part.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<Planned>> {
        let start = out.len();
        loop {
            let Some(Recorded { time, network }) = self.read(out)? else {
                if !self.rewind()? {
                    return Ok(None);
                }
                continue;
            };
            self.requests += 1;
            let due = time.map(|time| self.due(time));
            if self.part.takes(network) {
                return Ok(Some(Planned { due, network }));
            }
            out.truncate(start);
        }
    }

    fn due(&mut self, time: u64) -> Duration {
        let first = *self.first.get_or_insert(time);
        let due = self.round + Duration::from_secs(time.saturating_sub(first));
        self.latest = self.latest.max(due);
        self.latest
    }

    /// Begins the next round, a second after the end of the last; false if there is none.
    fn rewind(&mut self) -> Result<bool> {
        let path = self.input.path();
        ensure!(self.requests > 0, "{}: holds no request; record some with greyload requests", path.display());
        if self.repeat == 0 {
            return Ok(false);
        }
        self.input = Input::open(path)?;
        self.repeat -= 1;
        self.requests = 0;
        self.round = self.latest + Duration::from_secs(1);
        Ok(true)
    }

    /// Appends the next request of the file, without its time.
    fn read(&mut self, out: &mut Vec<u8>) -> Result<Option<Recorded>> {
        let start = out.len();
        let mut recorded = Recorded { time: None, network: 0 };
        loop {
            let line_start = out.len();
            if !self.input.read_line(out)? {
                ensure!(line_start == start, self.cut_off());
                return Ok(None);
            }
            ensure!(
                out.len() - start <= LONGEST,
                "{}: request {} is longer than {LONGEST} bytes; put a blank line after each request",
                self.input.place(),
                self.requests + 1
            );
            let line = out[line_start..].trim_ascii_end();
            if line.is_empty() {
                if line_start > start {
                    return Ok(Some(recorded));
                }
                out.truncate(start);
                continue;
            }
            ensure!(out.ends_with(b"\n"), self.cut_off());
            if self.take(line, &mut recorded)? {
                out.truncate(line_start);
            }
        }
    }

    fn cut_off(&self) -> String {
        let (place, number) = (self.input.place(), self.requests + 1);
        format!("{place}: request {number} has no blank line at its end; complete it or take it out")
    }

    /// Takes what is needed from an attribute; true if it is the time, which is not passed on.
    fn take(&self, line: &[u8], recorded: &mut Recorded) -> Result<bool> {
        let equals = line.iter().position(|&byte| byte == b'=').unwrap_or_default();
        let (name, value) = line.split_at(equals);
        if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            let line = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
            bail!(
                "{}: `{line}` is no attribute `name=value`; replay reads policy requests, maillog reads logs",
                self.input.place()
            );
        }
        match name {
            b"client_address" => recorded.network = network_of_text(&value[1..]),
            b"policy_test_time" => {
                let seconds = std::str::from_utf8(&value[1..]).ok().and_then(|text| text.parse().ok());
                let what =
                    || format!("{}: policy_test_time wants Unix seconds, such as 1764000000", self.input.place());
                recorded.time = Some(seconds.with_context(what)?);
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    }
}

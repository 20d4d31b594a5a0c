//! What a run came to, as rows for the terminal and for the page alike, and the verdicts that stand above them.
//!
//! A verdict says what a reader must know before any figure: that the server failed, that the generator was the limit, that
//! requests were sent late, that the rate was not kept up, that the run was interrupted.

use super::comparison::BUSY;
use super::units::{about, count, float, harmless, latency, quotient, rate, share, span};
use crate::driver::{Schedule, Tally};
use crate::reply::Answers;

/// From this share of late sends on, the generator shaped the load.
const LATE: f64 = 0.001;
/// What latency is told of, and how it is called in tables, and in the names of JSON.
pub(super) const QUANTILES: [(f64, &str, &str); 5] = [
    (0.5, "p50", "p50_nanoseconds"),
    (0.9, "p90", "p90_nanoseconds"),
    (0.99, "p99", "p99_nanoseconds"),
    (0.999, "p99.9", "p99_9_nanoseconds"),
    (0.9999, "p99.99", "p99_99_nanoseconds"),
];

/// Answers by kind, each with what it means, in the order in which they are shown everywhere.
pub(super) fn kinds(answers: Answers) -> [(&'static str, u64, &'static str); 4] {
    [
        ("deferred", answers.deferred, "greylisted: come again later"),
        ("dunno", answers.dunno, "no opinion: known or whitelisted"),
        ("prepend", answers.prepend, "passed with a header"),
        ("other", answers.other, "any other action"),
    ]
}

/// What follows from a tally.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures<'t> {
    pub(super) tally: &'t Tally,
    /// Of an open loop at a rate.
    pub(super) asked: Option<Schedule>,
}

/// Something that comes before all figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The server failed; otherwise the figures are only doubtful.
    pub(super) is_failure: bool,
    pub(super) head: &'static str,
    pub(super) text: String,
}

/// Rows under one heading: a name, a figure, a remark.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) heading: &'static str,
    pub(super) rows: Vec<(&'static str, String, String)>,
}

impl Figures<'_> {
    /// Open loop: requests due a second, on average.
    pub(super) fn asked_rate(&self) -> Option<f64> {
        self.asked.map(|schedule| schedule.average(self.tally.elapsed.as_secs_f64()))
    }

    pub(super) fn generator_was_limit(&self) -> bool {
        self.tally.own_share() >= BUSY || self.sent_late()
    }

    fn sent_late(&self) -> bool {
        quotient(float(self.tally.late), float(self.tally.answers.total())) >= LATE
    }

    /// Whether some answer took longer than the histogram can tell.
    pub(super) fn is_clipped(&self) -> bool {
        self.tally.latency.max() >= self.tally.latency.high()
    }

    /// The gravest first.
    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        let tally = self.tally;
        let mut verdicts = Vec::new();
        let mut say = |is_failure, head, text| verdicts.push(Verdict { is_failure, head, text });
        let lost = format!("{} requests got no answer.", count(tally.lost));
        match &tally.first_failure {
            Some(failure) => say(true, "The server failed", format!("First failure: {}. {lost}", harmless(failure))),
            None if tally.lost > 0 => say(true, "Requests were lost", lost),
            None if tally.answers.total() == 0 => {
                say(false, "Nothing was answered", "There are no figures.".to_owned());
            }
            None => {}
        }
        verdicts.extend(self.doubts());
        verdicts
    }

    /// What makes the figures doubtful.
    fn doubts(&self) -> Vec<Verdict> {
        let tally = self.tally;
        let mut doubts = Vec::new();
        let mut say = |head, text| doubts.push(Verdict { is_failure: false, head, text });
        if tally.interrupted {
            let text =
                format!("It was ended after {}; the figures are of what was done until then.", span(tally.elapsed));
            say("The run was interrupted", text);
        }
        if self.tally.own_share() >= BUSY {
            let busy = self.tally.own_share() * 100.0;
            let text = format!(
                "It was busy for {busy:.0}% of the time of its threads: the server may be faster than \
                 shown. Give it more threads or a machine of its own."
            );
            say("The generator may be the limit", text);
        }
        if self.sent_late() {
            let share = share(tally.late, tally.answers.total());
            let text = format!(
                "{share} were, by the generator's own fault, which counts as latency. \
                 Lower the rate, or give it more threads or a machine of its own."
            );
            say("Requests were sent late", text);
        }
        if tally.is_saturated() {
            let text = format!(
                "At the end requests waited {} for a free connection: latency is that of a growing queue.",
                span(tally.behind)
            );
            say("The rate was not kept up", text);
        }
        doubts
    }

    /// All rows.
    pub(super) fn blocks(&self) -> [Block; 3] {
        [self.answers(), self.latencies(), self.generator()]
    }

    fn answers(&self) -> Block {
        let tally = self.tally;
        let all = tally.answers.total();
        let pace = format!("{} a second for {}", rate(self.tally.rate()), span(tally.elapsed));
        let mut rows = vec![("all", count(all), pace)];
        rows.extend(kinds(tally.answers).map(|(kind, part, _)| (kind, count(part), share(part, all))));
        rows.push(("lost", count(tally.lost), share(tally.lost, all + tally.lost)));
        if self.asked.is_some() || tally.unsent > 0 {
            rows.push(("unsent", count(tally.unsent), "due when the run ended, never sent".to_owned()));
        }
        Block { heading: "Answers", rows }
    }

    /// Latency at a quantile.
    pub(super) fn latency(&self, quantile: f64) -> String {
        let histogram = &self.tally.latency;
        if histogram.is_empty() { "-".to_owned() } else { latency(histogram.value_at_quantile(quantile)) }
    }

    fn latencies(&self) -> Block {
        let slower = |quantile: f64| match float(self.tally.latency.len()) * (1.0 - quantile) {
            slower if slower < 1.0 => "too few answers to tell".to_owned(),
            slower => format!("{} were slower", about(slower)),
        };
        let mut rows: Vec<_> =
            QUANTILES.iter().map(|&(quantile, name, _)| (name, self.latency(quantile), slower(quantile))).collect();
        let remark = if self.is_clipped() { "or longer: no more can be told" } else { "" };
        rows.push(("max", self.latency(1.0), remark.to_owned()));
        Block { heading: "Latency", rows }
    }

    fn generator(&self) -> Block {
        let tally = self.tally;
        let verdict = if self.generator_was_limit() { "may be the limit" } else { "not the limit" };
        let threads =
            if tally.threads == 1 { "its thread".to_owned() } else { format!("its {} threads", tally.threads) };
        let mut rows = vec![
            ("busy", format!("{:.0}%", self.tally.own_share() * 100.0), format!("of {threads}: {verdict}")),
            ("late sends", count(tally.late), share(tally.late, tally.answers.total())),
        ];
        if let Some(asked) = self.asked_rate() {
            let reached = if tally.is_saturated() { "not reached" } else { "reached" };
            rows.push(("asked rate", rate(asked), format!("a second on average: {reached}")));
        }
        rows.push(("interrupted", if tally.interrupted { "yes" } else { "no" }.to_owned(), String::new()));
        Block { heading: "Generator", rows }
    }
}

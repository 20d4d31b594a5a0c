//! The table of a comparison: one row a server and kind of socket, and the remarks below it.
//!
//! Every figure is shown with its spread over the rounds, and a ratio is taken within a round. What makes the figures
//! doubtful (a busy generator, other work on the machine, lost requests) is said in words below the table.

use super::tables::table;
use super::units::harmless;
use crate::accounting::Memory;
use crate::compare::Sample;
use crate::driver::Tally;
use crate::servers::{Kind, Transport};
use crate::spread::Spread;
use crate::workload;

/// From this share of its core on, the generator may be what limits the rate.
pub(super) const BUSY: f64 = 0.95;
/// From this share of a core on, other work on the machine makes the figures doubtful.
const DISTURBED: f64 = 0.1;

/// A quantile of the latency in microseconds.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a minute are far below 2^52")]
pub(super) fn at(tally: &Tally, quantile: f64) -> f64 {
    tally.latency.value_at_quantile(quantile) as f64 / 1000.0
}

/// Servers side by side, with one number of connections.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) connections: u32,
    pub(crate) workload: workload::Kind,
    pub(crate) contestants: Vec<(Kind, Transport)>,
    pub(crate) samples: Vec<Sample>,
}

impl Comparison {
    /// What tells it from others.
    pub(crate) fn heading(&self) -> String {
        format!("{} with {} connections", self.workload, self.connections)
    }

    /// The table, and the remarks below it.
    pub(crate) fn table(&self, markdown: bool) -> String {
        let mut text = table(&self.rows(), markdown);
        text.push('\n');
        for remark in self.remarks() {
            text.push_str(&remark);
            text.push('\n');
        }
        text
    }

    /// The header, and a row for each server and kind of socket.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let header = [
            "server",
            "socket",
            "requests/s",
            "us CPU a request",
            "CPU to baseline",
            "rate to postgrey",
            "p50 us",
            "p99 us",
            "RSS MiB",
            "RssAnon MiB",
        ];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(self.contestants.iter().map(|&(kind, transport)| self.row(kind, transport)));
        rows
    }

    /// The rounds of one server that have figures.
    pub(super) fn of(&self, kind: Kind, transport: Transport) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |s| s.kind == kind && s.transport == transport && s.is_whole())
    }

    /// How the figures came about, and what makes them doubtful.
    pub(super) fn remarks(&self) -> Vec<String> {
        let samples = &self.samples;
        let whole = || samples.iter().filter(|sample| sample.is_whole());
        let shares = |value: fn(&Sample) -> f64| spread(whole().map(|s| value(s) * 100.0), 0);
        let mut remarks = vec![
            "Each figure is the median of the rounds (minimum to maximum); ratios are taken within a round.".to_owned(),
            format!("The generator needed {}% of its core.", shares(|s| s.tally.own_share())),
            format!("Other work on the machine took {}% of a core.", shares(|s| s.costs.foreign_share)),
        ];
        if whole().count() < samples.len() {
            remarks.push("A round in which requests were lost has no part in the figures.".to_owned());
        }
        if samples.iter().any(|s| s.costs.foreign_share > DISTURBED) {
            remarks.push("The machine was not quiet: the rates and latencies are doubtful.".to_owned());
        }
        remarks.extend(samples.iter().flat_map(|sample| self.doubts(sample)));
        remarks
    }

    /// What is to be said about one round of one server.
    fn doubts(&self, sample: &Sample) -> Vec<String> {
        let tally = &sample.tally;
        let place = format!("{} over {}, round {}", sample.kind.name(), sample.transport.name(), sample.round + 1);
        let mut doubts = Vec::new();
        if tally.own_share() >= BUSY {
            doubts.push(format!("{place}: the generator may be what limits the rate."));
        }
        if let Some(failure) = &tally.first_failure {
            doubts.push(format!("{place}: {} requests lost; {}", tally.lost, harmless(failure)));
        }
        if sample.unlogged > 0 {
            doubts.push(format!("{place}: {} decisions were not logged.", sample.unlogged));
        }
        let (surprising, what) = match self.workload {
            _ if sample.kind == Kind::Baseline || !sample.is_whole() => (0, ""),
            workload::Kind::Flood => (tally.answers.total() - tally.answers.deferred, "new triplets were not deferred"),
            workload::Kind::Known => (tally.answers.deferred, "known triplets were deferred"),
            workload::Kind::Mix | workload::Kind::Replay | workload::Kind::Maillog => (0, ""),
        };
        if surprising > 0 {
            doubts.push(format!("{place}: {surprising} {what}."));
        }
        doubts
    }

    #[expect(clippy::cast_precision_loss, reason = "a process has far less than 2^52 bytes")]
    fn row(&self, kind: Kind, transport: Transport) -> Vec<String> {
        let own = || self.of(kind, transport);
        let show = |decimals, value: &dyn Fn(&Sample) -> f64| spread(own().map(value), decimals);
        let rival = |sample: &Sample, kind, transport| self.of(kind, transport).find(|s| s.round == sample.round);
        let to_baseline = own().filter_map(|s| {
            rival(s, Kind::Baseline, transport).map(|floor| s.micros_a_request() / floor.micros_a_request())
        });
        let to_postgrey = own()
            .filter_map(|s| rival(s, Kind::Postgrey, Transport::Tcp).map(|other| s.tally.rate() / other.tally.rate()));
        let mebibytes = |of: fn(Memory) -> u64| {
            let bytes = own().filter_map(|s| s.costs.memory).map(of);
            spread(bytes.map(|bytes| bytes as f64 / 1_048_576.0), 1)
        };
        vec![
            kind.name().to_owned(),
            transport.name().to_owned(),
            self.rates(kind, transport),
            show(2, &Sample::micros_a_request),
            spread(to_baseline, 2),
            spread(to_postgrey, 1),
            show(0, &|s| at(&s.tally, 0.5)),
            show(0, &|s| at(&s.tally, 0.99)),
            mebibytes(|memory| memory.resident),
            mebibytes(|memory| memory.anonymous),
        ]
    }

    /// The rates of one server, and in how many rounds it failed.
    fn rates(&self, kind: Kind, transport: Transport) -> String {
        let all = self.samples.iter().filter(|s| s.kind == kind && s.transport == transport).count();
        let figure = Spread::of(self.of(kind, transport).map(|s| s.tally.rate())).map(|spread| spread.show(0));
        let failed = all - self.of(kind, transport).count();
        let failures = (failed > 0).then(|| format!("failed in {failed} of {all} rounds"));
        let parts: Vec<String> = figure.into_iter().chain(failures).collect();
        if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
    }
}

fn spread(values: impl IntoIterator<Item = f64>, decimals: usize) -> String {
    Spread::of(values).map_or_else(|| "-".to_owned(), |spread| spread.show(decimals))
}

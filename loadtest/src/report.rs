//! What a person sees: the lines after a drive and the table of a comparison, for a terminal or as Markdown.

use std::fmt::Write;

use crate::compare::Sample;
use crate::directory::Segment;
use crate::driver::Tally;
use crate::servers::{Kind, Transport};
use crate::spread::Spread;

/// From this share of its core on, the generator may be what limits the rate.
const BUSY: f64 = 0.95;
/// From this share of a core on, other work on the machine makes the figures doubtful.
const DISTURBED: f64 = 0.1;

/// Prints what a drive came to.
pub(crate) fn print_drive(tally: &Tally) {
    let answers = tally.answers;
    println!(
        "{} answers in {:.2} s, {:.0} a second: {} deferred, {} dunno, {} prepend, {} other",
        answers.total(),
        tally.elapsed.as_secs_f64(),
        tally.rate(),
        answers.deferred,
        answers.dunno,
        answers.prepend,
        answers.other
    );
    println!("latency: p50 {:.0} us, p99 {:.0} us, max {:.0} us", at(tally, 0.5), at(tally, 0.99), at(tally, 1.0));
    if let Some(worst) = tally.seconds.iter().max_by_key(|second| second.p99) {
        println!(
            "worst second: {} answers, p99 {} us, {} errors",
            worst.answers.total(),
            worst.p99 / 1000,
            worst.errors
        );
    }
    println!("the generator used {:.0}% of a core a thread ({} threads)", tally.own_share() * 100.0, tally.threads);
    let remarks = [
        (tally.interrupted, "ended by Ctrl-C".to_owned()),
        (tally.late > 0, format!("{} requests sent late by the generator's own fault", tally.late)),
        (tally.is_saturated(), format!("saturated: {:.1} s behind the rate", tally.behind.as_secs_f64())),
    ];
    let remarks: Vec<_> = remarks.into_iter().filter_map(|(holds, remark)| holds.then_some(remark)).collect();
    if !remarks.is_empty() {
        println!("{}", remarks.join("; "));
    }
    if tally.own_share() >= BUSY {
        println!("the generator may be what limits the rate");
    }
    if !tally.is_clean() {
        println!("{} requests lost; first failure: {}", tally.lost, tally.first_failure.as_deref().unwrap_or("none"));
    }
}

/// A quantile of the latency in microseconds.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a minute are far below 2^52")]
fn at(tally: &Tally, quantile: f64) -> f64 {
    tally.latency.value_at_quantile(quantile) as f64 / 1000.0
}

/// The table of a comparison, a row for each server and kind of socket, and the remarks below it.
pub(crate) fn comparison(samples: &[Sample], contestants: &[(Kind, Transport)], markdown: bool) -> String {
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
    rows.extend(contestants.iter().map(|&(kind, transport)| row(samples, kind, transport)));
    let mut text = if markdown { markdown_table(&rows) } else { plain_table(&rows) };
    text.push('\n');
    remarks(samples, &mut text);
    text
}

#[expect(clippy::cast_precision_loss, reason = "a process has far less than 2^52 bytes")]
fn row(samples: &[Sample], kind: Kind, transport: Transport) -> Vec<String> {
    let own: Vec<&Sample> = samples.iter().filter(|s| s.kind == kind && s.transport == transport).collect();
    let show = |decimals, value: &dyn Fn(&Sample) -> f64| spread(own.iter().map(|s| value(s)), decimals);
    let rival = |sample: &Sample, kind, transport| {
        samples.iter().find(|s| s.round == sample.round && s.kind == kind && s.transport == transport)
    };
    let to_baseline = own.iter().filter_map(|s| {
        rival(s, Kind::Baseline, transport).map(|floor| s.micros_a_request() / floor.micros_a_request())
    });
    let to_postgrey = own
        .iter()
        .filter_map(|s| rival(s, Kind::Postgrey, Transport::Tcp).map(|other| s.tally.rate() / other.tally.rate()));
    let mebibytes = |bytes: u64| bytes as f64 / 1_048_576.0;
    vec![
        kind.name().to_owned(),
        transport.name().to_owned(),
        show(0, &|s| s.tally.rate()),
        show(2, &Sample::micros_a_request),
        spread(to_baseline, 2),
        spread(to_postgrey, 1),
        show(0, &|s| at(&s.tally, 0.5)),
        show(0, &|s| at(&s.tally, 0.99)),
        show(1, &|s| mebibytes(s.memory.resident)),
        show(1, &|s| mebibytes(s.memory.anonymous)),
    ]
}

fn spread(values: impl IntoIterator<Item = f64>, decimals: usize) -> String {
    Spread::of(values).map_or_else(|| "-".to_owned(), |spread| spread.show(decimals))
}

fn remarks(samples: &[Sample], text: &mut String) {
    let mut line = |remark: String| {
        text.push_str(&remark);
        text.push('\n');
    };
    line("Each figure is the median of the rounds (minimum to maximum); ratios are taken within a round.".to_owned());
    let shares = |value: fn(&Sample) -> f64| spread(samples.iter().map(|s| value(s) * 100.0), 0);
    line(format!("The generator needed {}% of its core.", shares(|s| s.tally.own_share())));
    line(format!("Other work on the machine took {}% of a core.", shares(|s| s.foreign_share)));
    if samples.iter().any(|s| s.foreign_share > DISTURBED) {
        line("The machine was not quiet: the rates and latencies are doubtful.".to_owned());
    }
    for sample in samples {
        let (name, socket, round) = (sample.kind.name(), sample.transport.name(), sample.round + 1);
        if sample.tally.own_share() >= BUSY {
            line(format!("{name} over {socket}, round {round}: the generator may be what limits the rate."));
        }
        if let Some(failure) = &sample.tally.first_failure {
            line(format!("{name} over {socket}, round {round}: {} requests lost; {failure}", sample.tally.lost));
        }
        let other = sample.tally.answers.total() - sample.tally.answers.deferred;
        if sample.kind != Kind::Baseline && other > 0 {
            line(format!("{name} over {socket}, round {round}: {other} new triplets were not deferred."));
        }
    }
}

/// The table of segment files.
pub(crate) fn segments(segments: &[Segment], markdown: bool) -> String {
    let header = ["file", "records", "capacity", "bytes on disk", "bytes a record", ""];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(segments.iter().map(|segment| {
        let state = if segment.is_full() { "full" } else { "" };
        vec![
            segment.name.clone(),
            segment.records.to_string(),
            segment.capacity.to_string(),
            segment.allocated.to_string(),
            if segment.records == 0 {
                "-".to_owned()
            } else {
                format!("{:.3}", ratio(segment.allocated, segment.records))
            },
            state.to_owned(),
        ]
    }));
    if markdown { markdown_table(&rows) } else { plain_table(&rows) }
}

/// The table of the restarts, in milliseconds.
pub(crate) fn restarts(records: u64, unsealed: u64, bytes: u64, millis: &Spread, markdown: bool) -> String {
    let header = ["records", "not sealed", "bytes of files", "min ms", "median ms", "max ms"];
    let figures = [millis.min, millis.median, millis.max].map(|value| format!("{value:.2}"));
    let row = [records, unsealed, bytes].map(|count| count.to_string()).into_iter().chain(figures).collect();
    let rows = [header.map(str::to_owned).to_vec(), row];
    if markdown { markdown_table(&rows) } else { plain_table(&rows) }
}

/// One count to another.
#[expect(clippy::cast_precision_loss, reason = "file sizes and counts are far below 2^52")]
pub(crate) fn ratio(of: u64, to: u64) -> f64 {
    of as f64 / to as f64
}

fn markdown_table(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text
}

fn plain_table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns).map(|c| rows.iter().map(|row| row[c].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_keep_their_columns() {
        let rows = vec![vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(plain_table(&rows), "a    bb\nccc  d\n");
        assert_eq!(markdown_table(&rows), "| a | bb |\n|---|---|\n| ccc | d |\n");
    }
}

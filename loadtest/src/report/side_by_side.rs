//! A comparison as files: `report.html` with its tables, and `report.json` with the figures of every round.
//!
//! The page is made as that of a single run is: it needs nothing else, and all that varies is escaped.

use std::time::Duration;

use anyhow::Result;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::bars;
use super::comparison::Comparison;
use super::figures::QUANTILES;
use super::json::answers;
use super::machine::Machine;
use super::page;
use super::sheet::Destination;
use crate::compare::Sample;

const TITLE: &str = "greyload: servers side by side";

/// Writes both files, after so long a time of measuring.
pub(crate) fn write_comparisons(
    comparisons: &[Comparison],
    elapsed: Duration,
    destination: &Destination,
) -> Result<()> {
    let machine = Machine::observe(elapsed);
    destination.write("report.html", html(comparisons, &machine, elapsed).as_bytes())?;
    destination.write("report.json", json(comparisons, &machine).as_bytes())
}

fn html(comparisons: &[Comparison], machine: &Machine, elapsed: Duration) -> String {
    let main = html! {
        @for figure in bars::figures(comparisons) { (page::figure(&figure)) }
        @for comparison in comparisons { (section(comparison)) }
        (page::origin(machine, &html! {}, &html! { "Beside this page: " code { "report.json" } " (every round)." }))
    };
    page::whole(TITLE, machine, elapsed, &main)
}

fn section(comparison: &Comparison) -> Markup {
    let rows = comparison.rows();
    let (header, body) = rows.split_at(1);
    html! {
        section {
            h2 { (comparison.heading()) }
            table class="wide" {
                thead { @for row in header { tr { @for cell in row { th scope="col" { (cell) } } } } }
                tbody { @for row in body { tr { @for cell in row { td { (cell) } } } } }
            }
            @for remark in comparison.remarks() { p class="remark" { (remark) } }
        }
    }
}

fn json(comparisons: &[Comparison], machine: &Machine) -> String {
    let list: Vec<Value> = comparisons
        .iter()
        .map(|comparison| {
            json!({
                "connections": comparison.connections,
                "workload": comparison.workload.to_string(),
                "rounds": comparison.samples.iter().map(round).collect::<Vec<_>>(),
            })
        })
        .collect();
    let value = json!({
        "title": TITLE,
        "generator": concat!("greyload ", env!("CARGO_PKG_VERSION")),
        "command_line": machine.command_line,
        "started_utc": machine.started.to_string(),
        "machine": machine.json(),
        "comparisons": list,
    });
    format!("{value:#}\n")
}

fn round(sample: &Sample) -> Value {
    let tally = &sample.tally;
    let mut value = json!({
        "round": sample.round + 1,
        "server": sample.kind.name(),
        "socket": sample.transport.name(),
        "elapsed_seconds": tally.elapsed.as_secs_f64(),
        "answers": answers(tally.answers),
        "lost_requests": tally.lost,
        "first_failure": tally.first_failure,
        "answers_per_second": tally.rate(),
        "server_processor_seconds": sample.costs.processor.as_secs_f64(),
        "server_resident_bytes": sample.costs.memory.map(|memory| memory.resident),
        "server_anonymous_bytes": sample.costs.memory.map(|memory| memory.anonymous),
        "load_busy_share_of_core": tally.own_share(),
        "other_work_share_of_core": sample.costs.foreign_share,
    });
    for (quantile, _, name) in QUANTILES {
        value[name] = tally.latency.value_at_quantile(quantile).into();
    }
    value
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::accounting::{Costs, Memory};
    use crate::reply::Answers;
    use crate::report::sheet::tests::tally;
    use crate::servers::{Kind, Transport};
    use crate::workload;

    /// One round with 2,000 answers, 1,000 a second, at 5 microseconds each.
    pub(in crate::report) fn sample(round: u32, kind: Kind, lost: u64) -> Sample {
        let mut tally = tally(2);
        (tally.lost, tally.first_failure) = (lost, (lost > 0).then(|| "it said \"<b>\"".to_owned()));
        let memory = Some(Memory { resident: 3 << 20, anonymous: 1 << 20, page_tables: 1 << 16 });
        let costs = Costs { processor: Duration::from_millis(10), memory, foreign_share: 0.0 };
        Sample { round, kind, transport: Transport::Tcp, tally, costs, unlogged: lost }
    }

    pub(in crate::report) fn comparison() -> Comparison {
        Comparison {
            connections: 1000,
            workload: workload::Kind::Mix,
            contestants: vec![(Kind::Baseline, Transport::Tcp), (Kind::Irongrey, Transport::Tcp)],
            samples: vec![sample(0, Kind::Baseline, 0), sample(0, Kind::Irongrey, 0), sample(1, Kind::Irongrey, 7)],
        }
    }

    #[test]
    fn the_page_holds_each_table_with_its_remarks() {
        let machine = Machine::observe(Duration::ZERO);
        let page = html(&[comparison(), comparison()], &machine, Duration::ZERO);
        let document = roxmltree::Document::parse_with_options(
            &page,
            roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() },
        );
        let document = document.unwrap();
        let count = |tag: &str| document.descendants().filter(|node| node.has_tag_name(tag)).count();
        assert_eq!((count("thead"), page.matches("mix with 1000 connections").count()), (2, 2));
        assert_eq!((count("figure"), page.matches(">1,000 connections<").count()), (2, 4));
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
        assert!(page.contains("1000 (1000 to 1000)") && page.contains("irongrey over TCP, round 2: 7 requests lost"));
        assert_eq!(page.matches("round 2: 7 decisions were not logged.").count(), 2);
        assert!(!page.contains("<b>"), "{page}");
    }

    #[test]
    fn a_server_that_failed_is_told_and_has_no_figures() {
        let row = |lost: [u64; 2]| {
            let mut comparison = comparison();
            comparison.samples.truncate(1);
            comparison.samples.extend((0..2).zip(lost).map(|(round, lost)| sample(round, Kind::Irongrey, lost)));
            comparison.rows()[2][2..5].join("|")
        };
        assert_eq!(row([0, 0]), "1000 (1000 to 1000)|5.00 (5.00 to 5.00)|1.00 (1.00 to 1.00)");
        assert_eq!(row([0, 7]), "1000 (1000 to 1000), failed in 1 of 2 rounds|5.00 (5.00 to 5.00)|1.00 (1.00 to 1.00)");
        assert_eq!(row([3, 7]), "failed in 2 of 2 rounds|-|-");
        let mut comparison = comparison();
        comparison.samples[1].tally.answers = Answers::default();
        comparison.samples[1].tally.lost = 9;
        assert_eq!(comparison.rows()[2][2], "failed in 2 of 2 rounds");
        comparison.samples.clear();
        assert_eq!(comparison.rows()[2][2..4], ["-", "-"]);
    }

    #[test]
    fn every_round_is_in_the_file() {
        let text = json(&[comparison()], &Machine::observe(Duration::ZERO));
        let value: Value = serde_json::from_str(&text).unwrap();
        let rounds = &value["comparisons"][0]["rounds"];
        assert_eq!((rounds.as_array().unwrap().len(), &rounds[2]["lost_requests"]), (3, &json!(7)));
        assert_eq!((&rounds[1]["round"], &rounds[1]["server"]), (&json!(1), &json!("irongrey")));
        assert_eq!(rounds[2]["p99_nanoseconds"], tally(2).latency.value_at_quantile(0.99));
    }
}

//! The run as JSON: every figure with its unit in its name, the seconds as a series, the settings.
//!
//! Names are never reused for something else; a reader that knows a name may rely on it. Settings are a list, in the
//! order in which they are shown.

use serde_json::{Map, Value, json};

use super::figures::{QUANTILES, kinds};
use super::sheet::Sheet;
use crate::reply::Answers;

/// The whole file.
pub(super) fn report(sheet: &Sheet) -> String {
    let (tally, figures) = (&sheet.tally, sheet.figures());
    let settings: Vec<Value> =
        sheet.settings.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let value = json!({
        "title": sheet.title,
        "generator": concat!("greyload ", env!("CARGO_PKG_VERSION")),
        "command_line": sheet.machine.command_line,
        "started_utc": sheet.machine.started.to_string(),
        "machine": sheet.machine.json(),
        "settings": settings,
        "first_failure": tally.first_failure,
        "interrupted": tally.interrupted,
        "elapsed_seconds": tally.elapsed.as_secs_f64(),
        "answers": answers(tally.answers),
        "lost_requests": tally.lost,
        "unsent_requests": tally.unsent,
        "answers_per_second": tally.rate(),
        "asked_requests_per_second": figures.asked_rate(),
        "saturated": tally.is_saturated(),
        "behind_seconds": tally.behind.as_secs_f64(),
        "latency": latency(sheet),
        "load": {
            "threads": tally.threads,
            "processor_seconds": tally.own_time.as_secs_f64(),
            "of_these_spun_seconds": tally.spun.as_secs_f64(),
            "busy_share_of_threads": tally.own_share(),
            "late_sends": tally.late,
            "may_be_the_limit": figures.generator_was_limit(),
        },
        "seconds": seconds(sheet),
    });
    format!("{value:#}\n")
}

pub(super) fn answers(answers: Answers) -> Value {
    let mut map: Map<_, _> = kinds(answers).map(|(kind, part, _)| (kind.to_owned(), part.into())).into_iter().collect();
    map.insert("all".to_owned(), answers.total().into());
    map.into()
}

fn latency(sheet: &Sheet) -> Value {
    let histogram = &sheet.tally.latency;
    let mut map = Map::new();
    map.insert("answers".to_owned(), histogram.len().into());
    map.insert("min_nanoseconds".to_owned(), histogram.min().into());
    map.insert("mean_nanoseconds".to_owned(), histogram.mean().into());
    for (quantile, _, name) in QUANTILES {
        map.insert(name.to_owned(), histogram.value_at_quantile(quantile).into());
    }
    map.insert("max_nanoseconds".to_owned(), histogram.max().into());
    map.insert("max_is_cut_off".to_owned(), sheet.figures().is_clipped().into());
    map.into()
}

fn seconds(sheet: &Sheet) -> Vec<Value> {
    let seconds = sheet.tally.seconds.iter().enumerate();
    seconds
        .map(|(number, second)| {
            // A second without an answer has no latency.
            let latency = |value| (second.answers.total() > 0).then_some(value);
            json!({
                "from_second": number,
                "answers": answers(second.answers),
                "lost_requests": second.errors,
                "p50_nanoseconds": latency(second.p50),
                "p99_nanoseconds": latency(second.p99),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sheet::tests::{sheet, tally};

    #[test]
    fn the_file_holds_the_figures() {
        let sheet = sheet(tally(3));
        let value: Value = serde_json::from_str(&report(&sheet)).unwrap();
        assert_eq!(value["answers"]["all"], sheet.tally.answers.total());
        assert_eq!(value["answers"]["prepend"], sheet.tally.answers.prepend);
        assert_eq!((&value["lost_requests"], &value["unsent_requests"]), (&json!(0), &json!(0)));
        assert_eq!(value["latency"]["p99_9_nanoseconds"], sheet.tally.latency.value_at_quantile(0.999));
        assert_eq!(value["latency"]["max_nanoseconds"], sheet.tally.latency.max());
        assert_eq!(value["seconds"].as_array().unwrap().len(), 3);
        assert_eq!(value["seconds"][2]["p99_nanoseconds"], sheet.tally.seconds[2].p99);
        assert_eq!(value["settings"][0], json!({ "name": "server", "value": "127.0.0.1:10023" }));
        assert_eq!(value["first_failure"], Value::Null);
        let threads = f64::from(sheet.tally.threads);
        let share = sheet.tally.own_time.as_secs_f64() / sheet.tally.elapsed.as_secs_f64() / threads;
        assert!((value["load"]["busy_share_of_threads"].as_f64().unwrap() - share).abs() < 1e-9);
    }

    #[test]
    fn a_run_without_answers_is_json_too() {
        let value: Value = serde_json::from_str(&report(&sheet(tally(0)))).unwrap();
        assert_eq!((&value["answers"]["all"], &value["answers_per_second"]), (&json!(0), &json!(0.0)));
    }

    #[test]
    fn a_silent_second_has_no_latency() {
        let mut tally = tally(2);
        tally.seconds[1] = crate::driver::Second { errors: 4, ..Default::default() };
        let value: Value = serde_json::from_str(&report(&sheet(tally))).unwrap();
        assert_eq!(
            (&value["seconds"][1]["p50_nanoseconds"], &value["seconds"][1]["lost_requests"]),
            (&Value::Null, &json!(4))
        );
    }
}

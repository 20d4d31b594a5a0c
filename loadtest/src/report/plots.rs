//! The four plots of a run: throughput, latency by percentile, latency over time, answers by kind over time.
//!
//! A long run is drawn in stretches of several seconds: rates are then the mean of the stretch, latencies those of its
//! slowest second, so that no peak is lost.

use maud::{Markup, html};

use super::axis::Axis;
use super::figures::{Figures, QUANTILES, kinds};
use super::plot::{Entry, Frame};
use super::units::{float, latency, quotient, rate, share};
use crate::driver::{Second, Tally};
use crate::reply::Answers;

/// No more stretches than this are drawn.
const STRETCHES: usize = 720;
/// Points of the curve of percentiles for each halving of what is left above.
const TICKS_A_HALF: u32 = 8;

/// A drawing with its caption.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) heading: &'static str,
    pub(super) caption: String,
    pub(super) drawing: Markup,
}

/// Some seconds of the run in one.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: f64,
    to: f64,
    /// The sum of the answers and errors, the largest of the latencies.
    second: Second,
}

impl Stretch {
    fn per_second(&self, count: u64) -> f64 {
        quotient(float(count), self.to - self.from)
    }

    fn latency(&self, value: u64) -> (f64, f64, Option<f64>) {
        (self.from, self.to, (value > 0).then(|| float(value)))
    }
}

/// All four.
pub(super) fn figures(figures: &Figures) -> Vec<Figure> {
    let (stretches, length) = stretches(figures.tally);
    let grain = if length == 1 { "second".to_owned() } else { format!("stretch of {length} seconds") };
    vec![
        throughput(figures, &stretches, &grain),
        percentiles(figures.tally),
        latencies(&stretches, end(figures.tally), &grain),
        answers(figures.tally, &stretches, &grain),
    ]
}

fn end(tally: &Tally) -> f64 {
    tally.elapsed.as_secs_f64()
}

/// The run in stretches, and the seconds of each. The last one is as long as the run makes it; a rest too short to tell a
/// rate of belongs to the one before.
fn stretches(tally: &Tally) -> (Vec<Stretch>, usize) {
    let length = tally.seconds.len().div_ceil(STRETCHES).max(1);
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut from = 0.0;
    for chunk in tally.seconds.chunks(length) {
        let whole = float(chunk.len() as u64);
        let rest = end(tally) - from;
        let to = from + if rest > 0.0 { rest.min(whole) } else { whole };
        let second = chunk.iter().fold(Second::default(), |sum, second| both(sum, *second));
        match stretches.last_mut() {
            Some(last) if rest < float(length as u64) / 2.0 => {
                last.to = last.to.max(from + rest);
                last.second = both(last.second, second);
            }
            _ => stretches.push(Stretch { from, to, second }),
        }
        from = to;
    }
    (stretches, length)
}

fn both(mut one: Second, other: Second) -> Second {
    one.answers += other.answers;
    one.errors += other.errors;
    one.p50 = one.p50.max(other.p50);
    one.p99 = one.p99.max(other.p99);
    one
}

fn throughput(figures: &Figures, stretches: &[Stretch], grain: &str) -> Figure {
    let rates: Vec<_> = stretches.iter().map(|s| (s.from, s.to, 0.0, s.per_second(s.second.answers.total()))).collect();
    let mean = figures.tally.rate();
    let asked = figures.asked.map(|schedule| schedule.course(end(figures.tally)));
    let asked_most = asked.into_iter().flatten().map(|(_, rate)| rate).fold(0.0, f64::max);
    let most = rates.iter().map(|rate| rate.3).fold(mean.max(asked_most), f64::max);
    let frame = Frame { x: Axis::time(end(figures.tally)), y: Axis::rate("answers/s", most) };
    let line = |class, name: String| Entry { class, is_line: true, name };
    let mut legend =
        vec![line("line rate", format!("each {grain}")), line("line mean", format!("mean {}", rate(mean)))];
    if let Some([(_, from), (_, to)]) = asked {
        let rates = if from.to_bits() == to.to_bits() { rate(from) } else { format!("{} to {}", rate(from), rate(to)) };
        legend.push(line("line asked", format!("asked {rates}")));
    }
    let body = html! {
        (frame.area("under rate", &rates))
        (frame.steps("line rate", rates.iter().map(|&(from, to, _, high)| (from, to, Some(high)))))
        (frame.level("line mean", mean))
        @if let Some(asked) = asked { (frame.line("line asked", asked)) }
        @if rates.is_empty() { (Frame::nothing("nothing was done")) }
    };
    let caption = format!("Answers a second in each {grain} of the run.");
    let drawing = frame.draw("Throughput over time", &legend, &body);
    Figure { heading: "Throughput", caption, drawing }
}

fn percentiles(tally: &Tally) -> Figure {
    let histogram = &tally.latency;
    let answers = histogram.len();
    let frame = Frame { x: Axis::percentile(answers), y: Axis::latency(histogram.min(), histogram.max()) };
    // The last point of all has nothing above it; it stands for one answer of all.
    let above =
        |quantile: f64| if quantile < 1.0 { (1.0 / (1.0 - quantile)).min(float(answers)) } else { float(answers) };
    let curve = histogram.iter_quantiles(TICKS_A_HALF);
    let curve = curve.map(|step| (above(step.quantile_iterated_to()), float(step.value_iterated_to())));
    let told = QUANTILES.iter().filter(|(quantile, _, _)| 1.0 / (1.0 - quantile) < float(answers));
    let body = html! {
        (frame.line("line p99", curve))
        @for (quantile, _, _) in told {
            @let value = histogram.value_at_quantile(*quantile);
            (frame.dot(above(*quantile), float(value), &latency(value)))
        }
        @if answers == 0 {
            (Frame::nothing("nothing was answered"))
        } @else {
            (frame.dot(float(answers), float(histogram.max()), &format!("max {}", latency(histogram.max()))))
        }
    };
    let caption = "So many of all answers came within this time; each step to the right is ten times rarer, \
                   up to the slowest of all.";
    let caption = caption.to_owned();
    let drawing = frame.draw("Latency by percentile, on logarithmic axes", &[], &body);
    Figure { heading: "Latency by percentile", caption, drawing }
}

fn latencies(stretches: &[Stretch], end: f64, grain: &str) -> Figure {
    let known = || stretches.iter().map(|s| s.second).filter(|second| second.p50 > 0);
    // Some room, so that p50 does not lie on the axis.
    let (min, max) = (known().map(|s| s.p50 - s.p50 / 8).min(), known().map(|s| s.p99).max());
    let frame = Frame { x: Axis::time(end), y: Axis::latency(min.unwrap_or(0), max.unwrap_or(0)) };
    let line = |class, name: &str| Entry { class, is_line: true, name: name.to_owned() };
    let body = html! {
        (frame.steps("line p99", stretches.iter().map(|s| s.latency(s.second.p99))))
        (frame.steps("line p50", stretches.iter().map(|s| s.latency(s.second.p50))))
        @if max.is_none() { (Frame::nothing("nothing was answered")) }
    };
    let slowest = if grain == "second" { "" } else { " Of a stretch its slowest second is shown." };
    let caption = format!(
        "Half of the answers of a second came within p50, 99 of 100 within p99. \
         A gap is a second without answers.{slowest}"
    );
    let drawing = frame.draw("Latency over time", &[line("line p99", "p99"), line("line p50", "p50")], &body);
    Figure { heading: "Latency over time", caption, drawing }
}

fn answers(tally: &Tally, stretches: &[Stretch], grain: &str) -> Figure {
    let layers = |answers: Answers, lost: u64| {
        let [deferred, dunno, prepend, other] = kinds(answers).map(|(_, part, _)| part);
        [deferred, dunno, prepend, other, lost]
    };
    let all = layers(tally.answers, tally.lost);
    let names = ["deferred", "dunno", "prepend", "other", "lost"];
    let total: u64 = all.iter().sum();
    let most = stretches.iter().map(|s| s.per_second(s.second.answers.total() + s.second.errors)).fold(0.0, f64::max);
    let frame = Frame { x: Axis::time(end(tally)), y: Axis::rate("requests/s", most) };
    let used = || (0..all.len()).filter(|&layer| all[layer] > 0);
    let entry = |layer: usize| Entry {
        class: CLASSES[layer],
        is_line: false,
        name: format!("{} {}", names[layer], share(all[layer], total)),
    };
    let band = |layer: usize| -> Vec<_> {
        let edge = |s: &Stretch, layers_below: usize| {
            s.per_second(layers(s.second.answers, s.second.errors)[..layers_below].iter().sum())
        };
        stretches.iter().map(|s| (s.from, s.to, edge(s, layer), edge(s, layer + 1))).collect()
    };
    let body = html! {
        @for layer in used() { (frame.area(CLASSES[layer], &band(layer))) }
        @if total == 0 { (Frame::nothing("nothing was answered")) }
    };
    let caption = format!("Requests a second in each {grain} by what was answered, one kind on top of the other.");
    let drawing = frame.draw("Answers by kind over time", &used().map(entry).collect::<Vec<_>>(), &body);
    Figure { heading: "Answers by kind", caption, drawing }
}

/// Fills of the layers, from the lowest.
const CLASSES: [&str; 5] = ["fill deferred", "fill dunno", "fill prepend", "fill other", "fill lost"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Schedule;
    use crate::report::sheet::tests::tally;
    use std::time::Duration;

    #[test]
    fn a_short_rest_belongs_to_the_second_before() {
        let mut tally = tally(3);
        tally.elapsed = Duration::from_millis(2250);
        let (short, _) = stretches(&tally);
        assert_eq!(short.len(), 2);
        assert!((short[1].to - 2.25).abs() < 1e-9, "{short:?}");
        assert_eq!(short[1].second.answers.total(), 2000);

        tally.elapsed = Duration::from_millis(2600);
        let (long, _) = stretches(&tally);
        assert_eq!(long.len(), 3);
        assert!((long[2].per_second(600) - 1000.0).abs() < 1e-6, "{long:?}");
    }

    #[test]
    fn a_long_run_loses_neither_answers_nor_peaks() {
        let mut tally = tally(3601);
        (tally.seconds[1502].p50, tally.seconds[1502].p99) = (70_000_000, 90_000_000);
        let (stretches, length) = stretches(&tally);
        assert_eq!(length, 6);
        assert!(stretches.len() <= STRETCHES, "{}", stretches.len());
        assert_eq!(stretches.iter().map(|s| s.second.answers.total()).sum::<u64>(), tally.answers.total());
        let peak = stretches[1502 / length].second;
        assert_eq!((peak.p50, peak.p99), (70_000_000, 90_000_000));
        assert!(stretches.windows(2).all(|pair| (pair[0].to - pair[1].from).abs() < 1e-9));
        assert!((stretches.last().unwrap().to - 3601.0).abs() < 1e-9);
    }

    #[test]
    fn only_kinds_that_occurred_are_drawn() {
        let mut tally = tally(5);
        let all = Figures { tally: &tally, asked: None };
        let drawn = figures(&all)[3].drawing.clone().into_string();
        assert!(
            drawn.contains("deferred 89.80%") && drawn.contains("other 1.00%") && !drawn.contains("lost"),
            "{drawn}"
        );
        tally.seconds[4].errors = 50;
        tally.lost = 50;
        let drawn = figures(&Figures { tally: &tally, asked: None })[3].drawing.clone().into_string();
        assert!(drawn.contains("lost 0.99%"), "{drawn}");
    }

    #[test]
    fn a_ramp_is_drawn_from_its_first_to_its_last_rate() {
        let (tally, ramp) = (tally(4), "200..1200".parse().unwrap());
        let asked = Some(Schedule::new(ramp, None, Some(Duration::from_secs(4))).unwrap());
        let drawn = figures(&Figures { tally: &tally, asked })[0].drawing.clone().into_string();
        let line = drawn.split("class=\"line asked\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        // From 200 of the 1200 that the axis has, over its whole width.
        assert_eq!(line, "M78.0 192.3L738.0 34.0");
        assert!(drawn.contains("asked 200 to 1,200"), "{drawn}");
    }

    #[test]
    fn a_second_without_answers_breaks_the_line() {
        let mut tally = tally(5);
        tally.seconds[2] = Second::default();
        let drawn = figures(&Figures { tally: &tally, asked: None })[2].drawing.clone().into_string();
        let line = drawn.split("class=\"line p99\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(line.matches('M').count(), 2, "{line}");
    }
}

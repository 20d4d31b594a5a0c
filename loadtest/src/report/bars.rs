//! Bars of a comparison: one for each server and kind of socket, in a group for each number of connections.
//!
//! A bar is as long as the median of the rounds, and a whisker goes from the smallest to the largest of them. Where the
//! shortest bar would vanish beside the longest the scale is logarithmic, which the caption says. A server that failed in
//! every round has words in place of a bar.

use maud::{Markup, html};

use super::axis::Axis;
use super::comparison::Comparison;
use super::plot::px;
use super::plots::Figure;
use super::units::{about, count, rate};
use crate::compare::Sample;
use crate::servers::{Kind, Transport};
use crate::spread::Spread;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 136.0;
/// Right of it is room for the figure of the longest bar.
const RIGHT: f64 = WIDTH - 84.0;
const TOP: f64 = 8.0;
const ROW: f64 = 19.0;
const THICKNESS: f64 = 12.0;
/// Below the last row: the names of the axis and its title.
const FOOT: f64 = 44.0;

/// What the bars of one drawing show.
struct Measure {
    heading: &'static str,
    /// Of the axis.
    title: &'static str,
    about: &'static str,
    of: fn(&Sample) -> f64,
    shown: fn(f64) -> String,
}

/// A line of the drawing.
enum Row {
    Group(String),
    Bar(Kind, Transport, Option<Spread>),
}

/// The rates and the processor time.
pub(super) fn figures(comparisons: &[Comparison]) -> Vec<Figure> {
    let precise = |micros: f64| if micros < 99.95 { format!("{micros:.2}") } else { about(micros) };
    let measures = [
        Measure {
            heading: "Rate",
            title: "requests/s",
            about: "Requests answered a second; longer is better.",
            of: |sample| sample.tally.rate(),
            shown: rate,
        },
        Measure {
            heading: "Processor time",
            title: "µs a request",
            about: "Processor time of the server a request, in microseconds; shorter is better.",
            of: Sample::micros_a_request,
            shown: precise,
        },
    ];
    measures.into_iter().map(|measure| figure(comparisons, &measure)).collect()
}

fn figure(comparisons: &[Comparison], measure: &Measure) -> Figure {
    let rows: Vec<Row> = comparisons.iter().flat_map(|comparison| group(comparison, measure)).collect();
    let spreads =
        || rows.iter().filter_map(|row| if let Row::Bar(_, _, spread) = row { spread.as_ref() } else { None });
    // Processor time is told in steps of a clock tick, of which a short run may have had none.
    let min = spreads().map(|spread| spread.min).filter(|&min| min > 0.0).reduce(f64::min).unwrap_or(0.0);
    let max = spreads().map(|spread| spread.max).reduce(f64::max).unwrap_or(0.0);
    let axis = Axis::amount(measure.title, min, max);
    let scale = if axis.is_logarithmic() { " The scale is logarithmic." } else { "" };
    let caption =
        format!("{} Bars are medians of the rounds, whiskers their minimum and maximum.{scale}", measure.about);
    let drawing = draw(&axis, &rows, measure);
    Figure { heading: measure.heading, caption, drawing }
}

fn group(comparison: &Comparison, measure: &Measure) -> Vec<Row> {
    let heading = Row::Group(format!("{} connections", count(comparison.connections.into())));
    let bars = comparison.contestants.iter().map(|&(kind, transport)| {
        Row::Bar(kind, transport, Spread::of(comparison.of(kind, transport).map(measure.of)))
    });
    std::iter::once(heading).chain(bars).collect()
}

fn draw(axis: &Axis, rows: &[Row], measure: &Measure) -> Markup {
    let bottom = rows.iter().fold(TOP, |top, _| top + ROW);
    let lines = |places: &mut dyn Iterator<Item = f64>| -> String {
        places.map(|place| format!("M{:.1} {TOP}V{bottom}", along(place))).collect::<Vec<_>>().concat()
    };
    let height = bottom + FOOT;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(measure.about) {
            title { (measure.about) }
            path class="grid fine" d=(lines(&mut axis.between.iter().copied())) {}
            path class="grid" d=(lines(&mut axis.names.iter().map(|(place, _)| *place))) {}
            @for (row, top) in rows.iter().zip(std::iter::successors(Some(TOP), |top| Some(top + ROW))) {
                @match row {
                    Row::Group(name) => text class="name" x="8" y=(px(top + ROW - 6.0)) { (name) },
                    Row::Bar(kind, transport, spread) => {
                        text x=(px(LEFT - 8.0)) y=(px(top + ROW - 6.0)) text-anchor="end" {
                            (kind.name()) " " (transport.name())
                        }
                        (bar(axis, *kind, spread.as_ref(), top, measure))
                    },
                }
            }
            path class="axis" d=(format!("M{LEFT} {TOP}V{bottom}H{RIGHT}")) {}
            @for (place, name) in &axis.names {
                text x=(px(along(*place))) y=(px(bottom + 16.0)) text-anchor="middle" { (name) }
            }
            text class="title" x=(px(RIGHT)) y=(px(height - 8.0)) text-anchor="end" { (axis.title) }
        }
    }
}

fn bar(axis: &Axis, kind: Kind, spread: Option<&Spread>, top: f64, measure: &Measure) -> Markup {
    let (middle, base) = (top + ROW / 2.0, top + ROW - 6.0);
    let Some(spread) = spread else {
        return html! { text class="title" x=(px(LEFT + 8.0)) y=(px(base)) { "failed in every round" } };
    };
    let [min, median, max] = [spread.min, spread.median, spread.max].map(|value| along(axis.place(value)));
    let [above, below] = [middle - 4.0, middle + 4.0];
    let whisker = format!("M{min:.1} {above}V{below}M{min:.1} {middle}H{max:.1}M{max:.1} {above}V{below}");
    html! {
        rect class=(format!("bar {}", kind.name())) x=(px(LEFT)) y=(px(middle - THICKNESS / 2.0))
            width=(px(median - LEFT)) height=(px(THICKNESS)) {}
        @if spread.min < spread.max {
            path class="halo" d=(whisker) {}
            path class="whisker" d=(whisker) {}
        }
        text class="name" x=(px(max + 8.0)) y=(px(base)) { ((measure.shown)(spread.median)) }
    }
}

fn along(share: f64) -> f64 {
    LEFT + share * (RIGHT - LEFT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::side_by_side::tests::{comparison, sample};
    use std::time::Duration;

    /// Lengths of the bars of a drawing.
    fn lengths(drawing: &Markup) -> Vec<f64> {
        let parts = drawing.0.split("class=\"bar ").skip(1);
        parts.map(|part| part.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn bars_are_as_long_as_what_they_show() {
        let mut comparison = comparison();
        comparison.samples[1].costs.processor = Duration::from_millis(20);
        let [_, processor] = &figures(&[comparison])[..] else { panic!("two figures") };
        let [baseline, irongrey] = lengths(&processor.drawing)[..] else { panic!("{processor:?}") };
        assert!(
            (irongrey / baseline - 2.0).abs() < 0.01 && !processor.caption.contains("logarithmic"),
            "{processor:?}"
        );
        assert!(processor.drawing.0.contains(">5.00<") && processor.drawing.0.contains(">10.00<"), "{processor:?}");
    }

    #[test]
    fn what_would_vanish_is_seen_on_a_logarithmic_scale() {
        let mut slow = comparison();
        slow.samples[1].costs.processor = Duration::from_secs(10);
        let figures = figures(&[slow]);
        assert!(figures[1].caption.ends_with(" The scale is logarithmic."), "{}", figures[1].caption);
        assert!(lengths(&figures[1].drawing).into_iter().all(|length| length > 20.0), "{:?}", figures[1].drawing);
        let mut other = comparison();
        other.samples[1].costs.processor = Duration::ZERO;
        other.samples[2] = sample(1, Kind::Postgrey, 0);
        other.samples[2].costs.processor = Duration::from_secs(10);
        other.contestants.push((Kind::Postgrey, Transport::Tcp));
        let figures = super::figures(&[other]);
        assert!(figures[1].caption.ends_with(" The scale is logarithmic."), "{}", figures[1].caption);
        assert_eq!(lengths(&figures[1].drawing)[1].to_bits(), 0.0_f64.to_bits(), "{:?}", figures[1].drawing);
    }

    #[test]
    fn a_whisker_tells_the_spread_of_the_rounds_that_count() {
        let whiskers = |processors: &[(u64, u64)]| {
            let mut comparison = comparison();
            comparison.samples.retain(|sample| sample.kind == Kind::Baseline);
            for &(millis, lost) in processors {
                let mut sample = sample(1, Kind::Irongrey, lost);
                sample.costs.processor = Duration::from_millis(millis);
                comparison.samples.push(sample);
            }
            let drawing = figures(&[comparison])[1].drawing.0.clone();
            (drawing.matches("class=\"whisker\"").count(), drawing.contains("failed in every round"))
        };
        assert_eq!(whiskers(&[(10, 0), (12, 0)]), (1, false));
        assert_eq!(whiskers(&[(10, 0), (12, 7)]), (0, false));
        assert_eq!(whiskers(&[(10, 7), (12, 7)]), (0, true));
    }
}

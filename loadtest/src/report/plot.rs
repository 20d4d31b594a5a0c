//! A plot as SVG: a frame with its axes, and paths in it.
//!
//! Colours, dashes and widths are classes of the page's style sheet, so that one drawing serves light, dark and paper.
//! Numbers are in pixels of a drawing of fixed size, which the page scales as a whole.

use std::fmt::Write;

use maud::{Markup, html};

use super::axis::Axis;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 268.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = WIDTH - 22.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = HEIGHT - 44.0;
/// Room for the name of a dot.
const NAME: f64 = 64.0;

/// A stretch of the x axis and what holds there; `None` if nothing is known.
pub(super) type Stretch<T> = (f64, f64, Option<T>);

/// The two axes of one plot.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) x: Axis,
    pub(super) y: Axis,
}

/// One entry of the legend: how it is drawn and what it is.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) class: &'static str,
    pub(super) is_line: bool,
    pub(super) name: String,
}

impl Frame {
    /// The whole drawing; `about` says in words what it shows.
    pub(super) fn draw(&self, about: &str, legend: &[Entry], body: &Markup) -> Markup {
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(about) {
                title { (about) }
                (self.grid())
                (body)
                (self.axes())
                (keys(legend))
            }
        }
    }

    /// A line through points.
    pub(super) fn line(&self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Markup {
        let mut path = String::new();
        for (x, y) in points {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.left(x), self.top(y));
        }
        html! { path class=(class) d=(path) {} }
    }

    /// A line that is level over each stretch, and broken where nothing is known.
    pub(super) fn steps(&self, class: &str, stretches: impl IntoIterator<Item = Stretch<f64>>) -> Markup {
        let (mut path, mut is_broken) = (String::new(), true);
        for (from, to, value) in stretches {
            if let Some(value) = value {
                let letter = if is_broken { 'M' } else { 'L' };
                let top = self.top(value);
                let _ = write!(path, "{letter}{:.1} {top:.1}H{:.1}", self.left(from), self.left(to));
            }
            is_broken = value.is_none();
        }
        html! { path class=(class) d=(path) {} }
    }

    /// The area between two values over each stretch.
    pub(super) fn area(&self, class: &str, stretches: &[(f64, f64, f64, f64)]) -> Markup {
        let mut path = String::new();
        for &(from, to, _, high) in stretches {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}H{:.1}", self.left(from), self.top(high), self.left(to));
        }
        for &(from, to, low, _) in stretches.iter().rev() {
            let _ = write!(path, "L{:.1} {:.1}H{:.1}", self.left(to), self.top(low), self.left(from));
        }
        html! { @if !path.is_empty() { path class=(class) d=(path + "Z") {} } }
    }

    /// A dot with a name at its upper left, or at its lower right where there is no room: a rising curve touches neither.
    pub(super) fn dot(&self, x: f64, y: f64, name: &str) -> Markup {
        let (left, top) = (self.left(x), self.top(y));
        let (at, line, anchor) = if left > LEFT + NAME {
            (left - 6.0, top - 6.0, "end")
        } else {
            (left + 6.0, (top + 14.0).min(BOTTOM - 4.0), "start")
        };
        html! {
            circle class="dot" cx=(px(left)) cy=(px(top)) r="3" {}
            text class="name" x=(px(at)) y=(px(line)) text-anchor=(anchor) { (name) }
        }
    }

    /// A line over the whole width.
    pub(super) fn level(&self, class: &str, value: f64) -> Markup {
        let top = px(self.top(value));
        html! { path class=(class) d=(format!("M{LEFT} {top}H{RIGHT}")) {} }
    }

    /// Words where there is nothing to draw.
    pub(super) fn nothing(words: &str) -> Markup {
        html! {
            text class="nothing" x=(px(f64::midpoint(LEFT, RIGHT))) y=(px(f64::midpoint(TOP, BOTTOM))) text-anchor="middle" {
                (words)
            }
        }
    }

    fn left(&self, x: f64) -> f64 {
        along(self.x.place(x))
    }

    fn top(&self, y: f64) -> f64 {
        up(self.y.place(y))
    }

    fn grid(&self) -> Markup {
        let across = |place: &f64| format!("M{LEFT} {:.1}H{RIGHT}", up(*place));
        let down = |place: &f64| format!("M{:.1} {TOP}V{BOTTOM}", along(*place));
        let named = |axis: &Axis| axis.names.iter().map(|(place, _)| *place).collect::<Vec<_>>();
        let fine: String = self.y.between.iter().map(across).chain(self.x.between.iter().map(down)).collect();
        let main: String = named(&self.y).iter().map(across).chain(named(&self.x).iter().map(down)).collect();
        html! {
            path class="grid fine" d=(fine) {}
            path class="grid" d=(main) {}
        }
    }

    fn axes(&self) -> Markup {
        html! {
            path class="axis" d=(format!("M{LEFT} {TOP}V{BOTTOM}H{RIGHT}")) {}
            @for (place, name) in &self.x.names {
                text x=(px(along(*place))) y=(px(BOTTOM + 16.0)) text-anchor="middle" { (name) }
            }
            @for (place, name) in &self.y.names {
                text x=(px(LEFT - 8.0)) y=(px(up(*place) + 4.0)) text-anchor="end" { (name) }
            }
            text class="title" x=(px(RIGHT)) y=(px(HEIGHT - 8.0)) text-anchor="end" { (self.x.title) }
            text class="title" x="8" y="20" { (self.y.title) }
        }
    }
}

/// The legend, at the upper right.
fn keys(legend: &[Entry]) -> Markup {
    // Text is not measured; this is wide enough for the sans serif faces of common systems.
    let width = |entry: &Entry| entry.name.chars().fold(52.0, |sum, _| sum + 6.4);
    let mut left = RIGHT + 16.0 - legend.iter().map(width).sum::<f64>();
    let mut place = |entry: &Entry| {
        left += width(entry);
        left - width(entry)
    };
    html! {
        @for entry in legend {
            @let at = place(entry);
            @if entry.is_line {
                path class=(entry.class) d=(format!("M{at:.1} 16H{:.1}", at + 28.0)) {}
            } @else {
                rect class=(entry.class) x=(px(at)) y="10" width="28" height="12" {}
            }
            text x=(px(at + 34.0)) y="20" { (entry.name) }
        }
    }
}

fn along(share: f64) -> f64 {
    LEFT + share * (RIGHT - LEFT)
}

fn up(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}

/// A length or a place in a drawing.
pub(super) fn px(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame { x: Axis::time(10.0), y: Axis::rate("", 100.0) }
    }

    #[test]
    fn a_line_of_steps_is_broken_where_nothing_is_known() {
        let steps = [(0.0, 1.0, Some(100.0)), (1.0, 2.0, Some(50.0)), (2.0, 3.0, None), (3.0, 4.0, Some(0.0))];
        let drawn = frame().steps("a", steps).into_string();
        assert_eq!(drawn, "<path class=\"a\" d=\"M78.0 34.0H144.0L144.0 129.0H210.0M276.0 224.0H342.0\"></path>");
    }

    #[test]
    fn an_area_comes_back_to_its_start() {
        let drawn = frame().area("a", &[(0.0, 1.0, 0.0, 50.0), (1.0, 2.0, 0.0, 100.0)]).into_string();
        let path = "M78.0 129.0H144.0L144.0 34.0H210.0L210.0 224.0H144.0L144.0 224.0H78.0Z";
        assert_eq!(drawn, format!("<path class=\"a\" d=\"{path}\"></path>"));
        assert_eq!(frame().area("a", &[]).into_string(), "");
    }

    #[test]
    fn words_are_escaped() {
        let entry = Entry { class: "a", is_line: true, name: "<b>".to_owned() };
        let drawn = frame().draw("a < \"b\"", &[entry], &Frame::nothing("&")).into_string();
        assert!(drawn.contains("aria-label=\"a &lt; &quot;b&quot;\"") && drawn.contains("&lt;b&gt;"), "{drawn}");
        assert!(drawn.contains(">&amp;<"), "{drawn}");
    }
}

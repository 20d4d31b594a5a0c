//! Axes of a plot: where a value lies between the two ends, and which values are named.
//!
//! Every axis has two ends that differ, whatever the data, so that a plot of nothing has axes too. Positions are shares of
//! the axis, from 0 to 1.

use super::units::{about, float, latency, rate};

/// The largest number of named values, about.
const NAMES: f64 = 6.0;
/// A figure so many times smaller than another is hardly seen beside it.
const VANISHING: f64 = 20.0;

/// One axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) title: &'static str,
    /// Named values with their places.
    pub(super) names: Vec<(f64, String)>,
    /// Places of the lines between them.
    pub(super) between: Vec<f64>,
    scale: Scale,
}

#[derive(Clone, Copy, Debug)]
enum Scale {
    Linear { end: f64 },
    Logarithmic { start: f64, end: f64 },
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { end } => value / end,
            Self::Logarithmic { start, end } => (value / start).ln() / (end / start).ln(),
        };
        share.clamp(0.0, 1.0)
    }
}

impl Axis {
    fn new(title: &'static str, scale: Scale, values: impl IntoIterator<Item = (f64, String)>) -> Self {
        let names = values.into_iter().map(|(value, name)| (scale.place(value), name)).collect();
        Self { title, names, between: Vec::new(), scale }
    }

    /// Where the value lies; beyond an end it lies there.
    pub(super) fn place(&self, value: f64) -> f64 {
        self.scale.place(value)
    }

    /// Time from the start of a run, which ends at the end of the axis.
    pub(super) fn time(seconds: f64) -> Self {
        const STEPS: [f64; 16] =
            [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0];
        let end = if seconds > 0.0 { seconds } else { 1.0 };
        let step = STEPS.into_iter().find(|step| end / step <= NAMES * 1.5).unwrap_or(86_400.0);
        let (title, unit, decimals) = match step {
            ..1.0 => ("seconds from the start", 1.0, 1),
            ..60.0 => ("seconds from the start", 1.0, 0),
            ..3600.0 => ("minutes from the start", 60.0, 0),
            _ => ("hours from the start", 3600.0, 0),
        };
        let values = multiples(step, end).map(|value| (value, format!("{:.decimals$}", value / unit)));
        Self::new(title, Scale::Linear { end }, values)
    }

    /// A rate of which the largest is `max`, from 0 to the next round value.
    pub(super) fn rate(title: &'static str, max: f64) -> Self {
        let max = if max > 0.0 { max } else { 1.0 };
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|part| part * power(max / NAMES));
        let step = step.into_iter().find(|step| max / step <= NAMES).unwrap_or(max);
        let end = (max / step).ceil() * step;
        let name = |value: f64| if value == 0.0 { "0".to_owned() } else { rate(value) };
        Self::new(title, Scale::Linear { end }, multiples(step, end).map(|value| (value, name(value))))
    }

    /// Figures from 0 or, where the smallest would vanish beside the largest, on a logarithmic scale with room below it.
    pub(super) fn amount(title: &'static str, min: f64, max: f64) -> Self {
        if min > 0.0 && max > min * VANISHING {
            Self::logarithmic(title, min / 2.0, max, round)
        } else {
            Self::rate(title, max)
        }
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        matches!(self.scale, Scale::Logarithmic { .. })
    }

    /// Latency in nanoseconds, logarithmic.
    pub(super) fn latency(min: u64, max: u64) -> Self {
        Self::logarithmic("latency", float(min.max(1)), float(max.max(1)), nanoseconds)
    }

    fn logarithmic(title: &'static str, min: f64, max: f64, name: fn(f64) -> String) -> Self {
        let (start, end) = (below(min), -below(-max));
        let end = if end > start { end } else { start * 10.0 };
        let scale = Scale::Logarithmic { start, end };
        let every = |parts: &[f64]| {
            let decades = std::iter::successors(Some(power(start)), |decade| Some(decade * 10.0));
            let decades = decades.take_while(|&decade| decade <= end * 1.001);
            let values = decades.flat_map(|decade| parts.iter().map(move |part| part * decade));
            values.filter(|&value| value >= start * 0.999 && value <= end * 1.001).collect::<Vec<_>>()
        };
        let decades = (end / start).log10();
        let named: &[f64] = if decades < 1.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let named = if decades < 0.4 { &[1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0] } else { named };
        let mut axis = Self::new(title, scale, every(named).into_iter().map(|value| (value, name(value))));
        axis.between =
            every(&[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]).into_iter().map(|value| scale.place(value)).collect();
        axis
    }

    /// Percentiles by the share of answers above them: 50% at 2, 90% at 10, 99% at 100; the end is one answer of all.
    pub(super) fn percentile(answers: u64) -> Self {
        let end = float(answers.max(10));
        let scale = Scale::Logarithmic { start: 1.0, end };
        let decades = std::iter::successors(Some(1_u64), |decade| decade.checked_mul(10));
        let decades = decades.take_while(|&decade| float(decade) <= end);
        let values = decades.enumerate().map(|(nines, decade)| (float(decade), percent(nines)));
        Self::new("percentile of all answers", scale, [(2.0, "50%".to_owned())].into_iter().chain(values))
    }
}

/// `0%`, `90%`, `99%`, `99.9%`.
fn percent(nines: usize) -> String {
    match nines {
        0 => "0%".to_owned(),
        1 => "90%".to_owned(),
        2 => "99%".to_owned(),
        _ => format!("99.{}%", "9".repeat(nines - 2)),
    }
}

/// A round figure: `1,000`, `50`, `0.2`.
fn round(value: f64) -> String {
    if value >= 0.95 { about(value) } else { format!("{value:.4}").trim_end_matches('0').to_owned() }
}

/// A round latency without the digits that say nothing.
fn nanoseconds(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an hour is below 2^52 nanoseconds")]
    let text = latency(value.round() as u64);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

fn multiples(step: f64, end: f64) -> impl Iterator<Item = f64> {
    (0_u32..).map(move |times| f64::from(times) * step).take_while(move |&value| value <= end * 1.000_001)
}

/// The power of ten at or below a positive value.
fn power(value: f64) -> f64 {
    10_f64.powf((value.log10() + 1e-9).floor())
}

/// The round value at or below; of a negative one the round value that is as far from 0 or farther.
fn below(value: f64) -> f64 {
    let parts = if value > 0.0 { [5.0, 2.0, 1.0] } else { [1.0, 2.0, 5.0] };
    let (size, decade) = (value.abs(), power(value.abs()));
    let mut round = parts.into_iter().map(|part| part * decade);
    if value > 0.0 {
        round.find(|round| *round <= size * 1.000_001).unwrap_or(decade)
    } else {
        -round.find(|round| *round >= size * 0.999_999).unwrap_or(decade * 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(axis: &Axis) -> Vec<&str> {
        axis.names.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn round_values_are_named() {
        assert_eq!(names(&Axis::rate("", 224_215.0)), ["0", "50,000", "100,000", "150,000", "200,000", "250,000"]);
        assert_eq!(names(&Axis::rate("", 0.0)), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(names(&Axis::latency(150_000, 30_000_000)), ["100 µs", "1 ms", "10 ms"]);
        assert_eq!(names(&Axis::latency(130_000, 470_000)), ["100 µs", "200 µs", "500 µs"]);
        assert_eq!(names(&Axis::latency(0, 0)), ["1 ns", "2 ns", "5 ns", "10 ns"]);
        assert_eq!(names(&Axis::amount("", 40.0, 150.0)), names(&Axis::rate("", 150.0)));
        assert_eq!(names(&Axis::amount("", 0.05, 1200.0)), ["0.1", "1", "10", "100", "1,000"]);
        assert_eq!(names(&Axis::percentile(25_000)), ["50%", "0%", "90%", "99%", "99.9%", "99.99%"]);
        assert_eq!(names(&Axis::time(4.5)), ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5"]);
        assert_eq!(names(&Axis::time(150.0)), ["0", "20", "40", "60", "80", "100", "120", "140"]);
        assert_eq!(names(&Axis::time(3600.0)), ["0", "10", "20", "30", "40", "50", "60"]);
    }

    #[test]
    fn places_are_shares_of_the_axis() {
        let axis = Axis::latency(100_000, 10_000_000);
        let places = [10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0, 1e9].map(|value| axis.place(value));
        let expected = [0.0, 0.0, 0.5, 1.0, 1.0];
        assert!(places.iter().zip(expected).all(|(place, expected)| (place - expected).abs() < 1e-9), "{places:?}");
        assert!((Axis::time(50.0).place(10.0) - 0.2).abs() < 1e-9);
    }

    #[test]
    fn an_axis_holds_what_it_is_made_for() {
        for value in [1, 2, 3, 7, 10, 999, 1000, 1001, 123_456, 60_000_000_000] {
            let axis = Axis::latency(value, value);
            assert!(!axis.names.is_empty(), "{value}: {axis:?}");
            let Scale::Logarithmic { start, end } = axis.scale else { panic!("{axis:?}") };
            assert!(start <= float(value) && float(value) <= end * 1.000_001 && start < end, "{value}: {axis:?}");
        }
    }
}

//! What `irongrey top` shows, from the top down: the rate and its last minute or more, answers beside times, the state, trouble.
//! It needs 80 columns and 24 lines; a smaller terminal shows the upper left of it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Paragraph, Sparkline};

use super::watch::{Interval, Watch};
use crate::admin::figures::{self, count, microseconds};
use crate::admin::message::{Spread, Stats};
use crate::admin::times::{absolute, length};
use crate::metrics::Counter;

const HEAD: Style = Style::new().add_modifier(Modifier::BOLD);
const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const CURVE: Style = Style::new().fg(Color::Cyan);

/// Answers by their counters, and how far they are indented.
const ANSWERS: [(&str, Counter); 12] = [
    ("greylisted", Counter::Greylisted),
    ("  new", Counter::New),
    ("  early retry", Counter::EarlyRetry),
    ("passed", Counter::Passed),
    ("client whitelist", Counter::ClientWhitelist),
    ("recipient whitelist", Counter::RecipientWhitelist),
    ("auto-whitelist", Counter::ClientAwl),
    ("rule", Counter::RulePassed),
    ("released", Counter::Released),
    ("observed", Counter::Observed),
    ("not for greylisting", Counter::NotGreylisted),
    ("state full", Counter::StateFull),
];

/// Draws the screen.
pub(super) fn draw(frame: &mut Frame, watch: &Watch) {
    let [title, rate, curve, middle, rings, gauge, trouble] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(4),
        Constraint::Length(14),
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let Some(stats) = watch.stats() else {
        let waiting = watch.trouble().unwrap_or("asking the daemon ...");
        frame.render_widget(Paragraph::new(waiting).wrap(ratatui::widgets::Wrap::default()), frame.area());
        return;
    };
    let none = Interval::default();
    let interval = watch.interval().unwrap_or(&none);
    frame.render_widget(title_line(stats, title.width), title);
    frame.render_widget(rate_line(watch), rate);
    draw_curve(frame, watch, curve);
    let [left, right] = Layout::horizontal([Constraint::Length(44), Constraint::Fill(1)]).areas(middle);
    frame.render_widget(Paragraph::new(answers(stats, interval)), left);
    frame.render_widget(Paragraph::new(times(stats, interval)), right);
    let in_ring = |name: &'static str, ring| named(name, figures::ring(ring));
    let both = vec![in_ring("pending", &stats.pending), in_ring("established", &stats.established)];
    frame.render_widget(Paragraph::new(both), rings);
    let share = named("state", figures::share(stats));
    frame.render_widget(LineGauge::default().ratio(figures::used(stats)).label(share).filled_style(CURVE), gauge);
    frame.render_widget(trouble_line(watch, stats), trouble);
}

fn title_line(stats: &Stats, width: u16) -> Line<'static> {
    let Stats { version, pid, now, uptime, workers, .. } = stats;
    let left = format!("irongrey {version}  pid {pid}  up {}  {workers} workers", length(*uptime));
    let right = absolute(*now);
    let blanks = usize::from(width).saturating_sub(left.chars().count() + right.chars().count()).max(2);
    Line::styled(format!("{left}{:blanks$}{right}", ""), HEAD)
}

fn rate_line(watch: &Watch) -> Line<'static> {
    let peak = watch.history().max().unwrap_or_default();
    let latest = watch.interval().and_then(|_| watch.history().next());
    let rate = latest.map_or_else(|| "-".to_owned(), count);
    let rest = format!(" requests a second, at most {} since this began; q ends it", count(peak));
    Line::from(vec![Span::styled(rate, HEAD), Span::raw(rest)])
}

/// The newest interval on the right.
fn draw_curve(frame: &mut Frame, watch: &Watch, area: Rect) {
    let mut rates: Vec<u64> = watch.history().take(area.width.into()).collect();
    rates.resize(area.width.into(), 0);
    rates.reverse();
    frame.render_widget(Sparkline::default().data(rates).style(CURVE), area);
}

fn answers(stats: &Stats, interval: &Interval<'_>) -> Vec<Line<'static>> {
    let line = |name: &str, counter: Counter| {
        let (rate, total) = (interval.rate(counter.name()), figures::of(stats, counter));
        Line::raw(format!("{name:20} {rate:>9.1} {:>12}", count(total)))
    };
    let head = Line::styled(format!("{:20} {:>9} {:>12}", "answers", "a second", "total"), HEAD);
    let all = line("requests", Counter::Requests);
    [head, all].into_iter().chain(ANSWERS.into_iter().map(|(name, counter)| line(name, counter))).collect()
}

fn times(stats: &Stats, interval: &Interval<'_>) -> Vec<Line<'static>> {
    let head = |name: &str| Line::styled(format!("{name:10} {:>11} {:>12}", "now", "since start"), HEAD);
    let spreads = |now: &Spread, start: &Spread, shown: &dyn Fn(u64) -> String| {
        let cell = |spread: &Spread, value| if spread.count == 0 { "-".to_owned() } else { shown(value) };
        let line = |name: &str, of: fn(&Spread) -> u64| {
            Line::raw(format!("{name:10} {:>11} {:>12}", cell(now, of(now)), cell(start, of(start))))
        };
        [line("half", |spread| spread.p50), line("99 %", |spread| spread.p99), line("slowest", |spread| spread.max)]
    };
    let mut lines = vec![head("turns")];
    lines.extend(spreads(&interval.turns, &stats.turns, &microseconds));
    lines.extend([Line::default(), head("delays")]);
    lines.extend(spreads(&interval.delays, &stats.delays, &length));
    lines.push(Line::default());
    let [opened, closed] = [Counter::Accepted, Counter::Closed].map(|counter| interval.rate(counter.name()));
    let connections = count(stats.connections);
    lines.push(Line::raw(format!("{:10} {connections:>11} open", "connected")));
    lines.push(Line::raw(format!("{:10} {opened:>11.1} a second", "opened")));
    lines.push(Line::raw(format!("{:10} {closed:>11.1} a second", "closed")));
    lines.push(Line::raw(format!("{:10} {:>11} parties", "released", stats.releases)));
    lines
}

fn named(name: &str, value: String) -> Line<'static> {
    Line::from(vec![Span::styled(format!("{name:12}"), HEAD), Span::raw(value)])
}

fn trouble_line(watch: &Watch, stats: &Stats) -> Line<'static> {
    match (watch.trouble(), figures::trouble(stats)) {
        (Some(away), _) => Line::styled(format!("asking again: {away}"), BAD),
        (None, Some(trouble)) => Line::styled(format!("{:12}{trouble}", "trouble"), BAD),
        (None, None) => named("trouble", "none".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::watch::tests::watched;
    use super::*;

    fn screen(width: u16, height: u16, watch: &Watch) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, watch)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn all_of_it_stands_on_80_by_24() {
        let text = screen(80, 24, &watched());
        for part in [
            "irongrey 0.1.0  pid 77  up 3 h 5 min  2 workers",
            "  2023-11-14 22:13:20 UTC",
            "connected          100 open",
            "1,000 requests a second, at most 1,000",
            "requests                1000.0        3,000 ",
            "greylisted               500.0        1,500 ",
            "state full                 0.0            0 ",
            "slowest              -        2.0 s",
            "pending     1 segment, 1,234 records, 3.0 MiB",
            "state       6.0 MiB of 4.0 GiB (0.1 %)",
            "trouble     none",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
    }

    #[test]
    fn any_size_can_be_drawn_and_so_can_nothing() {
        for (width, height) in [(1, 1), (20, 5), (79, 23), (300, 100)] {
            screen(width, height, &watched());
        }
        assert!(screen(80, 24, &Watch::default()).contains("asking the daemon"));
    }
}

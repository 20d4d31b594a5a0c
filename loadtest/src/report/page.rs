//! The run as one page that needs nothing else: no script, no font, no picture from elsewhere.
//!
//! It is well formed as XML, so that every tool can read it, and all that varies is escaped by the template. What a reader
//! must know first stands first: verdicts, then the main figures, the plots, all figures, and how to repeat the run.

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::figures::{Figures, Verdict, kinds};
use super::machine::Machine;
use super::plots::{self, Figure};
use super::sheet::Sheet;
use super::units::{count, harmless, rate, span};

const STYLE: &str = include_str!("page.css");
/// Elements without content, closed as XML asks for.
const META: &str = "<meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
                    <meta name=\"color-scheme\" content=\"light dark\"/>";

/// The page of a run.
pub(super) fn report(sheet: &Sheet) -> String {
    let figures = sheet.figures();
    let main = html! {
        (patterns())
        @for verdict in figures.verdicts() { (notice(&verdict)) }
        (summary(&figures))
        @for plot in plots::figures(&figures) { (figure(&plot)) }
        (results(sheet))
        (origin(&sheet.machine, &settings(sheet), &files()))
    };
    whole(&harmless(&sheet.title), &sheet.machine, sheet.tally.elapsed, &main)
}

/// A page around what is measured.
pub(super) fn whole(title: &str, machine: &Machine, elapsed: Duration, main: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (PreEscaped(META))
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p { (machine.started_utc()) ", for " (span(elapsed)) }
                }
                main { (main) }
            }
        }
    };
    page.into_string()
}

/// A drawing between its heading and its caption.
pub(super) fn figure(figure: &Figure) -> Markup {
    html! {
        figure {
            h2 { (figure.heading) }
            (figure.drawing)
            figcaption { (figure.caption) }
        }
    }
}

fn notice(verdict: &Verdict) -> Markup {
    let (class, mark) = if verdict.is_failure { ("notice failure", "Failed") } else { ("notice", "Note") };
    html! {
        section class=(class) {
            p { strong { (mark) ": " (verdict.head) ". " } (verdict.text) }
        }
    }
}

fn summary(figures: &Figures) -> Markup {
    let tally = figures.tally;
    let tiles = [
        (rate(figures.tally.rate()), "answers a second"),
        (figures.latency(0.5), "latency p50"),
        (figures.latency(0.99), "latency p99"),
        (count(tally.answers.total()), "answers"),
        (count(tally.lost), "lost"),
    ];
    html! {
        dl class="tiles" {
            @for (figure, name) in tiles {
                div { dt { (name) } dd { (figure) } }
            }
        }
    }
}

fn results(sheet: &Sheet) -> Markup {
    html! {
        section {
            h2 { "All figures" }
            div class="columns" {
                @for block in sheet.figures().blocks() {
                    table {
                        caption { (block.heading) }
                        tbody {
                            @for (name, figure, remark) in block.rows {
                                tr { th scope="row" { (name) } td class="figure" { (figure) } td { (remark) } }
                            }
                        }
                    }
                }
                (glossary(sheet.is_open))
            }
        }
    }
}

fn glossary(is_open: bool) -> Markup {
    let since = if is_open { "was due, whether it could be sent then or not" } else { "was sent" };
    html! {
        div class="glossary" {
            p { "Latency is the time from when a request " (since) " until its answer had been read." }
            p {
                @for (kind, _, meaning) in kinds(crate::reply::Answers::default()) {
                    b { (kind) } " " (meaning) "; "
                }
                b { "lost" } " no answer."
            }
        }
    }
}

/// How to repeat it: the command, what was set, the machine, and what lies beside the page.
pub(super) fn origin(machine: &Machine, settings: &Markup, files: &Markup) -> Markup {
    let facts = machine.facts().into_iter().map(|(name, value)| (name.to_owned(), harmless(&value)));
    html! {
        section {
            h2 { "To repeat it" }
            pre { code { (harmless(&machine.command_line)) } }
            div class="columns" {
                (settings)
                (pairs("Machine of the generator", facts))
            }
            p class="files" { (files) }
        }
    }
}

fn settings(sheet: &Sheet) -> Markup {
    pairs("Settings", sheet.settings.iter().map(|(name, value)| (harmless(name), harmless(value))))
}

fn files() -> Markup {
    html! {
        "Beside this page: " code { "report.json" } " (all figures, second by second), " code { "latency.hgrm" }
        " and " code { "latency.hlog" } " (every latency, for the tools around HdrHistogram)."
    }
}

fn pairs(heading: &str, rows: impl Iterator<Item = (String, String)>) -> Markup {
    html! {
        table {
            caption { (heading) }
            tbody {
                @for (name, value) in rows { tr { th scope="row" { (name) } td { (value) } } }
            }
        }
    }
}

/// Hatches that tell the kinds of answers apart without colour.
fn patterns() -> Markup {
    let hatches = [
        ("dunno", "M-2 2L2 -2M0 8L8 0M6 10L10 6"),
        ("prepend", "M2 2h2v2h-2zM6 6h2v2h-2z"),
        ("other", "M0 2H8M0 6H8"),
        ("lost", "M0 0L8 8M0 8L8 0"),
    ];
    html! {
        svg class="patterns" width="0" height="0" aria-hidden="true" {
            defs {
                @for (kind, hatch) in hatches {
                    pattern id=(format!("hatch-{kind}")) width="8" height="8" patternUnits="userSpaceOnUse" {
                        rect class=(format!("base {kind}")) width="8" height="8" {}
                        path class=(format!("hatch {kind}")) d=(hatch) {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sheet::tests::{sheet, tally};
    use roxmltree::{Document, ParsingOptions};

    fn parse(page: &str) -> Document<'_> {
        Document::parse_with_options(page, ParsingOptions { allow_dtd: true, ..Default::default() }).unwrap()
    }

    fn texts(document: &Document, tag: &str) -> Vec<String> {
        let found = document.descendants().filter(|node| node.has_tag_name(tag));
        found
            .map(|node| node.descendants().filter_map(|inner| inner.text().filter(|_| inner.is_text())).collect())
            .collect()
    }

    #[test]
    fn runs_of_every_length_are_well_formed() {
        for seconds in [0, 1, 2, 119, 3600] {
            let page = report(&sheet(tally(seconds)));
            let document = parse(&page);
            let drawings = document.descendants().filter(|node| node.has_tag_name("svg")).count();
            assert_eq!(drawings, 5, "four plots and the hatches");
            assert!(!page.contains("NaN") && !page.contains("inf"), "{seconds} seconds");
            assert!(page.len() < 200_000, "{seconds} seconds: {} bytes", page.len());
        }
    }

    #[test]
    fn the_page_needs_nothing_else() {
        let page = report(&sheet(tally(60)));
        for reference in ["http", "//", "src=", "href=", "@import", "<script", "<link", "onload"] {
            assert!(!page.contains(reference), "{reference}");
        }
        let outside = page.match_indices("url(").filter(|(at, _)| !page[at + 4..].starts_with("#hatch-"));
        assert_eq!(outside.count(), 0);
    }

    #[test]
    fn all_that_varies_is_escaped() {
        let mut tally = tally(3);
        (tally.lost, tally.first_failure) =
            (1, Some("the server answered \"<script>alert(1)</script>&\0\"".to_owned()));
        let mut sheet = sheet(tally);
        sheet.title = "<b>&title</b>".to_owned();
        sheet.settings.push(("<i>".to_owned(), "a\u{1}\"'<i>".to_owned()));
        let page = report(&sheet);
        assert!(!page.contains("<script") && !page.contains("<b>&") && !page.contains("<i>"), "{page}");
        let document = parse(&page);
        assert_eq!(texts(&document, "h1"), ["<b>&title</b>"]);
        let notice = &texts(&document, "section")[0];
        assert!(
            notice.starts_with("Failed: The server failed. ") && notice.contains("<script>alert(1)</script>&\u{fffd}")
        );
        assert!(texts(&document, "td").contains(&"a\u{fffd}\"'<i>".to_owned()));
    }

    #[test]
    fn the_page_holds_what_the_run_was() {
        let page = report(&sheet(tally(3)));
        let document = parse(&page);
        let cells = texts(&document, "td");
        for cell in ["127.0.0.1:10023", "2,697", "1.20 ms"] {
            assert!(cells.iter().any(|is| is == cell), "{cell} in {cells:?}");
        }
        assert_eq!(texts(&document, "dd")[..3], ["1,000", "449 µs", "1.18 ms"]);
        assert_eq!(texts(&document, "figcaption").len(), 4);
        assert!(texts(&document, "code")[0].contains("greyload"), "the command line");
    }
}

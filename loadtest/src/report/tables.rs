//! Tables for a terminal or as Markdown, and those of the segment files, of the restarts and of memory.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

use crate::accounting::Memory;
use crate::directory::Segment;
use crate::spread::Spread;

/// Prints to standard output. Whoever reads it there may have seen enough, which is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("standard output: cannot be written"),
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
    table(&rows, markdown)
}

/// The table of the restarts, in milliseconds.
pub(crate) fn restarts(records: u64, unsealed: u64, bytes: u64, millis: &Spread, markdown: bool) -> String {
    let header = ["records", "not sealed", "bytes of files", "min ms", "median ms", "max ms"];
    let figures = [millis.min, millis.median, millis.max].map(|value| format!("{value:.2}"));
    let row = [records, unsealed, bytes].map(|count| count.to_string()).into_iter().chain(figures).collect();
    let rows = [header.map(str::to_owned).to_vec(), row];
    table(&rows, markdown)
}

/// The table of a daemon's memory that is not page cache, with so many idle connections.
pub(crate) fn memory(connections: u32, memory: Memory, markdown: bool) -> String {
    let header = ["idle connections", "RssAnon MiB", "page tables MiB", "together MiB"];
    let figures = [memory.anonymous, memory.page_tables, memory.anonymous + memory.page_tables];
    let cells = figures.map(|bytes| format!("{:.1}", ratio(bytes, 1 << 20)));
    let row = [connections.to_string()].into_iter().chain(cells).collect();
    let rows = [header.map(str::to_owned).to_vec(), row];
    table(&rows, markdown)
}

/// One count to another.
#[expect(clippy::cast_precision_loss, reason = "file sizes and counts are far below 2^52")]
pub(crate) fn ratio(of: u64, to: u64) -> f64 {
    of as f64 / to as f64
}

/// Rows of cells, of which the first is the header.
pub(super) fn table(rows: &[Vec<String>], markdown: bool) -> String {
    if markdown { markdown_table(rows) } else { plain_table(rows) }
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
    let widths: Vec<usize> =
        (0..columns).map(|c| rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0)).collect();
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
    fn what_is_not_page_cache_is_added_up() {
        let memory = Memory { resident: 9 << 30, anonymous: 3 << 20, page_tables: 5 << 19 };
        assert_eq!(super::memory(5000, memory, true).lines().last(), Some("| 5000 | 3.0 | 2.5 | 5.5 |"));
    }

    #[test]
    fn tables_keep_their_columns() {
        let rows = vec![vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(plain_table(&rows), "a    bb\nccc  d\n");
        assert_eq!(markdown_table(&rows), "| a | bb |\n|---|---|\n| ccc | d |\n");
    }
}

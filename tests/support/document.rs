//! What stands in docs/OPERATIONS.md for others to copy.

const TEXT: &str = include_str!("../../docs/OPERATIONS.md");

/// The fenced blocks of this kind, as they stand there.
///
/// # Panics
/// If there is none.
pub(crate) fn blocks(kind: &str) -> Vec<String> {
    let fence = format!("\n```{kind}\n");
    let blocks = TEXT.split(&fence).skip(1).map(|rest| rest.split("```\n").next().unwrap_or(rest).to_owned());
    let blocks: Vec<String> = blocks.collect();
    assert!(!blocks.is_empty(), "docs/OPERATIONS.md has no block {kind}");
    blocks
}

/// The words in the first column of the table of alerts: counters, and pieces of log lines.
pub(crate) fn alerts() -> Vec<&'static str> {
    let (_, table) = TEXT.split_once("\n| what | meaning | do |\n").expect("a table of alerts");
    let rows = table.lines().skip(1).map_while(|line| line.strip_prefix("| "));
    rows.flat_map(|row| row.split(" | ").next().unwrap_or(row).split('`').skip(1).step_by(2)).collect()
}

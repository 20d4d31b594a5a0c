//! Saying that a test is skipped, and why.

use std::io::Write;

/// Says on the terminal that a test is skipped.
///
/// # Panics
/// Under `CI=true`, where every tool has to be there.
pub(crate) fn skipped(test: &str, reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} cannot run: {reason}");
    skipped_anywhere(test, reason);
}

/// The same for what a machine may well not permit, also under `CI=true`.
pub(crate) fn skipped_anywhere(test: &str, reason: &str) {
    // The macros' output is shown for failed tests only; this goes past the test harness.
    let mut terminal = std::io::stderr();
    writeln!(terminal, "SKIPPED {test}: {reason}").unwrap();
}

/// Is this program installed? Debian keeps some outside an ordinary user's `PATH`.
pub(crate) fn tool(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':').map(|dir| std::path::Path::new(dir).join(name)).find(|file| file.is_file())
}

/// Does this test run as root?
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

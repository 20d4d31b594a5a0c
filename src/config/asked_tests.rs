//! File and command line together: what they mean, what is shown of it, and what does not fit.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

fn configured(dir: &TempDir, text: &str) -> Result<Configured, ConfigError> {
    let file = file(dir, text);
    Asked::of_daemon(Some(&file), None).unwrap().read(&Host::read())
}

fn file(dir: &TempDir, text: &str) -> PathBuf {
    let file = dir.path().join("irongrey.toml");
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn what_is_shown_means_the_same() {
    let dir = TempDir::new().unwrap();
    let text = "unix = []\nquiet = true\n[[rule]]\nrecipient = []\ngreylist = false\n[[rule]]\nsender = \"<>\"\n[[rule]]\nname = \"5x\"\n";
    let first = configured(&dir, text).unwrap();
    let again = configured(&dir, &first.to_string()).unwrap();
    let rules = |configured: &Configured| -> Vec<_> {
        configured.settings.rules.iter().map(|rule| (rule.selects_all, rule.text())).collect()
    };
    assert_eq!(rules(&first), rules(&again));
    assert_eq!(rules(&first).iter().map(|(all, _)| *all).collect::<Vec<_>>(), [false, false, true]);
    let values = |configured: Configured| -> Vec<_> {
        configured.shown.into_iter().map(|shown| (shown.key, shown.values)).collect()
    };
    assert_eq!(values(first), values(again));
}

#[test]
fn a_file_that_was_found_has_to_stay() {
    let dir = TempDir::new().unwrap();
    let asked = Asked::of_daemon(None, None).unwrap().with_file(&dir.path().join("irongrey.toml"));
    let said = asked.read(&Host::read()).unwrap_err().to_string();
    assert!(said.contains("irongrey.toml: No such file"), "{said}");
}

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
        configured.settings.rules.iter().map(|rule| (rule.selects_all(), rule.text())).collect()
    };
    assert_eq!(rules(&first), rules(&again));
    assert_eq!(rules(&first).iter().map(|(all, _)| *all).collect::<Vec<_>>(), [false, false, true]);
    let values = |configured: Configured| -> Vec<_> {
        configured.shown.into_iter().map(|shown| (shown.key, shown.values)).collect()
    };
    assert_eq!(values(first), values(again));
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("irongrey.toml").display().to_string();
    for (text, line) in
        [("quiet = true\n\ndelay = \"3d\"\n", 3), ("retry-window = \"5m\"\n", 1), ("\nmax-age = 0\n", 2)]
    {
        let said = configured(&dir, text).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{path}, line {line}: --")), "{said}");
    }
    let file = file(&dir, "quiet = true\n");
    let words = ["--config".into(), file.into(), "--delay=3d".into()];
    let arguments = serve::definition().try_get_matches_from(&words).unwrap();
    let arguments = ServeArgs { words: words.into(), ..ServeArgs::from_arg_matches(&arguments).unwrap() };
    let said = Asked::Serve(Box::new(arguments)).read(&Host::read()).unwrap_err().to_string();
    assert!(said.starts_with("--delay=259200s is not shorter"), "{said}");
}

#[test]
fn a_wrong_entry_of_a_rule_is_told_with_its_place() {
    let dir = TempDir::new().unwrap();
    let (config, list) = (dir.path().join("irongrey.toml"), dir.path().join("list"));
    fs::write(&list, "\u{feff}b..c\nuser@example.org\n").unwrap();
    let list = list.display();
    for (rule, place) in [
        ("recipient = [\n\"example.org\",\n\"b..c\",\n]\n".to_owned(), format!("{}, line 4: ", config.display())),
        ("name = \"x\"\nsender = \"\"\n".to_owned(), format!("{}, line 3: ", config.display())),
        (format!("recipient-file = \"{list}\"\n"), format!("{list}, line 1: ")),
        (
            "client = \"user@example.org\"\nsender = \"example.org\"\n".to_owned(),
            format!("{}, line 2: ", config.display()),
        ),
    ] {
        let configured = configured(&dir, &format!("[[rule]]\n{rule}")).unwrap();
        let said = configured.check().unwrap_err().to_string();
        assert!(said.starts_with(&place), "{said}");
    }
}

#[test]
fn a_file_that_was_found_has_to_stay() {
    let dir = TempDir::new().unwrap();
    let asked = Asked::of_daemon(None, None).unwrap().with_file(&dir.path().join("irongrey.toml"));
    let said = asked.read(&Host::read()).unwrap_err().to_string();
    assert!(said.contains("irongrey.toml: No such file"), "{said}");
}

//! What a configuration file may say, and what is said about one that is wrong.

use super::*;

fn parse(text: &str) -> Result<File, String> {
    File::parse("/etc/x.toml".into(), text.as_bytes()).map_err(|error| error.to_string())
}

fn words(text: &str) -> Vec<String> {
    parse(text).unwrap().settings.iter().flat_map(Entry::words).collect()
}

fn mistakes(text: &str) -> Vec<String> {
    parse(text).unwrap_err().lines().map(|line| line.replace("/etc/x.toml, line ", "")).collect()
}

#[test]
fn keys_are_options_and_values_are_theirs() {
    let text = "delay = \"5m\"\nauto-whitelist-clients = 7\nquiet = true\nseccomp = false\nunix = ['/a', \"/b c\"]\ninet = 10023\n";
    let expected = [
        "--delay=5m",
        "--auto-whitelist-clients=7",
        "--quiet=true",
        "--seccomp=false",
        "--unix=/a",
        "--unix=/b c",
        "--inet=10023",
    ];
    assert_eq!(words(text), expected, "in the order of the file");
    assert_eq!(words(""), [""; 0]);
}

#[test]
fn a_value_may_begin_like_an_option() {
    assert_eq!(words("greylist-text = \"--delay=1\"\n"), ["--greylist-text=--delay=1"]);
}

#[test]
fn each_mistake_is_told_with_its_line_and_what_would_be_right() {
    let text = "# one\ndelya = 60\nmax_age = 3\ndelay = \"5 minutes\"\nxyzzy = 1\nipv4cidr = 33\non-full = \"maybe\"\n";
    let expected = [
        "2: unknown key 'delya'; the nearest is 'delay'",
        "3: unknown key 'max_age'; the nearest is 'max-age'",
        "4: invalid value '5 minutes' for '--delay <TIME>': expected a whole number of seconds, or a time such as 300s, 5m, 2h or \
         2d",
        "5: unknown key 'xyzzy'; `irongrey config example` shows all",
        "6: invalid value '33' for '--ipv4cidr <N>': 33 is not in 0..=32",
        "7: invalid value 'maybe' for '--on-full <ANSWER>' [possible values: dunno, defer]",
    ];
    assert_eq!(mistakes(text), expected);
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    for (text, line) in [("delay = 1\ndelay = 2\n", "2: "), ("a\n", "1: "), ("\n\nsocketmode = 0660\n", "3: ")] {
        assert!(mistakes(text)[0].starts_with(line), "{:?}", mistakes(text));
    }
    let binary = File::parse("/x".into(), b"delay = 1\nquiet = \xff\n").unwrap_err().to_string();
    assert_eq!(binary, "/x, line 2: not UTF-8 text");
}

#[test]
fn what_a_key_cannot_be_set_to() {
    for (text, what) in [
        ("delay = [1, 2]", "1: delay: one value is expected, not a list"),
        ("delay = 1.5", "1: delay: a text, a number, true or false is expected, not a float"),
        ("delay = { a = 1 }", "1: delay: a text, a number, true or false is expected, not a table"),
        ("socketmode = 0o660", "1: socketmode: write this number in quotes, such as \"0660\""),
        ("unix = [\"/a\", 2020-01-01]", "1: unix: a text, a number, true or false is expected, not a datetime"),
        ("test-clock = true", "1: unknown key 'test-clock'; `irongrey config example` shows all"),
        ("config = \"x\"", "1: unknown key 'config'; `irongrey config example` shows all"),
        ("sender = \"<>\"", "1: 'sender' is a key of a rule; write it below a line [[rule]]"),
        ("[rule]\ngreylist = false", "1: each rule begins with a line [[rule]]"),
    ] {
        assert_eq!(mistakes(text), [what], "{text}");
    }
}

#[test]
fn the_line_of_a_bad_value_in_a_list_is_its_own() {
    let text = "inet = [\n  10023,\n  \"localhost\",\n]\n";
    assert!(mistakes(text)[0].starts_with("3: invalid value 'localhost' for '--inet <[HOST:]PORT>': "));
}

#[test]
fn rules_keep_their_order_and_have_their_own_keys() {
    let text = "delay = 60\n[[rule]]\nrecipient = [\"a.example\"]\n\n[[rule]]\nname = \"x\"\ndelay = \"1h\"\n";
    let file = parse(text).unwrap();
    let rules: Vec<(usize, Vec<String>)> =
        file.rules.iter().map(|rule| (rule.line, rule.entries.iter().flat_map(Entry::words).collect())).collect();
    assert_eq!(
        rules,
        [(2, vec!["--recipient=a.example".to_owned()]), (5, vec!["--name=x".to_owned(), "--delay=1h".to_owned()])]
    );
    let wrong = "[[rule]]\ngreylst = true\nworkers = 3\n";
    assert_eq!(
        mistakes(wrong),
        [
            "2: unknown key 'greylst'; the nearest is 'greylist'",
            "3: 'workers' is no key of a rule; write it above the first [[rule]]"
        ]
    );
}

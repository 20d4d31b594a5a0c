//! Rules of the configuration file, on the wire and through a reload.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Program, Request, Setup, call};

fn mail(recipient: &str) -> Request {
    Request::new("192.0.2.1", "alice@sender.example", recipient).with("client_name", "mx.sender.example")
}

fn setup(dir: &Path, text: &str) -> Setup {
    let file = dir.join("irongrey.toml");
    fs::write(&file, text).unwrap();
    Setup::new(Program::Serve, dir).with([format!("--config={}", file.display())])
}

#[test]
fn each_recipient_gets_what_its_first_rule_says() {
    let dir = TempDir::new().unwrap();
    let optin = dir.path().join("optin");
    fs::write(&optin, "# customers who asked for it\nin.example\nvip@other.example # one of them\n").unwrap();
    let text = format!(
        "delay = \"5m\"\n\n[[rule]]\nname = \"slow\"\nrecipient = [\"slow.example\"]\ndelay = \"1h\"\ngreylist-text = \"wait %s\"\n\n\
         [[rule]]\nrecipient-file = \"{}\"\n\n[[rule]]\nname = \"try\"\nrecipient = [\"try.example\"]\nobserve = true\n\n\
         [[rule]]\nname = \"rest\"\ngreylist = false\n",
        optin.display()
    );
    let daemon = setup(dir.path(), &text).start();
    let mut client = daemon.client();
    for (recipient, reply, logged) in [
        ("a@slow.example", "DEFER_IF_PERMIT 4.2.0 wait 3600", "action=greylist, reason=new,"),
        ("a@in.example", "DEFER_IF_PERMIT 4.2.0 Greylisted for 300 seconds", "action=greylist, reason=new,"),
        ("vip@other.example", "DEFER_IF_PERMIT 4.2.0 Greylisted for 300 seconds", "action=greylist, reason=new,"),
        ("a@try.example", "DUNNO", "action=pass, reason=observed: new,"),
        ("a@other.example", "DUNNO", "action=pass, reason=rule,"),
    ] {
        assert_eq!(client.ask(&mail(recipient)), format!("action={reply}"), "{recipient}");
        let line = daemon.journal().wait_for(&format!("recipient={recipient}"));
        assert!(line.contains(logged), "{line}");
    }
    let line = daemon.journal().wait_for("recipient=a@other.example");
    assert!(line.ends_with(", rule=rest"), "{line}");
}

#[test]
fn a_reload_takes_new_rules_whole_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let list = dir.path().join("pass");
    fs::write(&list, "a.example\n").unwrap();
    let text = format!("[[rule]]\nrecipient-file = \"{}\"\ngreylist = false\n", list.display());
    let daemon = setup(dir.path(), &text).start();
    let mut client = daemon.client();
    assert_eq!(client.ask(&mail("x@a.example")), "action=DUNNO");
    fs::write(&list, "b.example\n\nc..example\n").unwrap();
    daemon.signal(Signal::SIGHUP);
    let line = daemon.journal().wait_for("not reloaded, everything stays as it was: ");
    assert!(line.contains(&format!("{}, line 3: rule 1: recipient `c..example`: ", list.display())), "{line}");
    assert_eq!(client.ask(&mail("x@a.example")), "action=DUNNO");
    // An empty list stands for nobody, not for all.
    fs::write(&list, "").unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.journal().wait_for(&format!("rule's file {}: 0 entries", list.display()));
    daemon.journal().wait_for("whitelists reloaded");
    assert!(client.ask(&mail("x@a.example")).starts_with("action=DEFER"));
    fs::write(dir.path().join("irongrey.toml"), "[[rule]]\ngreylist = false\n").unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.journal().wait_for("changed: the rules, of which there are 1 (before: 1)");
    assert_eq!(client.ask(&mail("x@z.example")), "action=DUNNO");
}

#[test]
fn a_rule_that_cannot_be_is_told_with_its_place() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("irongrey.toml");
    for (rule, line, told) in [
        ("delay = \"3d\"", 3, "a delay of 259200s is not shorter than the retry window of 172800s"),
        ("recipient = [\n\"a.example\",\n\"192.0.2.1\"]", 7, "recipient `192.0.2.1`: "),
        ("observe = true\ngreylist = false", 3, "observes but does not greylist"),
    ] {
        fs::write(&file, format!("delay = 60\n\n[[rule]]\nname = \"odd\"\n{rule}\n")).unwrap();
        let output = call(&["config", "check", "--config", file.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        let place = format!("{}, line {line}: rule 1 `odd`: ", file.display());
        assert!(said.contains(&place) && said.contains(told), "{said}");
    }
    fs::write(&file, "[[rule]]\nclient-file = \"/nonexistent/list\"\n").unwrap();
    let output = call(&["config", "check", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("line 1: a rule's file /nonexistent/list: No such file"), "{said}");
}

#[test]
fn the_rules_are_shown_with_their_lines() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("irongrey.toml");
    fs::write(&file, "[[rule]]\nname = \"a\"\nclient = [\"10.0.0.0/8\", \"mx.example\"]\n\n[[rule]]\nobserve = true\n")
        .unwrap();
    let output = call(&["config", "show", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    let place = |line| format!("# {}, line {line}", file.display());
    for (setting, line) in
        [("[[rule]]", 1), ("client = [\"10.0.0.0/8\", \"mx.example\"]", 3), ("[[rule]]", 5), ("observe = true", 6)]
    {
        assert!(
            said.lines().any(|shown| shown.starts_with(setting) && shown.ends_with(&place(line))),
            "{setting}: {said}"
        );
    }
}

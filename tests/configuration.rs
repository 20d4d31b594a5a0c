//! The configuration file: what a start, a reload and the tools make of it.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Daemon, Program, Request, Setup, call};

fn mail(sender: &str) -> Request {
    Request::new("192.0.2.1", sender, "bob@customer.test")
}

/// A daemon with this configuration file, which tells its socket as well.
fn setup(dir: &Path, text: &str) -> (Setup, PathBuf) {
    let file = dir.join("irongrey.toml");
    fs::write(&file, text).unwrap();
    (Setup::new(Program::Serve, dir).with([format!("--config={}", file.display())]), file)
}

fn reload(daemon: &Daemon, file: &Path, text: &str, expected: &str) -> String {
    fs::write(file, text).unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.journal().wait_for(expected)
}

#[test]
fn a_reload_takes_over_what_may_change_and_says_what_needs_a_restart() {
    let dir = TempDir::new().unwrap();
    let (setup, file) = setup(dir.path(), "delay = \"10m\"\ngreylist-text = \"wait %s\"\nworkers = 1\n");
    let daemon = setup.with(["--auto-whitelist-clients=3"]).start();
    let mut client = daemon.client();
    assert_eq!(client.ask(&mail("a@x.example")), "action=DEFER_IF_PERMIT 4.2.0 wait 600");

    let text = "delay = \"20m\"\ngreylist-text = \"later %s\"\nworkers = 2\nauto-whitelist-clients = 9\nquiet = true\n";
    reload(&daemon, &file, text, "needs a restart: workers = 2 (until then: workers = 1)");
    daemon.journal().wait_for("changed: delay = \"20m\" (before: delay = \"10m\")");
    daemon.journal().wait_for("changed: quiet = true (before: quiet = false)");
    daemon.journal().wait_for("whitelists reloaded");
    assert!(!daemon.journal().lines().iter().any(|line| line.contains("changed: auto-whitelist")));
    assert_eq!(client.ask(&mail("b@x.example")), "action=DEFER_IF_PERMIT 4.2.0 later 1200");
    assert!(!daemon.journal().lines().iter().any(|line| line.contains("sender=b@x.example")), "it is quiet now");

    reload(&daemon, &file, "delay = \"20m\"\nworkers = 1\n", "changed: quiet = false");
    assert_eq!(client.ask(&mail("c@x.example")), "action=DEFER_IF_PERMIT 4.2.0 Greylisted for 1200 seconds");
    daemon.journal().wait_for("sender=c@x.example");
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_every_mistake_is_said() {
    let dir = TempDir::new().unwrap();
    let (setup, file) = setup(dir.path(), "delay = \"10m\"\n");
    let daemon = setup.start();
    let mut client = daemon.client();
    let text = "delay = \"20m\"\ngreylist-txt = \"x\"\nmax-age = \"never\"\n";
    let line = reload(&daemon, &file, text, "line 2: unknown key 'greylist-txt'; the nearest is 'greylist-text'");
    assert!(line.contains("not reloaded, everything stays as it was: "), "{line}");
    daemon.journal().wait_for("line 3: invalid value 'never' for '--max-age <TIME>': expected a whole number of days");
    assert_eq!(client.ask(&mail("a@x.example")), "action=DEFER_IF_PERMIT 4.2.0 Greylisted for 600 seconds");

    // What no key can know by itself.
    let line = reload(&daemon, &file, "delay = \"3d\"\n", "--delay=259200s is not shorter than --retry-window=172800s");
    assert!(line.contains("not reloaded"), "{line}");
    fs::remove_file(&file).unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.journal().wait_for("irongrey.toml: No such file or directory");
    assert_eq!(client.ask(&mail("b@x.example")), "action=DEFER_IF_PERMIT 4.2.0 Greylisted for 600 seconds");
}

#[test]
fn a_window_that_is_changed_at_work_counts_for_what_is_known() {
    let dir = TempDir::new().unwrap();
    let (setup, file) = setup(dir.path(), "retry-window = \"2d\"\n");
    let daemon = setup.with(["--test-clock"]).start();
    let mut client = daemon.client();
    let start = 1_900_000_000;
    client.ask(&mail("a@x.example").at(start));
    reload(&daemon, &file, "retry-window = \"1h\"\n", "changed: retry-window");
    assert!(client.ask(&mail("a@x.example").at(start + 3_601)).ends_with("for 300 seconds"), "it begins anew");
    reload(&daemon, &file, "retry-window = \"3h\"\n", "retry-window = \"3h\"");
    let reply = client.ask(&mail("a@x.example").at(start + 3_601 + 7_000));
    assert!(reply.starts_with("action=PREPEND"), "{reply}");
}

#[test]
fn a_start_refuses_a_file_with_a_mistake() {
    let dir = TempDir::new().unwrap();
    let (setup, file) = setup(dir.path(), "\ninnet = 10023\n");
    let (code, said) = setup.start_refused();
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(
        said.trim(),
        format!("irongrey: {}, line 2: unknown key 'innet'; the nearest is 'inet'", file.display())
    );
}

#[test]
fn check_and_show_say_what_a_start_would_use() {
    let dir = TempDir::new().unwrap();
    let (_, file) = setup(dir.path(), "delay = \"10m\"\nretry-window = 1\n");
    let config = format!("--config={}", file.display());
    let run = |words: &[&str]| {
        let output = call(&[&["config"], words, &[&config]].concat());
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), said.concat())
    };
    let (code, said) = run(&["check"]);
    assert!(code == Some(0) && said.contains("irongrey.toml: in order\n"), "{said}");
    let (code, said) = run(&["show", "--delay=7m"]);
    assert_eq!(code, Some(0), "{said}");
    for (setting, origin) in [
        ("delay = \"7m\"", "# command line".to_owned()),
        ("retry-window = 1", format!("# {}, line 2", file.display())),
        ("max-age = \"35d\"", "# default".to_owned()),
        ("# inet = [\"127.0.0.1:10023\"]", "# default here".to_owned()),
        ("# unix is not set", "# default".to_owned()),
    ] {
        assert!(said.lines().any(|line| line.starts_with(setting) && line.ends_with(&origin)), "{setting}: {said}");
    }
    let (code, said) = run(&["check", "--control-group=nosuch"]);
    assert!(code == Some(2) && said.contains("--control-group=nosuch: no such group"), "{said}");
    let (code, said) = run(&["check", "--delay=1d"]);
    assert!(code == Some(2) && said.contains("--delay=86400s is not shorter than --retry-window=86400s"), "{said}");
}

//! What cannot be asked or answered is told with its place and what would be right.

use std::fs::{self, Permissions};
use std::io::pipe;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;

use nix::unistd::getgid;
use tempfile::TempDir;

use super::{audits, done, run, run_anywhere, setup, started};
use crate::support::{Program, Setup, irongrey, is_root};

#[test]
fn a_question_that_is_wrong_is_refused_with_what_would_be_right() {
    let dir = TempDir::new().unwrap();
    let daemon = started(setup(&dir).start());
    for (words, told) in [
        (&["explain", "mx.a.example", "a@b", "c@d"][..], "NAME[ADDRESS]"),
        (&["explain", "192.0.2.1", "a@b", ""], "user@example.org"),
        (&["release", "192.0.2.1", "a@b>\nforged", "c@d"], r#"sender "a@b>\nforged": an address has no control"#),
        (&["forget", "m\r[192.0.2.1]", "a@b", "c@d"], "a name has no control characters"),
        (&["forget", "--client", "192.0.2"], "no IP address"),
        (&["release", "--sender", "a..example"], "two dots in a row"),
        (&["release", "--sender", "*.example"], "write `example`"),
        (&["release", "--sender", "a.example", "--for", "0"], "at least 1s"),
        (&["release", "--end", "--sender", "a.example"], "release --list"),
        (&["explain", "192.0.2.1", &"x".repeat(5_000), "c@d"], "at most 4096 bytes"),
    ] {
        let outcome = run(&dir, words);
        assert_eq!((outcome.code, &*outcome.out), (Some(2), ""), "{words:?}: {}", outcome.error);
        assert!(
            outcome.error.starts_with("irongrey: ") && outcome.error.contains(told),
            "{words:?}: {}",
            outcome.error
        );
    }
    assert_eq!(audits(&daemon), [""; 0]);
}

#[test]
fn where_no_daemon_is_the_place_is_named() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().display().to_string();
    let outcome = run_anywhere(&["stats", "--state", &state]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.error.contains(&format!("{state}/control: ")) && outcome.error.contains("--control"));
    let config = dir.path().join("irongrey.toml");
    fs::write(&config, "dealy = 5\n").unwrap();
    let outcome = run_anywhere(&["stats", "--config", config.to_str().unwrap()]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.error.contains("irongrey.toml") && outcome.error.contains("socket with --control"));
}

#[test]
fn who_may_not_is_told_who_may() {
    let dir = TempDir::new().unwrap();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    let mut command = irongrey(&["stats", "--control", closed.join("control").to_str().unwrap()]);
    if is_root() {
        command.uid(65_534);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("as root") && said.contains("control-group"), "{said}");
}

#[test]
fn the_socket_is_where_the_configuration_has_it_for_its_group_alone() {
    let dir = TempDir::new().unwrap();
    let (config, control) = (dir.path().join("irongrey.toml"), dir.path().join("tools.sock"));
    let group = if is_root() { 65_534 } else { getgid().as_raw() };
    fs::write(&config, format!("control = \"{}\"\ncontrol-group = \"{group}\"\n", control.display())).unwrap();
    let config = format!("--config={}", config.display());
    let _daemon = started(Setup::new(Program::Serve, dir.path()).with([config.clone()]).start());
    let found = fs::metadata(&control).unwrap();
    assert_eq!((found.mode() & 0o7777, found.gid()), (0o660, group));
    for options in [&[&*config][..], &["--control", control.to_str().unwrap()]] {
        let outcome = run_anywhere(&[&["stats"], options].concat());
        assert_eq!(outcome.code, Some(0), "{}", outcome.error);
        assert!(outcome.out.starts_with("irongrey        ") && outcome.out.contains("trouble         none\n"));
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let dir = TempDir::new().unwrap();
    let _daemon = started(setup(&dir).start());
    done(&dir, &["stats"]);
    let state = format!("--state={}", dir.path().join("serve-state").display());
    for words in [&["stats", &*state][..], &["top", "--json", &*state]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = irongrey(words).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{words:?}");
    }
}

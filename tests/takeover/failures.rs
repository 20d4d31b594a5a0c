//! Take-overs that cannot be: each says what is wrong, where, and what would be right, and leaves everything as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{import, irongrey, said, start_postgrey, state_of_irongrey, tools};
use crate::support::{Request, call, unix_now};

/// The exit code and the last line of what was written to standard error, which is the error.
fn error_of(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text.lines().last().unwrap_or_default().to_owned())
}

/// An import with another `db_dump` on the path, a shell script; without a script there is none.
fn import_with(script: Option<&str>, database: &Path, state: &Path) -> Output {
    let dir = TempDir::new().unwrap();
    if let Some(script) = script {
        let path = dir.path().join("db_dump");
        fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_irongrey"));
    command.args(["import", "postgrey"]).arg(database).arg("--state").arg(state);
    command.env("PATH", dir.path()).stdin(Stdio::null()).output().unwrap()
}

/// A directory with a file of this name in it.
fn with_file(name: &str, content: &[u8]) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    (dir, path)
}

const HEADER: &str = "echo VERSION=3; echo format=bytevalue; echo type=btree; echo HEADER=END";

#[test]
fn what_is_no_database_is_named() {
    let (dir, path) = with_file("postgrey.db", b"this is no database");
    let state = dir.path().join("state");
    let refused = |output: &Output, code, words: &[&str]| {
        let (found, error) = error_of(output);
        assert_eq!(found, Some(code), "{error}");
        for word in words {
            assert!(error.contains(word), "{word} is not in: {error}");
        }
        assert!(!state.exists(), "{error}");
    };
    let path = path.to_str().unwrap();
    refused(&import("postgrey", &state, &state, &[]), 2, &["state/postgrey.db: no such file", "--dbdir"]);
    refused(&import_with(None, dir.path(), &state), 1, &["db_dump: no such program", "apt install db-util"]);
    let gives_up = format!("{HEADER}; echo ' 6162'; echo broken page >&2; exit 1");
    refused(&import_with(Some(&gives_up), dir.path(), &state), 1, &[path, "exit status: 1", "broken page"]);
    let ends_early = format!("{HEADER}; echo ' 6162'");
    refused(&import_with(Some(&ends_early), dir.path(), &state), 2, &[path, "line 6 ", "ends early"]);
    let other = "echo VERSION=9; echo format=xml; echo HEADER=END";
    refused(&import_with(Some(other), dir.path(), &state), 2, &[path, "line 3 ", "format=bytevalue"]);
    let odd = format!("{HEADER}; echo ' 6162'; echo ' 3x'; cat /dev/zero");
    refused(&import_with(Some(&odd), dir.path(), &state), 2, &[path, "line 6 "]);
    if tools("takeover::failures::what_is_no_database_is_named").is_some() {
        refused(&import("postgrey", dir.path(), &state, &[]), 1, &[path, "db_dump gave up", "db_verify"]);
    }
    let wrong = ["--delay=2d", "--retry-window=2d"];
    refused(
        &import("postgrey", dir.path(), &state, &wrong),
        2,
        &["--delay=172800s is not shorter than --retry-window"],
    );
}

/// What stands in postgrey's log only would be missed.
#[test]
fn a_copy_without_its_environment_is_refused() {
    let Some(()) = tools("takeover::failures::a_copy_without_its_environment_is_refused") else { return };
    let dir = TempDir::new().unwrap();
    let (postgrey, database) = start_postgrey(dir.path(), &[]);
    postgrey.client().ask(&Request::new("192.0.2.1", "alice@sender.example", "bob@customer.test"));
    let copy = dir.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&database).unwrap().map(|file| file.unwrap()) {
        if !file.file_name().to_str().unwrap().starts_with("__db.") {
            fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
    }
    let state = state_of_irongrey(dir.path());
    let (code, error) = error_of(&import("postgrey", &copy, &state, &[]));
    assert_eq!(code, Some(2));
    assert!(error.contains("copy: there are postgrey's logs") && error.contains("db_recover -h COPY"), "{error}");
    // What it says would be right is right.
    let recovered = Command::new("db_recover").arg("-h").arg(&copy).status().unwrap();
    assert!(recovered.success());
    for file in fs::read_dir(&copy).unwrap().map(|file| file.unwrap()) {
        if file.file_name().to_str().unwrap().starts_with("log.") {
            fs::remove_file(file.path()).unwrap();
        }
    }
    let text = said(&import("postgrey", &copy, &state, &[]));
    assert!(text.contains(": 1 taken: 0 passed triplets, 1 waiting ones"), "{text}");
}

#[test]
fn a_running_daemon_keeps_its_state() {
    let (dir, _) = with_file("postgrey.db", b"");
    let daemon = irongrey(dir.path(), &[]).start();
    // It listens before it opens the state.
    daemon.client().ask(&Request::new("192.0.2.1", "alice@sender.example", "bob@customer.test"));
    let state = state_of_irongrey(dir.path());
    let refused = import("postgrey", dir.path(), &state, &[]);
    let (code, error) = error_of(&refused);
    assert_eq!(code, Some(75), "{error}");
    assert!(error.contains(&format!("in use by process {}", daemon.pid())), "{error}");
    let (code, error) = error_of(&import("file", dir.path(), &state, &[]));
    assert_eq!(code, Some(75), "{error}");
}

#[test]
fn an_export_that_is_not_whole_or_of_another_key_is_refused() {
    let dir = TempDir::new().unwrap();
    let daemon = irongrey(dir.path(), &[]).start();
    for number in 0..50 {
        let request = Request::new(&format!("10.0.{number}.1"), "alice@sender.example", "bob@customer.test");
        daemon.client().ask(&request.at(unix_now()));
    }
    drop(daemon);
    let state = state_of_irongrey(dir.path());
    let export = call(&["export", "--state", state.to_str().unwrap()]);
    said(&export);
    assert!(export.stdout.starts_with(b"irongrey export 1\n"));

    let [copy, other] = ["copy", "other"].map(|name| dir.path().join(name));
    for (target, key) in [(&copy, fs::read(state.join("key")).unwrap()), (&other, vec![b'1'; 32])] {
        fs::create_dir(target).unwrap();
        fs::write(target.join("key"), key).unwrap();
    }
    let files = |target: &Path| fs::read_dir(target).unwrap().count();
    let refused = |content: &[u8], target: &Path, word: &str| {
        let (_dir, path) = with_file("export", content);
        let (code, error) = error_of(&import("file", &path, target, &[]));
        assert_eq!((code, files(target)), (Some(2), 1), "{error}");
        assert!(error.contains(path.to_str().unwrap()) && error.contains(word), "{error}");
    };
    let half = &export.stdout[..export.stdout.len() / 2];
    refused(half, &copy, "cut off behind line ");
    refused(&[half, b"\n"].concat(), &copy, "damaged");
    refused(&export.stdout, &other, "made with another key");
    refused(b"192.0.2.0/a@b/c@d\n", &copy, "this is no export");
    refused(b"", &copy, "this is no export");
    let (_dir, path) = with_file("export", &export.stdout);
    assert!(said(&import("file", &path, &copy, &[])).contains("50 taken"));

    let nowhere = call(&["export", "--state", dir.path().join("nowhere").to_str().unwrap()]);
    assert_eq!(nowhere.status.code(), Some(1));
    let target = dir.path().join("no/such/export");
    let unwritten = call(&["export", "--state", state.to_str().unwrap(), "--output", target.to_str().unwrap()]);
    let (code, error) = error_of(&unwritten);
    assert_eq!(code, Some(1));
    assert!(error.contains("no/such/export: cannot be written"), "{error}");
}

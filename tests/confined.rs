//! Least privilege: what a daemon at work may no longer do, and the modes of its files. All tests of the program run with the
//! system calls filtered (`--seccomp`).

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Daemon, Guarded, Journal, Program, Request, Setup, is_root, skipped, skipped_anywhere};

fn mail(client: &str) -> Request {
    Request::new("192.0.2.1", "alice@sender.example", "bob@customer.test").with("client_name", client)
}

fn status(daemon: &Daemon, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().to_owned()
}

#[test]
fn privileges_are_given_up() {
    let dir = TempDir::new().unwrap();
    let daemon = Setup::new(Program::Serve, dir.path()).start();
    daemon.client().ask(&mail("x.example"));
    assert_eq!(status(&daemon, "NoNewPrivs"), "1");
    assert_eq!(status(&daemon, "Seccomp"), "2");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(u64::from_str_radix(&status(&daemon, set), 16), Ok(0), "{set}");
    }
}

/// Every thread of it, as each has privileges of its own.
#[test]
fn no_thread_keeps_any() {
    let dir = TempDir::new().unwrap();
    let daemon = Setup::new(Program::Serve, dir.path()).with(["--workers=3"]).start();
    daemon.client().ask(&mail("x.example"));
    let threads: Vec<_> = fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap().collect();
    assert!(threads.len() > 5, "{} threads", threads.len());
    for thread in threads {
        let text = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        for line in ["NoNewPrivs:\t1\n", "Seccomp:\t2\n", "CapEff:\t0000000000000000\n"] {
            assert!(text.contains(line), "{line:?} is missing in {text}");
        }
    }
}

/// Started by the user itself it has no other user to become, which would do the same.
#[test]
fn its_memory_is_not_its_users_to_read() {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    // Where a user may start it who must not enter the directory of the build.
    let program = dir.path().join("irongrey");
    fs::copy(env!("CARGO_BIN_EXE_irongrey"), &program).unwrap();
    let mut command = Command::new(if is_root() { "setpriv" } else { "env" });
    if is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.arg(program).args(["serve", "--seccomp", "--inet=127.0.0.1:0", "--max-state=64M"]);
    command.arg(format!("--state={}", dir.path().join("state").display()));
    let mut process = Guarded::spawn(command.stdin(Stdio::null()).stderr(Stdio::piped()));
    let journal = Journal::default();
    journal.follow(process.child().stderr.take().unwrap());
    journal.wait_for(" serves on ");
    let owner = |name: &str| fs::metadata(format!("/proc/{}/{name}", process.pid())).unwrap().uid();
    assert_eq!((owner("mem"), owner("environ")), (0, 0));
}

#[test]
fn a_list_is_read_in_its_directory_and_nowhere_else() {
    let dir = TempDir::new().unwrap();
    for name in ["lists", "elsewhere"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    let (list, elsewhere) = (dir.path().join("lists/clients"), dir.path().join("elsewhere/clients"));
    fs::write(&list, "old.example\n").unwrap();
    fs::write(&elsewhere, "new.example\n").unwrap();
    let setup = Setup::new(Program::Serve, dir.path()).with([format!("--whitelist-clients={}", list.display())]);
    let daemon = setup.start();
    let mut client = daemon.client();
    assert_eq!(client.ask(&mail("old.example")), "action=DUNNO");
    if daemon.journal().lines().iter().any(|line| line.contains("no Landlock")) {
        return skipped_anywhere("confined::a_list_is_read_in_its_directory", "this kernel has no Landlock");
    }

    // Another file in the same directory takes its name, as editors do it.
    fs::write(dir.path().join("lists/next"), "next.example\n").unwrap();
    fs::rename(dir.path().join("lists/next"), &list).unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.journal().wait_for("whitelists reloaded");
    assert_eq!(client.ask(&mail("next.example")), "action=DUNNO");

    fs::remove_file(&list).unwrap();
    symlink(&elsewhere, &list).unwrap();
    daemon.signal(Signal::SIGHUP);
    let line = daemon.journal().wait_for("not reloaded, everything stays as it was");
    assert!(line.contains(&list.display().to_string()) && line.contains("restart it to read one in another"), "{line}");
    assert_eq!(client.ask(&mail("next.example")), "action=DUNNO");

    // Which a start then reads.
    let daemon = daemon.kill_and_restart();
    assert_eq!(daemon.client().ask(&mail("new.example")), "action=DUNNO");
}

/// Root reads a list that the daemon's user will not be able to read.
#[test]
fn a_list_that_cannot_be_reloaded_is_said_at_start() {
    if !is_root() {
        return skipped("confined::a_list_that_cannot_be_reloaded", "only root can become another user");
    }
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let [open, closed] = [("open", 0o644), ("closed", 0o600)].map(|(name, mode)| {
        let path = dir.path().join(name);
        fs::write(&path, "old.example\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    });
    let lists = [&open, &closed].map(|path| format!("--whitelist-clients={}", path.display()));
    let daemon = Setup::new(Program::Serve, dir.path()).own_user().with(lists).start();
    let remedy = format!("{}: Permission denied (os error 13): make it readable", closed.display());
    for line in ["SIGHUP will not read everything again", "not reloaded, everything stays as it was"] {
        let line = daemon.journal().wait_for(line);
        assert!(line.contains(&remedy), "{line}");
        daemon.signal(Signal::SIGHUP);
    }
    assert!(!daemon.journal().lines().iter().any(|line| line.contains(&format!("{}: Perm", open.display()))));
    assert_eq!(daemon.client().ask(&mail("old.example")), "action=DUNNO");
}

#[test]
fn files_are_their_owners_alone() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("made");
    let setup = Setup::new(Program::Serve, dir.path()).state(state.clone());
    let mut daemon = setup.start();
    daemon.client().ask(&mail("x.example"));
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().unwrap().success());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&state), 0o700);
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        let expected = if path.ends_with("key") { 0o400 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
}

/// A link in the place of a file of the state is not followed, whatever it points at.
#[test]
fn links_are_not_followed() {
    for name in ["lock", "key"] {
        let dir = TempDir::new().unwrap();
        let setup = Setup::new(Program::Serve, dir.path());
        drop(setup.start());
        let (file, elsewhere) = (dir.path().join("serve-state").join(name), dir.path().join("elsewhere"));
        if file.exists() {
            fs::rename(&file, &elsewhere).unwrap();
        } else {
            fs::write(&elsewhere, "").unwrap();
        }
        let before = fs::read(&elsewhere).unwrap();
        symlink(&elsewhere, &file).unwrap();
        let (code, error) = setup.start_refused();
        assert_eq!(code, Some(1), "{name}: {error}");
        assert!(error.contains(&file.display().to_string()) && error.contains("symbolic link"), "{error}");
        assert_eq!(fs::read(&elsewhere).unwrap(), before);
    }
}

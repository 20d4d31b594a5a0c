//! The units of `docs/package`, as the installed systemd reads them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{call, skipped, tool};

const UNITS: [&str; 3] = ["irongrey.service", "irongrey.socket", "irongrey-postgrey.service"];
/// What `irongrey.service` may be exposed to at most, of 10.
const EXPOSURE: f64 = 1.5;

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/package")
}

/// `systemd-analyze` with these words: whether it was content, and all that it said.
fn analyze(test: &str, words: &[&str]) -> Option<(bool, String)> {
    let Some(program) = tool("systemd-analyze") else {
        skipped(test, "systemd-analyze is not installed");
        return None;
    };
    let output = Command::new(program).arg("--no-pager").args(words).stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// With the program where it is, and the manual that is not installed yet left out.
#[test]
fn systemd_understands_every_line() {
    let dir = TempDir::new().unwrap();
    let units = UNITS.map(|unit| {
        let text = std::fs::read_to_string(package().join(unit)).unwrap();
        let text = text.replace("/usr/bin/irongrey", env!("CARGO_BIN_EXE_irongrey"));
        let lines = text.lines().filter(|line| !line.starts_with("Documentation=")).collect::<Vec<_>>().join("\n");
        let path = dir.path().join(unit);
        std::fs::write(&path, lines).unwrap();
        path.into_os_string().into_string().unwrap()
    });
    let words = ["verify", &units[0], &units[1], &units[2]];
    let Some((content, said)) = analyze("systemd::systemd_understands_every_line", &words) else { return };
    let about_ours: Vec<_> = said.lines().filter(|line| line.contains("irongrey")).collect();
    assert!(about_ours.is_empty(), "{about_ours:#?}");
    assert!(content, "{said}");
}

#[test]
fn the_configuration_that_is_installed_is_in_order() {
    let file = package().join("irongrey.toml").into_os_string().into_string().unwrap();
    let output = call(&["config", "check", "--config", &file]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_service_is_exposed_to_little() {
    let unit = package().join("irongrey.service").into_os_string().into_string().unwrap();
    let words = ["security", "--offline=true", &unit];
    let Some((_, said)) = analyze("systemd::the_service_is_exposed_to_little", &words) else { return };
    let level = said.split("Overall exposure level for irongrey.service: ").nth(1);
    let level = level.and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
    assert!(level.is_some_and(|level| level <= EXPOSURE), "{said}");
}

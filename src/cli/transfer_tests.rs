//! Command lines of imports and exports.

use std::path::PathBuf;

use super::tests::{host, postgrey};
use super::*;

fn import_or_export(line: &[&str]) -> Result<Command, String> {
    let words = std::iter::once("irongrey").chain(line.iter().copied()).map(OsString::from).collect();
    parse(words, &Environment::default()).map_err(|error| error.to_string())
}

#[test]
fn an_import_takes_postgreys_options() {
    let line = ["import", "postgrey", "db", "--delay=60", "--retry-window=4h", "--max-age=10", "--lookup-by-host"];
    let Ok(Command::Import(ImportCommand::Postgrey(args))) = import_or_export(&line) else { panic!("not an import") };
    let settings = args.settings(&host()).unwrap();
    assert_eq!(settings.source, PathBuf::from("/work/db"));
    assert_eq!(settings.state.dir, PathBuf::from("/home/me/.local/state/irongrey"));
    assert_eq!(
        settings.terms,
        postgrey(&["--inet=1", "--delay=60", "--retry-window=4h", "--max-age=10", "--lookup-by-host"]).unwrap().terms
    );
    let Err(error) = import_or_export(&["import", "postgrey", "db", "--ipv4cidr=33"]) else { panic!("not refused") };
    assert!(error.contains("--ipv4cidr"), "{error}");
}

#[test]
fn the_daemons_configuration_counts_where_no_option_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("irongrey.toml");
    std::fs::write(&file, "state = \"/srv/grey\"\nmax-age = 10\nipv4cidr = 32\nmax-state = \"1G\"\n").unwrap();
    let config = format!("--config={}", file.display());
    let line = ["import", "postgrey", "db", &config, "--max-age=20"];
    let Ok(Command::Import(ImportCommand::Postgrey(args))) = import_or_export(&line) else { panic!("not an import") };
    let settings = args.settings(&host()).unwrap();
    assert_eq!((settings.state.dir, settings.state.max_size), (PathBuf::from("/srv/grey"), 1 << 30));
    assert_eq!((settings.terms.max_age, settings.terms.networks.ipv4_prefix), (20 * 86_400, 32));
    let Ok(Command::Export(args)) = import_or_export(&["export", &config, "--state=/s"]) else { panic!("no export") };
    assert_eq!(args.settings(&host()).unwrap().state, PathBuf::from("/s"));
}

#[test]
fn an_export_goes_where_it_is_told() {
    let Ok(Command::Export(args)) = import_or_export(&["export", "--state=/s", "-o", "file"]) else {
        panic!("no export")
    };
    let settings = args.settings(&host()).unwrap();
    assert_eq!((settings.state, settings.output), (PathBuf::from("/s"), Some(PathBuf::from("/work/file"))));
    let Ok(Command::Import(ImportCommand::File(args))) = import_or_export(&["import", "file", "f", "--max-state=1G"])
    else {
        panic!("not an import")
    };
    assert_eq!(args.settings(&host()).unwrap().state.max_size, 1 << 30);
}

//! `pages DIR` writes the man pages and the shell completions into `DIR/man` and `DIR/completions`.
//!
//! Both are made of the definition by which the program reads its command line, so they cannot differ from it, and none of them
//! is kept. A program of its own: the daemon does not carry what makes them.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// The section for system administration.
const SECTION: &str = "8";

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1) else {
        eprintln!("usage: pages DIR");
        return ExitCode::from(2);
    };
    match write_all(Path::new(&dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pages: {}: {error}", dir.display());
            ExitCode::FAILURE
        }
    }
}

fn write_all(dir: &Path) -> io::Result<()> {
    let (man, completions) = (dir.join("man"), dir.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    let mut command = irongrey::cli::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "irongrey", &completions)?;
    }
    write_pages("irongrey", &command, &man)
}

/// The page of a command, and those of the commands below it, each named by all the words that call it.
fn write_pages(name: &str, command: &Command, dir: &Path) -> io::Result<()> {
    let below: Vec<_> = command.get_subcommands().filter(|below| !below.is_hide_set()).cloned().collect();
    for command in below {
        write_pages(&format!("{name}-{}", command.get_name()), &command, dir)?;
    }
    let command = command.clone().display_name(name).bin_name(name.replace('-', " "));
    let source = format!("irongrey {}", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command).section(SECTION).source(source).manual("System Administration");
    page.generate_to(dir).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_every_shell_its_completions() {
        let dir = tempfile::tempdir().unwrap();
        write_all(dir.path()).unwrap();
        for (page, words) in [
            ("irongrey.8", "irongrey\\-serve(8)"),
            ("irongrey-serve.8", "\\-\\-max\\-state"),
            ("irongrey-postgrey.8", "\\-\\-greylist\\-text"),
            ("irongrey-state-check.8", "irongrey state check"),
        ] {
            let text = fs::read_to_string(dir.path().join("man").join(page)).unwrap();
            assert!(text.contains(words), "{page} has no {words}: {text}");
        }
        for file in ["irongrey.bash", "_irongrey", "irongrey.fish"] {
            let text = fs::read_to_string(dir.path().join("completions").join(file)).unwrap();
            assert!(text.contains("max-state"), "{file}");
        }
    }
}

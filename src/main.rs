//! The `irongrey` program: words to settings, settings to a running daemon, errors to exit codes.
//!
//! Exit codes: 0 stopped as asked, 1 failed at run time, 2 usage or configuration, 71 the disk failed under a mapping,
//! 75 the state directory is in use.

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use irongrey::cli::{self, Command, Environment, StateCommand};
use irongrey::clock::UnixSecs;
use irongrey::config::Host;
use irongrey::{process, store};

fn main() -> ExitCode {
    let command = match cli::parse(env::args_os().collect(), &Environment::read()) {
        Ok(command) => command,
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let host = Host::read();
    let settings = match command {
        Command::Serve(arguments) => arguments.settings(&host),
        Command::Postgrey(arguments) => arguments.settings(&host),
        Command::State(StateCommand::Check { directory }) => return check(&directory, &host),
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return fail(&error, 2),
    };
    process::run(&settings).unwrap_or_else(|error| fail(&error, error.exit_code()))
}

fn check(directory: &Path, host: &Host) -> ExitCode {
    match store::Report::read(directory, host.default_workers(), UnixSecs::now()) {
        Ok(report) => match write!(io::stdout(), "{report}") {
            Ok(()) => ExitCode::from(report.exit_code()),
            Err(error) => fail(&error, 1),
        },
        Err(error) => fail(&error, 1),
    }
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    // In one write, so that no line of the log's thread comes in between. Nobody is left to tell when that fails.
    let _ = io::stderr().write_all(format!("irongrey: {error}\n").as_bytes());
    ExitCode::from(code)
}

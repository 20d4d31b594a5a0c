//! The `irongrey` program: words to settings, settings to a running daemon, errors to exit codes.
//!
//! Exit codes: 0 stopped as asked, 1 failed at run time, 2 usage or configuration, 71 the disk failed under a mapping,
//! 75 the state directory is in use.

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use irongrey::cli::{self, Command, ConfigCommand, Environment, ImportCommand, StateCommand};
use irongrey::clock::UnixSecs;
use irongrey::config::serve::ServeArgs;
use irongrey::config::shadow::ShadowArgs;
use irongrey::config::transfer::{ExportArgs, ImportSettings};
use irongrey::config::{self, Asked, ConfigError, Host};
use irongrey::process::RunError;
use irongrey::transfer::{self, Summary, TransferError};
use irongrey::worker::Inherited;
use irongrey::{admin, process, shadow, store};

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
    match command {
        Command::Serve(arguments) => run(&Asked::Serve(arguments), host),
        Command::Postgrey(arguments) => run(&Asked::Postgrey(arguments), host),
        Command::Shadow(arguments) => run_shadow(&arguments, &host),
        Command::Tool(tool) => {
            admin::run(&tool, &host).map_or_else(|error| fail(&error, error.exit_code()), |()| ExitCode::SUCCESS)
        }
        Command::State(StateCommand::Check { directory }) => check(&directory, &host),
        Command::Import(ImportCommand::Postgrey(arguments)) => {
            import(arguments.settings(&host), transfer::import_postgrey)
        }
        Command::Import(ImportCommand::File(arguments)) => import(arguments.settings(&host), transfer::import_file),
        Command::Export(arguments) => export(&arguments, &host),
        Command::Config(command) => configuration(command, &host),
    }
}

fn run(asked: &Asked, host: Host) -> ExitCode {
    let inherited = match Inherited::receive() {
        Ok(inherited) => inherited,
        Err(error) => return fail(&error, 2),
    };
    let host = Host { handed_over: inherited.addresses(), ..host };
    process::run(asked, &host, inherited).unwrap_or_else(|error| fail(&error, error.exit_code()))
}

fn run_shadow(arguments: &ShadowArgs, host: &Host) -> ExitCode {
    match arguments.settings(host) {
        Ok(settings) => {
            shadow::run(&settings).map_or_else(|error| fail(&error, error.exit_code()), |()| ExitCode::SUCCESS)
        }
        Err(error) => fail(&error, 2),
    }
}

fn configuration(command: ConfigCommand, host: &Host) -> ExitCode {
    let text = match command {
        ConfigCommand::Check(arguments) => check_configuration(arguments, host),
        ConfigCommand::Show(arguments) => {
            Asked::Serve(arguments).read(host).map(|configured| configured.to_string()).map_err(RunError::from)
        }
        ConfigCommand::Example => Ok(config::example()),
    };
    match text {
        Ok(text) => print(&text, ExitCode::SUCCESS),
        Err(error) => fail(&error, error.exit_code()),
    }
}

/// All that a start looks at before it asks the system for anything.
fn check_configuration(arguments: Box<ServeArgs>, host: &Host) -> Result<String, RunError> {
    let configured = Asked::Serve(arguments).read(host)?;
    let text = configured.check()?;
    process::check_names(&configured.settings)?;
    Ok(text)
}

fn check(directory: &Path, host: &Host) -> ExitCode {
    match store::Report::read(directory, host.default_workers(), UnixSecs::now()) {
        Ok(report) => print(&report.to_string(), ExitCode::from(report.exit_code())),
        Err(error) => fail(&error, 1),
    }
}

fn print(text: &str, code: ExitCode) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(error) => fail(&error, 1),
    }
}

type Import = fn(&ImportSettings) -> Result<Summary, TransferError>;

fn import(settings: Result<ImportSettings, ConfigError>, import: Import) -> ExitCode {
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return fail(&error, 2),
    };
    match import(&settings) {
        Ok(summary) => {
            warn(summary.warnings());
            print(&summary.to_string(), ExitCode::SUCCESS)
        }
        Err(error) => fail(&error, error.exit_code()),
    }
}

fn export(arguments: &ExportArgs, host: &Host) -> ExitCode {
    let settings = match arguments.settings(host) {
        Ok(settings) => settings,
        Err(error) => return fail(&error, 2),
    };
    match transfer::export(&settings) {
        Ok((records, damaged)) => {
            warn(&damaged);
            // Standard output may be the export.
            let _ = writeln!(io::stderr(), "irongrey: {records} records exported");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, error.exit_code()),
    }
}

fn warn(warnings: &[String]) {
    for text in warnings {
        let _ = writeln!(io::stderr(), "irongrey: warning: {text}");
    }
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    // In one write, so that no line of the log's thread comes in between. Nobody is left to tell when that fails.
    let _ = io::stderr().write_all(format!("irongrey: {error}\n").as_bytes());
    ExitCode::from(code)
}

//! A tool's way: find the daemon's socket as the daemon does, ask, and print what came.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::message::{Answer, Ask};
use super::{AskError, ask, text, top};
use crate::cli::tools::{AskOptions, Tool};
use crate::config::{Asked, ConfigError, Host};

/// Why a tool failed.
#[derive(Debug, Error)]
pub enum ToolError {
    /// The daemon was not asked, or did not do it.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Where its socket is cannot be found out.
    #[error("{0}; or name the daemon's socket with --control")]
    Config(#[from] ConfigError),
    /// The answer cannot be shown.
    #[error("cannot write the answer: {0}")]
    Write(#[from] io::Error),
    /// The terminal cannot be used.
    #[error("cannot use the terminal: {0}; `irongrey stats` shows the figures once, --json writes them line by line")]
    Terminal(#[source] io::Error),
}

impl ToolError {
    /// The process's exit code: 2 if the question is at fault.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Ask(AskError::Refused(_)) => 2,
            Self::Ask(_) | Self::Write(_) | Self::Terminal(_) => 1,
        }
    }
}

/// Runs a tool. A reader of its output that has seen enough is no error.
pub fn run(tool: &Tool, host: &Host) -> Result<(), ToolError> {
    match run_on(tool, host) {
        Err(ToolError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn run_on(tool: &Tool, host: &Host) -> Result<(), ToolError> {
    let options = tool.options();
    let path = socket(options, host)?;
    match tool {
        Tool::Top(arguments) => top::run(path, arguments.interval, options.json),
        _ => show(&ask(&path, &tool.ask())?, options.json),
    }
}

/// Asks for the figures and shows them once.
pub(super) fn show_stats(path: &Path) -> Result<(), ToolError> {
    show(&ask(path, &Ask::Stats)?, false)
}

fn show(answer: &Answer, as_json: bool) -> Result<(), ToolError> {
    print(&if as_json { text::json(answer).map_err(io::Error::from)? } else { text::answer(answer) })
}

/// Writes to standard output.
pub(super) fn print(text: &str) -> Result<(), ToolError> {
    let mut out = io::stdout().lock();
    Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush())?)
}

/// Where the daemon has its socket.
fn socket(options: &AskOptions, host: &Host) -> Result<PathBuf, ConfigError> {
    if let Some(path) = &options.control {
        return Ok(path.clone());
    }
    let daemon = Asked::of_daemon(options.config.as_deref(), options.state.as_deref())?;
    Ok(daemon.read(host)?.settings.control.path)
}

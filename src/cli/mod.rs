//! The command line: words to [`Command`]. No I/O; what the options mean to the daemon is `config`'s.
//!
//! postgrey's own command line is taken after the word `postgrey` and when the program is called by that name. It is
//! read as postgrey reads it: long options also with one dash (`-delay 60`), nothing behind the first word that is no
//! option, and the words of `POSTGREY_OPTS` before those of the command line.

pub mod tools;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::postgrey::PostgreyArgs;
use crate::config::serve::ServeArgs;
use crate::config::shadow::ShadowArgs;
use crate::config::transfer::{ExportArgs, ImportFileArgs, ImportPostgreyArgs};
use tools::Tool;

/// irongrey: greylisting for Postfix.
#[derive(Debug, Parser)]
#[command(name = "irongrey", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const SHADOW_SERVERS: &str =
    "SERVER and SOCKET are inet:[HOST:]PORT or unix:PATH, as in Postfix's check_policy_service.";

const SHADOW_HELP: &str = "\
SERVER and SOCKET are inet:[HOST:]PORT or unix:PATH, as in Postfix's check_policy_service.

Both servers get each request and learn from it. Postfix gets the answer of the one that --answer names; the other's if there \
is none by the deadline, or none to be had; DUNNO if neither has one. A server that cannot be reached is tried again after \
pauses of up to 2 s, and one that has missed three deadlines in a row is not waited for while the other has an answer.

Each difference is a line in the log, with both answers:
  old_defers    the old server defers what the new one lets pass
  new_defers    the new server defers what the old one lets pass
  other_action  two other actions
  other_text    one action, two texts
  old_silent, new_silent, both_silent  no answer: why stands in its place
The reason of an answer stands in the log of the server that gave it.

The same are answers with the same action word and the same text. Numbers of a text that stand by themselves, as its seconds \
do, may differ by 2. Two PREPENDs are the same whatever the header.

SIGUSR1 writes a summary into the log, as every ten minutes do, and the end (SIGTERM, SIGINT): requests, how many were \
answered the same, each kind of difference, and the median and 99th percentile of each server's time. SIGHUP changes nothing.

Give both servers the same options: irongrey postgrey ... takes postgrey's. At first new_defers are those senders whom only \
the old server knows; the new one lets them pass from their next message after the delay on.";

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon
    Serve(Box<ServeArgs>),
    /// Run the daemon with postgrey's own options
    #[command(version, display_name = "irongrey")]
    Postgrey(Box<PostgreyArgs>),
    /// Ask two servers, answer with one's answer, and log where the other would have answered otherwise
    #[command(after_help = SHADOW_SERVERS, after_long_help = SHADOW_HELP)]
    Shadow(Box<ShadowArgs>),
    /// Ask the running daemon
    #[command(flatten)]
    Tool(Tool),
    /// Look at the state on the disk
    #[command(subcommand)]
    State(StateCommand),
    /// Take over what another greylist knows, or another irongrey with the same key; no daemon may use the state
    #[command(subcommand)]
    Import(ImportCommand),
    /// Write down what the state knows, for `irongrey import file`; changes nothing, and may run beside the daemon
    #[command(after_help = "The file holds neither addresses nor the key, only what the key makes of addresses.")]
    Export(Box<ExportArgs>),
    /// Look at the configuration; takes the options of `serve`
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// What is to be done with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say what is wrong in it, with file and line: what a start or a reload would refuse
    Check(Box<ServeArgs>),
    /// Show every setting as it would be, and where it is from
    Show(Box<ServeArgs>),
    /// Show a commented example with every key
    Example,
}

/// What is taken over.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Read postgrey's databases with `db_dump`; postgrey may run, and its files are not changed
    #[command(after_help = IMPORT_CODES)]
    Postgrey(Box<ImportPostgreyArgs>),
    /// Read what `irongrey export` has written; the state must have the key of that one
    #[command(after_help = IMPORT_CODES)]
    File(Box<ImportFileArgs>),
}

const IMPORT_CODES: &str = "All is read before anything is written, and what the state knows already is not written again, so \
that a command may be repeated.\n\nExit codes: 0 taken over; 1 something cannot be read or written; 2 it is not what it should \
be; 75 a daemon has the state";

/// What is to be done with a state directory.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Report segments, records and damage, and what a start would do; changes nothing, and may run beside the daemon
    #[command(
        after_help = "Exit codes: 0 in order; 1 damaged, or the system refuses what a start needs; 2 the key or the format does"
    )]
    Check {
        /// The state directory
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

/// What postgrey's service files leave in the environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `POSTGREY_OPTS`: options, separated by blanks outside quotes.
    pub postgrey_opts: Option<String>,
    /// `POSTGREY_TEXT`: the value of `--greylist-text`, blanks and all.
    pub postgrey_text: Option<String>,
}

impl Environment {
    /// The variables of this process.
    pub fn read() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self { postgrey_opts: variable("POSTGREY_OPTS"), postgrey_text: variable("POSTGREY_TEXT") }
    }
}

/// Reads the words that the program was started with, its own name first. The error is clap's: it may also be the help
/// or the version that was asked for, and knows how to print itself and its exit code.
pub fn parse(words: Vec<OsString>, environment: &Environment) -> Result<Command, clap::Error> {
    let mut words = words.into_iter().peekable();
    let program = words.next().unwrap_or_default();
    let called_postgrey = Path::new(&program).file_name().is_some_and(|name| name == "postgrey");
    if called_postgrey || words.next_if(|word| word == "postgrey").is_some() {
        let start = ["irongrey", "postgrey"].map(OsString::from).into_iter();
        return Ok(Cli::try_parse_from(start.chain(postgrey_words(words, environment)))?.command);
    }
    let words: Vec<OsString> = words.collect();
    let mut command =
        Cli::try_parse_from(std::iter::once(OsString::from("irongrey")).chain(words.iter().cloned()))?.command;
    // What follows the names of the commands.
    match &mut command {
        Command::Serve(arguments) => arguments.words = words[1..].to_vec(),
        Command::Config(ConfigCommand::Check(arguments) | ConfigCommand::Show(arguments)) => {
            arguments.words = words[2..].to_vec();
        }
        _ => {}
    }
    Ok(command)
}

/// The definition of the whole command line, of which man pages and completions are made.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The command line that postgrey's options are read from.
fn postgrey_words(words: impl Iterator<Item = OsString>, environment: &Environment) -> Vec<OsString> {
    let command = PostgreyArgs::augment_args(Cli::command());
    let mut long_names = vec!["help", "version"];
    for argument in command.get_arguments() {
        long_names.extend(argument.get_long());
        long_names.extend(argument.get_all_aliases().into_iter().flatten());
    }
    let options = environment.postgrey_opts.iter().flat_map(|options| split(options));
    let text = environment.postgrey_text.iter().map(|text| format!("--greylist-text={text}"));
    let from_environment = options.chain(text).map(OsString::from);
    from_environment.chain(words).map(|word| two_dashes(word, &long_names)).collect()
}

/// Words as a service manager splits them: quotes hold blanks together, and nothing is a comment.
fn split(options: &str) -> Vec<String> {
    let plain = || options.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    if plain().iter().any(|word| word.starts_with('#')) {
        return plain();
    }
    shlex::split(options).unwrap_or_else(plain)
}

/// `-delay` as `--delay`; any other word unchanged.
fn two_dashes(word: OsString, long_names: &[&str]) -> OsString {
    match word.to_str().and_then(|text| text.strip_prefix('-')) {
        Some(name) if long_names.contains(&name) => OsString::from(format!("--{name}")),
        _ => word,
    }
}

#[cfg(test)]
mod socket_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transfer_tests;

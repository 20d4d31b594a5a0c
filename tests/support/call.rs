//! The program called with words of its own.

use std::process::{Command, Output, Stdio};

/// `irongrey` with these words, and nothing of the environment.
pub(crate) fn irongrey(words: &[&str]) -> Command {
    program(env!("CARGO_BIN_EXE_irongrey"), words)
}

/// A call that ends by itself, within a minute.
pub(crate) fn call(words: &[&str]) -> Output {
    let words = [&["-k1", "60", env!("CARGO_BIN_EXE_irongrey")], words].concat();
    program("timeout", &words).output().unwrap()
}

fn program(name: &str, words: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(words).stdin(Stdio::null()).env_remove("POSTGREY_OPTS").env_remove("POSTGREY_TEXT");
    command
}

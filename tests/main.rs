//! The tests on the real components, as one program: the daemon is a child process, spoken to as Postfix speaks to it,
//! beside a real Postfix, a real Exim and a real postgrey.
//!
//! Nothing here looks into the crate. A test whose tool is missing says so on the terminal and passes, unless `CI=true`
//! stands in the environment: then it fails. Seeds are printed on failure and can be given as `IRONGREY_SEED`.

// A test that meets an unexpected error has nothing better to do than to stop with it.
#![allow(clippy::unwrap_used)]

mod support;

mod backup;
mod bad_input;
mod cli;
mod clock;
mod configuration;
mod confined;
mod differences;
mod disk;
mod exim;
mod hostile;
mod operations;
mod parity;
mod postfix;
mod protocol;
mod quirks;
mod restart;
mod rules;
mod shadow;
mod systemd;
mod takeover;
mod tools;

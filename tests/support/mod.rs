//! What the tests share: programs started and ended ([`Daemon`], [`Postfix`], [`Exim`]), and clients that speak to them
//! ([`Client`], [`Smtp`]).
//!
//! Every child process dies with its test: it is killed when its owner is dropped, and by its guard when the whole test
//! program is.

mod call;
mod client;
mod daemon;
mod document;
mod exim;
mod guard;
mod journal;
mod pair;
mod postfix;
mod request;
mod rng;
mod skip;
mod smtp;
mod time;

pub(crate) use call::{call, irongrey};
pub(crate) use client::{Address, Client, Stream};
pub(crate) use daemon::{Daemon, Program, Setup, free_port, own_names};
pub(crate) use document::{alerts, blocks};
pub(crate) use exim::Exim;
pub(crate) use guard::Guarded;
pub(crate) use journal::Journal;
pub(crate) use pair::Pair;
pub(crate) use postfix::{Chroot, Postfix};
pub(crate) use request::Request;
pub(crate) use rng::Rng;
pub(crate) use skip::{is_root, skipped, skipped_anywhere, tool};
pub(crate) use smtp::Smtp;
pub(crate) use time::unix_now;

//! The workers on real sockets, each case with one worker and with four where that can make a difference.

mod binding;
mod framing;
mod holding;
mod limits;
mod patience;
mod rules;
mod stopping;
mod support;

//! The lock-free code under loom: each model runs its threads in every order, and with every stale value, that the memory
//! model allows. The code is the daemon's own, included by path; only its atomics are loom's and its segments tiny.
//!
//! For each model there is a build in which what it depends on is weakened (`WEAK=weak_NAME`): there it has to fail, or it
//! would show nothing. `tests/models/run` sees to both.
#![cfg(test)]
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

#[path = "../../../src/atomics.rs"]
mod atomics;
#[path = "../../../src/clock.rs"]
mod clock;
#[path = "../../../src/store/commits.rs"]
mod commits;
#[path = "../../../src/table/mod.rs"]
mod table;

mod commit;
mod insert;
mod memory;
mod rings;

//! irongrey: a greylisting policy daemon for Postfix.

mod atomics;
pub mod cli;
pub mod clock;
pub mod config;
pub mod grey;
pub mod logs;
pub mod metrics;
pub mod policy;
pub mod store;
pub mod table;
pub mod worker;

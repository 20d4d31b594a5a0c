//! `greyload`, the load generator for greylisting policy servers.

fn main() {}

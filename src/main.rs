//! The `irongrey` program.

fn main() {}

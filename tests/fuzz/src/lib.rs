//! What is fuzzed, as functions that take any bytes and panic when something does not hold.
//!
//! | target | states |
//! |---|---|
//! | [`parser`] | a stream gives the same requests, and the same error, however it is split into pieces |
//! | [`segment`] | a damaged segment file costs at most what stood in it, and nothing is found that stands nowhere |
//! | [`operations`] | whatever workers, upkeep, clock and the ends of processes do, the store says what a model says |
//!
//! Each runs under libFuzzer (`tests/fuzz/run`), and as a bounded test on its seeds, its regression cases and so many
//! mutations of both (`cargo test --package fuzz`). `README.md` here says how a case that was found is kept.

mod image;
mod operations;
mod parser;
mod segment;
mod state;

use arbitrary::{Arbitrary, Unstructured};

pub use operations::operations;
pub use parser::parser;
pub use segment::segment;

/// As many values as the bytes make, `most` at most.
fn all<'a, T: Arbitrary<'a>>(data: &mut Unstructured<'a>, most: usize) -> Vec<T> {
    let mut values = Vec::new();
    while !data.is_empty() && values.len() < most {
        values.extend(data.arbitrary());
    }
    values
}

/// A decoded case, which is told if it fails.
struct Told<T: std::fmt::Debug>(T);

impl<T: std::fmt::Debug> Drop for Told<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}", self.0);
        }
    }
}

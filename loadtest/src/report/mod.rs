//! What a person sees of a measurement.
//!
//! `drive` is for a single run, `comparison` for servers side by side, `tables` holds the table itself and the two that
//! `fill` and `restart` print. Nothing here measures.

mod comparison;
mod drive;
mod tables;

pub(crate) use comparison::comparison;
pub(crate) use drive::print_drive;
pub(crate) use tables::{ratio, restarts, segments};

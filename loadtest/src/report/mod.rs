//! What a person sees of a measurement. Nothing here measures.
//!
//! `progress` shows a run on its way. `sheet` is a run that has ended: its `figures` and the `machine` it was made on,
//! printed as a table, and written as a `page` (with `plots`, each a `plot` with two `axis`), as `json`, and as the raw
//! `histogram`. `comparison` is for servers `side_by_side`, which writes it with its `bars`; `tables` holds the plain table
//! and the two that `fill` and `restart` print; `units` says how a figure is written.

mod axis;
mod bars;
mod comparison;
mod figures;
mod histogram;
mod json;
mod machine;
mod page;
mod plot;
mod plots;
mod progress;
mod sheet;
mod side_by_side;
mod tables;
mod units;

pub(crate) use comparison::Comparison;
pub(crate) use progress::Meter;
pub(crate) use sheet::{Destination, Sheet};
pub(crate) use side_by_side::write_comparisons;
pub(crate) use tables::{memory, print, ratio, restarts, segments};
pub(crate) use units::harmless;

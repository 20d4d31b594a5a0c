//! What a state is given from elsewhere, and what it gives: the take-over from postgrey, and irongrey's own portable form.
//!
//! | file | what |
//! |---|---|
//! | `run.rs` | the three commands, from settings to a summary |
//! | `dump.rs` | postgrey's databases, through `db_dump` |
//! | `postgrey.rs`, `keys.rs` | postgrey's entries to records |
//! | `portable.rs` | the portable form, written and read |
//! | `take.rs` | records into the state |
//! | `summary.rs`, `progress.rs` | what is said afterwards, and meanwhile |
//!
//! An import reads and checks all of its source before it changes anything. Then room for all that is new is made, and only then
//! is appended. What the state knows already is not appended again, so each import may be repeated.

mod dump;
mod error;
mod keys;
mod portable;
mod postgrey;
mod progress;
mod run;
mod summary;
mod take;

pub use dump::SourceError;
pub use error::TransferError;
pub use portable::PortableError;
pub use run::{export, import_file, import_postgrey};
pub use summary::Summary;

//! The decision: whitelists, then rules, then the client auto-whitelist, then the triplet. Pure: no I/O and no clock of its
//! own.
//!
//! Order and bounds are postgrey's; `docs/ARCHITECTURE.md` lists where irongrey differs on purpose.

mod decide;
mod instances;
pub mod key;
mod lookup;
mod releases;
pub mod rules;
mod sender;
mod state;
mod terms;
pub mod whitelist;

pub use decide::{Decision, Policy, Reason, decide};
pub use instances::Instances;
pub use key::{client_tag, triplet_tag};
pub use lookup::EntryMistake;
pub use releases::{Releases, ReleasesBuilder};
pub use sender::push_sender;
pub use state::{Change, Client, Full, State, Triplet};
pub use terms::{Networks, OnFull, Terms};

//! Tools that ask a running daemon, and what both say to each other.
//!
//! | file | what |
//! |---|---|
//! | `message.rs` | questions and answers, as they go over the control socket |
//! | `client.rs` | asking |
//! | `run.rs` | a tool, from its command line to its exit code |
//! | `text.rs`, `figures.rs`, `times.rs` | answers, figures and times in words |
//! | `top/` | the figures live |
//!
//! Nothing here opens the state: whatever is looked up or changed, the daemon does.

mod client;
mod figures;
pub mod message;
mod run;
mod text;
mod times;
mod top;

pub use client::{AskError, ask};
pub use run::{ToolError, run};
pub(crate) use times::timestamp;

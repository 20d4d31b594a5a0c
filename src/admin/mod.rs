//! Tools that ask a running daemon, and what both say to each other.
//!
//! | file | what |
//! |---|---|
//! | `message.rs` | questions and answers, as they go over the control socket |
//! | `client.rs` | asking |

mod client;
pub mod message;

pub use client::{AskError, ask};

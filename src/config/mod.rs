//! What the administrator asked for: [`Settings`] are validated, complete, and the same for every command.

mod settings;

pub use settings::*;

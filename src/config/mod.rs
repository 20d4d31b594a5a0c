//! What the administrator asked for: [`Settings`] are validated, complete, and the same for every command.

mod facility;
mod settings;

pub use facility::{Facility, UnknownFacility};
pub use settings::*;

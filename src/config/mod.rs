//! What the administrator asked for: [`Settings`] are validated, complete, and the same for every command.
//!
//! [`serve`] and [`postgrey`] hold what may be written on the two command lines and turn it into settings; [`Host`] is
//! what the machine contributes to that. Only [`lists`] opens files.

mod check;
mod facility;
mod host;
mod listen;
pub mod lists;
mod places;
pub mod postgrey;
mod read;
pub mod serve;
mod settings;
pub mod units;

pub use check::ConfigError;
pub use facility::{Facility, UnknownFacility};
pub use host::Host;
pub use listen::{Inet, InetError};
pub use read::ReadError;
pub use settings::*;

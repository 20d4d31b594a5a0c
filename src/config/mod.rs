//! What the administrator asked for: [`Settings`] are validated, complete, and the same for every command.
//!
//! [`serve`] and [`postgrey`] hold what may be written on the two command lines of the daemon and turn it into settings,
//! [`shadow`] does it for the shadow; [`Host`] is what the machine contributes to that. Only [`lists`] opens files.

mod asked;
mod check;
mod endpoint;
mod example;
mod facility;
mod file;
mod host;
mod listen;
pub mod lists;
mod places;
pub mod postgrey;
mod read;
pub mod rule;
pub mod rules;
pub mod serve;
mod settings;
pub mod shadow;
mod shown;
mod switch;
pub mod transfer;
pub mod units;

pub use asked::{Asked, Configured};
pub use check::ConfigError;
pub use endpoint::{Endpoint, EndpointError, Upstream};
pub use example::example;
pub use facility::{Facility, UnknownFacility};
pub use file::{DEFAULT_FILE, FileError, Mistake};
pub use host::Host;
pub use listen::{Inet, InetError};
pub use read::{ReadError, check_readable};
pub use settings::*;
pub use shadow::{ShadowSettings, Side};
pub use shown::{Origin, Shown};

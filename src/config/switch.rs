//! [`Switch`]: an option that is on or off, and can be switched off again: `--quiet=false` on a command line wins over
//! `quiet = true` in the configuration file.

use clap::{Arg, ArgAction};

/// Makes switches of arguments: `#[arg(long, switch = OFF)]`.
pub(super) trait Switch {
    /// A switch with that value when it is not named; without a value it is on.
    fn switch(self, default: &'static str) -> Self;
}

/// The value of a switch that nobody has touched.
pub(super) const OFF: &str = "false";
/// The same for what has to be switched off.
pub(super) const ON: &str = "true";

impl Switch for Arg {
    fn switch(self, default: &'static str) -> Self {
        self.action(ArgAction::Set)
            .value_parser(clap::value_parser!(bool))
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value(ON)
            .default_value(default)
            .value_name("true|false")
            .hide_default_value(default == OFF)
            .hide_possible_values(true)
    }
}

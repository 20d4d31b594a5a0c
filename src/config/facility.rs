//! Syslog's facilities by name: the value of `--syslog-facility`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A syslog facility, by its number in RFC 3164.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

/// The name of no facility.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("'{0}' is no syslog facility; give one of {list}", list = names())]
pub struct UnknownFacility(String);

/// Names and numbers; of several names of one number the first is shown.
const FACILITIES: [(&str, u8); 21] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("security", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

impl Facility {
    /// `mail`, postgrey's default.
    pub const MAIL: Self = Self(2);

    /// The number that stands before a syslog message, for a severity from 0 (emergency) to 7 (debug).
    pub fn priority(self, severity: u8) -> u8 {
        debug_assert!(severity < 8);
        self.0 * 8 + severity
    }
}

impl FromStr for Facility {
    type Err = UnknownFacility;

    fn from_str(name: &str) -> Result<Self, UnknownFacility> {
        let known = FACILITIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map(|(_, number)| Self(*number)).ok_or_else(|| UnknownFacility(name.to_owned()))
    }
}

impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FACILITIES.iter().find(|(_, number)| *number == self.0).map_or("unknown", |(name, _)| name);
        f.write_str(name)
    }
}

fn names() -> String {
    FACILITIES.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_their_numbers() {
        for (name, priority) in
            [("mail", 22), ("MAIL", 22), ("user", 14), ("daemon", 30), ("local0", 134), ("local7", 190)]
        {
            assert_eq!(name.parse::<Facility>().map(|facility| facility.priority(6)), Ok(priority), "{name}");
        }
        assert_eq!(Facility::MAIL.to_string(), "mail");
        assert_eq!("mail".parse(), Ok(Facility::MAIL));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_list_of_names() {
        let error = "local8".parse::<Facility>().unwrap_err().to_string();
        assert!(error.starts_with("'local8' is no syslog facility; give one of kern, user, mail, "), "{error}");
        assert!(error.ends_with("local7"), "{error}");
        assert!("".parse::<Facility>().is_err());
    }
}

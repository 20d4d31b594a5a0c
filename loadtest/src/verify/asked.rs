//! [`Asked`]: a request as it counts for greylisting, read from its bytes.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use anyhow::{Context, Result};
use regex::Regex;

/// BATV: `prvs=TAG=user`.
static BATV: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^prvs=[0-9a-z]{10,}=([^=]+)$").ok());
/// A number that is a word of its own.
static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?-u)\b[0-9]+\b").ok());

/// A request as it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) time: u32,
    pub(super) address: IpAddr,
    /// Its /24, or its /64.
    pub(super) network: IpAddr,
    pub(super) sender: String,
    pub(super) recipient: String,
    /// The message, whose recipients share it.
    pub(super) instance: String,
}

impl Asked {
    pub(super) fn read(request: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(request).context("a request that is no UTF-8")?;
        let value = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            found.with_context(|| format!("a request without {name}"))
        };
        let address: IpAddr = value("client_address")?.parse().context("a request whose client_address is none")?;
        Ok(Self {
            time: value("policy_test_time").context("verify needs a workload with times")?.parse()?,
            address,
            network: network(address),
            sender: as_it_counts(&value("sender")?.to_ascii_lowercase()),
            recipient: value("recipient")?.to_ascii_lowercase(),
            instance: value("instance")?.to_owned(),
        })
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            [a, b, c, 0].into()
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::from([a, b, c, d, 0, 0, 0, 0]).into()
        }
    }
}

/// The sender without what changes from mail to mail: BATV's tag, what follows a `+`, numbers.
fn as_it_counts(sender: &str) -> String {
    let Some((local, domain)) = sender.split_once('@') else { return sender.to_owned() };
    let batv = BATV.as_ref().and_then(|batv| batv.captures(local)?.get(1));
    let local = batv.map_or(local, |user| user.as_str());
    let local = local.split_once('+').map_or(local, |(user, _)| user);
    let local = NUMBER.as_ref().map_or(local.into(), |number| number.replace_all(local, "#"));
    format!("{local}@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_count_without_what_changes() {
        for (sender, expected) in [
            ("", ""),
            ("alice@x.example", "alice@x.example"),
            ("alice+tag@x.example", "alice@x.example"),
            ("news-12-345-bob=y.test@x.example", "news-#-#-bob=y.test@x.example"),
            ("n12@x.example", "n12@x.example"),
            ("prvs=1234567890=alice@x.example", "alice@x.example"),
        ] {
            assert_eq!(as_it_counts(sender), expected);
        }
    }

    #[test]
    fn clients_count_by_their_network() {
        assert_eq!(network("192.0.2.77".parse().unwrap()), "192.0.2.0".parse::<IpAddr>().unwrap());
        assert_eq!(network("2001:db8:1:2:3:4:5:6".parse().unwrap()), "2001:db8:1:2::".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = Asked::read(b"request=smtpd_access_policy\nclient_address=10.0.0.1\n\n").unwrap_err();
        assert!(format!("{error:#}").contains("policy_test_time"), "{error:#}");
    }
}

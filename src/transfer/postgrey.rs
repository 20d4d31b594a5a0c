//! [`Entries`]: postgrey's entries to records. What has expired, is hashed or cannot be read is told and left out.
//!
//! The sender in a key has been through postgrey's substitutions already. The network has been masked; it is masked again, as
//! irongrey's may be the wider one.
//! A narrower one cannot be had from it: then a warning says so.

use std::collections::HashSet;
use std::net::IpAddr;

use super::keys::{Correspondents, is_hash, readings, split_network};
use super::summary::Skip;
use crate::clock::UnixSecs;
use crate::grey::{Networks, Terms, key};
use crate::store::lifetimes;
use crate::table::{Kind, Lifetimes, MAX_COUNT, Record, Secret, Tag};

/// So many different networks do not have a zero at the same place by chance.
const TELLING: usize = 24;

/// The records of postgrey's entries.
#[derive(Debug)]
pub(super) struct Entries<'s> {
    secret: &'s Secret,
    terms: &'s Terms,
    lifetimes: Lifetimes,
    now: UnixSecs,
    records: Vec<Record>,
    networks: [Seen; 2],
    scratch: Vec<u8>,
}

/// Networks of one family.
#[derive(Debug, Default)]
struct Seen {
    /// Some of them.
    some: HashSet<IpAddr>,
    /// The bits that are set in any of them.
    bits: u128,
}

impl<'s> Entries<'s> {
    pub(super) fn new(secret: &'s Secret, terms: &'s Terms, now: UnixSecs) -> Self {
        let (records, networks, scratch) = (Vec::new(), Default::default(), Vec::new());
        Self { secret, terms, lifetimes: lifetimes(terms), now, records, networks, scratch }
    }

    /// The records, and what is odd about the networks in them.
    pub(super) fn finish(self) -> (Vec<Record>, Vec<String>) {
        let Networks { ipv4_prefix, ipv6_prefix } = self.terms.networks;
        let [ipv4, ipv6] = &self.networks;
        let odd = [ipv4.odd("ipv4cidr", 32, ipv4_prefix), ipv6.odd("ipv6cidr", 128, ipv6_prefix)];
        (self.records, odd.into_iter().flatten().collect())
    }

    /// An entry of `postgrey.db`: when the triplet was first and last seen.
    pub(super) fn triplet(&mut self, key: &[u8], value: &[u8]) -> Result<(), Skip> {
        let foreign = || if is_hash(key) { Skip::Hashed } else { Skip::Key };
        let (network, correspondents) = split_network(key).ok_or_else(foreign)?;
        let (first, last) = numbers(value).ok_or(Skip::Value)?;
        let [first, last] = [first, last].map(|time| UnixSecs(time).min(self.now));
        let has_passed = last.since(first) >= self.terms.delay;
        let (kind, time) = if has_passed { (Kind::Passed, last) } else { (Kind::Pending, first) };
        if !self.lifetimes.allow(kind, time, self.now) {
            return Err(Skip::Expired);
        }
        let readings = readings(correspondents);
        if readings.is_empty() {
            return Err(Skip::Unclear);
        }
        if readings.iter().all(Correspondents::may_be_cut) {
            return Err(Skip::Cut);
        }
        self.networks[usize::from(network.is_ipv6())].note(network);
        for both in readings {
            let (secret, networks, scratch) = (self.secret, self.terms.networks, &mut self.scratch);
            let tag = key::substituted_triplet_tag(secret, networks, network, both.sender, both.recipient, scratch);
            self.push(tag, kind, time, 0);
        }
        Ok(())
    }

    /// An entry of `postgrey_clients.db`: how many of its triplets have passed, and when it was last seen.
    pub(super) fn client(&mut self, key: &[u8], value: &[u8]) -> Result<(), Skip> {
        let address = key::parse_address(key).ok_or(if is_hash(key) { Skip::Hashed } else { Skip::Key })?;
        let (count, last) = numbers(value).ok_or(Skip::Value)?;
        let last = UnixSecs(last).min(self.now);
        if !self.lifetimes.allow(Kind::Client, last, self.now) {
            return Err(Skip::Expired);
        }
        let tag = key::client_tag(self.secret, address, &mut self.scratch);
        self.push(tag, Kind::Client, last, u16::try_from(count).unwrap_or(MAX_COUNT).min(MAX_COUNT));
        Ok(())
    }

    fn push(&mut self, tag: Tag, kind: Kind, time: UnixSecs, count: u16) {
        self.records.push(Record { tag, kind, time, count, origin: 0 });
    }
}

impl Seen {
    fn note(&mut self, network: IpAddr) {
        self.bits |= match network {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits(),
        };
        if self.some.len() < TELLING {
            self.some.insert(network);
        }
    }

    /// What to say if postgrey's networks are wider than those that are asked for: no client would be found in them.
    fn odd(&self, option: &str, width: u32, prefix: u8) -> Option<String> {
        let widest = width - self.bits.trailing_zeros().min(width);
        (self.some.len() >= TELLING && widest < u32::from(prefix)).then(|| {
            format!(
                "no network that postgrey has stored is narrower than /{widest}, but /{prefix} is asked for: if postgrey ran \
                 with --{option}={widest}, give the same to this import and to irongrey, or each of its senders is delayed once \
                 more"
            )
        })
    }
}

/// Two whole numbers with a comma between them; what is too large for the state is the largest that it holds.
fn numbers(value: &[u8]) -> Option<(u32, u32)> {
    let (one, other) = std::str::from_utf8(value).ok()?.split_once(',')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u32::MAX))
    };
    Some((number(one)?, number(other)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::summary::Found;

    const NOW: u32 = 1_800_000_000;
    const DAY: u32 = 86_400;

    fn read(terms: &Terms, triplets: &[(&str, &str)], clients: &[(&str, &str)]) -> (Vec<Record>, Vec<String>, Found) {
        let (secret, mut found) = (Secret([3; 16]), Found::default());
        let mut entries = Entries::new(&secret, terms, UnixSecs(NOW));
        for (key, value) in triplets {
            found.count(entries.triplet(key.as_bytes(), value.as_bytes()), key.as_bytes());
        }
        for (key, value) in clients {
            found.count(entries.client(key.as_bytes(), value.as_bytes()), key.as_bytes());
        }
        let (records, odd) = entries.finish();
        (records, odd, found)
    }

    fn of_value(first: u32, last: u32) -> Option<(Kind, u32)> {
        let value = format!("{first},{last}");
        let (records, ..) = read(&Terms::DEFAULT, &[("192.0.2.0/a@b/c@d", &value)], &[]);
        records.first().map(|record| (record.kind, record.time.0))
    }

    #[test]
    fn who_has_waited_for_the_delay_has_passed() {
        assert_eq!(of_value(NOW - 1000, NOW - 700), Some((Kind::Passed, NOW - 700)));
        assert_eq!(of_value(NOW - 1000, NOW - 701), Some((Kind::Pending, NOW - 1000)));
        assert_eq!(of_value(NOW + 5, NOW + 5), Some((Kind::Pending, NOW)), "from the future");
    }

    #[test]
    fn what_has_expired_is_left_out() {
        assert_eq!(of_value(NOW - 2 * DAY, NOW - 2 * DAY), Some((Kind::Pending, NOW - 2 * DAY)));
        assert_eq!(of_value(NOW - 2 * DAY - 1, NOW - 2 * DAY - 1), None);
        let life = 35 * DAY + 35 * DAY / 8;
        assert_eq!(of_value(NOW - life - 300, NOW - life), Some((Kind::Passed, NOW - life)));
        assert_eq!(of_value(NOW - life - 301, NOW - life - 1), None);
        assert!(read(&Terms::DEFAULT, &[], &[("192.0.2.1", &format!("5,{}", NOW - life - 1))]).0.is_empty());
    }

    #[test]
    fn counts_are_those_that_the_state_holds() {
        let value = format!("99999,{NOW}");
        let (records, ..) = read(&Terms::DEFAULT, &[], &[("192.0.2.1", &value), ("2001:db8::1", "2,1799999999")]);
        assert_eq!(records.iter().map(|record| record.count).collect::<Vec<_>>(), [MAX_COUNT, 2]);
    }

    #[test]
    fn what_cannot_be_read_is_counted_with_its_reason() {
        let hash = "5241b6c76ac043043e74b2d32e86c3931b482aff";
        let (long, value) = (format!("192.0.2.0/{}/c@d", "l".repeat(512)), format!("{NOW},{NOW}"));
        let triplets = [(hash, &*value), ("x", &value), ("10/a/b", &value), ("10.0.0.0/a@b/c", "1;2"), (&long, &value)];
        let (records, _, found) = read(&Terms::DEFAULT, &triplets, &[(hash, "1,2"), ("mx", "1,2"), ("::1", "-1,2")]);
        assert!(records.is_empty());
        assert_eq!((found.entries(), found.current()), (8, 0));
        let counts = [Skip::Hashed, Skip::Key, Skip::Value, Skip::Cut, Skip::Unclear].map(|skip| found.skipped(skip));
        assert_eq!(counts, [2, 3, 2, 1, 0]);
    }

    #[test]
    fn networks_wider_than_asked_for_are_told_of() {
        let value = format!("{NOW},{NOW}");
        let keys: Vec<_> = (0..40).map(|number| format!("10.1.{number}.0/a@b/c@d")).collect();
        let triplets: Vec<_> = keys.iter().map(|key| (&**key, &*value)).collect();
        let odd = |ipv4_prefix| {
            let networks = Networks { ipv4_prefix, ipv6_prefix: 64 };
            read(&Terms { networks, ..Terms::DEFAULT }, &triplets, &[]).1
        };
        assert!(odd(24).is_empty() && odd(16).is_empty());
        assert!(odd(32)[0].contains("--ipv4cidr=24"), "{:?}", odd(32));
    }
}

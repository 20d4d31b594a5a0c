//! [`Releases`]: senders and recipients whose mail an administrator lets pass until some time.
//!
//! Made anew with each change and swapped in. One whose time is over is as if absent.

use super::lookup::{EntryMistake, Mailboxes, Rank};
use crate::clock::UnixSecs;

/// Until when an entry counts. Of several that match the longest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Until(UnixSecs);

impl Ord for Until {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.cmp(&self.0)
    }
}

impl PartialOrd for Until {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The end of time: the least in this order.
impl Default for Until {
    fn default() -> Self {
        Self(UnixSecs(u32::MAX))
    }
}

impl Rank for Until {}

/// Who is released.
#[derive(Debug, Default)]
pub struct Releases {
    senders: Mailboxes<Until>,
    recipients: Mailboxes<Until>,
}

/// Releases that are still growing in number.
#[derive(Debug, Default)]
pub struct ReleasesBuilder(Releases);

impl ReleasesBuilder {
    /// Releases a sender `user@domain`, `user@` or `domain` with all below it, before that second is over.
    pub fn sender(&mut self, entry: &str, until: UnixSecs) -> Result<(), EntryMistake> {
        self.0.senders.insert(entry, Until(until))
    }

    /// The same for a recipient.
    pub fn recipient(&mut self, entry: &str, until: UnixSecs) -> Result<(), EntryMistake> {
        self.0.recipients.insert(entry, Until(until))
    }

    /// Makes the releases.
    pub fn build(self) -> Releases {
        self.0
    }
}

impl Releases {
    /// Whether sender or recipient is released at `now`.
    pub fn hold(&self, sender: &[u8], recipient: &[u8], now: UnixSecs) -> bool {
        let counts = |until: Option<Until>| until.is_some_and(|until| now <= until.0);
        counts(self.recipients.find(recipient)) || counts(self.senders.find(sender))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_released_is_so_until_the_time_is_over() {
        let mut builder = ReleasesBuilder::default();
        builder.sender("login.example", UnixSecs(100)).unwrap();
        builder.sender("code@mail.login.example", UnixSecs(200)).unwrap();
        builder.recipient("bob@customer.test", UnixSecs(100)).unwrap();
        let releases = builder.build();
        let hold =
            |sender: &str, recipient: &str, now| releases.hold(sender.as_bytes(), recipient.as_bytes(), UnixSecs(now));
        assert!(hold("x@login.example", "a@b", 100) && !hold("x@login.example", "a@b", 101));
        assert!(hold("X@mail.Login.Example", "a@b", 100));
        assert!(hold("code@mail.login.example", "a@b", 200) && !hold("code@mail.login.example", "a@b", 201));
        assert!(hold("a@b", "Bob+x@customer.test", 1) && !hold("bob@customer.test", "a@b", 1));
        assert!(!Releases::default().hold(b"", b"a@b", UnixSecs(0)));
    }

    #[test]
    fn of_two_times_of_one_name_the_later_counts() {
        for times in [[5, 9], [9, 5]] {
            let mut builder = ReleasesBuilder::default();
            for until in times {
                builder.sender("a@b.example", UnixSecs(until)).unwrap();
            }
            assert!(builder.build().hold(b"a@b.example", b"", UnixSecs(9)));
        }
    }
}

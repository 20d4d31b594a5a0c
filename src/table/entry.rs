//! [`Entry`]: what all records of one tag say together. The furthest state wins.

use super::{Kind, Record};
use crate::clock::UnixSecs;

/// How long records count, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A pending triplet: the retry window.
    pub pending: u32,
    /// A passed triplet or a client: max-age and an eighth, as a last-seen time is recorded only when the recorded one
    /// is older than an eighth of max-age.
    pub established: u32,
}

impl Lifetimes {
    /// Whether a record of this kind and time counts at `now`.
    pub fn allow(self, kind: Kind, time: UnixSecs, now: UnixSecs) -> bool {
        now.since(time) <= if kind == Kind::Pending { self.pending } else { self.established }
    }
}

/// What is known of a tag at some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The first-seen time of a pending triplet.
    pub pending: Option<UnixSecs>,
    /// The latest last-seen time of a passed triplet.
    pub passed: Option<UnixSecs>,
    /// The highest count and the latest time of a client.
    pub client: Option<(u16, UnixSecs)>,
    /// Nothing at or before this time counts.
    pub void: Option<UnixSecs>,
}

impl Entry {
    /// What `records` say at `now` about their tag, of which `void` is known to be forgotten.
    ///
    /// They come in the order in which they were appended, or of time where that is not known. Expired records are as if absent, and so are a pending record and
    /// a void from the future.
    pub fn fold(
        records: impl Iterator<Item = Record> + Clone,
        now: UnixSecs,
        lifetimes: Lifetimes,
        void: Option<UnixSecs>,
    ) -> Self {
        let mut entry = Self { void, ..Self::default() };
        for record in records.clone() {
            entry.add(&record, now, lifetimes);
        }
        // A void may stand behind records that it makes forgotten.
        if entry.void > void {
            return Self::fold(records, now, lifetimes, entry.void);
        }
        entry.pending = entry.pending.filter(|&first| first <= now && now.since(first) <= lifetimes.pending);
        entry
    }

    fn add(&mut self, record: &Record, now: UnixSecs, lifetimes: Lifetimes) {
        let (age, time) = (now.since(record.time), record.time);
        match record.kind {
            Kind::Void if time <= now => self.void = self.void.max(Some(time)),
            _ if self.void >= Some(time) => {}
            // Whoever appended it knew of no attempt that counted: one before it was given up, or was ahead of the clock,
            // or another worker appended at the same moment. Of those two the earlier stays.
            Kind::Pending => {
                let stays = |first: &UnixSecs| *first <= time && time.since(*first) <= lifetimes.pending;
                self.pending = self.pending.filter(stays).or(Some(time));
            }
            Kind::Passed if age <= lifetimes.established => self.passed = self.passed.max(Some(time)),
            Kind::Client if age <= lifetimes.established => {
                let (count, last) = self.client.unwrap_or_default();
                self.client = Some((count.max(record.count), last.max(time)));
            }
            Kind::Void | Kind::Passed | Kind::Client => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Tag;

    const LIVES: Lifetimes = Lifetimes { pending: 100, established: 1000 };

    fn fold(now: u32, records: &[(Kind, u32, u16)]) -> Entry {
        let records = records.iter().map(|&(kind, time, count)| Record {
            tag: Tag::from_bits(1).unwrap(),
            kind,
            time: UnixSecs(time),
            count,
            origin: 0,
        });
        Entry::fold(records, UnixSecs(now), LIVES, None)
    }

    #[test]
    fn the_furthest_state_wins() {
        use Kind::{Client, Passed, Pending};
        assert_eq!(fold(50, &[(Pending, 20, 0), (Pending, 10, 0), (Pending, 30, 0)]).pending, Some(UnixSecs(10)));
        assert_eq!(fold(50, &[(Passed, 20, 0), (Passed, 30, 0), (Passed, 10, 0)]).passed, Some(UnixSecs(30)));
        assert_eq!(fold(50, &[(Client, 40, 2), (Client, 20, 5)]).client, Some((5, UnixSecs(40))));
    }

    #[test]
    fn what_has_expired_is_absent() {
        use Kind::{Client, Passed, Pending};
        assert_eq!(fold(110, &[(Pending, 10, 0)]).pending, Some(UnixSecs(10)), "at its last second");
        assert_eq!(fold(111, &[(Pending, 10, 0)]), Entry::default());
        assert_eq!(fold(111, &[(Pending, 10, 0), (Pending, 111, 0)]).pending, Some(UnixSecs(111)));
        assert_eq!(fold(1010, &[(Passed, 10, 0)]).passed, Some(UnixSecs(10)));
        assert_eq!(fold(1011, &[(Passed, 10, 0), (Client, 10, 5)]), Entry::default());
    }

    #[test]
    fn an_attempt_that_was_given_up_does_not_count_again_when_the_clock_goes_back() {
        use Kind::Pending;
        assert_eq!(fold(110, &[(Pending, 10, 0), (Pending, 111, 0)]).pending, None);
        assert_eq!(fold(111, &[(Pending, 10, 0), (Pending, 111, 0)]).pending, Some(UnixSecs(111)));
        assert_eq!(fold(110, &[(Pending, 10, 0), (Pending, 111, 0), (Pending, 110, 0)]).pending, Some(UnixSecs(110)));
        assert_eq!(fold(50, &[(Pending, 9000, 0), (Pending, 40, 0)]).pending, Some(UnixSecs(40)), "years back");
        assert_eq!(fold(50, &[(Pending, 40, 0), (Pending, 41, 0)]).pending, Some(UnixSecs(40)), "two workers");
        assert_eq!(fold(50, &[(Pending, 41, 0), (Pending, 40, 0)]).pending, Some(UnixSecs(40)), "the other way round");
    }

    #[test]
    fn from_the_future_only_what_was_earned_counts() {
        use Kind::{Client, Passed, Pending, Void};
        assert_eq!(fold(5, &[(Pending, 6, 0), (Void, 6, 0)]), Entry::default());
        let earned = fold(5, &[(Passed, 6, 0), (Client, 7, 3)]);
        assert_eq!((earned.passed, earned.client), (Some(UnixSecs(6)), Some((3, UnixSecs(7)))));
    }

    #[test]
    fn nothing_at_or_before_a_void_counts_wherever_the_void_stands() {
        use Kind::{Client, Passed, Pending, Void};
        let records = [(Client, 10, 9), (Passed, 20, 0), (Void, 20, 0), (Client, 30, 1), (Pending, 21, 0)];
        for rotation in 0..records.len() {
            let mut records = records;
            records.rotate_left(rotation);
            let entry = fold(50, &records);
            assert_eq!(entry.passed, None, "{records:?}");
            assert_eq!(entry.client, Some((1, UnixSecs(30))), "{records:?}");
            assert_eq!(entry.pending, Some(UnixSecs(21)), "{records:?}");
        }
    }
}

//! Senders and recipients that are released for a time: kept in a file, so that a restart does not forget them, and looked up by
//! the workers in a table that each change makes anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Desk, Refusal, lock};
use crate::admin::message::{Answer, Party, Period, Release, ReleaseList, Side};
use crate::admin::timestamp;
use crate::clock::UnixSecs;
use crate::grey::{Releases, ReleasesBuilder};
use crate::store::Store;

/// How many there may be.
const MOST: usize = 10_000;
/// The first lines of the file.
const HEAD: &str =
    "# What `irongrey release --sender` and `--recipient` have released. The daemon replaces this file.\n\n";

/// Who is released, and until when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseBook(BTreeMap<Party, UnixSecs>);

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    release: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    party: Party,
    until: Timestamp,
}

impl ReleaseBook {
    /// What the last run has kept, and what the workers look up of it. What cannot be read is set aside and said: mail flows
    /// without it.
    pub fn open(store: &Store, now: UnixSecs) -> (Self, Releases) {
        let path = store.releases_path();
        let read = match store.releases() {
            Ok(None) => return Default::default(),
            Ok(Some(text)) => Self::parse(&text, now),
            Err(error) => Err(error.to_string()),
        };
        read.unwrap_or_else(|reason| {
            let aside =
                store.set_releases_aside().map_or_else(|error| error.to_string(), |path| path.display().to_string());
            log::error!("{}: {reason}: nobody is released by it; it is set aside: {aside}", path.display());
            Default::default()
        })
    }

    fn parse(text: &str, now: UnixSecs) -> Result<(Self, Releases), String> {
        let kept: Kept = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let mut book = Self::default();
        for Entry { party, until } in kept.release {
            // What stands before 1970 is over as well.
            let until = UnixSecs(u32::try_from(until.as_second().max(0)).unwrap_or(u32::MAX));
            if until >= now {
                let known = book.0.entry(in_lower_case(&party)).or_default();
                *known = until.max(*known);
            }
        }
        let table = book.table()?;
        Ok((book, table))
    }

    fn text(&self) -> Result<String, String> {
        let entry = |(party, until): (&Party, &UnixSecs)| Entry { party: party.clone(), until: timestamp(*until) };
        let release = self.0.iter().map(entry).collect();
        let text = toml::to_string(&Kept { release }).map_err(|error| error.to_string())?;
        Ok(HEAD.to_owned() + &text)
    }

    /// What the workers look up; the error names an entry that is none.
    fn table(&self) -> Result<Releases, String> {
        let mut builder = ReleasesBuilder::default();
        for (party, &until) in &self.0 {
            let added = match party.side {
                Side::Sender => builder.sender(&party.name, until),
                Side::Recipient => builder.recipient(&party.name, until),
            };
            added.map_err(|mistake| format!("'{}': {mistake}", party.name))?;
        }
        Ok(builder.build())
    }

    /// Who is released at `now`.
    pub(super) fn all(&self, now: UnixSecs) -> Vec<Release> {
        let counts = self.0.iter().filter(|&(_, &until)| until >= now);
        counts.map(|(party, until)| Release { party: party.clone(), until: until.0 }).collect()
    }
}

impl Desk {
    pub(super) fn who_is_released(&self) -> Answer {
        let now = self.now();
        Answer::Releases(ReleaseList { now: now.0, releases: lock(&self.releases).all(now) })
    }

    pub(super) fn release_for(&self, period: Period) -> Result<Answer, Refusal> {
        let Period { party, seconds } = period;
        if seconds == 0 {
            return Err("a release lasts at least 1s".to_owned().into());
        }
        let party = in_lower_case(&party);
        let until = self.now().plus(seconds);
        self.rewrite(|book| {
            book.insert(party.clone(), until);
            Ok(())
        })?;
        Ok(Answer::Done(format!("released: {} until {}", named(&party), timestamp(until))))
    }

    pub(super) fn end_release(&self, party: &Party) -> Result<Answer, Refusal> {
        let party = in_lower_case(party);
        self.rewrite(|book| match book.remove(&party) {
            Some(_) => Ok(()),
            None => Err(format!("{} is not released; `irongrey release --list` shows who is", named(&party))),
        })?;
        Ok(Answer::Done(format!("no longer released: {}", named(&party))))
    }

    /// Changes file and table, or neither.
    fn rewrite(
        &self,
        change: impl FnOnce(&mut BTreeMap<Party, UnixSecs>) -> Result<(), String>,
    ) -> Result<(), Refusal> {
        let mut current = lock(&self.releases);
        let mut next = current.clone();
        let now = self.now();
        next.0.retain(|_, until| *until >= now);
        let before = next.0.len();
        change(&mut next.0)?;
        // Where somebody has written more into the file, they can be ended.
        if next.0.len() > MOST.max(before) {
            return Err(format!("{MOST} are released already, which is the most; end some, or write a rule").into());
        }
        let table = next.table()?;
        if let Err(error) = self.store.keep_releases(&next.text()?) {
            // The new file may stand there already, and only its name not be durable.
            let _ = self.store.keep_releases(&current.text()?);
            let path = self.store.releases_path();
            return Err(Refusal::Daemon(format!(
                "{}: cannot be written, so nothing was changed: {error}",
                path.display()
            )));
        }
        self.shared.releases.store(Arc::new(table));
        *current = next;
        Ok(())
    }
}

/// As it is kept: upper and lower case are the same.
fn in_lower_case(party: &Party) -> Party {
    Party { side: party.side, name: party.name.to_ascii_lowercase() }
}

fn named(party: &Party) -> String {
    match party.side {
        Side::Sender => format!("sender {}", party.name),
        Side::Recipient => format!("recipient {}", party.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, now: u32) -> Result<ReleaseBook, String> {
        ReleaseBook::parse(text, UnixSecs(now)).map(|(book, _)| book)
    }

    fn party(side: Side, name: &str) -> Party {
        Party { side, name: name.to_owned() }
    }

    #[test]
    fn a_book_is_read_as_it_was_written_without_what_is_over() {
        let mut book = ReleaseBook::default();
        book.0.insert(party(Side::Sender, "login.example"), UnixSecs(2_000_000_000));
        book.0.insert(party(Side::Recipient, "bob@customer.test"), UnixSecs(2_000_000_100));
        let text = book.text().unwrap();
        assert!(text.contains("until = \"2033-05-18T03:33:20Z\""), "{text}");
        assert_eq!(parse(&text, 0), Ok(book));
        assert_eq!(parse(&text, 2_000_000_001).unwrap().0.len(), 1);
        assert_eq!(parse("", 0), Ok(ReleaseBook::default()));
    }

    #[test]
    fn what_is_no_book_is_refused() {
        for text in [
            "x",
            "[[release]]\nside = \"sender\"\n",
            "[[release]]\nside = \"sender\"\nname = \"a..b\"\nuntil = \"2033-05-18T03:33:20Z\"\n",
        ] {
            assert!(parse(text, 0).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_edited_by_hand_counts_as_it_is_meant() {
        let entry = |name: &str, until: &str| {
            format!("[[release]]\nside = \"sender\"\nname = \"{name}\"\nuntil = \"{until}\"\n")
        };
        let book = |text: &str| parse(text, 1_000).unwrap();
        assert_eq!(book(&entry("a.example", "1960-01-01T00:00:00Z")), ReleaseBook::default(), "long over");
        let kept = book(&entry("A.Example", "2033-05-18T03:33:20Z"));
        assert_eq!(kept.0.keys().collect::<Vec<_>>(), [&party(Side::Sender, "a.example")]);
        let twice = entry("a.example", "2033-05-18T03:33:20Z") + &entry("A.example", "2020-05-18T03:33:20Z");
        assert_eq!(book(&twice), kept, "the longer of two");
    }
}

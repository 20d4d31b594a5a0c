//! Records into the state: looked up, given room, appended, made durable.
//!
//! What the state knows already is not appended again. No record is appended before there is room for all.

use std::sync::Arc;

use super::TransferError;
use super::progress::Progress;
use super::summary::Taken;
use crate::clock::UnixSecs;
use crate::grey::{Change, Client, Full, State, Triplet};
use crate::store::{Session, Store};
use crate::table::{Kind, Record};

/// Records that are worked on in one session, as it keeps segments from leaving.
const TOGETHER: usize = 4096;
/// How many records are fetched ahead of being looked up.
const AHEAD: usize = 16;

/// Gives the state what it does not know of these records.
pub(super) fn take(store: &Arc<Store>, mut records: Vec<Record>, now: UnixSecs) -> Result<Taken, TransferError> {
    let found = records.len() as u64;
    put_telling_first(&mut records);
    keep_news(store, &mut records, now);
    let pending = records.iter().filter(|record| record.kind == Kind::Pending).count() as u64;
    store.reserve(pending, records.len() as u64 - pending, now)?;
    let mut taken = append(store, &records, now)?;
    taken.known = found - taken.all();
    Ok(taken)
}

/// Puts of several records about one tag the one first that makes the others needless: an index has few slots for one tag.
fn put_telling_first(records: &mut [Record]) {
    records.sort_unstable_by_key(|record| match record.kind {
        Kind::Pending => (1, record.time.0, 0),
        Kind::Passed | Kind::Client | Kind::Void => (0, u32::MAX - record.time.0, u16::MAX - record.count),
    });
}

fn keep_news(store: &Arc<Store>, records: &mut Vec<Record>, now: UnixSecs) {
    let mut progress = Progress::bounded("looking up", records.len() as u64);
    let (mut writer, mut kept) = (store.writer(), 0);
    for start in (0..records.len()).step_by(TOGETHER) {
        let session = writer.session();
        for at in start..records.len().min(start + TOGETHER) {
            if let Some(ahead) = records.get(at + AHEAD) {
                session.prefetch(ahead.tag, ahead.tag);
            }
            if is_news(&session, &records[at], now) {
                records[kept] = records[at];
                kept += 1;
            }
            progress.step();
        }
    }
    records.truncate(kept);
}

fn append(store: &Arc<Store>, records: &[Record], now: UnixSecs) -> Result<Taken, TransferError> {
    let mut progress = Progress::bounded("taking over", records.len() as u64);
    let (mut writer, mut taken) = (store.writer(), Taken::default());
    for together in records.chunks(TOGETHER) {
        let mut session = writer.session();
        for record in together {
            // Several of them may be about one tag.
            if let Some(change) = change(record).filter(|_| is_news(&session, record, now)) {
                session.append(record.tag, change, now).map_err(|Full| TransferError::Unfinished {
                    path: store.path().to_owned(),
                    taken: taken.all(),
                    of: records.len() as u64,
                })?;
                taken.count(record);
            }
            progress.step();
        }
    }
    Ok(taken)
}

/// Whether a record says more than the state knows, and nothing that an administrator had it forget.
fn is_news(session: &Session<'_>, record: &Record, now: UnixSecs) -> bool {
    let Record { tag, kind, time, count, .. } = *record;
    let is_further = match kind {
        Kind::Pending => match session.triplet(tag, now) {
            Triplet::Unknown => true,
            Triplet::Pending { first } => time < first,
            Triplet::Passed { .. } => false,
        },
        Kind::Passed => match session.triplet(tag, now) {
            Triplet::Unknown | Triplet::Pending { .. } => true,
            Triplet::Passed { last } => time > last,
        },
        Kind::Client => session.client(tag, now).is_none_or(|known| count > known.count || time > known.last),
        Kind::Void => false,
    };
    is_further && !session.is_forgotten(tag, time, now)
}

fn change(record: &Record) -> Option<Change> {
    match record.kind {
        Kind::Pending => Some(Change::Pending(record.time)),
        Kind::Passed => Some(Change::Passed(record.time)),
        Kind::Client => Some(Change::Client(Client { count: record.count, last: record.time })),
        Kind::Void => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{StateSettings, SyncMode};
    use crate::grey::Terms;
    use crate::store::ReserveError;
    use crate::table::Tag;

    const NOW: UnixSecs = UnixSecs(1_800_000_000);

    fn open(dir: &std::path::Path, max_size: u64) -> Arc<Store> {
        let settings = StateSettings { dir: dir.to_owned(), max_size, sync: SyncMode::Os };
        Store::open(&settings, &Terms::DEFAULT, 1, NOW).unwrap()
    }

    fn record(tag: u64, kind: Kind, ago: u32, count: u16) -> Record {
        // Spread as tags are.
        let tag = Tag::from_bits(tag.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap();
        Record { tag, kind, time: UnixSecs(NOW.0 - ago), count, origin: 0 }
    }

    fn counts(taken: &Taken) -> [u64; 4] {
        [taken.passed, taken.pending, taken.clients, taken.known]
    }

    #[test]
    fn only_what_is_news_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), 1 << 30);
        let taken = |records: &[Record]| counts(&take(&store, records.to_vec(), NOW).unwrap());
        let first = [record(1, Kind::Passed, 50, 0), record(2, Kind::Pending, 60, 0), record(3, Kind::Client, 70, 4)];
        assert_eq!(taken(&first), [1, 1, 1, 0]);
        assert_eq!(taken(&first), [0, 0, 0, 3]);
        assert_eq!(taken(&[record(1, Kind::Passed, 51, 0), record(1, Kind::Pending, 400, 0)]), [0, 0, 0, 2]);
        assert_eq!(taken(&[record(1, Kind::Passed, 49, 0), record(2, Kind::Passed, 10, 0)]), [2, 0, 0, 0]);
        assert_eq!(taken(&[record(3, Kind::Client, 90, 5), record(3, Kind::Client, 20, 1)]), [0, 0, 2, 0]);
        assert_eq!(taken(&[record(4, Kind::Pending, 20, 0), record(4, Kind::Pending, 30, 0)]), [0, 1, 0, 1]);
        let twice = [record(4, Kind::Pending, 25, 0), record(5, Kind::Passed, 1, 0)].repeat(2);
        assert_eq!(taken(&twice), [1, 0, 0, 3]);
        let mut writer = store.writer();
        let mut session = writer.session();
        session.forget(record(6, Kind::Passed, 0, 0).tag, UnixSecs(NOW.0 - 5)).unwrap();
        assert_eq!(taken(&[record(6, Kind::Passed, 5, 0), record(6, Kind::Pending, 9, 0)]), [0, 0, 0, 2], "forgotten");
        assert_eq!(taken(&[record(6, Kind::Passed, 4, 0)]), [1, 0, 0, 0]);
        assert_eq!(session.client(first[2].tag, NOW), Some(Client { count: 5, last: UnixSecs(NOW.0 - 20) }));
        let tag = record(4, Kind::Pending, 0, 0).tag;
        assert_eq!(session.triplet(tag, NOW), Triplet::Pending { first: UnixSecs(NOW.0 - 30) });
    }

    #[test]
    fn many_records_of_one_tag_take_one_place() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), 1 << 30);
        let many = |kind, tag| (0..1000_u16).map(move |number| record(tag, kind, 5000 - u32::from(number), number));
        let later_first = |kind, tag| many(kind, tag).collect::<Vec<_>>().into_iter().rev();
        let records = many(Kind::Passed, 1).chain(many(Kind::Client, 2)).chain(later_first(Kind::Pending, 3));
        assert_eq!(counts(&take(&store, records.collect(), NOW).unwrap()), [1, 1, 1, 2997]);
    }

    #[test]
    fn more_than_a_segment_is_given_room_before() {
        let dir = tempfile::tempdir().unwrap();
        let records: Vec<_> = (1..=200_000).map(|tag| record(tag, Kind::Passed, 50, 0)).collect();
        let store = open(dir.path(), 1 << 30);
        assert_eq!(counts(&take(&store, records.clone(), NOW).unwrap()), [200_000, 0, 0, 0]);
        store.close();
        drop(store);
        let store = open(dir.path(), 1 << 30);
        assert_eq!(counts(&take(&store, records, NOW).unwrap()), [0, 0, 0, 200_000]);
    }

    #[test]
    fn what_does_not_fit_is_refused_before_anything_is_appended() {
        let dir = tempfile::tempdir().unwrap();
        let records: Vec<_> = (1..=300_000).map(|tag| record(tag, Kind::Passed, 50, 0)).collect();
        let store = open(dir.path(), 40 << 20);
        let Err(TransferError::Reserve(error @ ReserveError::NoRoom { records: 300_000, .. })) =
            take(&store, records.clone(), NOW)
        else {
            panic!("not refused")
        };
        assert!(error.to_string().contains("--max-state=41943040"), "{error}");
        assert_eq!(counts(&take(&store, records[..1].to_vec(), NOW).unwrap()), [1, 0, 0, 0], "nothing was appended");
    }
}

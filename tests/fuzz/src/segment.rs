//! [`segment`]: any bytes as a segment file, beside files that are whole.

mod damage;

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use irongrey::clock::UnixSecs;
use irongrey::grey::{Change, Client, State, Triplet};
use irongrey::store::Store;
use irongrey::table::Kind;

use crate::Told;
use crate::image::{Image, Record, Ring};
use crate::state::{ESTABLISHED_LIFE, NOW, Run, StateDir, TERMS};
use damage::Damage;

/// What becomes of a state of four whole files: an older and a newest segment in each ring.
#[derive(Debug, Arbitrary)]
struct Case {
    run: Run,
    /// Which of the four is damaged.
    victim: u8,
    /// Whether the newest ones are sealed like the older ones.
    sealed: bool,
    /// Whether the damaged file gets the name that its header says.
    renamed: bool,
    damage: Damage,
}

/// Numbers with a record each, spread over the files; 18 and 19 are clients. Those up to the next one never got one.
const RECORDED: u8 = 20;
const NUMBERS: u8 = 40;

/// A damaged segment file costs at most what stood in it: the start is refused and nothing changed, or the file is set
/// aside as it is, or it is served. Nothing is found that is not in a file, what the other files hold is found, and new
/// records are taken and outlive a restart.
///
/// # Panics
///
/// When that does not hold.
pub fn segment(data: &[u8]) {
    let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let Told(case) = &Told(case);
    let dir = StateDir::new();
    let mut images = images(case.sealed);
    let number = usize::from(case.victim) % images.len();
    let mut names: Vec<_> = images.iter().map(Image::name).collect();
    case.damage.apply(&mut images[number]);
    let renamed = images[number].name();
    if case.renamed && !names.contains(&renamed) {
        names[number] = renamed;
    }
    for (image, name) in images.iter().zip(names) {
        image.write(&dir.path().join(name)).expect("a file can be written");
    }
    dir.note_run(case.run);
    serve(
        &dir,
        case.run,
        &Files { all: Said::by(&images), victim: Said::by([&images[number]]) },
        &images[number].bytes,
    );
}

/// Opens the state, twice if it is served.
fn serve(dir: &StateDir, run: Run, files: &Files, victim: &[u8]) {
    let before = dir.segments();
    let store = match dir.open(NOW) {
        Ok(store) => store,
        Err(error) => {
            assert_eq!(error.exit_code(), 2, "{error}");
            assert_eq!(dir.segments(), before, "changed although the start was refused: {error}");
            return;
        }
    };
    for (path, aside) in dir.segments().iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "bad")) {
        assert_eq!(aside, victim, "{}: not as it was", path.display());
    }
    files.check(&store);
    append(&store);
    upkeep(&store);
    files.check(&store);
    if run == Run::Clean {
        store.close();
    }
    drop(store);
    if run == Run::OtherBoot {
        dir.note_run(run);
    }
    let store = dir.open(NOW).unwrap_or_else(|error| panic!("it was served, and now: {error}"));
    upkeep(&store);
    files.check(&store);
    let mut writer = store.writer();
    let session = writer.session();
    assert_eq!(session.triplet(StateDir::tag(NUMBERS), NOW), Triplet::Pending { first: NOW });
    assert_eq!(session.triplet(StateDir::tag(NUMBERS + 1), NOW), Triplet::Passed { last: NOW });
}

fn upkeep(store: &Store) {
    for _ in 0..3 {
        store.upkeep(NOW, true);
    }
}

/// The files of the whole state, pending before established and older before newest.
fn images(sealed: bool) -> Vec<Image> {
    let mut images = Vec::new();
    for ring in [Ring::Pending, Ring::Established] {
        for sequence in 1..3 {
            let mut image = Image::new(ring, sequence, UnixSecs(NOW.0 - 2000), StateDir::secret());
            for number in (0..RECORDED).filter(|number| usize::from(number % 4) == images.len()) {
                image.append(&record(ring, number));
            }
            if sequence == 1 || sealed {
                image.seal(UnixSecs(NOW.0 - 1000));
            }
            images.push(image);
        }
    }
    images
}

fn record(ring: Ring, number: u8) -> Record {
    let (kind, count) = match (ring, number) {
        (Ring::Pending, _) => (Kind::Pending, 0),
        (Ring::Established, 16..) => (Kind::Client, u16::from(number)),
        (Ring::Established, _) => (Kind::Passed, 0),
    };
    Record { tag: StateDir::tag(number), kind, time: UnixSecs(NOW.0 - 1900 + u32::from(number)), count }
}

/// Records one triplet of each kind that no file has.
fn append(store: &Arc<Store>) {
    let mut writer = store.writer();
    for (number, change) in [(NUMBERS, Change::Pending(NOW)), (NUMBERS + 1, Change::Passed(NOW))] {
        let mut recorded = writer.session().append(StateDir::tag(number), change, NOW);
        if recorded.is_err() {
            // There may be no spare before the first round of upkeep.
            store.upkeep(NOW, true);
            recorded = writer.session().append(StateDir::tag(number), change, NOW);
        }
        assert_eq!(recorded, Ok(()), "{number}");
    }
}

/// What the files say.
struct Files {
    all: Said,
    /// The damaged one.
    victim: Said,
}

/// The records of each number.
struct Said(BTreeMap<u8, Vec<Record>>);

impl Said {
    fn by<'a>(images: impl IntoIterator<Item = &'a Image>) -> Self {
        let mut numbers = BTreeMap::<u8, Vec<Record>>::new();
        for record in images.into_iter().flat_map(Image::records) {
            if let Some(number) = (0..NUMBERS).find(|&number| StateDir::tag(number) == record.tag) {
                numbers.entry(number).or_default().push(record);
            }
        }
        Self(numbers)
    }

    fn of(&self, number: u8) -> &[Record] {
        self.0.get(&number).map_or(&[], Vec::as_slice)
    }
}

impl Files {
    /// Whatever is found stands in a file; and of whom the damaged file says nothing, that is found which the others say.
    fn check(&self, store: &Arc<Store>) {
        let mut writer = store.writer();
        let session = writer.session();
        for number in 0..NUMBERS {
            let (tag, records) = (StateDir::tag(number), self.all.of(number));
            let (triplet, client) = (session.triplet(tag, NOW), session.client(tag, NOW));
            if self.victim.of(number).is_empty() {
                assert_eq!((triplet, client), of_one(records), "{number}");
            }
            let has = |kind, time| records.iter().any(|record| record.kind == kind && record.time == time);
            let stands = match triplet {
                Triplet::Unknown => true,
                Triplet::Pending { first } => {
                    has(Kind::Pending, first) && first <= NOW && NOW.since(first) <= TERMS.retry_window
                }
                Triplet::Passed { last } => has(Kind::Passed, last) && NOW.since(last) <= ESTABLISHED_LIFE,
            };
            assert!(stands, "{number} is {triplet:?}, of which the files say {records:?}");
            let counted = |count| records.iter().any(|record| record.kind == Kind::Client && record.count == count);
            let stands = client.is_none_or(|client| has(Kind::Client, client.last) && counted(client.count));
            assert!(stands, "{number} is {client:?}, of which the files say {records:?}");
        }
    }
}

/// What is known of a number of which a whole file has one record at most.
fn of_one(records: &[Record]) -> (Triplet, Option<Client>) {
    match *records {
        [Record { kind: Kind::Pending, time, .. }] => (Triplet::Pending { first: time }, None),
        [Record { kind: Kind::Passed, time, .. }] => (Triplet::Passed { last: time }, None),
        [Record { kind: Kind::Client, time, count, .. }] => (Triplet::Unknown, Some(Client { count, last: time })),
        _ => (Triplet::Unknown, None),
    }
}

//! [`operations`]: what workers, upkeep and the end of a process do, in any order, against a model.

mod disk;
mod model;

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use irongrey::clock::UnixSecs;
use irongrey::grey::{Change, Client, Full, State, Triplet};
use irongrey::metrics::Counter;
use irongrey::store::{Store, Writer};

use crate::image::{CAPACITY, Image, Ring};
use crate::state::{NOW, Run, StateDir, TERMS};
use crate::{Told, all};
use disk::Disk;
use model::Model;

/// The numbers that stand for triplets and clients.
const NUMBERS: u8 = 12;
/// Operations of one case at most.
const MOST: usize = 80;
/// Floods of one case at most.
const FLOODS: u64 = 3;
/// Seconds between two counts of a client, as in `grey`.
const COUNT_EVERY: u32 = 3600;

/// What happens next. Each time, all numbers are looked up afterwards.
#[derive(Debug, Arbitrary)]
enum Operation {
    /// An attempt at delivery, by one of the two workers, decided on as the daemon does.
    Attempt {
        number: u8,
        second: bool,
    },
    /// A triplet passes whatever came before, as with other options.
    Pass {
        number: u8,
        second: bool,
    },
    /// A triplet of a client passes.
    Count {
        number: u8,
        second: bool,
    },
    Seconds(u16),
    Hours(u8),
    /// The clock is set back by so many seconds.
    Back(u16),
    Clock(u32),
    /// Unknown senders append as many records as the first segments hold.
    Flood {
        established: bool,
    },
    /// Rounds of upkeep; settled: the clock was steady before.
    Upkeep {
        settled: bool,
    },
    Sync,
    /// A clean stop and a start.
    Stop,
    /// The process is killed, and started in the same boot.
    Kill,
    /// The machine is reset when all pages had been written, and started.
    Reset,
    /// The power fails: of the sectors that were not synced, any may be old.
    PowerLoss {
        seed: u64,
    },
}

/// A daemon's state, and what is known of it.
struct Daemon {
    dir: StateDir,
    /// None if the power never fails.
    disk: Option<Disk>,
    model: Model,
    now: UnixSecs,
    floods: u64,
    store: Arc<Store>,
    writers: [Writer; 2],
}

/// After any sequence of operations the store says what the model says: what was recorded is found, unless it expired or
/// was not synced before a power loss, and nothing else is.
///
/// # Panics
///
/// When that does not hold.
pub fn operations(data: &[u8]) {
    let told = Told(all::<Operation>(&mut Unstructured::new(data), MOST));
    let power_fails = told.0.iter().any(|operation| matches!(operation, Operation::PowerLoss { .. }));
    let mut daemon = Daemon::new(power_fails);
    for operation in &told.0 {
        daemon = daemon.run(operation);
        daemon.look();
    }
}

impl Daemon {
    /// A state whose first segments are so small that a flood fills them.
    fn new(power_fails: bool) -> Self {
        let dir = StateDir::new();
        for ring in [Ring::Pending, Ring::Established] {
            let image = Image::new(ring, 1, NOW, StateDir::secret());
            image.write(&dir.path().join(image.name())).expect("a file can be written");
        }
        dir.note_run(Run::Clean);
        let store = open(&dir, NOW);
        let (disk, writers) = (power_fails.then(|| Disk::of(&dir)), [store.writer(), store.writer()]);
        Self { dir, disk, model: Model::new(NUMBERS), now: NOW, floods: 0, store, writers }
    }

    fn run(mut self, operation: &Operation) -> Self {
        match *operation {
            Operation::Attempt { number, second } => self.attempt(number % NUMBERS, second),
            Operation::Pass { number, second } => self.append(number % NUMBERS, Change::Passed(self.now), second),
            Operation::Count { number, second } => self.count(number % NUMBERS, second),
            Operation::Seconds(seconds) => self.now = self.now.plus(seconds.into()),
            Operation::Hours(hours) => self.now = self.now.plus(u32::from(hours) * 3600),
            Operation::Back(seconds) => self.now = UnixSecs(self.now.0.saturating_sub(seconds.into())),
            Operation::Clock(now) => self.now = UnixSecs(now),
            Operation::Flood { established } => self.flood(established),
            Operation::Upkeep { settled } => self.upkeep(settled),
            Operation::Sync => {
                self.store.sync();
                self.note_synced();
            }
            Operation::Stop => {
                self.store.close();
                return self.restart(|_, _| {});
            }
            Operation::Kill => return self.restart(|_, _| {}),
            Operation::Reset => {
                self.model.reorder();
                return self.restart(|dir, _| dir.note_run(Run::OtherBoot));
            }
            Operation::PowerLoss { seed } => {
                self.model.lose();
                self.model.reorder();
                return self.restart(|dir, disk| {
                    disk.expect("it was noted, as the power fails").fail(dir, seed);
                    dir.note_run(Run::OtherBoot);
                });
            }
        }
        self
    }

    /// What is looked up has to be what the model says.
    fn look(&mut self) {
        let session = self.writers[0].session();
        for number in 0..NUMBERS {
            let tag = StateDir::tag(number);
            let said = (session.triplet(tag, self.now), session.client(tag, self.now));
            self.model.narrow(number, self.now, said);
        }
    }

    fn attempt(&mut self, number: u8, second: bool) {
        let (now, tag) = (self.now, StateDir::tag(number));
        match self.writers[usize::from(second)].session().triplet(tag, now) {
            Triplet::Unknown => self.append(number, Change::Pending(now), second),
            Triplet::Pending { first } if now.since(first) >= TERMS.delay => {
                self.append(number, Change::Passed(now), second);
            }
            Triplet::Passed { last } if now.since(last) > TERMS.max_age / 8 => {
                self.append(number, Change::Passed(now), second);
            }
            Triplet::Pending { .. } | Triplet::Passed { .. } => {}
        }
    }

    fn count(&mut self, number: u8, second: bool) {
        let (now, tag) = (self.now, StateDir::tag(number));
        let known = self.writers[usize::from(second)].session().client(tag, now);
        if known.is_none_or(|client| now.since(client.last) >= COUNT_EVERY) {
            let count = known.map_or(1, |client| client.count + 1);
            self.append(number, Change::Client(Client { count, last: now }), second);
        }
    }

    fn append(&mut self, number: u8, change: Change, second: bool) {
        if self.model.is_full_of(number) {
            return;
        }
        let recorded = self.writers[usize::from(second)].session().append(StateDir::tag(number), change, self.now);
        if recorded == Ok(()) {
            self.model.append(number, change);
        }
    }

    fn flood(&mut self, established: bool) {
        if self.floods == FLOODS {
            return;
        }
        self.floods += 1;
        let change = if established { Change::Passed(self.now) } else { Change::Pending(self.now) };
        let mut session = self.writers[0].session();
        for number in 0..u64::from(CAPACITY) {
            let tag = StateDir::secret().tag(&[self.floods.to_le_bytes(), number.to_le_bytes()].concat());
            if session.append(tag, change, self.now) == Err(Full) {
                break;
            }
        }
    }

    fn upkeep(&mut self, settled: bool) {
        let dropped_early = |store: &Store| store.counters()[1].get(Counter::SegmentsDroppedEarly);
        let before = dropped_early(&self.store);
        (0..3).for_each(|_| self.store.upkeep(self.now, settled));
        if dropped_early(&self.store) > before {
            self.model.forget_any();
        } else if settled {
            self.model.forget(self.now);
        }
    }

    fn note_synced(&mut self) {
        self.model.note_synced();
        self.disk = self.disk.take().map(|_| Disk::of(&self.dir));
    }

    /// The process ends and another one starts; between them something happens to the files.
    fn restart(self, between: impl FnOnce(&StateDir, Option<&Disk>)) -> Self {
        let Self { dir, disk, mut model, now, floods, store, writers } = self;
        drop((writers, store));
        between(&dir, disk.as_ref());
        let store = open(&dir, now);
        let writers = [store.writer(), store.writer()];
        // What it had appended is durable once the next one runs.
        model.note_synced();
        Self { disk: disk.map(|_| Disk::of(&dir)), dir, model, now, floods, store, writers }
    }
}

fn open(dir: &StateDir, now: UnixSecs) -> Arc<Store> {
    dir.open(now).unwrap_or_else(|error| panic!("its own state is refused: {error}"))
}

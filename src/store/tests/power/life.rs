//! [`Life`]: some days of a state, recorded: new triplets, passes, syncs, upkeep, restarts of both kinds.

use super::super::*;
use super::ledger::Ledger;
use super::{MAX_STATE, TERMS, random};
use crate::grey::Client;
use crate::store::recorder::{Event, Recording, Tape};

/// What has happened in a life, and what was promised meanwhile.
pub(super) struct Lived {
    pub(super) events: Vec<Event>,
    /// How many of them only tell what was there before.
    pub(super) before: usize,
    pub(super) ledger: Ledger,
}

/// A recorded state directory that is worked with.
pub(super) struct Life {
    settings: StateSettings,
    tape: Recording,
    before: usize,
    syncs_at_start: bool,
    /// After a sync that has failed no end is clean, so it does not in every life.
    may_fail: bool,
    random: Random,
    /// The ends of two workers.
    writers: Option<[Writer; 2]>,
    now: UnixSecs,
    next: u64,
    ledger: Ledger,
}

impl Life {
    /// Of the state in `directory`, which may be new, after what is in `ledger`: with `events` before it, or with all durable
    /// that is there. `syncs_at_start`: a start syncs, as it should.
    pub(super) fn begin(directory: &Path, ledger: Ledger, events: &[Event], seed: u64, syncs_at_start: bool) -> Self {
        let sync = if seed.is_multiple_of(2) { SyncMode::Always } else { SyncMode::Os };
        let settings = StateSettings { dir: directory.to_owned(), max_size: MAX_STATE, sync };
        let tape = if events.is_empty() { Tape::start(directory) } else { Tape::go_on(directory, events) };
        let now = ledger.time(0);
        let before = tape.len();
        let mut life = Self {
            settings,
            tape,
            before,
            syncs_at_start,
            may_fail: seed.is_multiple_of(3),
            random: random(seed),
            writers: None,
            now,
            next: ledger.next(seed << 32),
            ledger,
        };
        life.open();
        life
    }

    /// Lives on for so many steps.
    pub(super) fn go_on(&mut self, steps: usize) {
        for _ in 0..steps {
            match self.random.below(100) {
                48 => self.flood(),
                49 if self.may_fail => self.fail(),
                0..50 => self.mail(),
                50..60 => self.look(),
                60..72 => self.sync(),
                72..95 => self.keep(),
                95..98 => self.restart(false),
                _ => self.restart(true),
            }
        }
    }

    pub(super) fn end(mut self) -> Lived {
        self.close();
        Lived { events: self.tape.events(), before: self.before, ledger: self.ledger }
    }

    fn store(&self) -> Arc<Store> {
        Arc::clone(self.writers.as_ref().unwrap()[0].store())
    }

    fn open(&mut self) {
        self.tape.leave_flushes_out(!self.syncs_at_start);
        let workers = 2 + usize::try_from(self.random.below(3)).unwrap();
        let store = Store::open(&self.settings, &TERMS, workers, self.now).unwrap();
        self.tape.leave_flushes_out(false);
        self.writers = Some([store.writer(), store.writer()]);
        // What a killed process had appended is durable.
        self.ledger.note_synced(self.tape.len());
        self.ledger.note_time(self.now, self.tape.len());
    }

    /// A few new triplets; some of them come again, and their client is counted.
    fn mail(&mut self) {
        for _ in 0..=self.random.below(20) {
            let number = self.next;
            self.next += 1;
            self.append(number, Change::Pending(self.now));
        }
        for _ in 0..self.random.below(8) {
            let number = self.known();
            self.append(number, Change::Passed(self.now));
            let count = u16::try_from(self.random.below(4)).unwrap() + 1;
            self.append(number ^ 7, Change::Client(Client { count, last: self.now }));
        }
    }

    /// So many that chunks are filled; one in forty is looked for later.
    fn flood(&mut self) {
        let store = self.store();
        for index in 0..6_000 {
            if index % 40 == 0 {
                self.append(self.next, Change::Pending(self.now));
                self.next += 1;
            } else if let Some([writer, _]) = &mut self.writers {
                let other = tag(&store, 1 << 62 | self.next << 8 | (index % 40));
                let _ = writer.session().append(other, Change::Pending(self.now), self.now);
            }
        }
    }

    /// A disk that does not take what it is given, for a while.
    fn fail(&mut self) {
        self.mail();
        self.tape.let_flushing_fail(true);
        match self.store().commits() {
            Some(commits) => {
                commits.request();
                self.store().commit(Duration::ZERO);
            }
            None => self.store().sync(),
        }
        self.tape.let_flushing_fail(false);
        self.ledger.note_failed();
    }

    fn known(&mut self) -> u64 {
        let first = self.next >> 32 << 32;
        self.next - 1 - self.random.below((self.next - first).clamp(1, 300))
    }

    fn append(&mut self, number: u64, change: Change) {
        let (store, begun) = (self.store(), self.tape.len());
        let writer = &mut self.writers.as_mut().unwrap()[usize::from(number.is_multiple_of(5))];
        let result = writer.session().append(tag(&store, number), change, self.now);
        // Without a spare an append can find no room.
        if result.is_ok() || self.tape.len() > begun {
            self.ledger.append(number, change, begun, result.ok().map(|()| self.tape.len()));
        }
    }

    /// What a reply need not wait for is durable.
    fn look(&mut self) {
        let store = self.store();
        if store.commits().is_none() {
            return;
        }
        let mut writer = store.writer();
        let session = writer.session();
        for number in self.next.saturating_sub(30)..self.next {
            session.triplet(tag(&store, number), self.now);
            session.client(tag(&store, number), self.now);
            if !session.take_unsettled() {
                self.ledger.note_settled(number, self.tape.len());
            }
        }
    }

    fn sync(&mut self) {
        match self.store().commits() {
            Some(commits) => {
                let ticket = commits.request();
                self.store().commit(Duration::ZERO);
                assert_eq!(commits.completed(), ticket);
            }
            None => self.store().sync(),
        }
        self.ledger.note_synced(self.tape.len());
    }

    fn keep(&mut self) {
        self.now = self.now.plus(u32::try_from(self.random.below(4 * 3600)).unwrap());
        self.ledger.note_time(self.now, self.tape.len());
        let store = self.store();
        (0..=self.random.below(3)).for_each(|_| store.upkeep(self.now, true));
        for kind in RingKind::BOTH {
            let view = store.ring(kind).load();
            for segment in view.segments().filter(|segment| segment.memory().sealed_at().is_some()) {
                self.ledger.note_sealed((kind, segment.sequence()), self.tape.len());
            }
        }
    }

    fn close(&mut self) {
        self.store().close();
        self.ledger.note_synced(self.tape.len());
    }

    fn restart(&mut self, is_clean: bool) {
        if is_clean {
            self.close();
        }
        self.writers = None;
        // A disk that has no room for the file `run` makes the next start believe nothing.
        self.tape.let_disk_be_full(self.random.below(4) == 0);
        self.open();
        self.tape.let_disk_be_full(false);
    }
}

//! [`Model`]: what may be known of each number, with the rules of a record's life said once more.
//!
//! What a power loss took is not known. So for each number there are several worlds, each with the records that are there if
//! it is the true one; what the store says rules some out, and has to leave one.

use irongrey::clock::UnixSecs;
use irongrey::grey::{Change, Client, Triplet};

use crate::state::{ESTABLISHED_LIFE, TERMS};

/// Records of a number at most, and pending ones among them, so that its worlds stay few.
const RECORDS: usize = 7;
const PENDING: usize = 4;

/// What the store says of a number.
pub(super) type Said = (Triplet, Option<Client>);

#[derive(Debug)]
pub(super) struct Model(Vec<Vec<World>>);

/// Records of one number in the order in which they were appended.
type World = Vec<Known>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    change: Change,
    synced: bool,
}

impl Model {
    /// Of this many numbers nothing is known.
    pub(super) fn new(numbers: u8) -> Self {
        Self(vec![vec![World::new()]; numbers.into()])
    }

    /// Whether no more is to be recorded about a number.
    pub(super) fn is_full_of(&self, number: u8) -> bool {
        self.0[usize::from(number)].iter().any(|world| world.len() == RECORDS || pending(world).count() == PENDING)
    }

    pub(super) fn append(&mut self, number: u8, change: Change) {
        for world in &mut self.0[usize::from(number)] {
            world.push(Known { change, synced: false });
        }
    }

    /// What was appended is durable.
    pub(super) fn note_synced(&mut self) {
        self.0.iter_mut().flatten().flatten().for_each(|known| known.synced = true);
    }

    /// What was not synced may be lost.
    pub(super) fn lose(&mut self) {
        self.may_miss(|known| !known.synced);
    }

    /// What has expired may be dropped; it would be found again by a clock that went back.
    pub(super) fn forget(&mut self, now: UnixSecs) {
        self.may_miss(|known| match known.change {
            Change::Pending(first) => now.since(first) > TERMS.retry_window,
            Change::Passed(last) | Change::Client(Client { last, .. }) => now.since(last) > ESTABLISHED_LIFE,
        });
    }

    /// Anything may be dropped.
    pub(super) fn forget_any(&mut self) {
        self.may_miss(|_| true);
    }

    /// An index was rebuilt from records: those of several chunks are found in another order.
    pub(super) fn reorder(&mut self) {
        self.split(|world| {
            let mut orders = vec![World::new()];
            for known in world {
                let places = |order: &World| match known.change {
                    Change::Pending(_) => 0..=order.len(),
                    // Of the others the order says nothing.
                    Change::Passed(_) | Change::Client(_) => order.len()..=order.len(),
                };
                let with = |order: &World, place: usize| [&order[..place], &[*known], &order[place..]].concat();
                orders = orders.iter().flat_map(|order| places(order).map(|place| with(order, place))).collect();
            }
            orders
        });
    }

    /// Leaves the worlds in which the store says this.
    pub(super) fn narrow(&mut self, number: u8, now: UnixSecs, said: Said) {
        let worlds = &mut self.0[usize::from(number)];
        let before = worlds.clone();
        worlds.retain(|world| says(world, now) == said);
        assert!(!worlds.is_empty(), "at {} the store says {said:?} of {number}, of which is known {before:?}", now.0);
    }

    fn may_miss(&mut self, is_missing: impl Fn(&Known) -> bool) {
        self.split(|world| {
            let mut worlds = vec![World::new()];
            for known in world {
                let without = worlds.clone();
                for world in &mut worlds {
                    world.push(*known);
                }
                if is_missing(known) {
                    worlds.extend(without);
                }
            }
            worlds
        });
    }

    /// Puts several worlds in the place of each one.
    fn split(&mut self, into: impl Fn(&World) -> Vec<World>) {
        for worlds in &mut self.0 {
            let mut split = Vec::new();
            for world in worlds.iter().flat_map(&into) {
                if !split.contains(&world) {
                    split.push(world);
                }
            }
            *worlds = split;
        }
    }
}

/// What the store says in a world.
fn says(world: &World, now: UnixSecs) -> Said {
    let is_waiting = |first: u32, until: u32| first <= until && until - first <= TERMS.retry_window;
    // As one entry that each attempt either leaves or begins anew.
    let first = pending(world)
        .fold(None, |first: Option<u32>, time| first.filter(|&first| is_waiting(first, time)).or(Some(time)));
    let counts = |time: &UnixSecs| now.0.saturating_sub(time.0) <= ESTABLISHED_LIFE;
    let passed = world.iter().filter_map(|known| match known.change {
        Change::Passed(last) => Some(last).filter(counts),
        _ => None,
    });
    let triplet = match (passed.max(), first.filter(|&first| is_waiting(first, now.0))) {
        (Some(last), _) => Triplet::Passed { last },
        (None, Some(first)) => Triplet::Pending { first: UnixSecs(first) },
        (None, None) => Triplet::Unknown,
    };
    let counted = world.iter().filter_map(|known| match known.change {
        Change::Client(client) => Some(client).filter(|client| counts(&client.last)),
        _ => None,
    });
    let client =
        counted.reduce(|one, other| Client { count: one.count.max(other.count), last: one.last.max(other.last) });
    (triplet, client)
}

/// The times at which a triplet was first seen.
fn pending(world: &World) -> impl Iterator<Item = u32> {
    world.iter().filter_map(|known| match known.change {
        Change::Pending(first) => Some(first.0),
        _ => None,
    })
}

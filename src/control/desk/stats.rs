//! The daemon in figures.

use super::{Desk, lock};
use crate::admin::message::{RingStats, Spread, Stats};
use crate::metrics::{Counter, Values};
use crate::store::RingSize;

impl Desk {
    pub(super) fn stats(&self) -> Stats {
        let totals = self.counters.totals();
        let [turns, delays] = self.counters.spreads();
        let [pending, established] = self.store.sizes();
        let now = self.now();
        Stats {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            now: now.0,
            uptime: self.begun.elapsed().as_secs(),
            workers: self.workers,
            connections: totals.get(Counter::Accepted).saturating_sub(totals.get(Counter::Closed)),
            counters: Counter::ALL.iter().map(|counter| (counter.name().to_owned(), totals.get(*counter))).collect(),
            turns: spread(&turns),
            delays: spread(&delays),
            pending: ring(pending),
            established: ring(established),
            max_state: self.max_state,
            releases: lock(&self.releases).all(now).len(),
        }
    }
}

fn spread(values: &Values) -> Spread {
    Spread {
        count: values.count(),
        p50: values.quantile(50),
        p99: values.quantile(99),
        max: values.max(),
        buckets: values.buckets().collect(),
    }
}

fn ring(RingSize { segments, records, bytes }: RingSize) -> RingStats {
    RingStats { segments, records, bytes }
}

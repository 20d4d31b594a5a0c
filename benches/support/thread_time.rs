//! What the benches of one thread measure: processor time of that thread, user and system, not time on the wall.
//!
//! So other work on the machine does not count, whatever it takes from the processor; what it takes from the caches still
//! does. It is what the other figures of BENCHMARKS.md are made of as well. A bench that waits for other threads has to
//! measure time on the wall.

use std::time::Duration;

use criterion::Criterion;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use nix::time::{ClockId, clock_gettime};

/// Processor time of the thread that runs the bench.
pub(crate) struct ThreadTime;

/// What each bench takes, 2 to 3 seconds.
pub(crate) fn criterion() -> Criterion<ThreadTime> {
    let criterion = Criterion::default().with_measurement(ThreadTime).sample_size(50).nresamples(20_000);
    criterion.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_millis(1500))
}

/// Processor time that this thread has spent so far.
pub(crate) fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has such a clock").into()
}

/// Processor time that this thread has spent since then.
pub(crate) fn spent_since(began: Duration) -> Duration {
    thread_time().saturating_sub(began)
}

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        thread_time()
    }

    fn end(&self, began: Duration) -> Duration {
        spent_since(began)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, time: &Duration) -> f64 {
        WallTime.to_f64(time)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

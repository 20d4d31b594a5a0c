//! Look-ups and appends among many live triplets, beside two concurrent maps that hold the same.
//!
//! `cargo bench --bench table` has 1 and 10 million triplets; with `RECORDS=50000000` there are as many as that says, and
//! `-- irongrey` leaves the maps out. All tables are used from one thread, as by one worker, 100 operations at a time.
//! Triplets are picked all over the table. An append is of a triplet that is not there; the table grows by two thirds at
//! the most meanwhile, and whatever has to grow or to leave with it counts. What the filling took is printed, with the memory.
//! irongrey's files lie in memory and are full, as `support/tables.rs` tells.

use std::cell::{LazyCell, RefCell};
use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

#[path = "support/state.rs"]
mod state;
#[path = "support/tables.rs"]
mod tables;
#[path = "support/thread_time.rs"]
mod thread_time;

use state::{PENDING_EVERY, mixed};
use tables::{Dashmap, Irongrey, Papaya, Table, calls};
use thread_time::{ThreadTime, criterion, spent_since, thread_time};

/// No table has got so far.
const NEVER: u64 = 1 << 60;
/// What is looked up, how a number is picked for it by evenly spread bits in a table of so many, and whether it is there.
type LookUp = (&'static str, fn(u64, u64) -> u64, bool);
const LOOK_UPS: [LookUp; 4] = [
    ("hit", below, true),
    ("pending", |bits, records| below(bits, records / PENDING_EVERY) * PENDING_EVERY, true),
    ("passed", |bits, records| below(bits, records / PENDING_EVERY) * PENDING_EVERY + 1 + bits % 3, true),
    ("miss", |bits, records| NEVER + below(bits, records), false),
];

/// Evenly spread bits as a number below `bound`.
fn below(bits: u64, bound: u64) -> u64 {
    u64::try_from((u128::from(bits) * u128::from(bound)) >> 64).expect("it is below the bound")
}

/// Bytes of memory of the process that are no file's.
fn own_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("there is a /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("the kernel counts it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// The same at the start. What an earlier table has given back and the process has kept counts for a later one as well: it
/// is exact where there is one table, as with `RECORDS` and `-- papaya`.
static AT_START: LazyLock<u64> = LazyLock::new(own_bytes);

/// A table of `records` triplets. Prints what it took.
#[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
fn filled<T: Table>(records: u64) -> T {
    let mut table = T::new(records);
    let began = thread_time();
    calls(0..records).for_each(|call| table.append(call));
    let seconds = spent_since(began).as_secs_f64();
    let bytes = table.bytes_each(records, own_bytes().saturating_sub(*AT_START));
    println!("{}: {records} triplets, {bytes}; filled in {:.1} ns each", T::NAME, seconds * 1e9 / records as f64);
    table
}

fn operations<T: Table>(criterion: &mut Criterion<ThreadTime>, records: u64) {
    // A table that no bench is wanted of is not filled.
    let table = LazyCell::new(|| RefCell::new(filled::<T>(records)));
    let mut picked = 0;
    let mut group = criterion.benchmark_group(format!("table of {records}"));
    group.throughput(Throughput::Elements(1));
    for (name, pick, known) in LOOK_UPS {
        group.sample_size(20).measurement_time(Duration::from_secs(2));
        group.bench_function(BenchmarkId::new(name, T::NAME), |bencher| {
            let mut table = table.borrow_mut();
            bencher.iter_custom(|count| {
                let began = thread_time();
                for call in calls(picked..picked + count) {
                    table.find(call.map(|number| pick(mixed(NEVER + number), records)), known);
                }
                picked += count;
                spent_since(began)
            });
        });
    }
    // Two thirds of the table at 60 ns each. Samples alike, so that growing and roll-overs are in all of them.
    let growing = Duration::from_nanos(records * 30);
    group.sample_size(10).sampling_mode(SamplingMode::Flat).warm_up_time(growing / 3).measurement_time(growing);
    let mut appended = records;
    group.bench_function(BenchmarkId::new("append", T::NAME), |bencher| {
        let mut table = table.borrow_mut();
        bencher.iter_custom(|count| {
            let began = thread_time();
            calls(appended..appended + count).for_each(|call| table.append(call));
            let taken = spent_since(began);
            table.find(appended..appended + count.min(100), true);
            appended += count;
            taken
        });
    });
    group.finish();
}

fn tables_of<T: Table>(criterion: &mut Criterion<ThreadTime>) {
    let sizes = std::env::var("RECORDS")
        .map_or(vec![1_000_000, 10_000_000], |records| vec![records.parse().expect("RECORDS is a number of triplets")]);
    LazyLock::force(&AT_START);
    for records in sizes {
        operations::<T>(criterion, records);
    }
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = tables_of::<Irongrey>, tables_of::<Dashmap>, tables_of::<Papaya>
}
criterion_main!(benches);

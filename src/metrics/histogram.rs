//! [`Histogram`]: how values are spread, in buckets whose bounds grow by a quarter of a power of two.
//!
//! One thread adds, anyone may read: adding is a load and a store without a locked instruction, as for the counters. A
//! reader may find a value that is just being added in one figure and not in the other.

use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets of one power of two, as bits of the value behind its highest one.
const BITS: u32 = 2;
/// Values from 2^40 on (twelve days in microseconds) share the last bucket.
const BUCKETS: usize = bucket((1 << 40) - 1) + 1;

/// The values of one thread.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| AtomicU64::new(0)), max: AtomicU64::new(0) }
    }
}

/// The values of all threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    buckets: [u64; BUCKETS],
    max: u64,
}

impl Default for Values {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], max: 0 }
    }
}

impl Histogram {
    /// Adds a value. Only the owning thread may call this.
    pub fn add(&self, value: u64) {
        let count = &self.buckets[bucket(value).min(BUCKETS - 1)];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if value > self.max.load(Ordering::Relaxed) {
            self.max.store(value, Ordering::Relaxed);
        }
    }
}

impl Values {
    /// Includes what one thread has added.
    pub fn include(&mut self, histogram: &Histogram) {
        for (sum, count) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum += count.load(Ordering::Relaxed);
        }
        self.max = self.max.max(histogram.max.load(Ordering::Relaxed));
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The largest.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// A value that so many hundredths are not above, to within a fifth; 0 if there are none.
    pub fn quantile(&self, hundredths: u64) -> u64 {
        quantile(self.buckets(), hundredths).min(self.max)
    }

    /// The largest value of each bucket that holds some, ascending, and how many it holds.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + Clone {
        let counted = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        counted.map(|(index, count)| (largest(index), *count))
    }
}

/// The bucket, by its largest value, that so many hundredths of the values of ascending buckets are not above.
pub fn quantile(buckets: impl Iterator<Item = (u64, u64)> + Clone, hundredths: u64) -> u64 {
    let wanted = (buckets.clone().map(|(_, count)| count).sum::<u64>() * hundredths).div_ceil(100);
    let mut seen = 0;
    for (largest, count) in buckets {
        seen += count;
        if seen >= wanted {
            return largest;
        }
    }
    0
}

/// The bucket of a value: values below 4 have their own.
#[expect(clippy::cast_possible_truncation, reason = "there are fewer than 256")]
const fn bucket(value: u64) -> usize {
    if value < 1 << BITS {
        return value as usize;
    }
    let power = value.ilog2();
    let behind = (value >> (power - BITS)) & ((1 << BITS) - 1);
    (((power - BITS + 1) << BITS) as u64 + behind) as usize
}

/// The largest value of a bucket.
fn largest(index: usize) -> u64 {
    let index = index as u64;
    if index < 1 << BITS {
        return index;
    }
    let (power, behind) = ((index >> BITS) - 1 + u64::from(BITS), index & ((1 << BITS) - 1));
    let width = 1 << (power - u64::from(BITS));
    (1 << power) + (behind + 1) * width - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(added: impl IntoIterator<Item = u64>) -> Values {
        let histogram = Histogram::default();
        added.into_iter().for_each(|value| histogram.add(value));
        let mut values = Values::default();
        values.include(&histogram);
        values
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for index in 0..BUCKETS {
            assert_eq!(bucket(largest(index)), index);
            assert_eq!(bucket(largest(index) + 1), index + 1);
        }
    }

    #[test]
    fn quantiles_are_right_within_a_fifth() {
        let values = values(1..=10_000);
        assert_eq!((values.count(), values.max()), (10_000, 10_000));
        for (hundredths, exact) in [(1, 100), (50, 5_000), (90, 9_000), (99, 9_900), (100, 10_000)] {
            let found = values.quantile(hundredths);
            assert!((exact..=exact + exact / 4).contains(&found), "{hundredths}: {found}");
        }
    }

    #[test]
    fn none_and_the_largest_have_a_place() {
        assert_eq!((values([]).quantile(50), values([]).max()), (0, 0));
        assert_eq!(values([u64::MAX]).max(), u64::MAX);
        assert_eq!(values([0, 0, 7]).quantile(50), 0);
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Aggregates: what `<<<` keeps of the values it is given.
//!
//! ```text
//! word 0 count   1 sum   2 min   3 max   4..6 sum of squares (128 bits)   6.. buckets
//! ```
//! Sums wrap. The sum of squares is exact until 2^128, so the variance needs no
//! running mean and loses no bits: a bit shift does not change it.

use vm_spec::image::StatOperation;

/// Words of an aggregate without its histogram.
pub const WORDS: usize = 6;
/// Bucket of 0 in a logarithmic histogram.
pub const LOG_BUCKET_OF_ZERO: usize = 64;

/// Which bucket a value belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Buckets {
    /// No histogram.
    None,
    /// 64 is 0; 64 + n are the values of n bits, 64 - n their negatives.
    Log,
    /// The first is below `low`, the last above `high`.
    Linear {
        /// Lower bound.
        low: i64,
        /// Width of a bucket, above 0.
        step: i64,
        /// Number of buckets.
        count: usize,
    },
}

impl Buckets {
    /// The bucket of a value.
    pub fn of(self, value: i64) -> Option<usize> {
        match self {
            Buckets::None => None,
            Buckets::Log => Some(log_bucket(value)),
            Buckets::Linear { low, step, count } => {
                let last = count.saturating_sub(1);
                if value < low {
                    return Some(0);
                }
                let above = value.wrapping_sub(low) as u64;
                let inside = above.checked_div(step as u64).unwrap_or(u64::MAX).saturating_add(1);
                Some(usize::try_from(inside).unwrap_or(last).min(last))
            }
        }
    }
}

fn log_bucket(value: i64) -> usize {
    let bits = 64u32.wrapping_sub(value.unsigned_abs().leading_zeros()) as usize;
    if value < 0 {
        LOG_BUCKET_OF_ZERO.wrapping_sub(bits)
    } else {
        // i64::MAX has 63 bits, so this is 127 at most.
        LOG_BUCKET_OF_ZERO.wrapping_add(bits)
    }
}

/// Adds a value to the aggregate in `words`.
pub fn add(words: &mut [u64], buckets: Buckets, value: i64) {
    let Some(([count, sum, min, max, low, high], histogram)) =
        words.split_first_chunk_mut::<WORDS>()
    else {
        return;
    };
    let first = *count == 0;
    *count = count.wrapping_add(1);
    *sum = sum.wrapping_add(value as u64);
    if first || value < *min as i64 {
        *min = value as u64;
    }
    if first || value > *max as i64 {
        *max = value as u64;
    }
    let magnitude = u128::from(value.unsigned_abs());
    let squares = (u128::from(*high) << 64 | u128::from(*low))
        .wrapping_add(magnitude.wrapping_mul(magnitude));
    (*low, *high) = (squares as u64, (squares >> 64) as u64);
    if let Some(bucket) = buckets.of(value).and_then(|n| histogram.get_mut(n)) {
        *bucket = bucket.wrapping_add(1);
    }
}

/// A number of an aggregate; `None` if it has none because there are no values.
/// Count and sum of nothing are 0.
pub fn get(words: &[u64], operation: StatOperation) -> Option<i64> {
    let &[count, sum, min, max, low, high] = words.first_chunk::<WORDS>()?;
    match operation {
        StatOperation::Count => return Some(count as i64),
        StatOperation::Sum => return Some(sum as i64),
        _ if count == 0 => return None,
        _ => {}
    }
    Some(match operation {
        StatOperation::Min => min as i64,
        StatOperation::Max => max as i64,
        StatOperation::Variance => {
            variance(count, sum as i64, u128::from(high) << 64 | u128::from(low))
        }
        _ => (sum as i64).checked_div(count as i64).unwrap_or(0),
    })
}

/// (n·Σx² − (Σx)²) / (n·(n−1)), downwards; 0 of a single value.
fn variance(count: u64, sum: i64, squares: u128) -> i64 {
    let Some(less) = count.checked_sub(1).filter(|&n| n > 0) else { return 0 };
    let sum = u128::from(sum.unsigned_abs());
    let spread = squares.wrapping_mul(u128::from(count)).wrapping_sub(sum.wrapping_mul(sum));
    divide(divide(spread, count), less) as i64
}

/// Long division: the compiler's own for 128 bits is a function that the kernel
/// does not have.
fn divide(value: u128, by: u64) -> u128 {
    if let Ok(small) = u64::try_from(value) {
        return small.checked_div(by).unwrap_or(0).into();
    }
    let (mut quotient, mut rest) = (0u128, 0u128);
    let mut bit = 128u32;
    while bit > 0 {
        bit = bit.wrapping_sub(1);
        rest = rest << 1 | (value.wrapping_shr(bit) & 1);
        quotient <<= 1;
        if rest >= u128::from(by) {
            rest = rest.wrapping_sub(by.into());
            quotient |= 1;
        }
    }
    quotient
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn of(values: &[i64]) -> Vec<u64> {
        let mut words = vec![0; WORDS];
        values.iter().for_each(|&v| add(&mut words, Buckets::None, v));
        words
    }

    #[test]
    fn log_buckets() {
        for (value, bucket) in [
            (0, 64),
            (1, 65),
            (2, 66),
            (3, 66),
            (4, 67),
            (-1, 63),
            (-2, 62),
            (i64::MAX, 127),
            (i64::MIN, 0),
        ] {
            assert_eq!(Buckets::Log.of(value), Some(bucket), "{value}");
        }
    }

    #[test]
    fn linear_buckets() {
        let b = Buckets::Linear { low: 0, step: 10, count: 13 };
        for (value, bucket) in [
            (-1, 0),
            (0, 1),
            (9, 1),
            (10, 2),
            (99, 10),
            (100, 11),
            (110, 12),
            (i64::MAX, 12),
            (i64::MIN, 0),
        ] {
            assert_eq!(b.of(value), Some(bucket), "{value}");
        }
    }

    #[test]
    fn nothing_has_count_and_sum_only() {
        let words = of(&[]);
        assert_eq!(get(&words, StatOperation::Count), Some(0));
        assert_eq!(get(&words, StatOperation::Sum), Some(0));
        for op in [
            StatOperation::Min,
            StatOperation::Max,
            StatOperation::Average,
            StatOperation::Variance,
        ] {
            assert_eq!(get(&words, op), None);
        }
    }

    #[test]
    fn averages_go_towards_zero() {
        assert_eq!(get(&of(&[-1, -2]), StatOperation::Average), Some(-1));
        assert_eq!(get(&of(&[1, 2]), StatOperation::Average), Some(1));
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_the_values(values in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 1..50)) {
            let words = of(&values);
            let n = values.len() as i128;
            let sum: i128 = values.iter().map(|&v| i128::from(v)).sum();
            let squares: i128 = values.iter().map(|&v| i128::from(v) * i128::from(v)).sum();
            prop_assert_eq!(get(&words, StatOperation::Count), Some(n as i64));
            prop_assert_eq!(get(&words, StatOperation::Sum), Some(sum as i64));
            prop_assert_eq!(get(&words, StatOperation::Min), values.iter().min().copied());
            prop_assert_eq!(get(&words, StatOperation::Max), values.iter().max().copied());
            let wanted = if n < 2 { 0 } else { (n * squares - sum * sum) / n / (n - 1) };
            prop_assert_eq!(get(&words, StatOperation::Variance), Some(wanted as i64));
        }

        #[test]
        fn long_division(value: u128, by in 1u64..) {
            prop_assert_eq!(divide(value, by), value / u128::from(by));
        }
    }
}

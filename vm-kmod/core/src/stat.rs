// SPDX-License-Identifier: GPL-2.0-or-later
//! Aggregates: what `<<<` keeps of the values it is given.
//!
//! ```text
//! word 0 count   1 sum   2 min   3 max   4 running mean   5 sum of squares about it   6.. buckets
//! ```
//! Everything wraps. The variance is that of SystemTap to the last digit: by Welford's
//! method in whole numbers, all shifted left by the bits that the script asks for, so
//! that more of the mean's fraction is kept. It is kept only if someone asks.

use vm_spec::image::StatOperation;

/// Words of an aggregate without its histogram.
pub const WORDS: usize = 6;
/// Bucket of 0 in a logarithmic histogram.
pub const LOG_BUCKET_OF_ZERO: usize = 64;

/// Do aggregates keep their variance?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variance {
    /// Nobody asks for it.
    Unwanted,
    /// Of values shifted left by so many bits.
    Kept {
        /// 0 to 62.
        shift: u32,
    },
    /// The same in an array, where SystemTap takes it as it is.
    KeptOfElement {
        /// 0 to 62.
        shift: u32,
    },
}

impl Variance {
    /// What a map's record says.
    #[inline(always)]
    pub fn from_record(variance: u8) -> Variance {
        match variance.checked_sub(1) {
            None => Variance::Unwanted,
            Some(shift) => Variance::Kept { shift: shift.into() },
        }
    }

    /// The same, of an array's element.
    #[must_use]
    pub fn of_element(self) -> Variance {
        match self {
            Variance::Kept { shift } => Variance::KeptOfElement { shift },
            other => other,
        }
    }
}

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
pub fn add(words: &mut [u64], buckets: Buckets, variance: Variance, value: i64) {
    let Some(([count, sum, min, max, mean, spread], histogram)) =
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
    if let Variance::Kept { shift } = variance {
        let shifted = value.wrapping_shl(shift);
        if first {
            (*mean, *spread) = (shifted as u64, 0);
        } else {
            let before = shifted.wrapping_sub(*mean as i64);
            let step = before.checked_div(*count as i64).unwrap_or(0);
            *mean = mean.wrapping_add(step as u64);
            let after = shifted.wrapping_sub(*mean as i64);
            *spread = spread.wrapping_add(before.wrapping_mul(after) as u64);
        }
    }
    if let Some(bucket) = buckets.of(value).and_then(|n| histogram.get_mut(n)) {
        *bucket = bucket.wrapping_add(1);
    }
}

/// A number of an aggregate; `None` if it has none because there are no values.
/// Count and sum of nothing are 0.
pub fn get(words: &[u64], variance: Variance, operation: StatOperation) -> Option<i64> {
    let &[count, sum, min, max, mean, spread] = words.first_chunk::<WORDS>()?;
    match operation {
        StatOperation::Count => return Some(count as i64),
        StatOperation::Sum => return Some(sum as i64),
        _ if count == 0 => return None,
        _ => {}
    }
    let divided = |value: i64, by: u64| value.checked_div(by as i64).unwrap_or(0);
    Some(match operation {
        StatOperation::Min => min as i64,
        StatOperation::Max => max as i64,
        StatOperation::Variance => {
            let less = count.wrapping_sub(1);
            let within = divided(spread as i64, less);
            match variance {
                Variance::Unwanted => 0,
                Variance::KeptOfElement { shift } => within.wrapping_shr(shift.wrapping_mul(2)),
                Variance::Kept { shift } => {
                    // The running mean lags behind the mean; SystemTap takes the difference
                    // for one between processors.
                    let mean_of_all = divided((sum as i64).wrapping_shl(shift), count);
                    let lag = (mean as i64).wrapping_sub(mean_of_all);
                    let between = (count as i64).wrapping_mul(lag).wrapping_mul(lag);
                    let within = (less as i64).wrapping_mul(within);
                    let variance = divided(between.wrapping_add(within), less);
                    variance.wrapping_shr(shift.wrapping_mul(2))
                }
            }
        }
        _ => divided(sum as i64, count),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    const KEPT: Variance = Variance::Kept { shift: 0 };

    fn of(values: &[i64]) -> Vec<u64> {
        let mut words = vec![0; WORDS];
        values.iter().for_each(|&v| add(&mut words, Buckets::None, KEPT, v));
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
        assert_eq!(get(&words, KEPT, StatOperation::Count), Some(0));
        assert_eq!(get(&words, KEPT, StatOperation::Sum), Some(0));
        for op in [
            StatOperation::Min,
            StatOperation::Max,
            StatOperation::Average,
            StatOperation::Variance,
        ] {
            assert_eq!(get(&words, KEPT, op), None);
        }
    }

    #[test]
    fn averages_go_towards_zero() {
        assert_eq!(get(&of(&[-1, -2]), KEPT, StatOperation::Average), Some(-1));
        assert_eq!(get(&of(&[1, 2]), KEPT, StatOperation::Average), Some(1));
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_the_values(values in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 1..50)) {
            let words = of(&values);
            let n = values.len() as i128;
            let sum: i128 = values.iter().map(|&v| i128::from(v)).sum();
            prop_assert_eq!(get(&words, KEPT, StatOperation::Count), Some(n as i64));
            prop_assert_eq!(get(&words, KEPT, StatOperation::Sum), Some(sum as i64));
            prop_assert_eq!(get(&words, KEPT, StatOperation::Min), values.iter().min().copied());
            prop_assert_eq!(get(&words, KEPT, StatOperation::Max), values.iter().max().copied());
        }

        /// With enough bits of fraction it is the variance, rounded down, or one off.
        #[test]
        fn a_bit_shift_makes_the_variance_exact(values in prop::collection::vec(-1000i64..1000, 2..50)) {
            let shifted = Variance::Kept { shift: 16 };
            let mut words = vec![0; WORDS];
            values.iter().for_each(|&v| add(&mut words, Buckets::None, shifted, v));
            let n = values.len() as i64;
            let sum: i64 = values.iter().sum();
            let squares: i64 = values.iter().map(|v| v * v).sum();
            let wanted = (n * squares - sum * sum) / n / (n - 1);
            let found = get(&words, shifted, StatOperation::Variance).unwrap();
            prop_assert!((wanted - 1..=wanted + 1).contains(&found), "{} is not {}", found, wanted);
        }
    }

    #[test]
    fn the_variance_of_one_value_is_0() {
        assert_eq!(get(&of(&[7]), KEPT, StatOperation::Variance), Some(0));
        assert_eq!(get(&of(&[7]), Variance::Unwanted, StatOperation::Variance), Some(0));
    }
}

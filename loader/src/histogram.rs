// SPDX-License-Identifier: GPL-2.0-or-later
//! Histograms as text, in the layout that SystemTap prints.

use std::fmt::Write;
use vm_spec::blob::HistogramStyle;
use vm_spec::image::{HistogramKind, MapRecord};

/// Bucket 64 of a logarithmic histogram counts zeros; those above it powers of two.
const LOG_ZERO: i64 = 64;
/// Empty buckets before the first that is not, and behind the last.
const FRAME: usize = 2;

/// How the buckets of a histogram are named.
#[derive(Clone, Copy)]
enum Scale {
    Log,
    Linear { low: i64, step: i64, last: usize },
}

impl Scale {
    fn of(map: &MapRecord, count: usize) -> Scale {
        match HistogramKind::from_number(map.histogram) {
            Some(HistogramKind::Linear) => Scale::Linear {
                low: map.histogram_low,
                step: map.histogram_step,
                last: count.saturating_sub(1),
            },
            _ => Scale::Log,
        }
    }

    /// The value that stands before a row. Buckets 0 and `last` of a linear histogram
    /// count what lies below and above its bounds.
    fn label(self, bucket: usize) -> String {
        let Scale::Linear { low, step, last } = self else {
            return log_value(bucket as i64 - LOG_ZERO).to_string();
        };
        let value = |n: usize| low.wrapping_add(step.wrapping_mul(n as i64));
        match bucket {
            0 => format!("<{low}"),
            n if n == last => format!(">{}", value(n.saturating_sub(2))),
            n => value(n - 1).to_string(),
        }
    }

    /// The first and the last row: some empty buckets frame those that are not.
    fn rows(self, buckets: &[i64]) -> Option<(usize, usize)> {
        let mut first = buckets.iter().position(|count| *count > 0)?;
        let mut last = buckets.iter().rposition(|count| *count > 0)?;
        let end = buckets.len() - 1;
        for _ in 0..FRAME {
            // No negative rows in a logarithmic histogram of positive values.
            if first > 0 && !(matches!(self, Scale::Log) && first as i64 == LOG_ZERO) {
                first -= 1;
            }
            last = (last + 1).min(end);
        }
        if matches!(self, Scale::Linear { .. }) {
            first += usize::from(first == 0 && buckets[0] == 0);
            last -= usize::from(last == end && buckets[end] == 0);
        }
        Some((first, last))
    }

    /// Columns of the labels. A linear histogram's are as wide as its lower bound and
    /// the value one step beyond its last row, whatever else is shown.
    fn label_width(self, first: usize, last: usize) -> usize {
        let width = |value: i64| value.to_string().len();
        let widest = match self {
            Scale::Log => self.label(first).len().max(self.label(last).len()),
            Scale::Linear { low, step, last: end } => {
                let beyond = low.wrapping_add(step.wrapping_mul(last as i64));
                let below = width(low) + usize::from(first == 0);
                below.max(width(beyond) + usize::from(last == end))
            }
        };
        widest.max("value".len())
    }
}

/// The text of a histogram; empty if nothing was counted.
pub fn draw(map: &MapRecord, style: HistogramStyle, buckets: &[i64]) -> String {
    let columns = usize::from(style.width);
    let longest = i64::from(style.width.max(1));
    let scale = Scale::of(map, buckets.len());
    let Some((first, last)) = scale.rows(buckets) else { return String::new() };
    let most = buckets.iter().copied().max().unwrap_or(0);
    let unit = if most <= longest { 1 } else { most / longest + i64::from(most % longest != 0) };
    let labels = scale.label_width(first, last);
    let counts = most.to_string().len();

    let mut out = String::new();
    let dashes = "-".repeat(columns);
    let _ = writeln!(out, "{:>labels$} |{dashes} count", "value");
    let mut left_out = false;
    for n in first..=last {
        if style.kept.is_some_and(|kept| is_desert(buckets, n, kept.into(), first, last)) {
            left_out = true;
            continue;
        }
        if std::mem::take(&mut left_out) {
            let _ = writeln!(out, "{:>labels$} ~", "");
        }
        let bar = "@".repeat((buckets[n] / unit).clamp(0, longest) as usize);
        let label = scale.label(n);
        let _ = writeln!(out, "{label:>labels$} |{bar:<columns$} {:>counts$}", buckets[n]);
    }
    out.push('\n');
    out
}

/// Are a bucket and so many on each side of it empty?
fn is_desert(buckets: &[i64], n: usize, kept: usize, first: usize, last: usize) -> bool {
    let near = n.saturating_sub(kept).max(first)..=(n + kept).min(last);
    buckets[near].iter().all(|count| *count == 0)
}

/// The least magnitude that falls into bucket n from the zero bucket.
fn log_value(n: i64) -> i64 {
    match n {
        0 => 0,
        n if n > 0 => 1i64.checked_shl(n as u32 - 1).unwrap_or(i64::MAX),
        n => 1i64.checked_shl(n.unsigned_abs() as u32 - 1).map_or(i64::MIN, |v| v.wrapping_neg()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithmic() {
        let mut buckets = vec![0; 128];
        buckets[64] = 1;
        buckets[67] = 3;
        buckets[75] = 200;
        let map = MapRecord { histogram: HistogramKind::Log as u8, ..MapRecord::default() };
        insta::assert_snapshot!(draw(&map, HistogramStyle::default(), &buckets));
    }

    #[test]
    fn linear() {
        let map = MapRecord {
            histogram: HistogramKind::Linear as u8,
            histogram_low: 0,
            histogram_high: 50,
            histogram_step: 10,
            ..MapRecord::default()
        };
        insta::assert_snapshot!(draw(&map, HistogramStyle::default(), &[0, 4, 5, 0, 1, 0, 0, 2]));
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Histograms as text, in the layout that SystemTap prints.

use std::fmt::Write;
use vm_spec::image::{HistogramKind, MapRecord};

/// Columns of the longest bar.
const WIDTH: i64 = 50;
/// Bucket 64 of a logarithmic histogram counts zeros; those above it powers of two.
const LOG_ZERO: i64 = 64;
/// Empty buckets kept at each side of a run that is left out.
const KEPT: usize = 2;

/// The text of a histogram.
pub fn draw(map: &MapRecord, buckets: &[i64]) -> String {
    let kind = HistogramKind::from_number(map.histogram);
    let linear = kind == Some(HistogramKind::Linear);
    let last = buckets.len().saturating_sub(1);
    let label = |n: usize| {
        if !linear {
            return log_value(n as i64 - LOG_ZERO).to_string();
        }
        let value = |n: usize| map.histogram_low + map.histogram_step * (n as i64 - 1);
        match n {
            0 => format!("<{}", map.histogram_low),
            n if n == last => format!(">{}", value(n - 1)),
            n => value(n).to_string(),
        }
    };
    let Some(first_used) = buckets.iter().position(|count| *count != 0) else {
        return String::new();
    };
    let last_used = buckets.iter().rposition(|count| *count != 0).unwrap_or(first_used);
    // Two empty buckets at each side give the picture its frame; the overflow buckets of
    // a linear histogram are shown only if something fell into them.
    let (lowest, highest) = if linear {
        (usize::from(buckets.first() == Some(&0)), last - usize::from(buckets.last() == Some(&0)))
    } else {
        (0, last)
    };
    let from = first_used.saturating_sub(KEPT).max(lowest.min(first_used));
    let to = (last_used + KEPT).min(highest.max(last_used));
    let shown = from..=to;

    let most = buckets.iter().copied().max().unwrap_or(1).max(1);
    let scale = if most > WIDTH { (most + WIDTH - 1) / WIDTH } else { 1 };
    let value_width = shown.clone().map(|n| label(n).len()).max().unwrap_or(0).max(5);
    let count_width = shown.clone().map(|n| buckets[n].to_string().len()).max().unwrap_or(0);

    let mut out = String::new();
    let dashes = "-".repeat(WIDTH as usize);
    let _ = writeln!(out, "{:>value_width$} |{dashes} count", "value");
    let mut n = *shown.start();
    while n <= *shown.end() {
        let run = buckets.iter().skip(n).take(to + 1 - n).take_while(|c| **c == 0).count();
        if run > 2 * KEPT + 1 {
            for empty in n..n + KEPT {
                row(&mut out, &label(empty), 0, 0, value_width, count_width);
            }
            let _ = writeln!(out, "{:>value_width$} ~", "~~~");
            n += run - KEPT;
            continue;
        }
        row(&mut out, &label(n), buckets[n], buckets[n] / scale, value_width, count_width);
        n += 1;
    }
    out.push('\n');
    out
}

fn row(out: &mut String, label: &str, count: i64, bar: i64, values: usize, counts: usize) {
    let bar = "@".repeat(bar.clamp(0, WIDTH) as usize);
    let _ = writeln!(out, "{label:>values$} |{bar:<50}  {count:>counts$}");
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
        insta::assert_snapshot!(draw(&map, &buckets));
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
        insta::assert_snapshot!(draw(&map, &[0, 4, 5, 0, 1, 0, 0, 2]));
    }
}

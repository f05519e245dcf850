// SPDX-License-Identifier: GPL-2.0-or-later
//! Seconds since 1970 as a day and time, UTC: `Tue Nov 24 02:47:00 2026`.

use crate::format::Sink;

const DAY: i64 = 86_400;
const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec", b"Jan", b"Feb",
];

/// Years beyond four digits are not dates that `ctime` prints.
const LAST_SECOND: i64 = 253_402_300_799;

/// Writes the date; for times outside the years 0 to 9999 a note in its place.
pub(super) fn time_of_day(seconds: i64, out: &mut impl Sink) {
    if seconds > LAST_SECOND {
        return out.put(b"far far in the future");
    }
    if seconds < -62_167_219_200 {
        return out.put(b"a long, long time ago...");
    }
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Years begin in March, so that the leap day is the last; 400 of them are an era.
    let shifted = days.wrapping_add(719_468);
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let leaps = (day / 1460).wrapping_sub(day / 36_524).wrapping_add(day / 146_096);
    let year = day.wrapping_sub(leaps) / 365;
    let before = year.wrapping_mul(365).wrapping_add(year / 4).wrapping_sub(year / 100);
    let day = day.wrapping_sub(before);
    let month = day.wrapping_mul(5).wrapping_add(2) / 153;
    let first = month.wrapping_mul(153).wrapping_add(2) / 5;
    let day = day.wrapping_sub(first).wrapping_add(1);
    let january = i64::from(month >= 10);
    let year = era.wrapping_mul(400).wrapping_add(year).wrapping_add(january);

    name(&WEEKDAYS, days.rem_euclid(7), out);
    name(&MONTHS, month, out);
    let tens = if day < 10 { b' ' } else { digit(day / 10) };
    out.put(&[tens, digit(day), b' ']);
    two(second / 3600, b':', out);
    two(second / 60 % 60, b':', out);
    two(second % 60, b' ', out);
    out.put(&[digit(year / 1000), digit(year / 100), digit(year / 10), digit(year)]);
}

fn name<const N: usize>(names: &[&[u8; 3]; N], n: i64, out: &mut impl Sink) {
    let name = usize::try_from(n).ok().and_then(|n| names.get(n));
    out.put(name.copied().unwrap_or(b"???"));
    out.put(b" ");
}

fn two(n: i64, after: u8, out: &mut impl Sink) {
    out.put(&[digit(n / 10), digit(n), after]);
}

fn digit(n: i64) -> u8 {
    (n.rem_euclid(10) as u8) | b'0'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::SliceSink;

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "Thu Jan  1 00:00:00 1970"),
            (1_795_488_420, "Tue Nov 24 02:47:00 2026"),
            (951_782_400, "Tue Feb 29 00:00:00 2000"),
            (951_868_799, "Tue Feb 29 23:59:59 2000"),
            (-1, "Wed Dec 31 23:59:59 1969"),
            (4_107_542_400, "Mon Mar  1 00:00:00 2100"),
        ] {
            let mut buffer = [0; 32];
            let mut sink = SliceSink::new(&mut buffer);
            time_of_day(seconds, &mut sink);
            let n = sink.written();
            assert_eq!(std::str::from_utf8(&buffer[..n]).unwrap(), text);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Seconds since 1970 as a day and time, UTC: `Tue Nov 24 02:47:00 2026`.

use crate::fault::Fault;
use crate::format::Sink;

const DAY: i64 = 86_400;
const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec", b"Jan", b"Feb",
];

/// Writes the date.
///
/// # Errors
/// Times that 32 bits of seconds do not reach, as in SystemTap (tapset::ctime(3stap)).
pub(super) fn time_of_day(seconds: i64, out: &mut impl Sink) -> Result<(), Fault> {
    if seconds > i64::from(i32::MAX) {
        return Err(Fault::FarFuture);
    }
    if seconds < i64::from(i32::MIN) {
        return Err(Fault::FarPast);
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
    Ok(())
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
            (i64::from(i32::MAX), "Tue Jan 19 03:14:07 2038"),
            (i64::from(i32::MIN), "Fri Dec 13 20:45:52 1901"),
        ] {
            let mut buffer = [0; 32];
            let mut sink = SliceSink::new(&mut buffer);
            assert_eq!(time_of_day(seconds, &mut sink), Ok(()));
            let n = sink.written();
            assert_eq!(std::str::from_utf8(&buffer[..n]).unwrap(), text);
        }
        let mut sink = SliceSink::new(&mut []);
        assert_eq!(time_of_day(i64::MAX, &mut sink), Err(Fault::FarFuture));
        assert_eq!(time_of_day(i64::MIN, &mut sink), Err(Fault::FarPast));
    }
}

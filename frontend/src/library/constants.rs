// SPDX-License-Identifier: GPL-2.0-or-later
//! Functions of `tapset/constants.table`: names of numbers and of bits.
//!
//! The build script includes this file, so it knows nothing of the crate.

use std::fmt::Write;

/// A word and the number that it stands for.
struct Word<'a> {
    text: &'a str,
    number: i64,
}

/// Name and text of each function of the table.
///
/// # Errors
/// The line that cannot be read.
pub(crate) fn functions(table: &str) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    let joined = table.replace("\\\n", " ");
    for line in joined.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let wrong = || format!("constants.table: {line}");
        let (kind, rest) = line.split_once(' ').ok_or_else(wrong)?;
        let (name, rest) = rest.split_once(' ').ok_or_else(wrong)?;
        let text = match kind {
            "enum" => enumeration(name, &words(rest).ok_or_else(wrong)?),
            "flags" => flags(name, rest).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        found.push((name.to_owned(), text));
    }
    Ok(found)
}

fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).ok()?.cast_signed(),
        None if digits.len() > 1 && digits.starts_with('0') => {
            i64::from_str_radix(digits, 8).ok()?
        }
        None => digits.parse().ok()?,
    };
    Some(if negative { -value } else { value })
}

fn words(text: &str) -> Option<Vec<Word<'_>>> {
    let mut next = 0;
    text.split_whitespace()
        .map(|word| {
            let (text, number) = match word.split_once('=') {
                Some((text, value)) => (text, number(value)?),
                None => (word, next),
            };
            next = number + 1;
            Some(Word { text, number })
        })
        .collect()
}

/// The function `syscall_name`, from the table of system calls.
pub(crate) fn syscall_names(table: &str) -> String {
    let words: Vec<Word<'_>> = table
        .lines()
        .filter_map(|line| {
            let (number, rest) = line.split_once(' ')?;
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
            Some(Word { text: rest.get(..end)?, number: number.parse().ok()? })
        })
        .collect();
    format!(
        "/** Gives the name of a system call's number. */\n{}",
        enumeration("syscall_name", &words)
    )
}

fn enumeration(name: &str, words: &[Word<'_>]) -> String {
    let mut sorted: Vec<&Word<'_>> = words.iter().collect();
    sorted.sort_by_key(|word| word.number);
    let mut out = format!("function {name}:string (value:long)\n{{\n");
    choose(&sorted, &mut out);
    out.push_str("\treturn sprintf(\"0x%x\", value)\n}\n");
    out
}

/// Comparisons that halve what is left, so that no number takes long to find.
fn choose(words: &[&Word<'_>], out: &mut String) {
    if words.len() > 4 {
        let (low, high) = words.split_at(words.len() / 2);
        let _ = writeln!(out, "\tif (value < {}) {{", high.first().map_or(0, |word| word.number));
        choose(low, out);
        out.push_str("\t} else {\n");
        choose(high, out);
        out.push_str("\t}\n");
        return;
    }
    for Word { text, number } in words {
        let _ = writeln!(out, "\tif (value == {number}) return \"{text}\"");
    }
}

fn flags(name: &str, rest: &str) -> Option<String> {
    let mut out = format!("function {name}:string (value:long)\n{{\n\ttext = \"\"\n");
    let bits = match rest.strip_prefix('[') {
        Some(rest) => {
            let (group, bits) = rest.split_once(']')?;
            let (mask, group) = group.split_once(':')?;
            let mask = number(mask.trim())?;
            for Word { text, number } in words(group)? {
                let joined = if text.is_empty() { String::new() } else { format!("|{text}") };
                let _ = writeln!(
                    out,
                    "\tif ((value & {mask}) == {number}) {{\n\t\ttext = \"{joined}\"\n\
                     \t\tvalue = value & {}\n\t}} else",
                    !mask
                );
            }
            let _ = writeln!(
                out,
                "\t{{\n\t\ttext = sprintf(\"|0x%x\", value & {mask})\n\t\tvalue = value & {}\n\t}}",
                !mask
            );
            bits
        }
        None => rest,
    };
    let bits = words(bits)?;
    let zero = bits.iter().find(|word| word.number == 0).map_or("0", |word| word.text);
    for Word { text, number } in bits.iter().filter(|word| word.number != 0) {
        let test = if number.count_ones() == 1 {
            format!("value & {number}")
        } else {
            format!("(value & {number}) == {number}")
        };
        let _ = writeln!(
            out,
            "\tif ({test}) {{\n\t\ttext = text . \"|{text}\"\n\t\tvalue = value & {}\n\t}}",
            !number
        );
    }
    let _ = writeln!(
        out,
        "\tif (value) text = text . sprintf(\"|0x%x\", value)\n\
         \tif (text == \"\") return \"{zero}\"\n\treturn substr(text, 1, strlen(text))\n}}"
    );
    Some(out)
}

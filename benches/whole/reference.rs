//! The bare loops: what a line costs if nothing is done with it but the one thing that must be.
//!
//! **Invariant**: nothing here is the crate's: a floor that used the code it is the floor of would sink with it. They do
//! less than a collector must (no dates, no checks), never more.

use memchr::{memchr_iter, memchr2};

/// How many lines there are.
pub fn cut(bytes: &[u8]) -> usize {
    memchr_iter(b'\n', bytes).count()
}

/// The nanoseconds within a minute of the time that a CRI line begins with: eight digits of the fraction at once. The
/// minute is taken to be that of the line before, as it mostly is.
pub fn time(line: &[u8]) -> u64 {
    let Some(head) = line.first_chunk::<29>() else { return 0 };
    let two = |at: usize| u64::from(head[at] & 15) * 10 + u64::from(head[at + 1] & 15);
    let mut word = [0; 8];
    word.copy_from_slice(&head[20..28]);
    let digits = u64::from_le_bytes(word) & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let eight = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    two(17) * 1_000_000_000 + eight * 10 + u64::from(head[28] & 15)
}

/// Walks over the outermost members of a JSON object, stepping from quote to quote; gives their number and the value
/// of `level`. With `stop`, only as far as that.
pub fn walk(json: &[u8], stop: bool) -> (usize, Option<&[u8]>) {
    let (mut members, mut level) = (0, None);
    let mut at = 1;
    while let Some((key, behind)) = string(json, at) {
        let start = behind + 1;
        let end = value(json, start);
        members += 1;
        if key == b"level" {
            level = json.get(start..end);
            if stop {
                break;
            }
        }
        at = end + 1;
    }
    (members, level)
}

/// The string whose opening quote is at or behind `at`, and the place behind its closing one.
fn string(json: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let start = at + json.get(at..)?.iter().position(|&byte| byte == b'"')? + 1;
    let mut end = start;
    loop {
        end += memchr2(b'"', b'\\', json.get(end..)?)?;
        if json[end] == b'"' {
            return Some((&json[start..end], end + 1));
        }
        end += 2;
    }
}

/// The end of the value at `at`.
fn value(json: &[u8], at: usize) -> usize {
    let mut depth = 0;
    let mut at = at;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                at = string(json, at).map_or(json.len(), |(_, behind)| behind);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

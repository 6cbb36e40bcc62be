//! The inside of quoted strings, as JSON and logfmt share it.

/// The first place at or behind `at` of a quote, a backslash or a control character.
#[inline(always)]
pub(super) fn special(bytes: &[u8], at: usize) -> Option<usize> {
    // Eight bytes at a time: log strings are short, and finding the right routine for long ones costs more than
    // reading the short ones does.
    let rest = bytes.get(at..)?;
    let mut at = at;
    let mut words = rest.chunks_exact(8);
    for word in words.by_ref() {
        let found = special_bits(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let last = words.remainder();
    last.iter().position(|&byte| byte < b' ' || byte == b'"' || byte == b'\\').map(|found| at + found)
}

/// The high bit of each byte of `word` that is a quote, a backslash or a control character. The lowest bit set is
/// always right; those above it may not be (a borrow runs upwards).
#[inline(always)]
fn special_bits(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = ONES << 7;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * b' ' as u64) & !word;
    (zero_in(quote) | zero_in(backslash) | control) & HIGH_BITS
}

/// The length of the escape, backslash included, whose backslash stands before `rest`; `None` if JSON has none such.
#[inline]
pub(super) fn escape(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [b'u', a, b, c, d, ..] => [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn special_places_as_a_plain_loop_finds_them(
            bytes in proptest::collection::vec(prop_oneof![4 => Just(b'a'), 1 => any::<u8>(), 1 => Just(b' '), 1 => Just(0xa2)], 0..60),
            at in 0_usize..60,
        ) {
            let expected = (at..bytes.len()).find(|&at| bytes[at] < 0x20 || bytes[at] == b'"' || bytes[at] == b'\\');
            prop_assert_eq!(special(&bytes, at), expected);
        }
    }
}

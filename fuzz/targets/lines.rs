//! Any bytes cut into lines: no byte is lost, and it does not matter where the reads were cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tailwater::frame::lines::Lines;

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    let whole: Vec<_> = Lines::new(bytes, 7).map(|(line, span)| (line.to_vec(), span)).collect();
    let mut expected = 7;
    for (line, span) in &whole {
        assert_eq!(span.start, expected, "spans follow each other");
        assert_eq!(span.len(), line.len() as u64 + 1, "a line owns its LF");
        assert!(!line.contains(&b'\n'));
        expected = span.end;
    }
    let at = usize::from(at).min(bytes.len());
    let mut first = Lines::new(&bytes[..at], 7);
    let mut again: Vec<_> = first.by_ref().map(|(line, span)| (line.to_vec(), span)).collect();
    let rest = first.offset();
    again.extend(Lines::new(&bytes[(rest - 7) as usize..], rest).map(|(line, span)| (line.to_vec(), span)));
    assert_eq!(again, whole);
});

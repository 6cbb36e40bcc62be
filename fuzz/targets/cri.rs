//! Any line as CRI: what is taken is a suffix of the line behind a time, a stream and a tag.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tailwater::frame::{cri, time_cache::TimeCache};

fuzz_target!(|bytes: &[u8]| {
    let mut used = TimeCache::default();
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (first, line) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    // What was read before must not change what a line becomes.
    let _the_cache_is_warm = cri::parse(first, &mut used);
    let entry = cri::parse(line, &mut used);
    assert_eq!(entry, cri::parse(line, &mut TimeCache::default()));
    let Some(entry) = entry else { return };
    assert!(entry.time.is_some() && entry.stream.is_some());
    let body = entry.body;
    let line = line.strip_suffix(b"\r").filter(|_| !line.ends_with(body)).unwrap_or(line);
    assert!(line.ends_with(body), "the body stands in the line as it is");
    let head = &line[..line.len() - body.len()];
    let is_tagged = [" stdout ", " stderr "]
        .iter()
        .any(|stream| head.windows(stream.len()).any(|window| window == stream.as_bytes()));
    assert!(is_tagged, "the stream stands before the body");
});

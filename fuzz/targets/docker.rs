//! Any line as Docker's JSON: what is taken is what a JSON reader finds under `log`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tailwater::frame::{docker, time_cache::TimeCache};

fuzz_target!(|line: &[u8]| {
    let mut scratch = Vec::new();
    let Some(entry) = docker::parse(line, &mut TimeCache::default(), &mut scratch) else { return };
    let start = line.iter().position(|byte| *byte != 0).unwrap_or(line.len());
    // A reader that is stricter (depth, numbers, invalid UTF-8) has nothing to say.
    let Ok(value) = serde_json::from_slice::<Value>(&line[start..]) else { return };
    let Some(log) = value.get("log").and_then(Value::as_str) else { return };
    let (text, partial) = match log.strip_suffix('\n') {
        Some(text) => (text.strip_suffix('\r').unwrap_or(text), false),
        None => (log, true),
    };
    assert_eq!(entry.partial, partial);
    assert_eq!(String::from_utf8_lossy(entry.body), text);
});

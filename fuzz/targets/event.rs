//! Any line of any format through every sink: what goes on the wire stays within its bound, and JSON is JSON.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tailwater::frame::{Framer, text};
use tailwater::model::body::Body;
use tailwater::model::origin::{Format, Origin};
use tailwater::sinks::Sink;

const MAX_LINE: usize = 1024;

static SINKS: LazyLock<Vec<(String, Sink)>> = LazyLock::new(tailwater_fuzz::sinks);
static ORIGIN: LazyLock<Arc<Origin>> = LazyLock::new(tailwater_fuzz::origin);

fuzz_target!(|input: (u8, &[u8])| {
    let (format, line) = input;
    let line: Vec<u8> = line.iter().copied().filter(|byte| *byte != b'\n').collect();
    let format = [Format::Cri, Format::Docker, Format::Plain][usize::from(format % 3)];
    let mut framer = Framer::new(format);
    let entry = framer.entry(&line);
    let mut scratch = String::new();
    let (body, _) = text::text(entry.body, text::Known::default(), 0, MAX_LINE, &mut scratch);
    assert!(body.len() <= MAX_LINE);
    tailwater_fuzz::event(&ORIGIN, &entry, body, |event| {
        for (name, sink) in SINKS.iter() {
            let mut encoder = sink.encoder();
            let mut encoded = Body::default();
            encoder.push(event, &mut encoded);
            assert_eq!(encoded.items.len(), 1, "{name}: an event is an item");
            assert!(encoded.bytes.len() <= encoder.bound(MAX_LINE), "{name}: over its bound");
            let encoded = std::sync::Arc::new(encoded);
            let request = sink.wire.request(&encoded, &[0]);
            assert!(
                request.body.len() <= sink.wire.bound(encoded.bytes.len()),
                "{name}: the request is over its bound"
            );
            let letter = sink.wire.letter(&encoded, 0);
            assert!(!letter.contains(&b'\n'), "{name}: a dead letter is one line");
            lines_are_json(&letter, 1);
            if name == "dated" {
                lines_are_json(&request.body, 2);
            }
            if name == "out" {
                lines_are_json(&encoded.bytes, 1);
            }
            if let Some(folded) = sink.wire.fold(encoded.item(0)) {
                lines_are_json(&folded, 2);
                assert!(sink.wire.fold(&folded).is_none(), "an item is folded once");
            }
        }
    });
});

fn lines_are_json(bytes: &[u8], count: usize) {
    let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), count, "{:?}", String::from_utf8_lossy(bytes));
    for line in lines {
        let read = serde_json::from_slice::<serde::de::IgnoredAny>(line);
        assert!(read.is_ok(), "{read:?}: {:?}", String::from_utf8_lossy(line));
    }
}

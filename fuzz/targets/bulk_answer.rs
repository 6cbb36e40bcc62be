//! Any answer to a bulk request: one verdict per item, and nothing is settled that the store did not name.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tailwater::model::sink::{Answer, ItemVerdict, Verdict};
use tailwater::sinks::Sink;

static SINKS: LazyLock<Vec<(String, Sink)>> = LazyLock::new(tailwater_fuzz::sinks);

fuzz_target!(|input: (u16, u8, &[u8])| {
    let (status, items, body) = input;
    let items = usize::from(items);
    let status = if status & 1 == 0 { 200 } else { status };
    let Some((_, sink)) = SINKS.iter().find(|(name, _)| name == "stream") else { panic!("the sink is there") };
    match sink.wire.verdict(&Answer { status, body }, items) {
        Verdict::Delivered => assert_eq!(status, 200),
        Verdict::Items(verdicts) => {
            assert_eq!(verdicts.len(), items);
            let text = String::from_utf8_lossy(body);
            let stored = verdicts.iter().any(|verdict| *verdict == ItemVerdict::Delivered);
            assert!(!stored || ["20", "409", "errors"].iter().any(|word| text.contains(word)), "{text}");
        }
        _ => {}
    }
});

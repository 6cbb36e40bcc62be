//! Any answer to a push: only 204 settles, and what a person reads is one line of a bounded length.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tailwater::model::sink::{Answer, Verdict};
use tailwater::sinks::Sink;

static SINKS: LazyLock<Vec<(String, Sink)>> = LazyLock::new(tailwater_fuzz::sinks);

fuzz_target!(|input: (u16, &[u8])| {
    let (status, body) = input;
    let Some((_, sink)) = SINKS.first() else { panic!("the sink is there") };
    let status = [204, 260, 400, 413, 429, 500, status][usize::from(status % 7)];
    let words = match sink.wire.verdict(&Answer { status, body }, 3) {
        Verdict::Delivered => return assert_eq!(status, 204),
        Verdict::Items(_) => panic!("Loki does not answer by item"),
        Verdict::Retry(words)
        | Verdict::RetryByGroup(words)
        | Verdict::Hold(words)
        | Verdict::Split(words)
        | Verdict::Bisect(words) => words,
    };
    assert!(words.contains(&status.to_string()) && words.len() < 2_000 && !words.contains('\n'), "{words:?}");
});

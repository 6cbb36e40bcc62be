//! Any text as a condition: refused or compiled, and then it has an answer to every event.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tailwater::model::event::{Entry, Stream};
use tailwater::model::origin::Origin;
use tailwater::transform::condition::Condition;

static ORIGIN: LazyLock<Arc<Origin>> = LazyLock::new(tailwater_fuzz::origin);

const LINES: &[&str] = &[
    "",
    "a plain line",
    r#"{"level":"warn","msg":"a","n":1,"f":1.5,"t":true,"z":null,"o":{"k":"v","l":[1,2]},"s":"12"}"#,
    "level=error msg=\"no route\" n=7 took=3ms",
];

fuzz_target!(|input: (&str, &str)| {
    let (text, line) = input;
    let Ok(condition) = Condition::new(text) else { return };
    for body in LINES.iter().copied().chain([line]) {
        let entry =
            Entry { time: None, stream: Some(Stream::Stdout), partial: false, body: body.as_bytes(), flaw: None };
        tailwater_fuzz::event(&ORIGIN, &entry, body, |event| {
            let answer = condition.ask(event);
            assert_eq!(condition.clone().ask(event), answer, "the same again");
        });
    }
});

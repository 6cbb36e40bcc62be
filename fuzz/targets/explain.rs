//! Any bytes given to `explain`: a page, and for programs one JSON object a line.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use tailwater::app::explain::page::{self, Style};
use tailwater::app::explain::trial;
use tailwater::app::explain::whose::{self, Wanted};
use tailwater::config::settings::Settings;

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let text = b"state_dir: /s\nmemory_limit: 1GiB\nredact: { presets: all, fields: [password] }\n\
        transforms: { few: { drop: 'level == \"debug\"' }, less: { remove: [a.b] } }\n\
        sources: { pods: { type: kubernetes }, f: { type: file, include: /a.log }, p: { type: stdin } }\nsinks:\n\
        \x20 loki: { type: loki, url: 'http://a' }\n\
        \x20 es: { type: elasticsearch, url: 'http://a' }\n\
        \x20 out: { type: stdout }\n";
    tailwater_fuzz::settings(text).unwrap_or_else(|problems| panic!("settings of the target: {problems:?}"))
});

const PATHS: &[Option<&str>] =
    &[None, Some("/a.log"), Some("/var/log/pods/shop_cart-7c9d-x2x_0b6c4bd0-5a3b-4e5e-9d52-6f1c4d5c1a11/app/0.log")];

fuzz_target!(|input: (u8, bool, &[u8])| {
    let (which, color, bytes) = input;
    let path = PATHS[usize::from(which) % PATHS.len()].map(Path::new);
    let bytes: Arc<[u8]> = bytes.into();
    let Ok(whose) = whose::find(&SETTINGS, &Wanted { path, source: None }, &bytes) else { return };
    let trials: Vec<_> = SETTINGS
        .sinks
        .iter()
        .map(|sink| {
            let trial::Trial { seen, said, counted, headers } =
                trial::run(&SETTINGS, sink, &whose.origin, whose.parser, &bytes);
            page::Trial { sink: Arc::clone(&sink.name), seen, said, counted, headers, plain: None }
        })
        .collect();
    let _for_people = page::text(&whose, &trials, &bytes, Style { color });
    for line in page::json(&whose, &trials, &bytes).lines() {
        let read = serde_json::from_str::<IgnoredAny>(line);
        assert!(read.is_ok(), "{read:?}: {line}");
    }
});

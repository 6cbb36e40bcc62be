//! Any text as a JSON line: what is spliced into documents is valid JSON, and nothing valid is missed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tailwater::model::event::Fields;
use tailwater::parse::json;
use tailwater::parse::nested::Nested;

fuzz_target!(|text: &str| {
    match json::parse(text) {
        Some(found) => {
            if let Some((inner, _)) = Nested::default().unfold(text) {
                let Fields::Json(object) = inner.fields else { panic!("an object inside of one") };
                assert!(json::parse(object).is_some() && object.len() <= text.len(), "{object:?} is spliced");
            }
            assert!(text.contains(found.object));
            let read = serde_json::from_str::<serde::de::IgnoredAny>(found.object);
            // Only how deep it may go differs.
            assert!(read.is_ok() || is_deep(found.object), "{:?} is spliced", found.object);
            if let Some(message) = found.message {
                assert!(
                    serde_json::from_str::<String>(&format!("\"{message}\"")).is_ok(),
                    "{message:?} is a string's inside"
                );
            }
        }
        None => {
            let read = serde_json::from_str::<Map<String, Value>>(text);
            assert!(read.is_err(), "{text:?} was not taken for an object");
        }
    }
});

fn is_deep(text: &str) -> bool {
    text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count() > 100
}

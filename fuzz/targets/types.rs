//! Any text in a line whose fields have types: what comes of it is JSON, with the line's keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tailwater::model::event::Fields;
use tailwater::model::text::Text;
use tailwater::model::time::Time;
use tailwater::parse::json;
use tailwater::parse::logfmt;
use tailwater::parse::pairs::Scratch;
use tailwater::parse::types::{Typed, Types};
use tailwater::parse::values::TYPES;

fuzz_target!(|text: &str| {
    for (_, kind) in TYPES {
        let types = Types::new(["a", "b", "a.a", "a.b", "took", "status"].map(|name| (name.to_owned(), kind)).to_vec());
        let (mut first, mut second, mut typed) = (Scratch::default(), Scratch::default(), Typed::default());
        let (mut pairs, mut typed_pairs) = (first.lend(), second.lend());
        let found = match json::parse(text) {
            Some(json) => Some(Fields::Json(json.object)),
            None => logfmt::parse_anywhere(text, &mut pairs).map(|parsed| parsed.fields),
        };
        let Some(before) = found else { return };
        types.apply(&before, Time::default(), &mut typed);
        match (before, typed.fields(&before, &mut typed_pairs)) {
            (Fields::Json(before), Fields::Json(after)) => {
                let keys = |object: &str| -> Option<Vec<String>> {
                    let object: serde_json::Map<String, Value> = serde_json::from_str(object).ok()?;
                    Some(object.keys().cloned().collect())
                };
                // The other reader knows no half surrogates and no numbers beyond 64 bits.
                if let Some(before) = keys(before) {
                    assert_eq!(keys(after), Some(before), "{after}");
                }
            }
            (Fields::Pairs(before), Fields::Pairs(after)) => {
                assert!(before.iter().map(|(key, _)| key).eq(after.iter().map(|(key, _)| key)));
                for (_, value) in after {
                    if let Text::Bare(json) = value {
                        let is_bare = serde_json::from_str::<Value>(json).is_ok_and(|value| !value.is_string());
                        assert!(is_bare, "{json} is a JSON value without quotes");
                    }
                }
            }
            (before, after) => panic!("{before:?} became {after:?}"),
        }
    }
});

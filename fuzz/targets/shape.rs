//! Any change to the fields of any line: the event is within its bound, its fields are JSON, and the same comes of it again.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use tailwater::model::event::{Entry, Fields};
use tailwater::model::origin::Origin;
use tailwater::model::template::Template;
use tailwater::transform::shape::{Change, shaped};

static ORIGIN: LazyLock<Arc<Origin>> = LazyLock::new(tailwater_fuzz::origin);

const MOST: usize = 2048;

fuzz_target!(|input: (u8, &str, &str, &str, &str)| {
    let (kind, one, other, value, body) = input;
    let body = &body[..body.floor_char_boundary(MOST)];
    let (one, other) = (one.to_owned(), other.to_owned());
    let change = match kind % 6 {
        0 => Change::Rename(vec![(one, other)]),
        1 => Change::Remove(vec![one, other]),
        2 => Change::KeepOnly(vec![one, other]),
        3 => match Template::parse(value) {
            Ok(template) => Change::Set(vec![(one, template.clone()), (other, template)]),
            Err(_) => return,
        },
        4 => Change::Lift(vec![one, other]),
        _ => Change::Nest(vec![(one, vec![other, value.to_owned()])]),
    };
    let entry = Entry { time: None, stream: None, partial: false, body: body.as_bytes(), flaw: None };
    tailwater_fuzz::event(&ORIGIN, &entry, body, |event| {
        let Ok(Some(made)) = shaped(&change, event, event.fields == Fields::None, MOST) else { return };
        let after = made.event(event);
        assert!(after.body.len() <= MOST, "{} bytes", after.body.len());
        if let Fields::Json(object) = after.fields {
            let read = serde_json::from_str::<IgnoredAny>(object);
            assert!(read.is_ok() && object.starts_with('{'), "{read:?}: {object}");
        }
        let Ok(Some(again)) = shaped(&change, event, event.fields == Fields::None, MOST) else { panic!("a change is made or not") };
        assert_eq!(again.event(event).body, after.body, "the same again");
    });
});

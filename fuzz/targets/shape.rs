//! Any change to the fields of any line: the event is within its bound, its fields are JSON, and the same comes of it again.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use tailwater::model::event::{Entry, Fields};
use tailwater::model::origin::Origin;
use tailwater::model::settings::{Node, Place, Problems, Section, Value};
use tailwater::model::template::Template;
use tailwater::parse::KINDS;
use tailwater::parse::reader::READERS;
use tailwater::transform::shape::parse::Parse;
use tailwater::transform::shape::{Change, shaped};

static ORIGIN: LazyLock<Arc<Origin>> = LazyLock::new(tailwater_fuzz::origin);

const MOST: usize = 2048;

/// By any parser that is known by its name, or a CSV with these columns.
fn parse(field: String, into: String, typed: &str) -> Option<Change> {
    let place = Place { file: "fuzz".into(), line: 1, column: 1 };
    let node = |value| Node { place: place.clone(), value };
    let scalar = |text: &str| node(Value::Scalar(text.to_owned()));
    let name = KINDS.get(typed.len()).map_or("auto", |kind| kind.name);
    let mut problems = Problems::default();
    let reader = match name {
        "csv" | "tsv" => {
            let columns = typed.split(' ').map(scalar).collect();
            let entries = vec![(name.to_owned(), place.clone(), node(Value::List(columns)))];
            let map = node(Value::Map(entries));
            let mut section = Section::new("fuzz", &map, &[READERS.keys], &mut problems);
            (READERS.of_map)(&mut section)?
        }
        name => (READERS.of_name)(&scalar(name), &mut problems)?,
    };
    let named = |name: String| (!name.is_empty()).then_some(name);
    Some(Change::Parse(Box::new(Parse::new(named(field), named(into), reader))))
}

fuzz_target!(|input: (u8, &str, &str, &str, &str)| {
    let (kind, one, other, value, body) = input;
    let body = &body[..body.floor_char_boundary(MOST)];
    let (one, other) = (one.to_owned(), other.to_owned());
    let mut change = match kind % 7 {
        0 => Change::Rename(vec![(one, other)]),
        1 => Change::Remove(vec![one, other]),
        2 => Change::KeepOnly(vec![one, other]),
        3 => match Template::parse(value) {
            Ok(template) => Change::Set(vec![(one, template.clone()), (other, template)]),
            Err(_) => return,
        },
        4 => match parse(one, other, value) {
            Some(parse) => parse,
            None => return,
        },
        5 => Change::Lift(vec![one, other]),
        _ => Change::Nest(vec![(one, vec![other, value.to_owned()])]),
    };
    let entry = Entry { time: None, stream: None, partial: false, body: body.as_bytes(), flaw: None };
    tailwater_fuzz::event(&ORIGIN, &entry, body, |event| {
        let Ok(Some(made)) = shaped(&mut change, event, event.fields == Fields::None, event.time, MOST) else { return };
        let after = made.event(event);
        assert!(after.body.len() <= MOST, "{} bytes", after.body.len());
        if let Fields::Json(object) = after.fields {
            let read = serde_json::from_str::<IgnoredAny>(object);
            assert!(read.is_ok() && object.starts_with('{'), "{read:?}: {object}");
        }
        let Ok(Some(again)) = shaped(&mut change, event, event.fields == Fields::None, event.time, MOST) else {
            panic!("a change is made or not")
        };
        assert_eq!(again.event(event).body, after.body, "the same again");
    });
});

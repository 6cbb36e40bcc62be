use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::event::{Fields, Flaw, Level, Span, TimeSource};
use crate::model::origin::{Format, Names, Origin, OriginId, Workload};
use crate::model::reader::{Found, Reader};
use crate::model::walk;

fn origin() -> Arc<Origin> {
    Arc::new(Origin {
        id: OriginId(7),
        source: "pods".into(),
        path: std::path::Path::new("/a.log").into(),
        format: Format::Cri,
        workload: Some(Workload::new(Names { namespace: "shop", pod: "cart-0", ..Names::default() }, 0)),
        host: "h".into(),
    })
}

fn event<'e>(origin: &'e Arc<Origin>, body: &'e str, message: Text<'e>, fields: Fields<'e>) -> Event<'e> {
    Event {
        origin,
        spans: &[Span { start: 0, end: 9 }],
        time: Default::default(),
        time_source: TimeSource::Runtime,
        nudge: 0,
        stream: None,
        level: None,
        body,
        message,
        fields,
        flaw: None,
        demoted: 0,
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

fn set(values: &[(&str, &str)]) -> Change {
    let template = |text: &str| Template::parse(text).expect("a template");
    Change::Set(values.iter().map(|(name, text)| ((*name).to_owned(), template(text))).collect())
}

/// What the first change of an event makes of it.
fn first(change: &Change, event: &Event<'_>, most: usize) -> Result<Option<Shaped>, Stays> {
    shaped(&mut change.clone(), event, event.fields == Fields::None, Time::default(), most)
}

/// The line and the message that come of a JSON line; the line itself where nothing changes.
fn of_json(change: &Change, object: &str) -> (String, String) {
    of_long_json(change, object, 1000)
}

fn of_long_json(change: &Change, object: &str, most: usize) -> (String, String) {
    let origin = origin();
    let message = walk::member(object, "msg").and_then(|msg| msg.strip_prefix('"')?.strip_suffix('"'));
    let message = message.map_or(Text::Plain(object), Text::Escaped);
    let event = event(&origin, object, message, Fields::Json(object));
    let shaped = match first(change, &event, most) {
        Err(Stays::Unread) => None,
        shaped => shaped.expect("short"),
    };
    match shaped {
        None => (object.to_owned(), event.message.plain().into_owned()),
        Some(shaped) => {
            let after = shaped.event(&event);
            assert_eq!(after.fields, Fields::Json(after.body));
            (after.body.to_owned(), after.message.plain().into_owned())
        }
    }
}

#[track_caller]
fn check(change: Change, object: &str, expected: &str) {
    assert_eq!(of_json(&change, object).0, expected, "{change:?}");
}

const OBJECT: &str = r#"{"a":1,"msg":"x\ty","http":{"code":404,"url":{"path":"/"}},"b.c":[1, {"d":2}],"n":null}"#;

#[test]
fn fields_get_other_names() {
    let rename = |names| Change::Rename(pairs(names));
    check(rename(&[("a", "b")]), OBJECT, &(OBJECT.replace(r#""a":1,"#, "").replace("null}", r#"null,"b":1}"#)));
    check(rename(&[("a", "b"), ("b", "c")]), r#"{"a":1}"#, r#"{"c":1}"#);
    check(rename(&[("a", "b")]), r#"{"a":1,"b":2}"#, r#"{"b":1}"#);
    check(rename(&[("http.code", "status")]), r#"{"http":{"code":404,"x":1}}"#, r#"{"http":{"x":1},"status":404}"#);
    check(rename(&[("a", "http.code")]), r#"{"a":1,"http":{"x":1}}"#, r#"{"http":{"x":1,"code":1}}"#);
    check(rename(&[("a", "b.c.d")]), r#"{"a":1}"#, r#"{"b":{"c":{"d":1}}}"#);
    check(rename(&[("a", "b.c")]), r#"{"a":1,"b":"text"}"#, r#"{"b":"text","b.c":1}"#);
    check(rename(&[("zz", "b")]), OBJECT, OBJECT);
    check(rename(&[("a", "with \" quote")]), r#"{"a":1}"#, r#"{"with \" quote":1}"#);
    check(rename(&[("q\"q", "a")]), r#"{"q\"q":1}"#, r#"{"a":1}"#);
}

#[test]
fn fields_go_and_stay() {
    check(
        Change::Remove(names(&["a", "http.url", "b.c", "zz"])),
        OBJECT,
        r#"{"msg":"x\ty","http":{"code":404},"n":null}"#,
    );
    check(Change::Remove(names(&["zz", "a.b"])), OBJECT, OBJECT);
    check(Change::Remove(names(&["a"])), r#"{"a":1}"#, "{}");
    check(Change::KeepOnly(names(&["n", "http.url.path"])), OBJECT, r#"{"n":null,"http":{"url":{"path":"/"}}}"#);
    check(Change::KeepOnly(names(&["zz"])), OBJECT, "{}");
}

#[test]
fn fields_get_texts() {
    check(set(&[("env", "prod")]), r#"{"a":1}"#, r#"{"a":1,"env":"prod"}"#);
    check(set(&[("a", "{namespace}/{pod}/{fields.a}")]), r#"{"a":1}"#, r#"{"a":"shop/cart-0/1"}"#);
    check(set(&[("x.y", "{fields.zz}")]), r#"{"a":1}"#, r#"{"a":1,"x":{"y":""}}"#);
    check(set(&[("a", "{fields.t}\\\"")]), r#"{"t":"tab\t"}"#, r#"{"t":"tab\t","a":"tab\t\\\""}"#);
}

#[test]
fn fields_move_into_objects_and_out() {
    let lift = |of| Change::Lift(names(of));
    check(lift(&["http"]), r#"{"http":{"code":404,"url":{"p":1}},"a":1}"#, r#"{"a":1,"code":404,"url":{"p":1}}"#);
    check(lift(&["http.url"]), r#"{"http":{"code":404,"url":{"p":1}}}"#, r#"{"http":{"code":404},"p":1}"#);
    // What is there already is not written over.
    check(lift(&["http"]), r#"{"http":{"code":404},"code":1}"#, r#"{"code":1,"http.code":404}"#);
    check(lift(&["a", "zz"]), r#"{"a":1}"#, r#"{"a":1}"#);
    let nest = |name: &str, of| Change::Nest(vec![(name.to_owned(), names(of))]);
    check(nest("app", &["a", "b"]), r#"{"a":1,"b":2,"c":3}"#, r#"{"c":3,"app":{"a":1,"b":2}}"#);
    check(nest("app", &["a"]), r#"{"a":1,"app":{"b":2}}"#, r#"{"app":{"b":2,"a":1}}"#);
    check(nest("app", &["zz"]), r#"{"a":1}"#, r#"{"a":1}"#);
}

#[test]
fn the_message_follows_its_field() {
    assert_eq!(of_json(&Change::Remove(names(&["a"])), OBJECT).1, "x\ty");
    assert_eq!(of_json(&Change::Rename(pairs(&[("a", "message")])), r#"{"a":"new","msg":"old"}"#).1, "new");
    // A message whose field is gone stays the message.
    assert_eq!(of_json(&Change::Remove(names(&["msg"])), OBJECT).1, "x\ty");
    let (line, message) = of_json(&Change::Remove(names(&["a"])), r#"{"a":1,"b":2}"#);
    assert_eq!((line.as_str(), message.as_str()), (r#"{"b":2}"#, r#"{"b":2}"#));
}

#[test]
fn pairs_become_an_object() {
    let origin = origin();
    let body = "a=1 b=\"x\\\"y\" a=2";
    let fields = [
        (Text::Plain("a"), Text::Plain("1")),
        (Text::Plain("b"), Text::Escaped("x\\\"y")),
        (Text::Plain("a"), Text::Plain("2")),
    ];
    let event = event(&origin, body, Text::Plain(body), Fields::Pairs(&fields));
    let shaped = first(&set(&[("c", "3")]), &event, 1000).expect("short").expect("changed");
    let after = shaped.event(&event);
    assert_eq!(after.body, r#"{"a":["1","2"],"b":"x\"y","c":"3"}"#);
    assert_eq!(after.message, Text::Plain(after.body));
}

#[test]
fn a_text_keeps_its_line() {
    let origin = origin();
    let event = event(&origin, "plain text", Text::Plain("plain text"), Fields::None);
    for change in [Change::Remove(names(&["a"])), Change::KeepOnly(names(&["a"])), Change::Lift(names(&["a"]))] {
        assert!(first(&change, &event, 1000).expect("short").is_none(), "{change:?}");
    }
    let shaped = first(&set(&[("c", "{pod}")]), &event, 1000).expect("short").expect("changed");
    let after = shaped.event(&event);
    assert_eq!((after.body, after.message), ("plain text", Text::Plain("plain text")));
    assert_eq!(after.fields, Fields::Json(r#"{"c":"cart-0"}"#));
    // Whatever is done to its fields then.
    for (change, fields, message) in [
        (set(&[("d", "2")]), r#"{"c":"cart-0","d":"2"}"#, "plain text"),
        (set(&[("msg", "new")]), r#"{"c":"cart-0","msg":"new"}"#, "new"),
        (Change::Remove(names(&["c"])), "{}", "plain text"),
    ] {
        let again =
            super::shaped(&mut change.clone(), &after, true, Time::default(), 1000).expect("short").expect("changed");
        let again = again.event(&after);
        assert_eq!((again.body, again.fields), ("plain text", Fields::Json(fields)), "{change:?}");
        assert_eq!(again.message.plain(), message, "{change:?}");
    }
}

/// The lines of a trace behind a structured one have no fields, and stay.
#[test]
fn a_trace_stays() {
    let origin = origin();
    let head = r#"{"a":1,"msg":"x\ty"}"#;
    let (body, message) = (format!("{head}\n  at b\n  at c"), "x\ty\n  at b\n  at c");
    let spans = [Span { start: 0, end: 9 }, Span { start: 9, end: 19 }];
    let event = Event { spans: &spans, ..event(&origin, &body, Text::Plain(message), Fields::Json(head)) };
    for (change, line, said) in [
        (Change::Remove(names(&["a"])), r#"{"msg":"x\ty"}"#, "x\ty"),
        (Change::Remove(names(&["msg"])), r#"{"a":1}"#, "x\ty"),
        (set(&[("msg", "new")]), r#"{"a":1,"msg":"new"}"#, "new"),
    ] {
        let shaped = first(&change, &event, 1000).expect("short").expect("changed");
        let after = shaped.event(&event);
        assert_eq!((after.body, after.fields), (format!("{line}\n  at b\n  at c").as_str(), Fields::Json(line)));
        assert_eq!(after.message.plain(), format!("{said}\n  at b\n  at c"));
    }
}

#[test]
fn nothing_becomes_longer_than_its_memory() {
    let origin = origin();
    let object = r#"{"a":"1"}"#;
    let long = set(&[("b", &"x".repeat(50))]);
    let of_object = event(&origin, object, Text::Plain(object), Fields::Json(object));
    assert_eq!(first(&long, &of_object, 50).map(|_| ()), Err(Stays::TooLong));
    assert!(first(&long, &of_object, 67).is_ok());
    let of_text = event(&origin, "text", Text::Plain("text"), Fields::None);
    assert_eq!(first(&long, &of_text, 61).map(|_| ()), Err(Stays::TooLong));
    assert!(first(&long, &of_text, 62).is_ok());
}

/// Finds `a=1,b=2`, with a `level` and a value that does not fit; of `{…}` what stands there.
#[derive(Clone, Debug)]
struct Pairs;

impl Reader for Pairs {
    fn read(&mut self, text: &str, near: Time, take: &mut dyn FnMut(&Found<'_>)) -> bool {
        assert_eq!(near, Time::default());
        let mut found = Found { level: None, fields: Fields::None, misfits: false };
        if text.starts_with('{') {
            found.fields = Fields::Json(text);
            take(&found);
        } else if let Some(word) = text.strip_prefix("only ") {
            found.level = (word == "error").then_some(Level::Error);
            take(&found);
        } else {
            let pairs: Option<Vec<_>> = text.split(',').map(|pair| pair.split_once('=')).collect();
            let Some(pairs) = pairs else { return false };
            found.level = pairs.contains(&("level", "error")).then_some(Level::Error);
            found.misfits = pairs.contains(&("n", "many"));
            let pairs: Vec<_> = pairs.into_iter().map(|(key, value)| (Text::Plain(key), Text::Plain(value))).collect();
            take(&Found { fields: Fields::Pairs(&pairs), ..found });
        }
        true
    }

    fn another(&self) -> Box<dyn Reader> {
        Box::new(Self)
    }
}

fn parse(field: &str, into: &str) -> Change {
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    Change::Parse(Box::new(Parse::new(named(field), named(into), Box::new(Pairs))))
}

#[test]
fn what_a_text_says_becomes_fields() {
    check(parse("a", ""), r#"{"a":"x=1,y=\"","b":2}"#, r#"{"a":"x=1,y=\"","b":2,"x":"1","y":"\""}"#);
    check(parse("a", "c"), r#"{"a":"x=1","b":2}"#, r#"{"a":"x=1","b":2,"c":{"x":"1"}}"#);
    check(parse("a", "a"), r#"{"a":"x=1","b":2}"#, r#"{"a":{"x":"1"},"b":2}"#);
    check(parse("a.b", "a.c"), r#"{"a":{"b":"x=1\n"}}"#, r#"{"a":{"b":"x=1\n","c":{"x":"1"}}}"#);
    check(parse("a", "b.c"), r#"{"a":"x=1","b":2}"#, r#"{"a":"x=1","b":2,"b.c":{"x":"1"}}"#);
    // What is found counts.
    check(parse("a", ""), r#"{"a":"a=1,x.y=2","x":{"y":0}}"#, r#"{"a":"1","x":{"y":0},"x.y":"2"}"#);
    check(parse("a", "x"), r#"{"a":"y=1,y=2","x":{"y":0,"z":0}}"#, r#"{"a":"y=1,y=2","x":{"y":["1","2"],"z":0}}"#);
    check(
        parse("a", ""),
        r#"{"a":"{\"\\u0062\": [1,\n2], \"\u00e9\":null}","b":2}"#,
        r#"{"a":"{\"\\u0062\": [1,\n2], \"\u00e9\":null}","b":[1, 2],"é":null}"#,
    );
    check(parse("a", "b"), r#"{"a":"{}"}"#, r#"{"a":"{}","b":{}}"#);
    // Nothing is found.
    for object in [r#"{"b":"x=1"}"#, r#"{"a":null}"#, r#"{"a":"{}"}"#, r#"{"a":"only text"}"#] {
        check(parse("a", ""), object, object);
    }
    check(parse("a", "b"), r#"{"a":"only text"}"#, r#"{"a":"only text"}"#);
}

#[test]
fn what_is_another_text_stays() {
    let origin = origin();
    for object in [r#"{"a":"text"}"#, r#"{"a":7}"#, r#"{"a":{"b":"x=1"}}"#, r#"{"a":["x=1"]}"#, r#"{"a":""}"#] {
        let event = event(&origin, object, Text::Plain(object), Fields::Json(object));
        assert_eq!(first(&parse("a", ""), &event, 1000).map(|_| ()), Err(Stays::Unread), "{object}");
    }
    let pairs = [
        (Text::Plain("a"), Text::Bare("7")),
        (Text::Plain("b"), Text::Escaped("x=\\t")),
        (Text::Plain("c"), Text::Bare("null")),
    ];
    let event = event(&origin, "a=7", Text::Plain("a=7"), Fields::Pairs(&pairs));
    assert_eq!(first(&parse("a", ""), &event, 1000).map(|_| ()), Err(Stays::Unread));
    assert!(first(&parse("c", ""), &event, 1000).expect("passed over").is_none());
    let shaped = first(&parse("b", ""), &event, 1000).expect("short").expect("changed");
    assert_eq!(shaped.event(&event).body, r#"{"a":7,"b":"x=\t","c":null,"x":"\t"}"#);
    assert_eq!(first(&parse("b", ""), &event, 30).map(|_| ()), Err(Stays::TooLong));
}

#[test]
fn a_message_is_parsed() {
    let origin = origin();
    // Of a text, which stays.
    let of_text = event(&origin, "x=1,msg=new", Text::Plain("x=1,msg=new"), Fields::None);
    let shaped = first(&parse("", ""), &of_text, 1000).expect("short").expect("changed");
    let after = shaped.event(&of_text);
    assert_eq!((after.body, after.fields), ("x=1,msg=new", Fields::Json(r#"{"x":"1","msg":"new"}"#)));
    assert_eq!(after.message, Text::Escaped("new"));
    // Of a structured line.
    let object = r#"{"msg":"x=1","a":2}"#;
    assert_eq!(
        of_json(&parse("", "in"), object),
        (r#"{"msg":"x=1","a":2,"in":{"x":"1"}}"#.to_owned(), "x=1".to_owned())
    );
    // Of the first line of a trace, whose others stay.
    let spans = [Span { start: 0, end: 9 }, Span { start: 9, end: 19 }];
    for (body, fields, line) in [
        ("x=1,msg=y\n  at b", Fields::None, "x=1,msg=y\n  at b"),
        (
            "{\"msg\":\"x=1,msg=y\"}\n  at b",
            Fields::Json(r#"{"msg":"x=1,msg=y"}"#),
            "{\"msg\":\"y\",\"x\":\"1\"}\n  at b",
        ),
    ] {
        let event = Event { spans: &spans, ..event(&origin, body, Text::Plain("x=1,msg=y\n  at b"), fields) };
        let shaped = first(&parse("", ""), &event, 1000).expect("short").expect("changed");
        let after = shaped.event(&event);
        assert_eq!((after.body, &*after.message.plain()), (line, "y\n  at b"));
    }
}

#[test]
fn levels_and_misfits() {
    let origin = origin();
    let level = |object: &str, before| {
        let event = Event { level: before, ..event(&origin, object, Text::Plain(object), Fields::Json(object)) };
        let shaped = first(&parse("a", ""), &event, 1000).expect("short").expect("changed");
        let after = shaped.event(&event);
        (after.level, after.flaw, after.body == object)
    };
    assert_eq!(level(r#"{"a":"level=error"}"#, None), (Some(Level::Error), None, false));
    assert_eq!(level(r#"{"a":"level=error"}"#, Some(Level::Info)), (Some(Level::Info), None, false));
    assert_eq!(level(r#"{"a":"only error"}"#, None), (Some(Level::Error), None, true));
    assert_eq!(level(r#"{"a":"n=many"}"#, None), (None, Some(Flaw::NotTyped), false));
}

/// The same comes of many members as of few.
#[test]
fn many_members_are_joined_as_few_are() {
    for count in [3, 300] {
        let many = |from: usize| (from..from + count).map(|n| format!("k{n}={n}")).collect::<Vec<_>>().join(",");
        let object = format!("{{\"a\":\"{},k0=x\",\"k1\":null,\"\\u006b2\":null}}", many(0));
        let (line, _) = of_long_json(&parse("a", ""), &object, 10_000);
        let read: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).expect("JSON");
        assert_eq!(read.len(), count + 1);
        assert_eq!((&read["k0"], &read["k1"], &read["k2"]), (&serde_json::json!(["0", "x"]), &"1".into(), &"2".into()));
        assert!(line.contains(r#""\u006b2":"2""#), "its key is what it was");
    }
}

proptest! {
    /// Whatever is done to valid JSON, what comes is valid JSON; and what no change names is there as before.
    #[test]
    fn what_comes_is_json(
        values in proptest::collection::vec(
            ("[ab\"\\\\.]{0,3}", prop_oneof![
                Just("1".to_owned()), Just("\"x\\\"y\"".to_owned()), Just("\"a=\\\",b=2\"".to_owned()),
                Just("\"{\\\"a\\\":\\n[1],\\\"b\\\":{}}\"".to_owned()), Just("null".to_owned()), Just("[1,{\"a\":2}]".to_owned()),
                Just("{\"a\":1,\"b\":{\"a\":[]}}".to_owned()), Just("{}".to_owned()), Just("{ \"a\" : { \"b\" : 1 } }".to_owned()),
            ]),
            0..6,
        ),
        changes in proptest::collection::vec((0_usize..7, "[ab](\\.[ab\"]){0,2}", "[abz](\\.[ab\\\\]){0,2}"), 1..5),
    ) {
        let members: Vec<String> =
            values.iter().map(|(key, value)| format!("{}:{value}", serde_json::Value::from(key.as_str()))).collect();
        let mut object = format!("{{{},\"untouched\":{{\"x\" : [1]}}}}", members.join(",")).replace("{,", "{");
        for (kind, one, other) in &changes {
            let change = match kind {
                0 => Change::Rename(vec![(one.clone(), other.clone())]),
                1 => Change::Remove(vec![one.clone()]),
                2 => Change::KeepOnly(vec![one.clone(), "untouched".to_owned()]),
                3 => set(&[(one.as_str(), "{fields.a}")]),
                4 => Change::Lift(vec![one.clone()]),
                5 => parse(one, if one < other { other } else { "" }),
                _ => Change::Nest(vec![(other.clone(), vec![one.clone()])]),
            };
            object = of_json(&change, &object).0;
            let read: Result<serde_json::Value, _> = serde_json::from_str(&object);
            let read = read.map_err(|error| TestCaseError::fail(format!("{change:?}: {error}: {object}")))?;
            prop_assert_eq!(&read["untouched"], &serde_json::json!({ "x": [1] }), "{:?}: {}", change, object);
        }
    }
}

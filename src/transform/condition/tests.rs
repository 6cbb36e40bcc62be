use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::event::{Fields, Level, Span, Stream, TimeSource};
use crate::model::origin::{Format, Names, Origin, OriginId, Workload};
use crate::model::text::Text;

fn origin(is_pod: bool) -> Arc<Origin> {
    let names = Names { namespace: "shop", pod: "cart-7c9d-x2x", uid: "", container: "app", app: "cart" };
    let workload = Workload::new(names, 0);
    Arc::new(Origin {
        id: OriginId(7),
        source: "pods".into(),
        path: std::path::Path::new(if is_pod { "/var/log/a.log" } else { "" }).into(),
        format: Format::Cri,
        workload: is_pod.then_some(workload),
        host: "node-1".into(),
    })
}

fn event<'e>(origin: &'e Arc<Origin>, level: Option<Level>, body: &'e str, fields: Fields<'e>) -> Event<'e> {
    Event {
        origin,
        spans: &[Span { start: 0, end: 9 }],
        time: Default::default(),
        time_source: TimeSource::Runtime,
        nudge: 0,
        stream: Some(Stream::Stderr),
        level,
        body,
        message: Text::Escaped(r#"say \"hi\""#),
        fields,
        flaw: None,
        demoted: 0,
    }
}

const OBJECT: &str = r#"{"status":503,"path":"/health","took":1.5,"ok":true,"off":false,"gone":null,"big":9007199254740993,
    "tags":["a","b"],"http":{"code":404,"url":"/x\ty"},"a.b":"dotted","text":"12","level":"warn"}"#;

/// Of a warning of a pod, in JSON.
#[track_caller]
fn check(condition: &str, expected: Answer) {
    let compiled = Condition::new(condition).unwrap_or_else(|mistake| panic!("{condition}: {mistake:?}"));
    let origin = origin(true);
    assert_eq!(compiled.ask(&event(&origin, Some(Level::Warn), OBJECT, Fields::Json(OBJECT))), expected, "{condition}");
}

#[track_caller]
fn check_all(expected: Answer, conditions: &[&str]) {
    conditions.iter().for_each(|condition| check(condition, expected));
}

#[test]
fn what_holds() {
    check_all(
        Answer::Yes,
        &[
            "true",
            "level == warn",
            "level == 'warn'",
            "level >= info && level < error",
            "warn <= level",
            "level in [warn, error]",
            "level in ['warn', 'error']",
            "level != null",
            "level != debug",
            "stream == 'stderr'",
            "flaw == null",
            "source == \"pods\"",
            "path.startsWith('/var/log/')",
            "host in ['node-1', 'node-2']",
            "kubernetes.namespace == 'shop' && kubernetes.pod.startsWith('cart-')",
            "kubernetes['app'] == 'cart' && kubernetes.node == 'node-1'",
            "has(kubernetes.pod)",
            "message == 'say \"hi\"'",
            "message.contains('hi')",
            "line.endsWith('}') && size(line) > 100",
            "line.size() > 100",
            "message.matches('^say .(hi|ho).$')",
            "matches(message, r'\\bhi\\b')",
            "fields.status == 503",
            "fields.status == 503.0",
            "fields.status == 503u",
            "fields.status >= 500",
            "fields.status > 502.5",
            "fields.status in [502, 503]",
            "fields.took < 2",
            "fields.took == 1.5",
            "-1 < fields.took",
            "fields.big == 9007199254740993",
            "fields.big != 9007199254740992",
            "fields.path == '/health'",
            "fields['path'] == '/health'",
            "fields.path != 5",
            "fields.ok",
            "!fields.off",
            "fields.ok == true",
            "fields.gone == null",
            "has(fields.gone) && has(fields.http.code) && !has(fields.nothing)",
            "fields.http.code == 404",
            "fields.http.url == '/x\\ty'",
            "fields['a.b'] == 'dotted' && fields.a.b == 'dotted'",
            "size(fields.tags) == 2 && size(fields.http) == 2 && size(fields.path) == 7",
            "int(fields.text) > 10",
            "double(fields.text) < 12.5",
            "string(fields.status) == '503'",
            "fields.status > 600 || level == warn",
            "has(fields.nothing) ? false : true",
            "fields.nothing == 1 || true",
            "!(fields.nothing == 1 && false)",
            "fields.status != fields.took",
        ],
    );
}

#[test]
fn what_does_not_hold() {
    check_all(
        Answer::No,
        &[
            "false",
            "level > warn",
            "level == null",
            "fields.status == '503'",
            "fields.status == 404",
            "fields.path == 5",
            "fields.text == 12",
            "has(kubernetes.pod) && has(fields.nothing)",
            "message == 'hi'",
            "fields.nothing == 1 && false",
            "fields.tags == ['a']",
        ],
    );
}

#[test]
fn what_cannot_be_said() {
    check_all(
        Answer::Missing,
        &[
            "fields.nothing == 1",
            "fields.nothing != 1",
            "!(fields.nothing == 1)",
            "fields.http.nothing == 1",
            "fields.gone < 5",
            "fields.gone.startsWith('a')",
            "fields.nothing == 1 || false",
            "fields.nothing.exists(x, x == 1)",
            "fields.nothing + 1 == 2",
        ],
    );
    check_all(
        Answer::Wrong,
        &[
            "fields.path < 5",
            "fields.status.startsWith('5')",
            "fields.status",
            "fields.http < 1",
            "int(fields.path) == 1",
            "fields.path + 1 == 2",
            "fields.nothing == 1 && fields.path < 5",
            "fields.status + 1",
            "fields.status.exists(x, x == 1)",
            "fields.status / 0 == 1",
        ],
    );
}

#[test]
fn a_name_behind_an_escape_is_found() {
    let object = r#"{"st\u0061tus":1,"x":{"y\\z":2}}"#;
    let origin = origin(true);
    for condition in ["fields.status == 1", "fields.x['y\\\\z'] == 2"] {
        let compiled = Condition::new(condition).expect(condition);
        assert_eq!(compiled.ask(&event(&origin, None, object, Fields::Json(object))), Answer::Yes, "{condition}");
    }
}

#[test]
fn the_rest_is_the_librarys() {
    check_all(
        Answer::Yes,
        &[
            "fields.status + 1 == 504",
            "fields.tags.exists(tag, tag == 'b')",
            "fields.tags.exists(tag, tag == 'b' && level >= warn && fields.status == 503)",
            "'a' in fields.tags",
            "fields.tags[0] == 'a'",
            "fields.tags.all(tag, size(tag) == 1)",
            "fields.http.code % 2 == 0",
            "'path' in fields",
            "fields.http.exists(key, key == 'url')",
            "type(fields.status) == int",
            "(level == warn ? fields.status : 0) == 503",
            "fields.text.matches('1' + '2')",
            "fields.tags.filter(tag, tag != 'a') == ['b']",
            "[1, 2].map(n, n * 2) == [2, 4]",
            "{'a': 1}.a == 1",
            "level == warn && fields.status - 3 == 500",
        ],
    );
}

/// Lines whose fields are texts: they are what they are compared with.
#[test]
fn pairs_have_no_types() {
    let pairs = [
        (Text::Plain("status"), Text::Plain("503")),
        (Text::Plain("ok"), Text::Plain("true")),
        (Text::Plain("http.code"), Text::Plain("404")),
        (Text::Plain("who"), Text::Plain("inf")),
    ];
    let origin = origin(false);
    let event = event(&origin, None, "line", Fields::Pairs(&pairs));
    for (condition, expected) in [
        ("fields.status >= 500", Answer::Yes),
        ("fields.status == '503'", Answer::Yes),
        ("fields.status in [502, 503]", Answer::Yes),
        ("fields.status.startsWith('5')", Answer::Yes),
        ("fields.http.code == 404", Answer::Yes),
        ("fields.ok", Answer::Yes),
        ("fields.ok == true", Answer::Yes),
        ("fields.status == true", Answer::No),
        ("fields.who == 5", Answer::No),
        ("fields.who < 5", Answer::Wrong),
        ("fields.who", Answer::Wrong),
        ("int(fields.status) + 1 == 504", Answer::Yes),
        ("level == null", Answer::Yes),
        ("level != debug", Answer::Yes),
        ("level >= info", Answer::Missing),
        ("kubernetes.pod == 'x'", Answer::Missing),
        ("!has(kubernetes.pod) && path == null", Answer::Yes),
    ] {
        let compiled = Condition::new(condition).expect(condition);
        assert_eq!(compiled.ask(&event), expected, "{condition}");
    }
}

#[test]
fn what_is_asked_for() {
    for (condition, wants) in [
        ("level >= warn && stream == 'stderr' && line.contains('a')", Wants::Level),
        ("kubernetes.pod + 'a' == 'b'", Wants::Level),
        ("level == warn || has(fields.a)", Wants::Names),
        ("fields.a + 1 == 2", Wants::Names),
        ("message.contains('a')", Wants::All),
        ("'a' in fields", Wants::All),
    ] {
        assert_eq!(Condition::new(condition).map(|made| made.wants()), Ok(wants), "{condition}");
    }
}

#[test]
fn mistakes_say_where_and_what_to_write() {
    let mut told = String::new();
    for condition in [
        "",
        "fields.path = '/health'",
        "level == warn and stream == 'stderr'",
        "level == warn or stream == 'stderr'",
        "(level == warn",
        "level == 'warn",
        "namespace == 'shop'",
        "pod == 'x'",
        "kubernetes.name == 'x'",
        "leve == warn",
        "status == 500",
        "level == \"warning\"",
        "level >= 4",
        "level.startsWith('w')",
        "size(level) == 4",
        "level + 'x' == 'y'",
        "fields.level >= warn",
        "message > 5",
        "stream",
        "level",
        "warn",
        "'text'",
        "message.startsWith(5)",
        "message.startWith('a')",
        "message.lower() == 'a'",
        "message.matches('(')",
        "fields.tags.exists(level, level == 1)",
        "has(level)",
        "ä == 1",
        "'ä' == message && leve == warn",
        "a.b{c: 1}",
        "level == warn\n&& stream = 'stderr'",
    ] {
        match Condition::new(condition) {
            Ok(made) => panic!("{condition:?}: {made:?}"),
            Err(Mistake { at, text, hint }) => told += &format!("{condition:?}\n  {at:?} {text}\n  {hint}\n"),
        }
    }
    assert_eq!(told, include_str!("../../../tests/golden/conditions.txt"), "\n{told}");
}

#[test]
fn nothing_too_deep_or_too_long_is_run() {
    for condition in [
        format!("{}true{}", "(".repeat(5000), ")".repeat(5000)),
        format!("{}true", "!".repeat(5000)),
        format!("true{}", " && true".repeat(1500)),
        format!("line == 'a'{}", " || line == 'a'".repeat(1000)),
        "x".repeat(20 << 10),
        format!("{}1{} == 1", "[".repeat(400), "]".repeat(400)),
        format!("fields{} == 1", ".a".repeat(4000)),
    ] {
        if let Ok(condition) = Condition::new(&condition) {
            let origin = origin(true);
            let _any_answer = condition.ask(&event(&origin, None, OBJECT, Fields::Json(OBJECT)));
        }
    }
}

proptest! {
    /// Whatever is typed, and whatever it is asked of.
    #[test]
    fn no_condition_panics(
        words in proptest::collection::vec(
            prop_oneof![
                Just("level"), Just("warn"), Just("fields.a"), Just("fields"), Just("message"), Just("'a'"), Just("5"),
                Just("&&"), Just("||"), Just("!"), Just("=="), Just("<"), Just("in"), Just("["), Just("]"), Just("("),
                Just(")"), Just("has("), Just(".exists(x, x"), Just("+"), Just("?"), Just(":"), Just(","), Just("null"),
                Just(".size()"), Just("ä"), Just("\""), Just("-"), Just("1.5"), Just("{"), Just("}"), Just("/ 0"),
            ],
            0..12,
        ),
        object in "\\{\"a\":(1|\"x\"|null|true|\\[1,2\\]|\\{\"b\":1\\}|1e999|-0)\\}",
    ) {
        let text = words.join(" ");
        match Condition::new(&text) {
            Ok(condition) => {
                let origin = origin(true);
                let _any_answer = condition.ask(&event(&origin, Some(Level::Info), &object, Fields::Json(&object)));
            }
            Err(mistake) => prop_assert!(!mistake.text.is_empty() && !mistake.hint.is_empty(), "{} {:?}", text, mistake),
        }
    }

    /// What is run here and what the library runs say the same of constants and fields.
    #[test]
    fn the_library_agrees(
        left in operand(), right in operand(), order in prop_oneof![Just("=="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")],
        joined in prop_oneof![Just("&&"), Just("||")], not in any::<bool>(),
    ) {
        let object = r#"{"n":5,"d":2.5,"t":"x","b":true,"z":null,"s":"5"}"#;
        let origin = origin(true);
        let event = event(&origin, Some(Level::Info), object, Fields::Json(object));
        let not = if not { "!" } else { "" };
        let text = format!("{not}({left} {order} {right}) {joined} {right} == {left}");
        let ours = Condition::new(&text);
        // `true ? x : y` of the library, with a variable that only it has, is not taken apart.
        let inside = text.replace("fields.", "f.");
        let theirs = Condition::new(&format!("[fields].exists(f, {inside})"));
        let (Ok(ours), Ok(theirs)) = (ours, theirs) else { return Err(TestCaseError::reject("no condition")) };
        let (ours, theirs) = (ours.ask(&event), theirs.ask(&event));
        let is_said = |answer| matches!(answer, Answer::Yes | Answer::No);
        if is_said(ours) || is_said(theirs) {
            prop_assert_eq!(ours == Answer::Yes, theirs == Answer::Yes, "{}: {:?} {:?}", text, ours, theirs);
        }
    }
}

fn operand() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("fields.n"),
        Just("fields.d"),
        Just("fields.t"),
        Just("fields.b"),
        Just("fields.s"),
        Just("5"),
        Just("2.5"),
        Just("-1"),
        Just("'x'"),
        Just("'5'"),
        Just("true"),
    ]
}

//! Lines from well-known programs and what becomes of them (`tests/golden/parse`), and what holds for any line.

use proptest::prelude::*;

use super::pairs::Scratch;
use super::recipe::Recipe;
use super::*;
use crate::model::event::{Fields, Level};
use crate::model::settings::{Node, Place, Problems, Value};
use crate::model::text::Text;
use crate::model::time::Time;

/// What a parser says of a line, as the golden files write it.
fn described(parser: &mut Parser, line: &str) -> String {
    let mut scratch = Scratch::default();
    let mut pairs = scratch.lend();
    let parsed = parser.parse(line, &mut pairs);
    let kind = match parsed.fields {
        Fields::None => "plain",
        Fields::Json(_) => "json",
        Fields::Pairs(_) => "logfmt",
    };
    let message = match parsed.message {
        Text::Plain(text) if std::ptr::eq(text, line) => "=".into(),
        message => message.plain(),
    };
    let mut text = format!("{} {kind} {message}", parsed.level.map_or("-", Level::name));
    if let Fields::Pairs(pairs) = parsed.fields {
        for (key, value) in pairs {
            text.push_str(&format!("\n  {}={}", key.plain(), value.plain()));
        }
    }
    text
}

fn check_golden(file: &str, text: &str) {
    let mut cases = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(input) = line.strip_prefix("> ") {
            cases.push((number, input, String::new()));
        } else if line.is_empty() || line.starts_with('#') {
            continue;
        } else if let Some((.., expected)) = cases.last_mut() {
            if !expected.is_empty() {
                expected.push('\n');
            }
            expected.push_str(line);
        }
    }
    assert!(!cases.is_empty());
    let mut wrong = String::new();
    for (number, input, expected) in cases {
        let found = described(&mut Parser::Auto, input);
        if found != expected {
            wrong.push_str(&format!("{file}:{number}: {input}\nexpected {expected}\nfound    {found}\n\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn json_lines() {
    check_golden("json.txt", include_str!("../../tests/golden/parse/json.txt"));
}

#[test]
fn logfmt_lines() {
    check_golden("logfmt.txt", include_str!("../../tests/golden/parse/logfmt.txt"));
}

/// The gallery (`docs/gallery.md`): lines as programs write them, and the event that each becomes where the runtime gives
/// no time.
#[test]
fn the_gallery_of_well_known_programs() {
    let near = Time::parse_rfc3339(b"2026-11-27T08:00:00Z").expect("a time");
    let text = include_str!("../../docs/gallery.md");
    let (mut programs, mut wrong, mut input) = (0, String::new(), None);
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("## ") {
            programs += 1;
        }
        if let Some(line) = line.strip_prefix("    > ") {
            input = Some(line.replace("\\t", "\t").replace("\\e", "\u{1b}"));
        } else if let Some(expected) = line.strip_prefix("    ")
            && let Some(line) = input.take()
        {
            let (mut parser, mut scratch) = (Parser::Auto, Scratch::default());
            let mut pairs = scratch.lend();
            let parsed = parser.parse(&line, &mut pairs);
            let kind = match parsed.fields {
                Fields::None => "text",
                Fields::Json(_) => "json",
                Fields::Pairs(_) => "pairs",
            };
            let message = match parsed.message {
                Text::Plain(text) if std::ptr::eq(text, line.as_str()) => "=".into(),
                message => message.plain(),
            };
            let time = time::find(line.as_bytes(), near).map_or("-".to_owned(), Time::to_rfc3339);
            let found = format!("{time} {} {kind} {message}", parsed.level.map_or("-", Level::name));
            if found != expected {
                wrong.push_str(&format!("gallery.md:{number}: {line}\nexpected {expected}\nfound    {found}\n\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(programs >= 70, "{programs} programs");
}

#[test]
fn plain_lines() {
    check_golden("plain.txt", include_str!("../../tests/golden/parse/plain.txt"));
}

/// The ways in which programs set a level off, each with a line or two, and words that look like one.
#[test]
fn styles_of_levels() {
    check_golden("styles.txt", include_str!("../../tests/golden/parse/styles.txt"));
}

#[test]
fn colours_do_not_hide_a_level() {
    for line in [
        "\u{1b}[2m2026-11-23T08:50:48.703931Z\u{1b}[0m \u{1b}[33m WARN\u{1b}[0m \u{1b}[2mshop\u{1b}[0m\u{1b}[2m:\u{1b}[0m x",
        "\u{1b}[33mWARN\u{1b}[0m[0012] x",
        "[\u{1b}[33mwarn\u{1b}[39m] x",
        "\u{1b}[33mwarn\u{1b}[39m: x",
    ] {
        assert_eq!(described(&mut Parser::Auto, line), "warn plain =", "{line:?}");
    }
}

fn check_told(parser: &mut Parser, line: &str, expected: &str, missed: bool) {
    assert_eq!(described(parser, line), expected, "{line}");
    let mut scratch = Scratch::default();
    assert_eq!(parser.parse(line, &mut scratch.lend()).missed, missed, "{line}");
}

#[test]
fn a_parser_that_was_told_what_to_expect() {
    check_told(&mut Parser::Json, r#"{"level":30}"#, "info json =", false);
    check_told(&mut Parser::Json, "a=1 b=2", "- plain =", true);
    check_told(&mut Parser::Json, "WARN: x", "warn plain =", true);
    check_told(&mut Parser::Logfmt, "a=1", "- logfmt =\n  a=1", false);
    check_told(
        &mut Parser::Logfmt,
        "then a=1 \"b msg=x level=warn",
        "warn logfmt x\n  a=1\n  msg=x\n  level=warn",
        false,
    );
    check_told(&mut Parser::Logfmt, "nothing", "- plain =", true);
    check_told(&mut Parser::Logfmt, r#"{"level":30}"#, "- plain =", true);
    check_told(&mut Parser::Plain, r#"{"level":30}"#, "- plain =", false);
    check_told(&mut Parser::Plain, "level=warn a=1", "warn plain =", false);
    check_told(&mut Parser::Auto, "nothing", "- plain =", false);
}

#[test]
fn an_expression_of_ones_own() {
    let expression = regex::Expression::new(r"^(?<level>\w+)(?:/(?<code>\d+))? (?<user>\S+) (?<message>.*)$");
    let mut parser = Parser::Regex(Box::new(expression.expect("valid")));
    check_told(
        &mut parser,
        "WARN/7 ann disk full",
        "warn logfmt disk full\n  level=WARN\n  code=7\n  user=ann\n  message=disk full",
        false,
    );
    check_told(&mut parser, "hm ann x", "- logfmt x\n  level=hm\n  user=ann\n  message=x", false);
    check_told(&mut parser, "ERROR:", "error plain =", true);
    let mut copy = parser.clone();
    check_told(&mut copy, "I b c", "info logfmt c\n  level=I\n  user=b\n  message=c", false);
}

#[test]
fn several_expressions_are_tried_in_order() {
    let expression =
        regex::Expression::new("^a (?<a>.*)$").and_then(|first| first.or("^(?<level>[A-Z]+) (?<message>.*)$"));
    let mut parser = Parser::Regex(Box::new(expression.expect("valid")));
    check_told(&mut parser, "a WARN x", "- logfmt =\n  a=WARN x", false);
    check_told(&mut parser, "WARN a", "warn logfmt a\n  level=WARN\n  message=a", false);
    check_told(&mut parser, "warn a", "- plain =", true);
}

fn node(value: Value) -> Node {
    Node { place: Place { file: "t.yaml".into(), line: 3, column: 5 }, value }
}

fn check_settings(value: Value, expected: Result<&str, (&str, &str)>) {
    let mut problems = Problems::default();
    let parser = Recipe::from_settings(&node(value), &mut problems);
    match expected {
        Ok(name) => {
            assert_eq!(parser.map(|recipe| recipe.parser.name()), Some(name));
            assert_eq!(problems.0, []);
        }
        Err((text, hint)) => {
            assert!(parser.is_none());
            let found: Vec<_> = problems.0.iter().map(|p| (p.text.as_str(), p.hint.as_str())).collect();
            assert_eq!(found, [(text, hint)]);
        }
    }
}

#[test]
fn settings() {
    let scalar = |text: &str| Value::Scalar(text.to_owned());
    let map = |key: &str, value: Value| Value::Map(vec![(key.to_owned(), node(Value::Null).place, node(value))]);
    for kind in KINDS.iter().filter(|kind| kind.make.is_some()) {
        check_settings(scalar(kind.name), Ok(kind.name));
    }
    check_settings(map("regex", scalar("(?<message>.*)")), Ok("regex"));
    let list = |texts: &[&str]| Value::List(texts.iter().map(|text| node(scalar(text))).collect());
    check_settings(map("regex", list(&["^a(?<a>.)", "(?<message>.*)"])), Ok("regex"));
    check_settings(
        map("regex", list(&["(?<a>.)", "(x)"])),
        Err(("`(x)` has no named group, so no line would get a field", "name what is to be kept: `(?<message>.*)`")),
    );
    check_settings(
        scalar("jsn"),
        Err((
            "unknown parser `jsn`",
            "did you mean `json`? known: auto, json, logfmt, plain, klog, syslog, nginx, apache, regex, grok, csv, tsv",
        )),
    );
    check_settings(
        scalar("tsv"),
        Err((
            "parser `tsv` needs more than its name",
            "write `parse: { tsv: … }`: values between tabs: `{ tsv: [time, level, message] }`, `{ tsv: header }`",
        )),
    );
    check_settings(map("grok", scalar("%{IP:client}")), Ok("grok"));
    check_settings(map("csv", list(&["a", "b"])), Ok("csv"));
    check_settings(map("tsv", list(&["a", "b"])), Ok("tsv"));
    check_settings(map("csv", scalar("header")), Ok("csv"));
    check_settings(map("tsv", scalar("header")), Ok("tsv"));
    // A list is one of names.
    for (typed, is_header) in [(scalar("header"), true), (list(&["header"]), false), (scalar("headers"), false)] {
        let recipe = Recipe::from_settings(&node(map("csv", typed)), &mut Problems::default());
        assert_eq!(recipe.expect("settings").parser.wants_header(), is_header);
    }
    check_settings(
        map("grok", list(&["%{IP:client}", "%{IP}"])),
        Err((
            "`%{IP}` names nothing, so no line would get a field",
            "write `%{PATTERN:name}`; the patterns are Logstash's, and those under `patterns`",
        )),
    );
    check_settings(
        map("regex", scalar("(?<a>x")),
        Err((
            "`(?<a>x` is no regular expression: unclosed group",
            "write `\\` before a sign that stands for itself; the syntax is that of Rust's `regex` crate, \
             without look-around and back-references",
        )),
    );
    check_settings(
        map("regex", scalar("(x)")),
        Err(("`(x)` has no named group, so no line would get a field", "name what is to be kept: `(?<message>.*)`")),
    );
    let no_way = (
        "`parse` needs one of `regex`, `grok`, `csv`, `tsv` and `as`",
        "write `parse: { regex: '…' }`, or the name of a parser such as `parse: auto`",
    );
    check_settings(map("regex", Value::Null), Err(no_way));
    let of = |key: &str, value: Value| (key.to_owned(), node(Value::Null).place, node(value));
    let both = Value::Map(vec![of("regex", scalar("(?<a>x)")), of("csv", list(&["a"]))]);
    check_settings(both, Err(no_way));
    let separated = |text: &str| Value::Map(vec![of("csv", list(&["a"])), of("separator", scalar(text))]);
    check_settings(separated(";"), Ok("csv"));
    let mut wrong = Problems::default();
    Recipe::from_settings(&node(separated("é")), &mut wrong);
    assert_eq!(wrong.0.len(), 1);
    check_settings(map("as", scalar("logfmt")), Ok("logfmt"));
    check_settings(
        map("as", scalar("logfm")),
        Err((
            "unknown parser `logfm`",
            "did you mean `logfmt`? known: auto, json, logfmt, plain, klog, syslog, nginx, apache, regex, grok, csv, tsv",
        )),
    );
    check_settings(map("types", map("status", scalar("int"))), Ok("auto"));
    check_settings(
        Value::Map(vec![of("as", scalar("json")), of("types", map("took", scalar("durations")))]),
        Err((
            "unknown type `durations` of `took`",
            "did you mean `duration`? known: `int`, `float`, `bool`, `time`, `duration`, `bytes`, `text`",
        )),
    );
    check_settings(
        Value::List(vec![]),
        Err((
            "`parse` must be the name of a parser or a map",
            "known: auto, json, logfmt, plain, klog, syslog, nginx, apache, regex, grok, csv, tsv",
        )),
    );
    let mut problems = Problems::default();
    for value in [map("regx", scalar("x")), map("regex", Value::List(vec![])), map("regex", scalar(""))] {
        assert!(Recipe::from_settings(&node(value), &mut problems).is_none());
        assert_ne!(std::mem::take(&mut problems.0), []);
    }
}

fn is_inside_of_a_json_string(text: &str) -> bool {
    // Not read as a `String`: half a surrogate pair is valid JSON and no text.
    serde_json::from_str::<&serde_json::value::RawValue>(&format!("\"{text}\"")).is_ok()
}

proptest! {
    #[test]
    fn any_line_is_parsed_and_none_is_changed(
        line in prop_oneof![
            any::<String>(),
            "[ \\[\\]():|<=>\\{\\}\"'a-zA-Z0-9,./\t\u{1b}-]{0,60}",
            "(\\[|\\(|<)?(INFO|warn|[0-9:]{1,9}|Nov|main|level=)(\\]|\\)|:|>| |\t){0,2}(INFO|error|[a-z.]{1,9}| ){1,6}",
            "([a-z.]{1,4}=(\"([a-z ]|\\\\[\"nx\\\\]){0,6}\"|[a-z\"]{0,3}) ?){1,5}",
        ],
    ) {
        let expression = regex::Expression::new("(?<first>[a-z]+)=?(?<message>.*)").expect("valid");
        for mut parser in [Parser::Auto, Parser::Json, Parser::Logfmt, Parser::Plain, Parser::Regex(Box::new(expression))] {
            let mut scratch = Scratch::default();
            let mut pairs = scratch.lend();
            let parsed = parser.parse(&line, &mut pairs);
            if let Fields::Pairs(pairs) = parsed.fields {
                for (key, value) in pairs {
                    for text in [key, value] {
                        if let Text::Escaped(inner) = text {
                            prop_assert!(is_inside_of_a_json_string(inner));
                        }
                    }
                }
            }
            if let (Text::Escaped(inner), Fields::Json(_)) = (parsed.message, parsed.fields) {
                prop_assert!(is_inside_of_a_json_string(inner));
            }
        }
    }

    #[test]
    fn the_level_alone_is_the_one_of_the_whole_line(
        members in proptest::collection::vec(
            (
                prop::sample::select(vec![
                    "level", "lvl", "severity", "log.level", "@level", "PRIORITY", "msg", "log", "Level", "l\\u0065vel", "a", "é",
                ]),
                prop_oneof![
                    "\"(info|WARN|error|x|30|\\\\n|\\\\u0041)\"",
                    "[0-9]{1,3}",
                    Just("{\"level\":\"debug\",\"a\":[1,{\"level\":\"fatal\"}]}".to_owned()),
                    Just("[\"level\",null]".to_owned()),
                ],
            ),
            0..6,
        ),
        text in any::<String>(),
    ) {
        // With keys that differ: of `level` twice the whole line's is the last, the other's the first.
        let mut keys = std::collections::BTreeSet::new();
        let unique = members.iter().filter(|(key, _)| keys.insert(key.to_lowercase()));
        let members: Vec<String> = unique.map(|(key, value)| format!("\"{key}\":{value}")).collect();
        for line in [format!("{{{}}}", members.join(",")), format!(" {{ {} }} ", members.join(" , ")), text] {
            let (mut parser, mut scratch) = (Parser::Auto, Scratch::default());
            let expected = parser.parse(&line, &mut scratch.lend()).level;
            if !line.trim_ascii_start().starts_with('{') || json::parse(&line).is_some() {
                prop_assert_eq!(parser.level(&line, &mut scratch.lend()).0, expected, "{}", line);
            }
        }
    }
}

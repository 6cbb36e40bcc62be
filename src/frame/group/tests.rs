//! What is grouped. That it is the same however the reads are cut is held by `pipeline/tests.rs`.

use super::*;
use crate::model::event::{Flaw, Stream};

const OUT: Option<Stream> = Some(Stream::Stdout);
const ERR: Option<Stream> = Some(Stream::Stderr);

/// Stream, time in tenths of seconds, text.
type Line<'l> = (Option<Stream>, i64, &'l str);

fn place(stream: Option<Stream>) -> usize {
    match stream {
        Some(Stream::Stdout) => 0,
        Some(Stream::Stderr) => 1,
        None => 2,
    }
}

/// The events of these lines, each taking its bytes and a LF of the file; those still open at the end last.
fn grouped(rules: &Rules, lines: &[Line<'_>]) -> Vec<String> {
    grouped_by(&mut Grouper::new(400, 2000), rules, lines)
}

fn grouped_by(grouper: &mut Grouper, rules: &Rules, lines: &[Line<'_>]) -> Vec<String> {
    let mut events = Vec::new();
    let mut take = |grouper: &mut Grouper, stream: usize| {
        let grouped = grouper.take(stream).expect("it was decided");
        assert!(grouped.spans.windows(2).all(|pair| pair[0].end <= pair[1].start), "ascending");
        events.push(String::from_utf8_lossy(grouped.entry.body).into_owned());
    };
    let mut joined = State::default();
    let mut at = 0;
    for (stream, tenths, text) in lines {
        let time = Some(Time { secs: tenths / 10, nanos: (tenths % 10 * 100_000_000) as u32 });
        let span = Span { start: at, end: at + text.len() as u64 + 1 };
        at = span.end;
        while let Some(late) = grouper.overdue(rules, time, span.end) {
            while grouper.close(rules, late) {
                take(grouper, late);
            }
            grouper.follow(joined, None);
        }
        let flaw = text.starts_with("not cri").then_some(Flaw::NotCri);
        let entry = Entry { time, stream: *stream, partial: false, body: text.as_bytes(), flaw };
        joined.done_until[place(*stream)] = span.end;
        grouper.push(place(*stream), &entry, 0, &[span], time);
        grouper.follow(joined, None);
        while grouper.due(rules, place(*stream)) {
            take(grouper, place(*stream));
            grouper.follow(joined, None);
        }
    }
    for stream in 0..STREAMS {
        while grouper.close(rules, stream) {
            take(grouper, stream);
        }
    }
    assert!(!grouper.is_open());
    events
}

fn rules(name: &str) -> Rules {
    Rules::preset(name).expect("a preset")
}

fn check(rules: &Rules, lines: &[Line<'_>], expected: &[&str]) {
    assert_eq!(grouped(rules, lines), expected);
}

/// The languages, and the events of each.
fn page() -> Vec<(String, Vec<String>)> {
    let page = include_str!("../../../docs/multiline.md");
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    let mut blanks = 0;
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            sections.push((name.to_owned(), Vec::new()));
        }
        let Some((_, events)) = sections.last_mut() else { continue };
        if line.is_empty() {
            blanks += 1;
        } else if let Some(first) = line.strip_prefix("    > ") {
            events.push(first.to_owned());
            blanks = 0;
        } else if let (Some(rest), Some(event)) = (line.strip_prefix("      "), events.last_mut()) {
            event.push_str(&"\n".repeat(std::mem::take(&mut blanks) + 1));
            event.push_str(rest);
        }
    }
    sections.retain(|(_, events)| !events.is_empty());
    sections
}

fn assert_events(rules: &Rules, events: &[String], of: &str) {
    let lines: Vec<Line<'_>> = events.iter().flat_map(|event| event.split('\n')).map(|line| (ERR, 0, line)).collect();
    let mut grouper = Grouper::new(1 << 20, 1 << 20);
    let found = grouped_by(&mut grouper, rules, &lines);
    for (found, expected) in found.iter().zip(events) {
        assert_eq!(found, expected, "{of}");
    }
    assert_eq!(found.len(), events.len(), "{of}");
}

#[test]
fn the_page_of_traces() {
    let page = page();
    let languages: Vec<&str> = traces::LANGUAGES.iter().map(|language| language.name).collect();
    assert_eq!(
        page.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>(),
        languages[..8],
        "each language has its traces"
    );
    for (language, events) in &page {
        assert!(events.iter().any(|event| event.contains('\n')) && events.len() > 4, "{language}");
        assert_events(&Rules::default(), events, "auto");
        assert_events(&rules(language), events, language);
    }
    // And one behind the other, as the pods of a node do not write them.
    let all: Vec<String> = page.iter().flat_map(|(_, events)| events.clone()).collect();
    assert_events(&Rules::default(), &all, "all");
}

/// The cheap test never says no where a language would say yes.
#[test]
fn a_first_line_is_never_overlooked() {
    for (language, events) in page() {
        for event in events.iter().filter(|event| event.contains('\n')) {
            let first = event.split('\n').next().expect("a line");
            assert!(rules(&language).may_begin(first.as_bytes()), "{first}");
        }
    }
}

#[test]
fn the_streams_do_not_concern_each_other() {
    check(
        &rules("auto"),
        &[
            (ERR, 0, "java.lang.IllegalStateException: no stock"),
            (OUT, 0, "GET / 200"),
            (ERR, 1, "\tat a.B.c(B.java:3)"),
            (OUT, 1, "Traceback (most recent call last):"),
            (ERR, 1, "Caused by: java.io.IOException: disk"),
            (ERR, 1, "\t... 1 more"),
            (OUT, 2, "  File \"/a.py\", line 3, in f"),
            (ERR, 2, "done"),
            (OUT, 2, "KeyError: 'x'"),
            (OUT, 2, "done"),
        ],
        &[
            "GET / 200",
            "java.lang.IllegalStateException: no stock\n\tat a.B.c(B.java:3)\nCaused by: java.io.IOException: disk\n\t... 1 more",
            "done",
            "Traceback (most recent call last):\n  File \"/a.py\", line 3, in f\nKeyError: 'x'",
            "done",
        ],
    );
}

#[test]
fn what_only_looks_like_a_trace_stays_alone() {
    let alone = |lines: &[&str]| {
        let typed: Vec<Line<'_>> = lines.iter().map(|line| (OUT, 0, *line)).collect();
        check(&rules("auto"), &typed, lines);
    };
    alone(&["Error: a", "Error: b", "listening", "", "TypeError", "", "x"]);
    alone(&["java.io.IOException: a", "INFO next", "java.io.IOException: b", "2026-11-23 next", "next", "", "next"]);
    alone(&["panic: a", "", "{\"level\":\"info\"}", "panic: b", "[info] next"]);
    alone(&["{\"error\":\"java.lang.IllegalStateException: x\"}", "  {\"indented\":1}", "\tindented"]);
    alone(&[
        "info: no category",
        "      six blanks in",
        "a.rb is fine",
        "http://a.b:80",
        "12:30",
        "/app/x.js:3",
        "",
        "next",
    ]);
    alone(&["the Error was found", "ErrorHandler: started", "Process 7 started", "Unclosed", "Task 7 done"]);
    alone(&[
        "#1 of 7 done",
        "#channel",
        "PHP 8.3 started",
        "thread 'a' done",
        "goroutine 7 ended",
        "File \"a\", line 1",
    ]);
}

#[test]
fn a_message_of_several_lines_belongs_to_its_trace() {
    check(
        &rules("auto"),
        &[
            (ERR, 0, "java.lang.IllegalStateException: a"),
            (ERR, 0, "second"),
            (ERR, 0, ""),
            (ERR, 0, "third"),
            (ERR, 0, "\tat a.B.c(B.java:3)"),
            (ERR, 0, "second"),
        ],
        &["java.lang.IllegalStateException: a\nsecond\n\nthird\n\tat a.B.c(B.java:3)", "second"],
    );
}

#[test]
fn frames_without_a_first_line_stay_together() {
    check(
        &rules("auto"),
        &[
            (ERR, 0, "checkout failed badly"),
            (ERR, 0, "\tat a.B.c(B.java:3)"),
            (ERR, 0, "\tat a.B.d(B.java:4)"),
            (ERR, 0, "next"),
        ],
        &["checkout failed badly", "\tat a.B.c(B.java:3)\n\tat a.B.d(B.java:4)", "next"],
    );
}

#[test]
fn the_lines_own_times_end_an_event() {
    let lines =
        |late: i64| [(ERR, 0, "Error: a"), (ERR, late, "    at f (a.js:1:2)"), (ERR, late, "    at g (a.js:1:2)")];
    check(&rules("auto"), &lines(20), &["Error: a\n    at f (a.js:1:2)\n    at g (a.js:1:2)"]);
    check(&rules("auto"), &lines(21), &["Error: a", "    at f (a.js:1:2)\n    at g (a.js:1:2)"]);
    // Also a line of the other stream, since a file's lines are in the order of time.
    check(
        &rules("auto"),
        &[(ERR, 0, "Error: a"), (OUT, 21, "x"), (ERR, 21, "    at f (a.js:1:2)")],
        &["Error: a", "x", "    at f (a.js:1:2)"],
    );
}

#[test]
fn an_event_is_bounded() {
    let few = expression("{ presets: indented; max_lines: 3 }");
    let lines = ["a", " 1", " 2", " 3", " 4", " 5", "b"].map(|text| (OUT, 0, text));
    check(&few, &lines, &["a\n 1\n 2", " 3\n 4\n 5", "b"]);
    let long = format!(" {}", "x".repeat(198));
    let lines = [(OUT, 0, "a"), (OUT, 0, &long[..]), (OUT, 0, &long[..]), (OUT, 0, " b")];
    check(&rules("indented"), &lines, &[&format!("a\n{long}"), &format!("{long}\n b")]);
    // What is none of the application's lines is alone.
    check(&rules("indented"), &[(OUT, 0, "a"), (OUT, 0, "not cri"), (OUT, 0, " b")], &["a", "not cri", " b"]);
}

/// With events of both streams always open there would be no point to replay from.
#[test]
fn events_that_overlap_without_an_end_are_cut() {
    let start = expression("{ start: '^#' }");
    let long = "x".repeat(99);
    let mut lines: Vec<Line<'_>> = vec![(OUT, 0, "#"), (ERR, 0, "#")];
    for number in 0..40 {
        let stream = if number % 2 == 0 { OUT } else { ERR };
        lines.push((stream, 0, &long));
        lines.push((stream, 0, "#"));
    }
    let found = grouped(&start, &lines);
    let cut = found.iter().filter(|event| !event.starts_with('#')).count();
    assert!((2..=4).contains(&cut), "{cut}: {found:?}");
    // One stream's events do not overlap.
    let alone: Vec<Line<'_>> = lines.iter().map(|(_, time, text)| (OUT, *time, *text)).collect();
    assert!(grouped(&start, &alone).iter().all(|event| event.starts_with('#')));
}

fn expression(text: &str) -> Rules {
    let (rules, problems) = read(text);
    rules.unwrap_or_else(|| panic!("{problems:?}"))
}

/// What `multiline` with this flow map of texts says.
fn read(text: &str) -> (Option<Rules>, Vec<String>) {
    use crate::model::settings::{Node, Place, Problems, Value};
    let place = || Place { file: "f".into(), line: 1, column: 1 };
    let node = |value| Node { place: place(), value };
    let scalar = |text: &str| node(Value::Scalar(text.trim().trim_matches('\'').to_owned()));
    let inside = |open: char, close: char| text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let typed = match (inside('{', '}'), inside('[', ']')) {
        (Some(map), _) => {
            let entries = map.split("; ").map(|entry| entry.split_once(": ").expect("a key and a value"));
            node(Value::Map(entries.map(|(key, value)| (key.trim().to_owned(), place(), scalar(value))).collect()))
        }
        (None, Some(list)) => node(Value::List(list.split(',').map(scalar).collect())),
        (None, None) => scalar(text),
    };
    let mut problems = Problems::default();
    let rules = Rules::from_settings(&typed, &mut problems);
    (rules, problems.0.into_iter().map(|problem| problem.text).collect())
}

#[test]
fn expressions_of_ones_own() {
    let lines = ["x", "# a", "  b", "c", "# d"].map(|text| (OUT, 0, text));
    check(&expression("{ start: '^#' }"), &lines, &["x", "# a\n  b\nc", "# d"]);
    check(&expression("{ continue: '^ ' }"), &lines, &["x", "# a\n  b", "c", "# d"]);
    check(&expression("{ start: '^#'; continue: '^ ' }"), &lines, &["x", "# a\n  b", "c", "# d"]);
    check(&expression("none"), &lines, &["x", "# a", "  b", "c", "# d"]);
    check(&expression("[go, indented]"), &lines, &["x", "# a\n  b", "c", "# d"]);
    check(&expression("{ presets: indented; max_lines: 2; gap: 1s }"), &lines, &["x", "# a\n  b", "c", "# d"]);
}

#[test]
fn what_is_wrong_is_said() {
    for (typed, expected) in [
        ("jave", "unknown preset `jave`"),
        ("[java, none]", "`none` stands alone: `multiline: none`"),
        ("{ start: '(' }", "`start` is no regular expression: unclosed group"),
        ("{ continue: 'a*' }", "`continue` matches an empty line, so nearly every line would"),
        ("{ presets: java; start: '^#' }", "`presets` and expressions of your own exclude each other"),
        ("{ gap: 1ms }", "`gap` cannot be `1ms`"),
        ("{ max_lines: 1 }", "`max_lines` cannot be `1`"),
        ("{ stat: x }", "unknown key `stat` in `multiline`"),
    ] {
        let (_, problems) = read(typed);
        assert_eq!(problems, [expected], "{typed}");
    }
}

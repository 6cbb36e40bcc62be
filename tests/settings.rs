//! Settings files from outside: broken ones with the exact report they get, the shipped examples, what `check` shows.
//!
//! A case is a file in `tests/golden/config`: `NAME.yaml` is loaded as by `run`, `NAME.flags` holds arguments, one a
//! line, `NAME.env` (if there is one) variables for keys; `NAME.txt` holds the report, or what `check` shows where nothing is wrong. `TAILWATER_BLESS=1 cargo test`
//! writes the `.txt` files anew: read the difference before committing it.
#![expect(clippy::disallowed_methods, reason = "a test reads its cases")]

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use proptest::prelude::*;
use tailwater::cli::Cli;
use tailwater::config::flags::LogTyped;
use tailwater::config::machine::{Found, Machine};
use tailwater::config::settings::Settings;
use tailwater::config::{report, show};
use tailwater::model::event::{Event, Fields, Span, TimeSource};
use tailwater::model::origin::{Format, Origin, OriginId};
use tailwater::model::settings::Problems;
use tailwater::model::text::Text;
use tailwater::model::time::Time;
use tailwater::transform::condition::Condition;
use tailwater::transform::steps::{Run, Steps};

fn env(name: &str) -> Option<String> {
    let value = match name {
        "LOKI_HOST" => "loki.example",
        "ES_PASSWORD" => "hunter2",
        "EMPTY" => "",
        "MULTI" => "a: [b\nc: }",
        _ => return None,
    };
    Some(value.to_owned())
}

fn what_is(path: &Path) -> Found {
    match path.to_str() {
        Some("/var/log/pods") => Found::Pods,
        Some("/var/log") => Found::Directory,
        _ => Found::Other,
    }
}

fn secret(path: &str) -> Result<String, String> {
    match path {
        "/run/secrets/redact" => Ok("hunter2 hunter2 hunter2".to_owned()),
        _ => Err(format!("cannot read the secret in `{path}`: no such file")),
    }
}

fn machine() -> Machine<'static> {
    Machine {
        env: &env,
        variables: &Vec::new,
        what_is: &what_is,
        secret: &secret,
        memory: None,
        cpus: 2,
        stdout_terminal: false,
        stderr_terminal: false,
    }
}

/// A case's own variables stand in `NAME.env`, one a line.
fn variables(path: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(path.with_extension("env")).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

fn load(path: &Path) -> Result<Settings, Problems> {
    let variables = || variables(path);
    let machine = Machine { variables: &variables, ..machine() };
    let bytes = fs::read(path).expect("a readable file");
    if path.extension().is_some_and(|extension| extension == "flags") {
        let text = String::from_utf8(bytes).expect("UTF-8");
        let cli = Cli::try_parse_from(std::iter::once("tailwater").chain(text.lines())).expect("flags that clap knows");
        Settings::from_flags(&cli.typed(), &machine)
    } else {
        Settings::from_file(&bytes, &name(path), &LogTyped::default(), &machine)
    }
}

fn name(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned()
}

fn told(path: &Path) -> String {
    match load(path) {
        Ok(settings) => show::render(&settings),
        Err(problems) => {
            let text = String::from_utf8_lossy(&fs::read(path).expect("a readable file")).into_owned();
            report::render(&problems, &name(path), &text)
        }
    }
}

fn files(dir: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().and_then(|e| e.to_str()).is_some_and(|e| extensions.contains(&e)))
        .collect();
    files.sort();
    files
}

#[test]
fn golden_files() {
    let cases = files("tests/golden/config", &["yaml", "flags"]);
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let bless = std::env::var_os("TAILWATER_BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases {
        let told = told(&case);
        let golden = case.with_extension("txt");
        if bless {
            fs::write(&golden, &told).expect("a writable file");
        } else if fs::read_to_string(&golden).unwrap_or_default() != told {
            wrong.push(format!("{}:\n{told}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whoever is refused learns where, what, and what to write instead.
#[test]
fn every_problem_has_a_place_and_a_way_out() {
    let mut problems = 0;
    for golden in files("tests/golden/config", &["txt"]) {
        let text = fs::read_to_string(&golden).expect("a readable file");
        for problem in text.split("error: ").skip(1) {
            let at = golden.display();
            assert!(problem.lines().any(|line| line.starts_with("  hint: ") && line.len() > 12), "{at}: {problem}");
            let place = problem.split(": ").next().unwrap_or_default();
            let is_typed = place.starts_with("flag --") || place.starts_with("environment variable ");
            let is_in_file = matches!(place.rsplitn(3, ':').collect::<Vec<_>>()[..], [column, line, _]
                if column.parse::<u32>().is_ok() && line.parse::<u32>().is_ok());
            assert!(is_typed || is_in_file, "{at}: {problem}");
            problems += 1;
        }
    }
    assert!(problems > 100, "{problems} problems");
}

#[test]
fn no_report_shows_a_secret() {
    for golden in files("tests/golden/config", &["txt"]) {
        let text = fs::read_to_string(&golden).expect("a readable file");
        assert!(!text.contains("hunter2"), "{}", golden.display());
    }
}

#[test]
fn shipped_examples_load() {
    let examples = files("config", &["yaml"]);
    assert_eq!(examples.len(), 4);
    for example in examples {
        if let Err(problems) = load(&example) {
            panic!("{}", report::render(&problems, &name(&example), &fs::read_to_string(&example).unwrap_or_default()));
        }
    }
}

/// What docs/filtering.md, docs/shaping.md, docs/parsing.md and docs/limiting.md show can be typed: settings, and every condition in tables.
#[test]
fn the_pages_on_transforms_can_be_typed() {
    let read = |page| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect("a document");
    let page =
        read("docs/filtering.md") + &read("docs/shaping.md") + &read("docs/parsing.md") + &read("docs/limiting.md");
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        if let Err(problems) = Settings::from_file(block.as_bytes(), "page", &LogTyped::default(), &machine()) {
            panic!("{}", report::render(&problems, "page", block));
        }
    }
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(cell, _)| cell);
    let mut tried = 0;
    for cell in cells.map(|cell| cell.replace("\\|", "|")) {
        let Some((_, condition)) = cell.split_once("drop: ").or(cell.split_once("keep: ")) else { continue };
        let condition = condition.trim_matches('\'');
        assert!(Condition::new(condition).is_ok(), "{condition}: {:?}", Condition::new(condition));
        tried += 1;
    }
    assert!(tried >= 6, "{tried} conditions");
}

#[test]
fn what_check_shows_loads_again_and_shows_the_same() {
    let mut shown = 0;
    for file in files("config", &["yaml"]).into_iter().chain(files("tests/golden/config", &["yaml"])) {
        let Ok(settings) = load(&file) else { continue };
        let first = show::render(&settings);
        let again = Settings::from_file(first.as_bytes(), "shown", &LogTyped::default(), &machine());
        let again = again.unwrap_or_else(|problems| panic!("{}", report::render(&problems, "shown", &first)));
        let second = show::render(&again);
        // Where values came from differs: a default is typed the second time.
        let uncommented = |text: &str| -> String {
            text.lines().map(|line| line.split_once(" # ").map_or(line, |(value, _)| value).to_owned() + "\n").collect()
        };
        assert_eq!(uncommented(&first), uncommented(&second), "{}", file.display());
        shown += 1;
    }
    assert!(shown > 4, "{shown} files");
}

/// Workers that have no CPU, or no memory, are left out, and it is said.
#[test]
fn no_more_workers_than_can_be_fed() {
    let load = |top: &str, workers: usize| {
        let text = format!(
            "{top}\nstate_dir: /s\nsources: {{ s: {{ type: file, include: /x }} }}\nsinks: {{ out: {{ type: 'null', workers: {workers} }} }}\n"
        );
        let settings = Settings::from_file(text.as_bytes(), "t.yaml", &LogTyped::default(), &machine());
        let settings = settings.unwrap_or_else(|problems| panic!("{:?}", problems.0));
        let notices: Vec<String> = settings.notices.iter().map(|notice| notice.text.clone()).collect();
        (settings.sinks[0].workers, notices)
    };
    assert_eq!(load("", 1), (1, vec![]));
    assert_eq!(load("", 2), (2, vec![]));
    let (workers, notices) = load("", 8);
    assert_eq!(workers, 2);
    assert!(notices[0].contains("runs with 2 of its 8 workers") && notices[0].contains("no more CPUs"), "{notices:?}");
    let (workers, notices) = load("memory_limit: 6MiB", 2);
    assert_eq!(workers, 1);
    assert!(notices[0].contains("`memory_limit`"), "{notices:?}");
}

/// The transforms of the only sink, as they are made of `typed`, its only one.
fn steps(typed: &str) -> Steps {
    let text = format!(
        "state_dir: /s\nsources: {{ s: {{ type: file, include: /x }} }}\nsinks: {{ out: {{ type: 'null', transforms: {{ it: {typed} }} }} }}\n"
    );
    let settings = Settings::from_file(text.as_bytes(), "t.yaml", &LogTyped::default(), &machine());
    settings.unwrap_or_else(|problems| panic!("{}", report::render(&problems, "t.yaml", &text))).sinks.remove(0).steps
}

/// Whatever stands in a text and whichever parser reads it: a line of JSON stays one, on one line and within its bound, what was not
/// named stays in it, and the same comes of it again.
#[test]
fn lines_whose_texts_are_parsed_stay_json() {
    let parsers = [
        "as: auto",
        "as: json",
        "as: logfmt",
        "as: plain",
        "as: klog",
        "as: syslog",
        "as: nginx",
        "as: apache",
        "regex: '(?<a>.) ?(?<x>.*)'",
        "grok: '%{WORD:a}=%{NUMBER:n:float}'",
        "csv: [a, '', b]",
        "tsv: [a, b], types: { a: int, b: bool }",
    ];
    let all: Vec<(String, Steps)> = parsers
        .iter()
        .flat_map(|parser| ["", ", into: a", ", into: text", ", into: text.more"].map(|into| format!("{parser}{into}")))
        .map(|typed| (typed.clone(), steps(&format!("{{ parse: {{ field: text, {typed} }} }}"))))
        .collect();
    proptest!(|(
        text in prop_oneof![
            ".{0,40}",
            "[a-c=\" ,{}:\\[\\]\\\\\n\t0-9]{0,40}",
            "(a|b|x\\.y)=(1|\"q u\"|) (a|level)=(warn|\"\\\\\"\")",
            "\\{\"(a|untouched\\.x)\": ?(1|\"\\\\n\"|\\[\n1\\]|\\{\n\"b\":null\\})\\}",
        ],
        most in 60_usize..400
    )| {
        let object = serde_json::json!({ "text": text, "a": { "b": 1 }, "untouched": { "x": [1] } }).to_string();
        let origin = std::sync::Arc::new(Origin {
            id: OriginId(1), source: "s".into(), path: Path::new("/x").into(), format: Format::Plain, workload: None, host: "h".into(),
        });
        let event = Event {
            origin: &origin, spans: &[Span { start: 0, end: 9 }], time: Time::default(), time_source: TimeSource::Runtime, nudge: 0,
            stream: None, level: None, body: &object, message: Text::Plain(&object), fields: Fields::Json(&object), flaw: None, demoted: 0,
        };
        for (typed, steps) in &all {
            let mut steps = steps.clone();
            let mut once = || {
                let (mut wrong, mut line) = (vec![0], String::new());
                let (mut owed, mut told) = (Vec::new(), Vec::new());
                let mut run = Run {
                    moment: event.time, most, wrong: &mut wrong, owed: &mut owed, told: &mut told, spare: 0, demoted: 0,
                };
                steps.run(&event, &mut run, &mut |event| {
                    assert_eq!(event.fields, Fields::Json(event.body));
                    line = event.body.to_owned();
                });
                line
            };
            let line = once();
            prop_assert!(line == object || line.len() <= most, "{}", line);
            prop_assert!(!line.contains(['\n', '\r']), "{}", line);
            let read: Result<serde_json::Value, _> = serde_json::from_str(&line);
            let read = read.map_err(|error| TestCaseError::fail(format!("{typed}: {error}: {line}")))?;
            prop_assert_eq!(&read["untouched"], &serde_json::json!({ "x": [1] }));
            prop_assert_eq!(once(), line);
        }
    });
}

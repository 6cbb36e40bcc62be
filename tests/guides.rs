//! The guides in `docs/` say what is so: commands print what is shown, and what they name is there.
#![expect(clippy::disallowed_methods, reason = "a test reads documents and runs the program")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tailwater::metrics::Metrics;
use tailwater::metrics::look::{FilteredLook, Look};

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a document")
}

/// What stands behind `$` is run, one after the other in one folder, and prints what is shown.
#[test]
fn getting_started() {
    prints_what_it_shows("docs/getting-started.md", 8);
}

#[test]
fn limiting() {
    prints_what_it_shows("docs/limiting.md", 9);
}

fn prints_what_it_shows(page: &str, at_least: usize) {
    let document = read(page);
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().canonicalize().expect("a path");
    let mut commands = 0;
    let mut made = document.clone();
    for block in document.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let mut again = String::new();
        for (command, _) in steps(block) {
            let printed = run(&command, &folder).replace(&*folder.to_string_lossy(), "/tmp/try");
            again += &format!("$ {}\n{printed}", command.replace('\n', "\n> "));
            commands += 1;
        }
        made = made.replace(block, &again);
    }
    assert!(commands >= at_least, "{commands} commands");
    if made != document && env::var_os("TAILWATER_BLESS").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(page), &made).expect("written");
        return;
    }
    let differs = document.lines().zip(made.lines()).find(|(shown, printed)| shown != printed);
    assert!(
        made == document,
        "{page}: shown and printed differ, first: {differs:?}\nTAILWATER_BLESS=1 cargo test --test guides writes it"
    );
}

/// Commands and what is shown of each; a command goes on behind `> `.
fn steps(block: &str) -> Vec<(String, String)> {
    let mut steps: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), line.strip_prefix("> "), steps.last_mut()) {
            (Some(command), ..) => steps.push((command.to_owned(), String::new())),
            (None, Some(more), Some((command, shown))) if shown.is_empty() => *command += &format!("\n{more}"),
            (None, _, Some((_, shown))) => *shown += &format!("{line}\n"),
            (None, _, None) => panic!("no command before `{line}`"),
        }
    }
    steps
}

fn run(command: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_tailwater")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), env::var("PATH").unwrap_or_default());
    let ran = Command::new("sh").args(["-c", command]).current_dir(folder).env("PATH", path).output().expect("a shell");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(said.is_empty(), "`{command}` said: {said}");
    String::from_utf8(ran.stdout).expect("text")
}

/// Every alert that is shipped has a row, and every row is of one.
#[test]
fn alerts() {
    let rules = read("deploy/prometheus/tailwater.rules.yaml");
    let shipped: BTreeSet<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let document = read("docs/operating.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `Tailwater"));
    let named: Vec<String> =
        rows.filter_map(|row| row.split_once('`')).map(|(name, _)| format!("Tailwater{name}")).collect();
    assert!(shipped.len() > 5, "{shipped:?}");
    assert_eq!(named.iter().map(String::as_str).collect::<BTreeSet<_>>(), shipped);
    assert_eq!(named.len(), shipped.len(), "a row for each");
}

/// A series that a guide names is one that the program has.
#[test]
fn series() {
    let metrics = Metrics::new();
    metrics.checkpoint_written();
    let filtered = vec![FilteredLook::new(&"x".into())];
    metrics.pipeline("x").publish(0, &Look { filtered, ..Look::default() });
    let page = metrics.render(true);
    let known: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|rest| rest.split(' ').next())
        .collect();
    let mut named = 0;
    for guide in [
        "docs/operating.md",
        "docs/getting-started.md",
        "docs/troubleshooting.md",
        "docs/security.md",
        "docs/limiting.md",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(guide);
        let text = fs::read_to_string(path).unwrap_or_default();
        for name in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if name.starts_with("tailwater_") && !name.ends_with('_') {
                assert!(known.contains(name), "{guide}: no series `{name}`");
                named += 1;
            }
        }
    }
    assert!(named >= 6, "{named} names");
}

/// The states that `/status` knows are those of the table.
#[test]
fn states() {
    let words = read("src/metrics/look.rs");
    let status: BTreeSet<&str> = words
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::"))
        .filter_map(|line| line.split_once(" => \""))
        .filter_map(|(_, word)| word.strip_suffix("\","))
        .collect();
    let document = read("docs/operating.md");
    let (_, table) = document.split_once("| state | what it waits for |").expect("the table");
    let rows = table.lines().skip(2).take_while(|line| line.trim().starts_with('|'));
    let named: BTreeSet<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(named, status);
}

/// Each of the twelve has a row, and each test that a row names is in its file. So are those that `docs/security.md` names.
#[test]
fn named_tests_are_there() {
    let is_test = |file: &str, name: &str| read(file).contains(&format!("#[test]\nfn {name}()"));
    let document = read("docs/twelve-factors.md");
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| ") && line.contains(". ")).collect();
    let numbers: Vec<&str> =
        rows.iter().filter_map(|row| row.strip_prefix("| ")).filter_map(|row| row.split('.').next()).collect();
    assert_eq!(numbers, ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]);
    for row in rows {
        let names = row.split("[`").skip(1).filter_map(|rest| rest.split_once("`](../"));
        let named: Vec<(&str, &str)> =
            names.filter_map(|(name, rest)| rest.split(')').next().map(|file| (name, file))).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for (name, file) in named {
            assert!(is_test(file, name), "{file} has no test `{name}`");
        }
    }
    let security = read("docs/security.md");
    for (name, file) in [
        ("the_status_shows_no_line_and_no_secret", "tests/flow/admin.rs"),
        ("secrets_in_answers_are_masked", "tests/sinks/connections.rs"),
        ("no_report_shows_a_secret", "tests/settings.rs"),
    ] {
        assert!(security.contains(&format!("`{name}`")) && is_test(file, name), "{file} has no test `{name}`");
    }
}

/// The examples of docs/parsing.md, with the real program: what stands in the last column is what comes out.
#[test]
fn what_the_page_on_parsing_shows() {
    shows("docs/parsing.md", |parse| format!("sources: {{ in: {{ type: stdin, parse: {parse} }} }}\n"));
}

/// Those of docs/shaping.md of texts that are parsed.
#[test]
fn what_the_page_on_shaping_parses() {
    shows("docs/shaping.md", |parse| {
        format!("sources: {{ in: {{ type: stdin }} }}\ntransforms: {{ it: {{ parse: {parse} }} }}\n")
    });
}

/// In a page's rows of three: what is typed, a line, and what an event of it says on stdout.
fn shows(page: &str, settings: impl Fn(&str) -> String) {
    let page = read(page);
    let (_, page) = page.split_once("| `parse:` | line | event |").expect("the rows");
    let folder = tempfile::tempdir().expect("a folder");
    let (mut tried, mut wrong) = (0, String::new());
    for row in page.lines().filter(|line| line.starts_with("| `") && line.ends_with("}` |")) {
        let cells: Vec<String> = row.split("` | `").map(|cell| cell.replace("\\|", "|")).collect();
        let [parse, line, expected] = &*cells else { panic!("three cells: {row}") };
        let parse = parse.trim_start_matches("| `");
        let expected: Value = serde_json::from_str(expected.trim_end_matches("` |")).expect("an event");
        let settings = settings(parse) + "sinks: { out: { type: stdout, format: json } }\n";
        fs::write(folder.path().join("page.yaml"), settings).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_tailwater"))
            .args(["run", "--config", "page.yaml"])
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // In a cell LF stands as `⏎`.
        let input = line.replace('⏎', "\n") + "\n";
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("read");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stdout);
        let last: Option<Value> = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
        let is_there = |(key, value): (&String, &Value)| {
            last.as_ref().is_some_and(|event| event.get(key).unwrap_or(&Value::Null) == value)
        };
        if !expected.as_object().expect("an object").iter().all(is_there) {
            wrong += &format!("{parse}\n{line}\n{said}{}\n", String::from_utf8_lossy(&output.stderr));
        }
        tried += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(tried >= 7, "{tried} rows");
}

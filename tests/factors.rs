//! The twelve factors, applied to Tailwater itself: those of `docs/twelve-factors.md` that no other test shows.
#![expect(clippy::disallowed_methods, reason = "a test runs the program")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program, with nothing of this process's environment, in a folder of its own.
fn bare(folder: &Path, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("its end")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// II. It finds nothing by chance: no variable, no file beside it, no tool.
#[test]
fn it_needs_nothing_of_its_surroundings() {
    let folder = folder();
    let ran = bare(folder.path(), &[], &[], "time=2026-11-23T08:50:47Z level=warn msg=hello\n");
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    assert!(text(&ran.stdout).starts_with(r#"{"time":"2026-11-23T08:50:47Z","level":"warn","message":"hello""#));
}

/// III. All settings can stand in variables; one build does another thing in another environment.
#[test]
fn the_environment_alone_can_hold_all_settings() {
    let folder = folder();
    let run = |format: &str| {
        let sink = format!("{{ type: stdout, format: {format} }}");
        let variables = [("TAILWATER__SOURCES__IN", "{ type: stdin }"), ("TAILWATER__SINKS__OUT", sink.as_str())];
        let ran = bare(folder.path(), &["run"], &variables, "time=2026-11-23T08:50:47Z level=warn msg=hello\n");
        assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
        text(&ran.stdout)
    };
    assert!(run("json").starts_with(r#"{"time":"2026-11-23T08:50:47Z""#));
    assert!(run("logfmt").starts_with("time=2026-11-23T08:50:47Z level=warn message=hello"));
}

/// VI. Without a state directory it leaves nothing behind: what it knows is gone with the process.
#[test]
fn without_a_state_directory_nothing_is_written() {
    let folder = folder();
    let log = folder.path().join("app.log");
    fs::write(&log, "one\ntwo\n").expect("written");
    let before = fs::metadata(&log).and_then(|meta| meta.modified()).expect("a time");
    for _ in 0..2 {
        let ran = bare(folder.path(), &["--from", "app.log", "--once"], &[], "");
        assert_eq!((ran.status.code(), text(&ran.stdout).lines().count()), (Some(0), 2), "{}", text(&ran.stderr));
    }
    let there: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").map(|one| one.expect("a file").file_name()).collect();
    assert_eq!(there, ["app.log"]);
    assert_eq!(fs::metadata(&log).and_then(|meta| meta.modified()).expect("a time"), before, "logs are never written");
}

/// XI. What it says of itself is a stream, one object a line, and never among the events.
#[test]
fn its_own_log_is_a_stream_on_stderr() {
    let folder = folder();
    let variables = [("TAILWATER__SOURCES__IN", "{ type: stdin }"), ("TAILWATER__SINKS__OUT", "{ type: stdout }")];
    let ran = bare(folder.path(), &["run"], &variables, "a line\n");
    let (said, events) = (text(&ran.stderr), text(&ran.stdout));
    assert_eq!(events.lines().count(), 1, "{events}");
    assert!(said.lines().count() >= 2, "{said}");
    for line in said.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(
            object["timestamp"].is_string() && object["level"].is_string() && object["message"].is_string(),
            "{line}"
        );
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "it manages no log files");
}

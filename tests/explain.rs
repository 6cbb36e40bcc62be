//! `tailwater explain` and `tailwater test`, with the real program: what they show is what the pipeline does.
//!
//! `TAILWATER_BLESS=1` writes the golden files anew.
#![expect(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/explain").join(name)
}

/// Runs the program beside the golden files, with `input` on its stdin.
fn tailwater(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .args(arguments)
        .env_clear()
        .env("NODE_NAME", "node-1")
        .current_dir(golden(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // Who does not read it has found something wrong before.
    _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// What it shows is what stands in the golden file.
fn check(name: &str, arguments: &[&str]) {
    let output = tailwater(arguments, "");
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output.stderr));
    let (shown, path) = (text_of(&output.stdout), golden(name));
    if std::env::var_os("TAILWATER_BLESS").is_some() {
        fs::write(&path, &shown).expect("written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, expected, "{name}: bless it if it should be so");
}

const POD: &str = "/var/log/pods/shop_cart-7c9d8f6b5-x2x4k_0a1b/app/0.log";

/// Pieces that are joined, what is replaced, what is no CRI, and what a terminal must not get; for two sinks.
#[test]
fn every_step_is_shown() {
    check("pod.txt", &["explain", "--config", "pod.yaml", "--as", POD, "pod.log"]);
}

#[test]
fn one_sink_as_json() {
    check("pod.json", &["explain", "--config", "pod.yaml", "--as", POD, "--sink", "loki", "--json", "pod.log"]);
}

/// What a sink would send is what it sends: the same line through the running program and `explain`.
#[test]
fn what_is_shown_is_what_is_sent() {
    let line = "level=warn msg=\"disk nearly full\" free=12 time=2026-11-23T08:50:48.703Z\n";
    let sent: Value = serde_json::from_slice(&tailwater(&["--once"], line).stdout).expect("an event");
    let shown: Value = serde_json::from_slice(&tailwater(&["explain", "--json"], line).stdout).expect("an object");
    assert_eq!(shown["sinks"]["stdout"], sent);
    assert_eq!((&shown["event"]["level"], &shown["event"]["time_from"]), (&"warn".into(), &"line".into()));
    assert_eq!(shown["lines"], serde_json::json!([1]));
}

/// Nothing is made, opened or connected to: the settings' state directory does not exist after it.
#[test]
fn nothing_is_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let settings = folder.path().join("t.yaml");
    let text = format!(
        "state_dir: {}\nsources: {{ pods: {{ type: kubernetes }} }}\nsinks: {{ loki: {{ type: loki, url: 'http://127.0.0.1:1' }} }}\n\
         tests: [{{ input: x, expect: [{{ body: x }}] }}]\n",
        state.display()
    );
    fs::write(&settings, text).expect("written");
    let settings = settings.to_str().expect("UTF-8");
    for command in ["explain", "test"] {
        let output = tailwater(&[command, "--config", settings], "a line\n");
        assert_eq!(output.status.code(), Some(0), "{command}: {output:?}");
        assert!(!output.stdout.is_empty());
    }
    assert!(!state.exists());
}

/// What a transform leaves out is shown with its name, for the sink that has it, and expected by nobody.
#[test]
fn who_leaves_a_line_out_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("t.yaml");
    let text = "sources: { pipe: { type: stdin } }\nsinks: { all: { type: stdout }, few: { type: 'null', transforms: { quiet: { drop: level < warn } } } }\n\
                tests: [{ sink: few, input: level=debug, expect: [] }, { sink: few, input: level=error, expect: [{ level: error }] }]\n";
    fs::write(&settings, text).expect("written");
    let settings = settings.to_str().expect("UTF-8");
    let shown = text_of(&tailwater(&["explain", "--config", settings], "level=info\nlevel=error\n").stdout);
    assert_eq!(shown.matches("left out by `quiet`").count(), 1, "{shown}");
    assert_eq!(shown.matches("  few       {}").count(), 1, "{shown}");
    let output = tailwater(&["explain", "--config", settings, "--json"], "level=info\n");
    let object: Value = serde_json::from_slice(&output.stdout).expect("an object");
    assert_eq!((&object["left_out_by"]["few"], &object["sinks"]["few"]), (&"quiet".into(), &Value::Null));
    assert_eq!(tailwater(&["test", "--config", settings], "").status.code(), Some(0));
}

/// A transform that cannot do what it is for says so, for each sink that has it.
#[test]
fn what_a_transform_cannot_do_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("t.yaml");
    let text = r#"
sources: { pipe: { type: stdin } }
transforms:
  inner: { parse: { field: raw, as: json, types: { n: int }, into: raw } }
  client: { drop: fields.raw.n < 5 }
sinks:
  all: { type: stdout }
  few: { type: 'null', transforms: { path: { parse: { field: raw.p, regex: '^/(?<first>[a-z]+)' } } } }
tests: [{ sink: few, input: '{"raw":"{\"p\":\"/a/b\"}"}', expect: [{ fields: { first: a } }] }]
"#;
    fs::write(&settings, text).expect("written");
    let settings = settings.to_str().expect("UTF-8");
    let cases = tailwater(&["test", "--config", settings], "");
    assert_eq!(cases.status.code(), Some(0), "{cases:?}");
    let input = r#"{"raw":"text"}
{"raw":"{\"n\":\"many\",\"p\":\"/x\"}"}
{"raw":"{\"n\":7}"}
"#;
    let output = tailwater(&["explain", "--config", settings, "--json"], input);
    let shown: Vec<Value> =
        text_of(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(shown[0]["errors"], serde_json::json!({ "all": ["inner"], "few": ["inner"] }), "{shown:#?}");
    assert_eq!(shown[0]["event"]["fields"], serde_json::json!({ "raw": "text" }));
    assert_eq!(shown[1]["errors"], serde_json::json!({ "all": ["inner", "client"], "few": ["inner", "client"] }));
    assert_eq!((&shown[1]["event"]["flaw"], &shown[2]["errors"]), (&"not_typed".into(), &Value::Null));
    let shown = text_of(&tailwater(&["explain", "--config", settings], input).stdout);
    assert_eq!(
        shown.matches("`inner` does not fit this event, which counts as an error of it\n").count(),
        4,
        "{shown}"
    );
}

/// A field that Loki would refuse as a time is one for a sink that takes any: each has its own.
#[test]
fn each_sink_has_its_own_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("t.yaml");
    let text = r#"
state_dir: /nowhere
sources: { pods: { type: kubernetes, path: /var/log/pods, parse: { as: json, time: at } } }
sinks:
  all: { type: stdout }
  same: { type: 'null' }
  loki: { type: loki, url: http://127.0.0.1:1 }
"#;
    fs::write(&settings, text).expect("written");
    let settings = settings.to_str().expect("UTF-8");
    let arguments = ["explain", "--config", settings, "--as", POD];
    let input = "2026-11-23T08:50:48Z stdout F {\"at\":\"2026-11-23T05:00:00Z\"}\n\
                 2026-11-23T08:50:49Z stdout F {\"at\":\"2026-11-23T08:50:48.5Z\"}\n";
    let shown = text_of(&tailwater(&arguments, input).stdout);
    let expected = "  time      2026-11-23T05:00:00Z  from the field that `parse.time` names\n            \
                    2026-11-23T08:50:48Z  the runtime's, for `loki`\n  level";
    assert_eq!((shown.matches(expected).count(), shown.matches(", for `").count()), (1, 1), "{shown}");
    let json = text_of(&tailwater(&[&arguments[..], &["--json"]].concat(), input).stdout);
    let shown: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let times = serde_json::json!({ "loki": { "time": "2026-11-23T08:50:48Z", "time_from": "runtime" } });
    assert_eq!((&shown[0]["times"], &shown[1]["times"]), (&times, &Value::Null), "{json}");
}

/// Conditions compare what has a type as what it is; a field that is a secret by its name is none less for having a type.
#[test]
fn types_conditions_and_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("t.yaml");
    let text = "sources: { pipe: { type: stdin, parse: { as: logfmt, types: { took: duration, ok: bool, pin: int, n: int } } } }\n\
                redact: { fields: [pin] }\ntransforms: { slow: { keep: fields.took > 0.5 && !fields.ok && (fields.took * 2.0) < 10.0 } }\n\
                sinks: { all: { type: stdout } }\n\
                tests: [{ input: 'took=2s ok=off n=-', expect: [{ fields: { took: 2.0, ok: false, n: 'null' } }] }]\n";
    fs::write(&settings, text).expect("written");
    let settings = settings.to_str().expect("UTF-8");
    let cases = tailwater(&["test", "--config", settings], "");
    assert_eq!(cases.status.code(), Some(0), "{}", text_of(&cases.stdout));
    let input = "took=1.5s ok=no pin=1234\ntook=250ms ok=no pin=1\ntook=1s ok=yes pin=2\ntook=6s ok=off\n";
    let output = tailwater(&["run", "--config", settings], input);
    let sent: Vec<Value> =
        text_of(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let fields: Vec<&Value> = sent.iter().map(|event| &event["fields"]).collect();
    assert_eq!(fields, [&serde_json::json!({"took": 1.5, "ok": false, "pin": "[redacted:field]"})], "{output:?}");
    assert!(!text_of(&output.stdout).contains("1234"));
    let shown = text_of(&tailwater(&["explain", "--config", settings], "took=1.5s ok=no id=7 note=true\n").stdout);
    assert!(shown.contains("fields    took=1.5  ok=false  id=\"7\"  note=\"true\"\n"), "{shown}");
}

/// The first line names the values of the others, also where it is met again; of what the container writes beside it nothing.
#[test]
fn a_header_line_is_shown_as_such() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("t.yaml");
    let text = "sources: { pods: { type: kubernetes, parse: { csv: header, types: { took: duration }, time: at } } }\n\
                sinks: { all: { type: stdout }, loki: { type: loki, url: 'http://127.0.0.1:1' } }\nstate_dir: /nowhere\n\
                tests: [{ sink: all, input: \"took,Level\\n5s,warn\\ntook,Level\\n\", expect: [{ level: warn, fields: { took: 5.0, Level: warn } }] }]\n";
    fs::write(&settings, text).expect("written");
    let settings = settings.to_str().expect("UTF-8");
    let line = |stream: &str, text: &str| format!("2026-11-23T08:50:48.7Z {stream} F {text}\n");
    let lines = [
        line("stderr", "WARN starting, wait"),
        line("stdout", "at,took,Level"),
        line("stdout", "2026-11-23T08:50:47Z,250ms,error"),
        line("stdout", "alone"),
        line("stdout", "at,took,Level"),
    ];
    let arguments = ["explain", "--config", settings, "--as", POD];
    let shown = text_of(&tailwater(&arguments, &lines.concat()).stdout);
    assert_eq!(shown.matches("nothing: it is the header, which names the fields of the others").count(), 2, "{shown}");
    assert!(shown.contains("fields    at=2026-11-23T08:50:47Z  took=0.25  Level=error\n"), "{shown}");
    let json = text_of(&tailwater(&[&arguments[..], &["--json"]].concat(), &lines.concat()).stdout);
    let objects: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let of = |key: &str| objects.iter().map(|object| object["event"][key].as_str().unwrap_or("-")).collect::<Vec<_>>();
    assert_eq!(of("level"), ["warn", "-", "error", "-", "-"]);
    assert_eq!(of("flaw"), ["-", "-", "-", "not_parsed", "-"], "{json}");
    assert_eq!(objects[2]["event"]["time"], "2026-11-23T08:50:47Z");
    for header in [&objects[1], &objects[4]] {
        assert_eq!(header["left_out_by"], serde_json::json!({ "all": "csv header", "loki": "csv header" }));
        assert_eq!(header["sinks"], serde_json::json!({ "all": null, "loki": null }));
    }
    assert_eq!(tailwater(&["test", "--config", settings], "").status.code(), Some(0));
}

/// JSON that says no level of its own has the one of its text, for a sink that takes fields and for one that does not.
#[test]
fn a_text_inside_of_json_says_its_level() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("t.yaml");
    let input = "{\"log\":\"2026/11/23 08:50:48 [warn] 1#1: x\\n\",\"stream\":\"stderr\"}\n{\"level\":\"info\",\"msg\":\"ERROR: x\"}\n{\"log\":\"ERROR: x\",\n";
    for sink in ["{ type: stdout, format: text }", "{ type: stdout }", "{ type: loki, url: 'http://127.0.0.1:1' }"] {
        let text = format!("sources: {{ pipe: {{ type: stdin }} }}\nsinks: {{ one: {sink} }}\nstate_dir: /nowhere\n");
        fs::write(&settings, text).expect("written");
        let output = tailwater(&["explain", "--json", "--config", settings.to_str().expect("UTF-8")], input);
        let levels: Vec<Value> = text_of(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("an object")["event"]["level"].clone())
            .collect();
        assert_eq!(levels, [Value::from("warn"), Value::from("info"), Value::Null], "{sink} {output:?}");
    }
}

/// A limit that has just begun: what it leaves out, and what it would say of it.
#[test]
fn what_a_limit_would_say_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("t.yaml");
    let text = "sources: { pipe: { type: stdin } }\nsinks: { all: { type: stdout }, few: { type: 'null', transforms: { calm: { limit: { lines_per_second: 1, burst: 2 } } } } }\n\
                tests: [{ sink: few, input: \"a\\nb\\nc\\n\", expect: [{ body: a }, { body: b }] }]\n";
    fs::write(&settings, text).expect("written");
    let settings = settings.to_str().expect("UTF-8");
    let shown = text_of(&tailwater(&["explain", "--config", settings], "a\nb\nc\nd\n").stdout);
    assert_eq!(shown.matches("left out by `calm`").count(), 2, "{shown}");
    let (_, end) = shown.split_once("\nand `few` would be told\n").expect("what it says");
    assert!(end.starts_with("  2 lines (4 bytes) of `pipe` were left out within 0.0s"), "{shown}");
    let objects = text_of(&tailwater(&["explain", "--config", settings, "--json"], "a\nb\nc\n").stdout);
    let last: Value = serde_json::from_str(objects.lines().last().expect("a line")).expect("an object");
    assert!(
        last["said"]["few"].as_str().is_some_and(|said| said.starts_with("1 line (2 bytes) of `pipe` was")),
        "{last}"
    );
    assert_eq!(tailwater(&["test", "--config", settings], "").status.code(), Some(0));
}

#[test]
fn who_is_not_known_is_said() {
    for (arguments, reason) in [
        (vec!["explain", "--config", "pod.yaml", "--as", "/srv/x.log"], "no source of the settings reads `/srv/x.log`"),
        (vec!["explain", "--config", "pod.yaml", "--source", "nobody"], "there is no source `nobody`; known: pods"),
        (vec!["explain", "--config", "pod.yaml", "--sink", "nobody"], "there is no sink `nobody`; known: loki, search"),
        (vec!["explain", "/nowhere"], "`/nowhere` cannot be read"),
    ] {
        let output = tailwater(&arguments, "x\n");
        let said = text_of(&output.stderr);
        assert!(said.contains(reason), "{arguments:?}: {said}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(64), 0), "{arguments:?}");
    }
}

#[test]
fn cases_in_the_settings_pass_and_fail() {
    let good = tailwater(&["test", "--config", "pod.yaml"], "");
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(text_of(&good.stdout).ends_with("3 passed\n"), "{}", text_of(&good.stdout));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bad.yaml");
    let settings = fs::read_to_string(golden("pod.yaml")).expect("settings");
    fs::write(
        &path,
        settings.replace("level: warn", "level: error").replace("expect: []", "expect: [{ level: info }]"),
    )
    .expect("written");
    let bad = tailwater(&["test", "--config", path.to_str().expect("UTF-8")], "");
    let shown = text_of(&bad.stdout);
    assert_eq!(bad.status.code(), Some(65), "{bad:?}");
    assert!(shown.contains("FAILED structured\n         event 1: `level` is \"warn\", not \"error\"\n"), "{shown}");
    assert!(shown.contains("event 1: there is none; 0 came") && shown.ends_with("2 of 3 failed\n"), "{shown}");
}

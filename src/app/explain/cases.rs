//! `tailwater test`: the cases that stand in the settings, under `tests`.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;

use super::whose::{self, Wanted};
use super::{page, trial};
use crate::config::cases::{Case, Expected};
use crate::config::settings::Settings;
use crate::exit::Exit;

/// Runs all of them; what is shown, and how that ends.
pub fn run(settings: &Settings) -> (String, Exit) {
    let mut shown = String::new();
    let mut failed = 0;
    for case in &settings.tests {
        let wrong = check(settings, case);
        // Writing to a string cannot fail, here and below.
        _ = writeln!(shown, "{} {}", if wrong.is_empty() { "ok    " } else { "FAILED" }, case.name);
        for line in &wrong {
            _ = writeln!(shown, "         {line}");
        }
        failed += usize::from(!wrong.is_empty());
    }
    let all = settings.tests.len();
    _ = match (all, failed) {
        (0, _) => writeln!(shown, "the settings have no `tests`"),
        (_, 0) => writeln!(shown, "{all} passed"),
        _ => writeln!(shown, "{failed} of {all} failed"),
    };
    (shown, if failed == 0 { Exit::Done } else { Exit::TestsFailed })
}

/// What is not as the case says.
fn check(settings: &Settings, case: &Case) -> Vec<String> {
    let bytes: Arc<[u8]> = case.input.as_bytes().into();
    let wanted = Wanted { path: case.path.as_deref(), source: case.source.as_deref() };
    let whose = match whose::find(settings, &wanted, &bytes) {
        Ok(whose) => whose,
        Err(wrong) => return vec![wrong],
    };
    let sink = settings.sinks.iter().find(|sink| match &case.sink {
        Some(name) => *sink.name == **name,
        None => sink.sources.contains(&whose.source),
    });
    let Some(sink) = sink else { return vec!["no sink gets the lines of this source".to_owned()] };
    let mut seen = trial::run(settings, sink, &whose.origin, whose.parser, &bytes).seen;
    seen.retain(|seen| seen.left_out_by.is_none());
    let mut wrong = Vec::new();
    for (index, expected) in case.expect.iter().enumerate() {
        match seen.get(index) {
            Some(seen) => differ(index, expected, &page::event(seen), &mut wrong),
            None => wrong.push(format!("event {}: there is none; {} came", index + 1, seen.len())),
        }
    }
    for seen in seen.iter().skip(case.expect.len()) {
        wrong.push(format!("an event that is not expected: {:?}", seen.body));
    }
    wrong
}

fn differ(index: usize, expected: &Expected, event: &Value, wrong: &mut Vec<String>) {
    let mut check = |key: &str, expected: &str, got: &Value| {
        let got = match got {
            Value::String(got) => Some(got.as_str()),
            _ => None,
        };
        let is_same = match expected {
            "null" => got.is_none(),
            _ => got == Some(expected),
        };
        if !is_same {
            let got = got.map_or_else(|| "none".to_owned(), |got| format!("{got:?}"));
            wrong.push(format!("event {}: `{key}` is {got}, not {expected:?}", index + 1));
        }
    };
    for (key, value) in &expected.keys {
        check(key, value, &event[*key]);
    }
    for (key, value) in &expected.fields {
        check(&format!("fields.{key}"), value, &event["fields"][key.as_str()]);
    }
}

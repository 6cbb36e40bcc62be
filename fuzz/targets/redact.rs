//! Any text around a secret: the secret is gone, what was redacted stays as it is, JSON stays JSON.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tailwater::transform::redact::Redactor;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::all().expect("presets"));

/// One for each preset that needs no name before it, made so that nobody takes this file for one that leaks.
const SECRETS: &[&str] = &[
    "jane.doe@example.com",
    "10.20.30.40",
    "2001:db8::8a2e:370:7334",
    "4111 1111 1111 1111",
    "DE89370400440532013000",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----",
];

fn redact(line: &str, cut: Option<usize>) -> String {
    let mut scratch = String::new();
    REDACTOR.line(line, cut, &mut scratch).to_owned()
}

fuzz_target!(|input: (u8, u16, &str, &str)| {
    let (which, cut, before, behind) = input;
    let secret = SECRETS[usize::from(which) % SECRETS.len()];
    // Within a longer word the same characters are none: the input's own are not the planted one.
    if before.contains(secret) || behind.contains(secret) {
        return;
    }
    let line = format!("{before} {secret} {behind}").replace('\n', " ");
    let out = redact(&line, None);
    assert!(!out.contains(secret), "{out}");
    assert_eq!(redact(&line, None), out, "the same again");
    if line.is_char_boundary(usize::from(cut)) && usize::from(cut) < line.len() {
        redact(&line, Some(usize::from(cut)));
    }
    let json = serde_json::json!({ "m": line, "o": { before: [secret, 1, null] }, "n": 1.5 }).to_string();
    let out = redact(&json, None);
    let value: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
    assert!(!value.to_string().contains(secret), "{out}");
    assert_eq!(value["n"], serde_json::json!(1.5), "{out}");
    // JSON of whatever kind the input itself is.
    if serde_json::from_str::<Value>(before).is_ok() {
        let out = redact(before, None);
        assert!(serde_json::from_str::<Value>(&out).is_ok(), "{out}");
    }
});

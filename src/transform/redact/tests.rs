//! Real-looking secrets and what only looks like them; that nothing shows what was found; that JSON stays JSON.

use proptest::prelude::*;
use serde_json::Value;

use super::presets::PRESETS;
use super::settings::Settings;
use super::*;
use crate::model::settings::{Node, Place, Problems, Section, Value as Typed};

fn place() -> Place {
    Place { file: "t".into(), line: 1, column: 1 }
}

fn node(value: &str) -> Node {
    let value = match value.split_once(": ").filter(|_| value.starts_with("map ")) {
        Some((name, text)) => Typed::Map(vec![(name.trim_start_matches("map ").to_owned(), place(), node(text))]),
        None => Typed::Scalar(value.to_owned()),
    };
    Node { place: place(), value }
}

/// The settings with these keys, and what is wrong with them.
fn settings(keys: &[(&str, &str)]) -> (Settings, Vec<String>) {
    let entries = keys.iter().map(|(key, value)| ((*key).to_owned(), place(), node(value))).collect();
    let root = Node { place: place(), value: Typed::Map(entries) };
    let mut problems = Problems::default();
    let mut section = Section::new("`redact`", &root, &[settings::KEYS], &mut problems);
    let read_secret = |path: &str| match path {
        "/run/key" => Ok("fedcba9876543210".to_owned()),
        "/run/short" => Ok("short".to_owned()),
        _ => Err(format!("cannot read the secret in `{path}`")),
    };
    let read = Settings::read(&mut section, &read_secret);
    section.end();
    (read, problems.0.into_iter().map(|problem| problem.text).collect())
}

fn redactor(keys: &[(&str, &str)]) -> Redactor {
    let (settings, problems) = settings(keys);
    assert_eq!(problems, [""; 0]);
    Redactor::new(&settings).expect("something to replace")
}

fn redact(redactor: &Redactor, line: &str) -> String {
    let mut scratch = String::new();
    redactor.line(line, None, &mut scratch).to_owned()
}

fn check(redactor: &Redactor, line: &str, expected: &str) {
    assert_eq!(redact(redactor, line), expected, "of {line}");
}

const JWT: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A secret for each preset, made so that nobody takes this file for one that leaks.
fn samples() -> Vec<(&'static str, String)> {
    let token = "16C7e42F292c6912E7710c838347Ae178B4a";
    let mut all = vec![
        ("jwt", JWT.to_owned()),
        ("aws", "AKIAIOSFODNN7EXAMPLE".to_owned()),
        ("aws", "ASIAIOSFODNN7EXAMPLE".to_owned()),
        ("gcp", format!("AIza{}", &"SyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe"[..35])),
        ("gcp", format!("ya29.{token}")),
        ("gcp", format!("GOCSPX-{}", &token[..28])),
        ("github", format!("ghp_{token}")),
        ("github", format!("ghs_{token}{token}")),
        ("github", format!("github_pat_11ABCDEFG0{token}_{token}")),
        ("slack", ["xoxb", "123456789012", "1234567890123", "abcdefGHIJKL"].join("-")),
        ("slack", ["xapp", "1", "A012345", "123456", "abcdef0123"].join("-")),
    ];
    for email in [
        "jane.doe@example.com",
        "o'neill+tag@mail.example.co.uk",
        "jürgen@exämple.de",
        "a@b.io",
        "x_y%z@sub-1.example.org",
    ] {
        // An apostrophe ends a quoted text more often than it is part of a name.
        all.push(("email", email.trim_start_matches("o'").to_owned()));
    }
    for ip in ["10.0.0.1", "192.168.178.255", "8.8.8.8", "1.2.3.4"] {
        all.push(("ipv4", ip.to_owned()));
    }
    for ip in [
        "2001:db8::1",
        "fe80::1ff:fe23:4567:890a",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "::1",
        "::ffff:192.0.2.128",
        "2001:db8::",
    ] {
        all.push(("ipv6", ip.to_owned()));
    }
    for card in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "5500005555555559",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
        "3530111333300000",
        "30569309025904",
        "6200000000000005",
    ] {
        all.push(("credit_card", card.to_owned()));
    }
    for iban in [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "GB82WEST12345698765432",
        "GB82 WEST 1234 5698 7654 32",
        "FR1420041010050500013M02606",
        "NO9386011117947",
        "CH9300762011623852957",
        "NL91ABNA0417164300",
    ] {
        all.push(("iban", iban.to_owned()));
    }
    for phone in
        ["+49 30 901820", "+1 (415) 555-2671", "+14155552671", "+49.30.90.18.20", "(415) 555-2671", "+44 20 7946 0958"]
    {
        all.push(("phone", phone.to_owned()));
    }
    all
}

#[test]
fn real_looking_ones_are_found() {
    let all = redactor(&[("presets", "all")]);
    for (name, secret) in samples() {
        let only = redactor(&[("presets", name)]);
        for around in [
            "{}",
            "x {} y",
            "key={}",
            "key=\"{}\"",
            "[{}]",
            "({}), z",
            "<{}>",
            "to={};",
            "at {}. Then",
            "'{}'",
            "a\\n{}\\tb",
        ] {
            let line = around.replace("{}", &secret);
            let expected = around.replace("{}", &format!("[redacted:{name}]"));
            check(&only, &line, &expected);
            check(&all, &line, &expected);
            // As a member, as part of one, as a key, and inside of JSON in JSON.
            let json = serde_json::json!({ "a": secret, "b": [line], "c": { &line: 1 }, "d": format!("{{\"e\":\"{secret}\"}}") });
            let expected = json.to_string().replace(&secret, &format!("[redacted:{name}]"));
            assert_eq!(json_of(&redact(&all, &json.to_string())), json_of(&expected), "{line}");
        }
    }
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn names_and_words_tell_of_secrets() {
    let all = redactor(&[("presets", "all")]);
    let long = "FwoGZXIvYXdzEJr/".repeat(8);
    for (line, expected) in [
        (format!("aws_secret_access_key = {AWS_SECRET}"), "aws_secret_access_key = [redacted:aws]"),
        (format!("AWS_SECRET_ACCESS_KEY={AWS_SECRET}"), "AWS_SECRET_ACCESS_KEY=[redacted:aws]"),
        (format!(r#"x {{"SecretAccessKey": "{AWS_SECRET}"}}"#), r#"x {"SecretAccessKey": "[redacted:aws]"}"#),
        (format!(r#"{{"SecretAccessKey": "{AWS_SECRET}"}}"#), r#"{"SecretAccessKey": "[redacted:aws]"}"#),
        (format!(r#"{{"aws":{{"session_token":"{long}"}}}}"#), r#"{"aws":{"session_token":"[redacted:aws]"}}"#),
        (format!("aws_session_token={long}"), "aws_session_token=[redacted:aws]"),
        ("Authorization: Bearer abc123def456".into(), "Authorization: Bearer [redacted:bearer]"),
        ("authorization=\"bearer  mF_9.B5f-4.1JqM\"".into(), "authorization=\"bearer  [redacted:bearer]\""),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==".into(), "Authorization: Basic [redacted:bearer]"),
        (r#"{"Authorization":"Basic dXNlcjpw"}"#.into(), r#"{"Authorization":"Basic [redacted:bearer]"}"#),
        (
            r#"{"headers":{"proxy-authorization":"hush"}}"#.into(),
            r#"{"headers":{"proxy-authorization":"[redacted:bearer]"}}"#,
        ),
        (r#"{"h":"Bearer ab1\/cd2+ef3\u003d"}"#.into(), r#"{"h":"Bearer [redacted:bearer]"}"#),
        (format!("Bearer {JWT}"), "Bearer [redacted:bearer]"),
        (
            "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX".into(),
            "https://hooks.slack.com/services/[redacted:slack]",
        ),
        ("call tel:030123456 now".into(), "call tel:[redacted:phone] now"),
        (
            "a -----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY----- b".into(),
            "a [redacted:private_key] b",
        ),
        ("-----BEGIN OPENSSH PRIVATE KEY-----".into(), "[redacted:private_key]"),
        (r#"{"k":"-----BEGIN PRIVATE KEY-----\nMIIE\n"}"#.into(), r#"{"k":"[redacted:private_key]"}"#),
        ("MIIEpAIBAAKCAQEAwJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYzzzzzzzzz1".into(), "[redacted:private_key]"),
        // Lines as long as their writer likes them, and the last one.
        ("Mg6BcDg9QpAmhyUxZVCGhMjTgSzmY1SqyPpOX4HLhYcQY1TT".into(), "[redacted:private_key]"),
        (
            "  Mg6BcDg9QpAmhyUxZVCGhMjTgSzmY1SqyPpOX4HLhYcQY1TT0WcMGAJkqR5mS3f8aIeQ\r".into(),
            "  [redacted:private_key]\r",
        ),
        ("8n0j7yQe5c0EaIeQvq8=".into(), "[redacted:private_key]"),
        // In JSON, whole and in parts.
        (
            r#"{"k":"x\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\ny","n":1}"#.into(),
            r#"{"k":"x\n[redacted:private_key]\ny","n":1}"#,
        ),
        (
            r#"{"k":"Mg6BcDg9QpAmhyUxZVCGhMjTgSzmY1SqyPpOX4HL\nhYcQY1TT0WcMGAJkqR5mS3f8aIeQ8n0j7yQe5c0E\n","n":1}"#
                .into(),
            r#"{"k":"[redacted:private_key]\n[redacted:private_key]\n","n":1}"#,
        ),
        (
            r#"{"etag":"Mg6BcDg9QpAmhyUxZVCGhMjTgSzmY1SqyPpOX4HL"}"#.into(),
            r#"{"etag":"Mg6BcDg9QpAmhyUxZVCGhMjTgSzmY1SqyPpOX4HL"}"#,
        ),
        ("http://bob:hunter2@db.example.com/x".into(), "http://bob:[redacted:email]/x"),
        (r#"{"card":4111111111111111,"n":1}"#.into(), r#"{"card":"[redacted:credit_card]","n":1}"#),
        (r#"{"to":"jane\u0040example.com"}"#.into(), r#"{"to":"[redacted:email]"}"#),
        (r#"{"m":"\n4111 1111 1111 1111\nbye"}"#.into(), r#"{"m":"\n[redacted:credit_card]\nbye"}"#),
        (" { \"a\" : \"x@y.de\" } ".into(), " { \"a\" : \"[redacted:email]\" } "),
        // Cut off in the middle it is no JSON, but a secret all the same.
        (r#"{"a":"x@y.de","b":{"c"#.into(), r#"{"a":"[redacted:email]","b":{"c"#),
        (
            "10.0.0.1:8080 10.0.0.0/8 [2001:db8::1]:443".into(),
            "[redacted:ipv4]:8080 [redacted:ipv4]/8 [[redacted:ipv6]]:443",
        ),
    ] {
        check(&all, &line, expected);
    }
}

/// What a line of a log has in it every day. None of it is anybody's.
#[test]
fn look_alikes_are_left_alone() {
    let all = redactor(&[("presets", "all")]);
    for line in [
        // Times, dates, durations, counters.
        "2026-11-27T17:20:46.703931810Z +0100 1763887848703931810 1763887848703 1763887848",
        "27/Nov/2026:17:20:46 +0100 [1.234567] 20261127172046 17:20:46,703 2026.11.27.1 26.11.27.01",
        r#"{"ts":1763887848.703931,"ns":1763887848703931810,"order":4111111111111112,"ratio":0.4111111111111111}"#,
        // Ids: UUIDs, hashes, traces, order numbers.
        "5f0c7a1e-6d0b-4a55-9a0e-2b1f6f0c9d11 12344111-1111-1111-1111-111111111111 00f067aa0ba902b7",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "order 123-4567890-1234567 no. 4111-1111-1111 item 415-555-2671 invoice 5500 0055 5555 5550",
        "id=x4111111111111111 id=4111111111111111a id=0x4111111111111111 sum=3.4111111111111111",
        // Versions and numbers with dots.
        "v1.2.3.4 1.2.3 1.2.3.4.5 256.1.1.1 1.2.3.04 go1.22.1 libfoo.so.1.2.3.4x",
        // Colons.
        "std::vec::Vec a::b dead::beef Foo::Bar::new 10:20:30 00:1b:63:84:45:e6 ab:cd:ef:01:23:45:67:89 ::",
        "http://cart:8080/x key:value {\"a\":1}",
        // At signs.
        "user@1000.service getty@tty1.service git@host lodash@4.17.21 @angular/core image@sha256:abc foo.Bar@1a2b3c @ a@ @b.de",
        // Pluses.
        "+3.14159265 1+2345678901 +5 +0100 1e+12345678901 a+4915112345678 +52.520008",
        // Words.
        "bearer token expired, Bearer authentication failed, the bearer of news, Basic training12345",
        "AKIA is a prefix, AKIAIOSFODNN7 too short, xAKIAIOSFODNN7EXAMPLE, ASIAN markets",
        "eyJhbGciOiJIUzI1NiJ9 eyJ.. eyJust.a.name, my_ghp_x ghp_short github_pat_ xoxb-1 xox-a",
        "aws_secret_access_key is missing; SecretAccessKey: [REDACTED]; access_key=abc; session token: none",
        "-----BEGIN CERTIFICATE----- -----BEGIN PUBLIC KEY----- ----- BEGIN",
        "DE89370400440532013001 XX89370400440532013000 DE8937040044053201300 DE89370400440532013000X USD12 AB12345678901234",
        "",
        "{}",
        r#"{"msg":"a \"quoted\" word\n","path":"C:\\dir","n":null,"t":true}"#,
    ] {
        check(&all, line, line);
    }
}

#[test]
fn a_line_without_a_hit_is_borrowed() {
    let all = redactor(&[("presets", "all"), ("fields", "password")]);
    let mut scratch = String::new();
    for line in ["2026-11-27T17:20:46Z GET /x 200", r#"{"level":"info","msg":"a \"b\""}"#] {
        assert_eq!(all.line(line, None, &mut scratch).as_ptr(), line.as_ptr());
    }
    assert_eq!(scratch.capacity(), 0);
}

#[test]
fn own_patterns() {
    let own = |pattern: &str| redactor(&[("patterns", &format!("map staff: {pattern}"))]);
    check(&own(r"E-\d{6}"), "by E-123456, E-1234567", "by [redacted:staff], [redacted:staff]7");
    check(&own(r"password=(?<secret>\S+)"), "password=hunter2 x=1", "password=[redacted:staff] x=1");
    check(&own(r"pw=(?<secret>\S+)"), r#"{"m":"pw=\"a\\b\" x","n":1}"#, r#"{"m":"pw=[redacted:staff] x","n":1}"#);
    // Written for the line as it stands, across its parts: every value in it goes, and JSON stays JSON.
    check(&own(r#""pin":\s*\d+"#), r#"{"a":1,"pin": 1234,"b":"x"}"#, r#"{"a":1,"pin": "[redacted:staff]","b":"x"}"#);
    check(&own(r#""ok":true"#), r#"{"ok":true,"x":true}"#, r#"{"ok":"[redacted:staff]","x":true}"#);
    check(&own(r#""pw":"(?<secret>[^"]+)"#), r#"{"pw":"a","b":"c"}"#, r#"{"pw":"[redacted:staff]","b":"c"}"#);
    check(
        &own("secret.*"),
        r#"{"m":"the secret is out","n":"x"}"#,
        r#"{"m":"the [redacted:staff]","n":"[redacted:staff]"}"#,
    );
    check(&own("m.:"), r#"{"m":1}"#, r#"{"m":1}"#);
}

#[test]
fn fields_by_name_in_json() {
    let named = redactor(&[("fields", "password")]);
    for (line, expected) in [
        (r#"{"user":"bob","Password":"hunter2"}"#, r#"{"user":"bob","Password":"[redacted:field]"}"#),
        (r#"{"a":{"password": [1,{"x":"]"}] },"b":2}"#, r#"{"a":{"password": "[redacted:field]" },"b":2}"#),
        (r#"{"password":null,"a":[{"password":true}]}"#, r#"{"password":null,"a":[{"password":"[redacted:field]"}]}"#),
        (r#"{"pass\u0077ord":-1.5e3}"#, r#"{"pass\u0077ord":"[redacted:field]"}"#),
        (r#"{"m":"{\"password\":1}"}"#, r#"{"m":"{\"password\":\"[redacted:field]\"}"}"#),
        (r#"{"password_hint":"x","m":"password"}"#, r#"{"password_hint":"x","m":"password"}"#),
        (r#"{"password":""}"#, r#"{"password":""}"#),
    ] {
        check(&named, line, expected);
    }
    let inner = redactor(&[("fields", "user.email")]);
    check(&inner, r#"{"email":"a","user":{"email":"b"}}"#, r#"{"email":"a","user":{"email":"[redacted:field]"}}"#);
    check(&inner, r#"{"user.email":"b"}"#, r#"{"user.email":"[redacted:field]"}"#);
    check(&inner, r#"{"x":{"user":{"email":"b"}}}"#, r#"{"x":{"user":{"email":"b"}}}"#);
}

#[test]
fn fields_by_name_as_a_parser_found_them() {
    use crate::model::event::Fields;
    use crate::model::text::Text;
    use crate::transform::redact::pairs::Changed;

    let named = redactor(&[("fields", "pw")]);
    let body = r#"a=1 pw="x \"y\"" msg="said pw" pw=z end"#;
    let at = |part: &str| &body[body.find(part).expect("a part")..][..part.len()];
    let message = Text::Plain(at("said pw"));
    let pairs = [
        (Text::Plain("a"), Text::Plain(at("1"))),
        (Text::Plain("pw"), Text::Escaped(at(r#"x \"y\""#))),
        (Text::Plain("msg"), message),
        (Text::Plain("PW"), Text::Plain(at("z"))),
    ];
    let changed: Changed = named.fields(body, message, &Fields::Pairs(&pairs)).expect("a secret");
    assert_eq!(changed.body, r#"a=1 pw="[redacted:field]" msg="said pw" pw=[redacted:field] end"#);
    let values: Vec<String> = changed.pairs(&pairs).iter().map(|(_, value)| value.plain().into_owned()).collect();
    assert_eq!(values, ["1", "[redacted:field]", "said pw", "[redacted:field]"]);
    assert_eq!(changed.message(message).plain(), "said pw");
    assert!(named.fields(body, Text::Plain(body), &Fields::Pairs(&pairs[..1])).is_none());
    let changed = named.fields(body, Text::Plain(body), &Fields::Pairs(&pairs)).expect("a secret");
    assert_eq!(changed.message(Text::Plain(body)).plain(), changed.body);
}

#[test]
fn what_stands_for_a_secret() {
    check(&redactor(&[("presets", "email"), ("replace", "***")]), "to a@b.de", "to ***");
    let hashed = redactor(&[("presets", "email"), ("hash_secret", "0123456789abcdef")]);
    let [first, again, json, other] =
        ["a@b.de", "x a@b.de", r#"{"a":"a\u0040b.de"}"#, "c@b.de"].map(|line| redact(&hashed, line));
    assert_eq!(first.len(), "[email:0123456789abcdef]".len());
    assert!(again.ends_with(&first) && json.contains(&first) && other != first, "{first} {again} {json} {other}");
    // Checked against `printf a@b.de | openssl dgst -sha256 -hmac 0123456789abcdef`.
    assert_eq!(first, "[email:e277049f2d231fbe]");
    let other_key = redactor(&[("presets", "email"), ("hash_secret", "0123456789abcdeF")]);
    assert_ne!(redact(&other_key, "a@b.de"), first);
    let from_file = redactor(&[("presets", "email"), ("hash_secret_file", "/run/key")]);
    let typed = redactor(&[("presets", "email"), ("hash_secret", "fedcba9876543210")]);
    assert_eq!(redact(&from_file, "a@b.de"), redact(&typed, "a@b.de"));
    assert!(
        from_file.hashes_as(&typed)
            && !from_file.hashes_as(&hashed)
            && !typed.hashes_as(&redactor(&[("presets", "all")]))
    );
    assert!(!format!("{hashed:?}").contains("0123456789abcdef"));
    assert!(!format!("{:?}", settings(&[("hash_secret", "0123456789abcdef")])).contains("0123456789abcdef"));
}

#[test]
fn settings_that_are_wrong() {
    for (keys, expected) in [
        (&[("presets", "emial")][..], "unknown preset `emial`"),
        (&[("patterns", "map a: (")], "pattern `a` is no regular expression: unclosed group"),
        (
            &[("patterns", "map a: x*")],
            "pattern `a` matches a text without a character, so it would be found everywhere",
        ),
        (&[("patterns", "map a\"b: x+")], "a pattern's name stands in place of what it finds, in quotes too"),
        (&[("replace", "a\"b")], "`replace` cannot be `a\"b`"),
        (&[("hash_secret", "short")], "`hash_secret` has fewer than 16 bytes, so its hashes could be guessed"),
        (&[("replace", "x"), ("hash_secret", "0123456789abcdef")], "`redact` has both `replace` and `hash_secret`"),
        (
            &[("hash_secret_file", "/run/short")],
            "`hash_secret_file` has fewer than 16 bytes, so its hashes could be guessed",
        ),
        (&[("hash_secret_file", "/run/none")], "cannot read the secret in `/run/none`"),
        (
            &[("hash_secret_file", "/run/key"), ("hash_secret", "0123456789abcdef")],
            "`redact` has both `hash_secret` and `hash_secret_file`",
        ),
        (&[("replace", "x"), ("hash_secret_file", "/run/key")], "`redact` has both `replace` and `hash_secret_file`"),
        (&[("preset", "all")], "unknown key `preset` in `redact`"),
    ] {
        assert_eq!(settings(keys).1, [expected]);
    }
    assert!(Redactor::new(&settings(&[("replace", "x")]).0).is_none(), "nothing to replace");
}

#[test]
fn a_sink_adds_to_what_is_said_at_the_top() {
    let (top, _) = settings(&[("presets", "email"), ("fields", "a"), ("patterns", "map p: x1")]);
    let (sink, _) = settings(&[("presets", "ipv4"), ("fields", "b"), ("patterns", "map p: y1"), ("replace", "-")]);
    let both = Redactor::new(&top.with(Some(&sink))).expect("something");
    check(&both, "a@b.de 1.2.3.4 x1 y1", "- - - -");
    check(&both, r#"{"a":1,"b":2,"c":3}"#, r#"{"a":"-","b":"-","c":3}"#);
    check(&Redactor::new(&top.with(None)).expect("something"), "a@b.de 1.2.3.4", "[redacted:email] 1.2.3.4");
}

#[test]
fn no_half_a_secret_at_a_cut() {
    let all = redactor(&[("presets", "all")]);
    let marker = " …[cut by tailwater: 9 bytes]";
    for (text, expected) in [
        ("to jane.doe@exam", "to"),
        ("card 4111 1111 11", "card"),
        ("x a@b.de y z", "x [redacted:email] y"),
        ("eyJhbGciOi", ""),
        (r#"{"a":"b","c":"gh"#, r#"{"a":"b","c":""#),
    ] {
        let mut scratch = String::new();
        let line = format!("{text}{marker}");
        assert_eq!(all.line(&line, Some(text.len()), &mut scratch), format!("{expected}{marker}"), "{text}");
    }
}

/// However it is made, a line takes time in proportion to its length: a second would be a thousand times too long. It is this
/// thread's time on a CPU, since others may have the machine meanwhile.
#[test]
fn no_line_takes_long() {
    let spent = || {
        let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock");
        std::time::Duration::from(time)
    };
    let all = redactor(&[("presets", "all")]);
    for part in [
        "eyJ",
        "eyJ-",
        "1:",
        ":",
        "::",
        "a@",
        "4111 ",
        "1-",
        "+1 ",
        "xoxb-",
        "bearer ",
        "DE89 3704 ",
        "{\"",
        "[",
        "\\",
        "1.1.",
        "f:",
        "tel:1",
        "ghp_",
        "{\"a\":",
        "-----BEGIN PRIVATE KEY-----",
    ] {
        let line = part.repeat((256 << 10) / part.len());
        let start = spent();
        redact(&all, &line);
        redact(&all, &format!("{{\"a\":\"{line}"));
        let took = spent().saturating_sub(start);
        assert!(took.as_secs() < 5, "{part} takes {took:?}");
    }
}

fn noise() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[ a-zA-Z0-9.,:;=@+_/()-]{0,20}",
        1 => "\\PC{0,8}",
        1 => "[\\\\\"{}\\[\\]nrtu0-9]{0,10}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_is_shown_and_json_stays_json(
        which in any::<prop::sample::Index>(),
        before in noise(),
        behind in noise(),
        ascii in any::<bool>(),
    ) {
        let all = redactor(&[("presets", "all")]);
        let samples = samples();
        let (_, secret) = &samples[which.index(samples.len())];
        let text = format!("{before} {secret} {behind}");
        let out = redact(&all, &text);
        prop_assert!(!out.contains(secret.as_str()), "{} of {}", out, text);
        prop_assert_eq!(&redact(&all, &text), &out, "the same again");
        let mut json = serde_json::json!({ "m": text, "n": { "x": [secret, 1, null] }, "z": before }).to_string();
        if ascii {
            // As a careful writer escapes it.
            json = json.chars().map(|c| match c {
                '@' | '+' | '\u{80}'.. => {
                    let mut units = [0; 2];
                    c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
                }
                c => c.to_string(),
            }).collect();
        }
        let out = redact(&all, &json);
        let value: Value = serde_json::from_str(&out).map_err(|error| TestCaseError::fail(format!("{error}: {out}")))?;
        prop_assert!(!value.to_string().contains(serde_json::json!(secret).to_string().trim_matches('"')), "{}", value);
        prop_assert_eq!(value["n"]["x"][1].clone(), serde_json::json!(1));
        prop_assert_eq!(redact(&all, &out), out, "what was redacted stays as it is");
    }

    #[test]
    fn any_text_is_taken(text in "\\PC{0,200}", cut in 0_usize..200) {
        let all = redactor(&[("presets", "all"), ("fields", "a"), ("patterns", "map p: [0-9]+[a-z]")]);
        redact(&all, &text);
        if text.is_char_boundary(cut) {
            all.line(&text, Some(cut), &mut String::new());
        }
        let json = serde_json::json!({ &text: &text, "a": &text }).to_string();
        let out = redact(&all, &json);
        prop_assert!(serde_json::from_str::<Value>(&out).is_ok(), "{}", out);
    }
}

#[test]
fn every_preset_has_a_sample() {
    let told = ["private_key", "bearer"];
    for preset in PRESETS {
        assert!(
            told.contains(&preset.name) || samples().iter().any(|(name, _)| *name == preset.name),
            "{}",
            preset.name
        );
    }
}

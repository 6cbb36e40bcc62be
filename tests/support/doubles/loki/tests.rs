//! The double against what Loki's documentation says, with bodies written here by hand.

use super::*;
use crate::support::http;
use std::time::Duration;

const NOW: i64 = 1_795_423_848_000_000_000;
const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: i64 = 3600 * 1_000_000_000;

fn bytes_field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend_from_slice(bytes);
    field
}

fn varint_field(number: u8, mut value: u64) -> Vec<u8> {
    let mut field = vec![number << 3];
    while value >= 0x80 {
        field.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    field.push(value as u8);
    field
}

fn protobuf(streams: &[(&str, &[(i64, &str)])]) -> Vec<u8> {
    let mut message = Vec::new();
    for (labels, entries) in streams {
        let mut stream = bytes_field(1, labels.as_bytes());
        for (time, line) in *entries {
            let second = 1_000_000_000;
            let time = [varint_field(1, (time / second) as u64), varint_field(2, (time % second) as u64)].concat();
            let pair = [bytes_field(1, b"level"), bytes_field(2, b"info")].concat();
            let entry = [bytes_field(1, &time), bytes_field(2, line.as_bytes()), bytes_field(3, &pair)].concat();
            stream.extend(bytes_field(2, &entry));
        }
        message.extend(bytes_field(1, &stream));
    }
    snap::raw::Encoder::new().compress_vec(&message).unwrap()
}

fn push(loki: &Loki, streams: &[(&str, &[(i64, &str)])]) -> (u16, String) {
    try_push(loki, streams).unwrap()
}

fn try_push(loki: &Loki, streams: &[(&str, &[(i64, &str)])]) -> std::io::Result<(u16, String)> {
    let headers = [("Content-Type", "application/x-protobuf"), ("X-Scope-OrgID", "a")];
    let answer = http::request("POST", &loki.url(), "/loki/api/v1/push", &headers, &protobuf(streams))?;
    Ok((answer.status, answer.text()?))
}

fn lines(loki: &Loki) -> Vec<String> {
    loki.look(|state| state.entries().map(|(_, _, _, entry)| entry.line.clone()).collect())
}

#[test]
fn a_push_is_stored_once_however_often_it_comes() {
    let loki = Loki::start_at(NOW);
    for _ in 0..3 {
        assert_eq!(push(&loki, &[(r#"{b="2", a="1"}"#, &[(NOW, "x"), (NOW, "y"), (NOW + 1, "x")])]).0, 204);
    }
    loki.look(|state| {
        assert_eq!((state.stored(), state.repeats(), state.received()), (3, 6, 9));
        let stream = &state.tenants["a"][r#"{a="1", b="2"}"#];
        assert_eq!(stream.entries[&NOW].len(), 2);
        assert_eq!(stream.entries[&NOW][0].received, 3);
        assert_eq!(stream.entries[&NOW][0].metadata, [("level".to_owned(), "info".to_owned())]);
        assert_eq!(state.seen.len(), 3);
        assert_eq!(state.seen[0].body_hash, state.seen[2].body_hash);
        assert!(state.surprises.is_empty());
    });
}

#[test]
fn json_is_read_plain_and_compressed() {
    let loki = Loki::start_at(NOW);
    let body =
        format!(r#"{{"streams":[{{"stream":{{"a":"ö\"1"}},"values":[["{NOW}","x",{{"l":"i"}}],["{NOW}","y"]]}}]}}"#);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, body.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    for (encoding, body) in [("identity-less", body.as_bytes()), ("gzip", gzip.as_slice()), ("zstd", b"")] {
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend((encoding != "identity-less").then_some(("Content-Encoding", encoding)));
        let answer = http::request("POST", &loki.url(), "/loki/api/v1/push", &headers, body).unwrap();
        assert_eq!(answer.status, if encoding == "zstd" { 400 } else { 204 });
    }
    loki.look(|state| {
        assert_eq!((state.stored(), state.repeats()), (2, 2));
        assert_eq!(state.pushes[1].format, Format::JsonGzip);
        assert!(state.tenants["fake"].contains_key(r#"{a="ö\"1"}"#));
    });
}

#[test]
fn a_refused_push_is_stored_in_part_and_names_the_last_stream() {
    let loki = Loki::start_at(NOW);
    let long = "z".repeat(256 * 1024 + 1);
    let (status, words) = push(
        &loki,
        &[
            (r#"{a="1"}"#, &[(NOW - 8 * 24 * HOUR, "old"), (NOW, "kept 1")]),
            (r#"{a="2"}"#, &[(NOW, &long), (NOW, "kept 2")]),
            (r#"{a="3"}"#, &[(NOW, "kept 3")]),
        ],
    );
    assert_eq!(status, 400);
    assert_eq!(
        words,
        "max entry size '262144' bytes exceeded for stream '{a=\"2\"}' while adding an entry with length '262145' bytes\n"
    );
    assert_eq!(lines(&loki), ["kept 1", "kept 2", "kept 3"]);
    loki.look(|state| assert_eq!(state.pushes[0].refused, 2));
}

#[test]
fn every_limit_has_its_words() {
    let many = format!("{{{}}}", (0..16).map(|n| format!("l{n}=\"v\"")).collect::<Vec<_>>().join(","));
    let value = format!("{{a=\"{}\"}}", "v".repeat(2049));
    let name = format!("{{{}=\"v\"}}", "n".repeat(1025));
    for (labels, time, expected) in [
        (many.as_str(), NOW, "has 16 label names; limit 15"),
        (value.as_str(), NOW, "has label value too long"),
        (name.as_str(), NOW, "has label name too long"),
        ("{}", NOW, "error at least one label pair is required per stream"),
        ("{a=1}", NOW, "couldn't parse labels: 1:4: parse error"),
        (
            r#"{a="1"}"#,
            NOW - 8 * 24 * HOUR,
            "has timestamp too old: 2026-11-15T08:50:48Z, oldest acceptable timestamp is: 2026-11-16T08:50:48Z",
        ),
        (r#"{a="1"}"#, NOW + HOUR, "has timestamp too new: 2026-11-23T09:50:48Z"),
    ] {
        let loki = Loki::start_at(NOW);
        let (status, words) = push(&loki, &[(labels, &[(time, "x")])]);
        assert_eq!(status, 400, "{labels}");
        assert!(words.contains(expected), "{words}");
        assert_eq!(loki.look(|state| state.stored()), 0);
    }
    let loki = Loki::start_at(NOW);
    assert_eq!(push(&loki, &[]).0, 422);
}

#[test]
fn an_hour_behind_the_newest_is_too_far() {
    let loki = Loki::start_at(NOW);
    let (status, words) =
        push(&loki, &[(r#"{a="1"}"#, &[(NOW, "new"), (NOW - HOUR, "edge"), (NOW - HOUR - 1, "behind")])]);
    assert_eq!(status, 400);
    assert!(words.contains("entry too far behind, entry timestamp is: 2026-11-23T07:50:47Z"), "{words}");
    assert!(words.ends_with("user 'a', total ignored: 1 out of 3 for stream: {a=\"1\"}\n"), "{words}");
    assert_eq!(lines(&loki), ["edge", "new"]);
    let other = push(&loki, &[(r#"{a="2"}"#, &[(NOW - HOUR - 1, "another stream")])]);
    assert_eq!(other.0, 204);
}

#[test]
fn each_429_stores_what_it_says() {
    let one: &[(i64, &str)] = &[(NOW, "one")];
    let both = [(r#"{a="1"}"#, one), (r#"{a="2"}"#, one)];
    for (special, status, words, stored) in [
        (Special::Blocked, 260, "ingestion blocked for user a", 0),
        (Special::IngestionRate, 429, "ingestion rate limit exceeded for user a", 0),
        (Special::StreamRate("a=\"2\"".to_owned()), 429, "Per stream rate limit exceeded", 1),
        (Special::StreamLimit, 429, "maximum active stream limit exceeded", 1),
    ] {
        let loki = Loki::start_at(NOW);
        if let Special::StreamLimit = special {
            push(&loki, &both[..1]);
        }
        loki.script(vec![Step::Special(special)]);
        let answer = push(&loki, &both);
        assert_eq!(answer.0, status);
        assert!(answer.1.contains(words), "{}", answer.1);
        assert_eq!(loki.look(|state| state.stored()), stored);
        assert_eq!(push(&loki, &both).0, 204);
        assert_eq!(loki.look(|state| state.stored()), 2);
    }
}

#[test]
fn connections_fail_on_demand() {
    let loki = Loki::start_at(NOW);
    let one: &[(i64, &str)] = &[(NOW, "one")];
    let batch = [(r#"{a="1"}"#, one)];
    loki.script(vec![
        Step::Reset,
        Step::Garbage,
        Step::Truncate,
        Step::StoreThenClose,
        Step::status(503, "no"),
        Step::Slow(Duration::from_millis(1)),
    ]);
    assert_eq!(try_push(&loki, &batch).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(try_push(&loki, &batch).is_err());
    assert_eq!(loki.look(|state| state.stored()), 0);
    assert!(try_push(&loki, &batch).is_err());
    assert!(try_push(&loki, &batch).is_err());
    assert_eq!(loki.look(|state| (state.stored(), state.repeats())), (1, 1));
    assert_eq!(push(&loki, &batch), (503, "no".to_owned()));
    assert_eq!(push(&loki, &batch).0, 204);

    loki.set_mode(Mode::Refuse);
    assert_eq!(try_push(&loki, &batch).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    loki.recover();
    assert_eq!(push(&loki, &batch).0, 204);
    let statuses: Vec<_> = loki.look(|state| state.seen.iter().map(|seen| seen.status).collect());
    assert_eq!(statuses, [None, None, Some(204), None, Some(503), Some(204), Some(204)]);
}

#[test]
fn silence_and_holding_last_until_they_are_ended() {
    let loki = Loki::start_at(NOW);
    let one: &[(i64, &str)] = &[(NOW, "one")];
    let batch = [(r#"{a="1"}"#, one)];
    std::thread::scope(|scope| {
        loki.script(vec![Step::Hold, Step::NeverAnswer, Step::StoreThenSilence]);
        let held = scope.spawn(|| push(&loki, &batch));
        assert!(loki.wait_until(PATIENCE, |state| state.held() == 1));
        let silent = [scope.spawn(|| try_push(&loki, &batch)), scope.spawn(|| try_push(&loki, &batch))];
        assert!(loki.wait_until(PATIENCE, |state| state.seen.len() == 2 && state.stored() == 1));
        loki.release_all();
        assert_eq!(held.join().unwrap().0, 204);
        loki.close_connections();
        for silent in silent {
            assert!(silent.join().unwrap().is_err());
        }
    });
    assert_eq!(loki.look(|state| (state.stored(), state.repeats())), (1, 1));
    assert!(!loki.wait_until(Duration::from_millis(1), |state| state.stored() == 9));
}

#[test]
fn connections_are_kept_alive_and_bodies_come_in_chunks() {
    use std::io::{Read, Write};
    let loki = Loki::start_at(NOW);
    let body = protobuf(&[(r#"{a="1"}"#, &[(NOW, "one")])]);
    let mut stream = std::net::TcpStream::connect(loki.url().strip_prefix("http://").unwrap()).unwrap();
    for _ in 0..2 {
        let (left, right) = body.split_at(5);
        write!(stream, "POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        for part in [left, right] {
            write!(stream, "{:x}\r\n", part.len()).unwrap();
            stream.write_all(part).unwrap();
            write!(stream, "\r\n").unwrap();
        }
        write!(stream, "0\r\n\r\n").unwrap();
        let mut answer = [0; 23];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 204 Double\r\n\r\n");
    }
    assert_eq!(loki.look(|state| (state.connections, state.stored(), state.repeats())), (1, 1, 1));
}

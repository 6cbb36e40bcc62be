//! The generator against a second, slow reading of its own files, and the account against wrong deliveries.

use crate::support::account::Account;
use crate::support::generate::{ExpectedLine, Generator, Kind, Options, Runtime, Stream, Times, tag, write_tree};
use crate::support::time::{parse_rfc3339, rfc3339};
use std::collections::HashMap;

const SEED: u64 = 7;

fn options(bytes: u64) -> Options {
    Options { pods: 20, bytes, ..Options::default() }
}

/// (time, text) of every application line in one file, by stream: the format's rules, written the obvious way.
fn read_file(raw: &[u8]) -> HashMap<Stream, Vec<(i64, String)>> {
    let mut lines: HashMap<Stream, Vec<(i64, String)>> = HashMap::new();
    let mut open: HashMap<Stream, (i64, Vec<u8>)> = HashMap::new();
    assert!(raw.is_empty() || raw.ends_with(b"\n"));
    for line in raw.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let parts: Vec<&[u8]> = line.splitn(4, |&byte| byte == b' ').collect();
        let time = parse_rfc3339(std::str::from_utf8(parts[0]).unwrap()).unwrap();
        let stream = if parts[1] == b"stdout" { Stream::Stdout } else { Stream::Stderr };
        let (_, body) = open.entry(stream).or_insert((time, Vec::new()));
        body.extend_from_slice(parts[3]);
        if parts[2] == b"F" {
            let (time, mut body) = open.remove(&stream).unwrap();
            if body.last() == Some(&b'\r') {
                body.pop();
            }
            lines.entry(stream).or_default().push((time, String::from_utf8_lossy(&body).into_owned()));
        } else {
            assert_eq!(parts[2], b"P");
        }
    }
    assert!(open.is_empty());
    lines
}

#[test]
fn the_expected_lines_are_what_the_files_say() {
    let generator = Generator::new(SEED, options(8 << 20));
    let pods = generator.pods().to_vec();
    let mut files = vec![Vec::new(); pods.len()];
    let mut expected: Vec<HashMap<Stream, Vec<ExpectedLine>>> = vec![HashMap::new(); pods.len()];
    for item in generator {
        files[item.pod].extend_from_slice(&item.raw);
        if let Some(line) = item.expected {
            expected[item.pod].entry(line.stream).or_default().push(line);
        }
    }
    let mut kinds: HashMap<Kind, u64> = HashMap::new();
    for (pod, file) in files.iter().enumerate() {
        for (stream, lines) in read_file(file) {
            let promised = &expected[pod][&stream];
            assert_eq!(lines.len(), promised.len());
            for ((time, text), line) in lines.iter().zip(promised) {
                assert_eq!((*time, text), (line.time, &line.text));
                assert_eq!(tag(text), line.sequence.map(|sequence| (pod, sequence)));
                assert_eq!(text.matches("seq=").count(), usize::from(line.sequence.is_some()));
                if line.kind == Kind::Json {
                    assert!(serde_json::from_str::<serde_json::Value>(text).unwrap().is_object());
                }
                *kinds.entry(line.kind).or_default() += 1;
            }
            let sequences: Vec<_> = promised.iter().filter_map(|line| line.sequence).collect();
            assert!(sequences.windows(2).all(|two| two[0] < two[1]));
        }
    }
    let bytes: usize = files.iter().map(Vec::len).sum();
    let lines: u64 = kinds.values().sum();
    println!("{lines} lines of {} bytes: {kinds:?}", bytes as u64 / lines);
    assert_eq!(kinds.len(), 6);
    assert!((380..460).contains(&(bytes as u64 / lines)), "{}", bytes as u64 / lines);
    assert!((55..65).contains(&(kinds[&Kind::Json] * 100 / lines)));
}

#[test]
fn the_files_hold_what_real_ones_hold() {
    let generator = Generator::new(SEED, options(32 << 20));
    let pods = generator.pods().to_vec();
    let mut seen: HashMap<&str, u64> = HashMap::new();
    let mut see = |what: &'static str, is: bool| *seen.entry(what).or_default() += u64::from(is);
    let mut last: Vec<(i64, bool)> = vec![(0, false); pods.len()];
    for item in generator {
        let mut parts = item.raw.splitn(4, |&byte| byte == b' ');
        let time = std::str::from_utf8(parts.next().unwrap()).unwrap();
        let (stdout, partial, body) =
            (parts.next() == Some(b"stdout"), parts.next() == Some(b"P"), parts.next().unwrap());
        let nanos = parse_rfc3339(time).unwrap();
        let (before, was_partial_stdout) = last[item.pod];
        assert!(nanos > before, "times grow within a file");
        last[item.pod] = (nanos, partial && stdout);
        let containerd = pods[item.pod].runtime == Runtime::Containerd;
        if containerd {
            assert_eq!(rfc3339(nanos), time);
        }
        see("a trimmed fraction", containerd && time.len() < 30);
        see("a zone as numbers", time.ends_with("+00:00"));
        see("stderr between two pieces of stdout", was_partial_stdout && !stdout);
        see("a piece of containerd", containerd && partial && body.len() == 16_385);
        see("a piece of conmon", !containerd && partial && body.len() == 8_193);
        see(
            "an empty last piece",
            !containerd && !partial && body.len() == 1 && item.expected.is_some_and(|line| line.text.len() > 8000),
        );
        see("a carriage return", body.ends_with(b"\r\n"));
        see("invalid UTF-8", !partial && body.len() < 8_000 && std::str::from_utf8(body).is_err());
        see("an empty line", !partial && body.len() == 1);
        see("a character cut by a piece", partial && std::str::from_utf8(body).is_err());
    }
    assert!(seen.values().all(|&count| count > 0), "{seen:?}");
}

#[test]
fn the_same_seed_gives_the_same_files() {
    let one = tempfile::tempdir().unwrap();
    let written = write_tree(one.path(), SEED, &options(1 << 20)).unwrap();
    let generator = Generator::new(SEED, options(1 << 20));
    let pods = generator.pods().to_vec();
    let mut files = vec![Vec::new(); pods.len()];
    let mut lines = 0;
    for item in generator {
        files[item.pod].extend_from_slice(&item.raw);
        lines += u64::from(item.expected.is_some());
    }
    for (pod, file) in pods.iter().zip(&files) {
        assert_eq!(&std::fs::read(one.path().join(pod.log_path())).unwrap(), file);
    }
    assert_eq!(written.bytes, files.iter().map(|file| file.len() as u64).sum::<u64>());
    assert_eq!(written.lines, lines);
    assert_ne!(
        Generator::new(8, options(100)).next().unwrap().raw,
        Generator::new(SEED, options(100)).next().unwrap().raw
    );
}

#[test]
fn times_may_repeat_where_that_is_wanted() {
    let options = Options { times: Times::Repeating, ..options(1 << 20) };
    let lines: Vec<_> = Generator::new(SEED, options).filter_map(|item| item.expected).collect();
    let mut times: Vec<_> = lines.iter().map(|line| (line.pod, line.time)).collect();
    times.sort_unstable();
    let all = times.len();
    times.dedup();
    assert!(times.len() < all);
}

#[test]
fn the_account_finds_what_is_wrong() {
    let lines: Vec<_> = Generator::new(SEED, options(1 << 20)).filter_map(|item| item.expected).collect();
    let mut account = Account::of(SEED, &options(1 << 20));
    for line in lines.iter().skip(3) {
        account.see(&line.text);
    }
    account.see(&lines[9].text);
    account.see_part(&format!("only {} here", &lines[0].text[lines[0].text.find("seq=").unwrap()..]));
    account.see(&format!("{} ", lines[1].text));
    account.see("nobody wrote this");
    let report = account.report();
    assert_eq!((report.missing, report.repeated, report.altered, report.unknown), (1, 1, 1, 1), "{report}");
    assert!(report.to_string().contains("unknown: nobody wrote this"));
    let mut account = Account::of(SEED, &options(1 << 20));
    lines.iter().for_each(|line| account.see(&line.text));
    account.assert_every_line_once();
}

#[test]
fn times_are_written_and_read() {
    for (nanos, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400_500_000_000, "2000-02-29T00:00:00.5Z"),
        (1_795_423_848_703_931_810, "2026-11-23T08:50:48.70393181Z"),
    ] {
        assert_eq!(rfc3339(nanos), text);
        assert_eq!(parse_rfc3339(text), Some(nanos));
    }
    assert_eq!(parse_rfc3339("2026-11-23T03:50:48.703931810-05:00"), Some(1_795_423_848_703_931_810));
    assert_eq!(parse_rfc3339("yesterday"), None);
}

//! The lines of `writer.rs`, put back together: which container's start has which numbers of which stream.

use std::collections::BTreeMap;

use serde_json::Value;

/// One stream of one start of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stream {
    pub(crate) pod: String,
    pub(crate) run: u64,
    pub(crate) name: String,
}

/// How often each number was seen, and which is the last one there is, where that was seen.
#[derive(Default)]
struct Numbers {
    seen: Vec<u32>,
    last: Option<u64>,
}

/// What has arrived.
#[derive(Default)]
pub(crate) struct Lines {
    streams: BTreeMap<Stream, Numbers>,
    /// Of a pod's stream, bytes that lines lack which the runtime split while their file was rotated, and bytes that came by
    /// themselves: such a line is two events (docs/decisions/004-dangling-pieces.md), and nothing of it is lost.
    split: BTreeMap<(String, String), (usize, usize)>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Starts of containers.
    pub(crate) runs: usize,
    /// Lines that arrived.
    pub(crate) lines: u64,
    /// Lines that arrived again.
    pub(crate) repeated: u64,
}

impl Lines {
    /// Takes a stored document in: its line, whole and unchanged, and the names that its file gives it.
    pub(crate) fn see(&mut self, document: &Value) {
        let line = document["message"].as_str().expect("a message");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let whose = (text(&document["kubernetes"]["pod"]["name"]), text(&document["stream"]));
        if line.bytes().all(|byte| byte == b'x') {
            self.split.entry(whose).or_default().1 += line.len();
            return;
        }
        let mut words = line.split(' ');
        let mut next = || words.next().unwrap_or_else(|| panic!("a line of the writer's: `{:.100}`", line));
        let (pod, run, name, number) = (next(), next(), next(), next());
        let (run, number) = (run.parse().expect("a run"), number.parse().expect("a number"));
        let mut rest = next();
        let is_last = rest == "last";
        if is_last {
            rest = next();
        }
        if rest.len() < padding(number) && padding(number) > PIECE {
            self.split.entry(whose).or_default().0 += padding(number) - rest.len();
        } else {
            assert_eq!(rest.len(), padding(number), "line {number} of {pod} is whole");
        }
        assert!(rest.bytes().all(|byte| byte == b'x'), "line {number} of {pod} is unchanged");
        let stream = document["stream"].as_str().expect("a stream");
        assert_eq!(stream, format!("std{name}"), "the stream of {pod}");
        assert_eq!(document["kubernetes"]["pod"]["name"], pod, "whose line it is");
        let numbers = self.streams.entry(Stream { pod: pod.to_owned(), run, name: name.to_owned() }).or_default();
        let at = usize::try_from(number).expect("a small number");
        if numbers.seen.len() <= at {
            numbers.seen.resize(at + 1, 0);
        }
        numbers.seen[at] += 1;
        if is_last {
            numbers.last = Some(number);
        }
    }

    /// How many streams have their last line.
    pub(crate) fn ended(&self, pod: &str) -> usize {
        self.streams.iter().filter(|(stream, numbers)| stream.pod == pod && numbers.last.is_some()).count()
    }

    /// The newest start of a pod's container.
    pub(crate) fn newest(&self, pod: &str) -> u64 {
        self.streams.keys().filter(|stream| stream.pod == pod).map(|stream| stream.run).max().unwrap_or_default()
    }

    /// How many lines of a pod are there.
    pub(crate) fn of_pod(&self, pod: &str) -> usize {
        self.streams.iter().filter(|(stream, _)| stream.pod == pod).map(|(_, numbers)| numbers.seen.len()).sum()
    }

    /// Panics where a number is missing before one that is there, or (`whole`) where a stream's last one is.
    pub(crate) fn assert_no_gap(&self, whole: impl Fn(&Stream) -> bool) -> Report {
        let mut report = Report::default();
        let mut starts: Vec<(&str, u64)> = Vec::new();
        let mut wrong = Vec::new();
        for (stream, numbers) in &self.streams {
            starts.push((&stream.pod, stream.run));
            report.lines += numbers.seen.len() as u64;
            report.repeated += numbers.seen.iter().map(|times| u64::from(times.saturating_sub(1))).sum::<u64>();
            let missing: Vec<_> = (0..numbers.seen.len()).filter(|at| numbers.seen[*at] == 0).collect();
            if !missing.is_empty() {
                let (count, first) = (missing.len(), &missing[..missing.len().min(5)]);
                wrong.push(format!("{stream:?}: {count} of {} are missing, such as {first:?}", numbers.seen.len()));
            }
            if whole(stream) && numbers.last != Some(numbers.seen.len() as u64 - 1) {
                wrong.push(format!("{stream:?}: {} lines, and none is the last", numbers.seen.len()));
            }
        }
        for (whose, (lacking, found)) in &self.split {
            if lacking != found {
                wrong.push(format!("{whose:?}: lines that were split lack {lacking} bytes, and {found} came"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        starts.sort_unstable();
        starts.dedup();
        report.runs = starts.len();
        report
    }
}

/// What a runtime writes as one piece.
const PIECE: usize = 16 << 10;

/// As in `writer.rs`.
fn padding(number: u64) -> usize {
    if number % 500 == 499 { 40_000 } else { 40 + (number % 97) as usize }
}

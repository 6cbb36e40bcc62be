//! Who has been seen: every line that a generator promised, against every line that a store or a stdout holds.
//!
//! Invariant: 16 bytes a line, whatever the lines' length; a line is compared whole, by a hash.

use super::generate::{self, Generator, Options};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The expectations of one run of the generator, and what was seen of them.
pub struct Account {
    /// By pod, then by the tag's number.
    lines: Vec<Vec<Line>>,
    expected_empty: u64,
    seen_empty: u64,
    altered: Vec<String>,
    altered_count: u64,
    unknown: Vec<String>,
    unknown_count: u64,
}

#[derive(Clone, Copy)]
struct Line {
    hash: u64,
    seen: u32,
}

/// What came of it. `Display` says it with examples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub expected: u64,
    pub missing: u64,
    /// How many times a line came again.
    pub repeated: u64,
    /// Lines that came with other bytes.
    pub altered: u64,
    /// Lines that nobody wrote.
    pub unknown: u64,
    pub expected_empty: u64,
    pub seen_empty: u64,
    examples: Vec<String>,
}

/// So many examples of each kind are kept.
const EXAMPLES: usize = 5;

impl Account {
    /// Runs the generator once more.
    pub fn of(seed: u64, options: &Options) -> Account {
        let mut account = Account {
            lines: vec![Vec::new(); options.pods],
            expected_empty: 0,
            seen_empty: 0,
            altered: Vec::new(),
            altered_count: 0,
            unknown: Vec::new(),
            unknown_count: 0,
        };
        for line in Generator::new(seed, options.clone()).filter_map(|item| item.expected) {
            let Some(sequence) = line.sequence else {
                account.expected_empty += 1;
                continue;
            };
            // Lines are complete in another order than they begin: another stream's pass those in pieces.
            let lines = &mut account.lines[line.pod];
            let place = sequence as usize;
            if lines.len() <= place {
                lines.resize(place + 1, Line { hash: 0, seen: 0 });
            }
            lines[place].hash = hash(&line.text);
        }
        account
    }

    /// A whole line, as the application wrote it.
    pub fn see(&mut self, text: &str) {
        if text.is_empty() {
            self.seen_empty += 1;
            return;
        }
        let hash = hash(text);
        match self.find(text) {
            Some(line) if line.hash == hash => line.seen += 1,
            Some(line) => {
                line.seen += 1;
                self.altered_count += 1;
                keep(&mut self.altered, text);
            }
            None => {
                self.unknown_count += 1;
                keep(&mut self.unknown, text);
            }
        }
    }

    /// A part of a line that holds its tag, such as the message of a JSON line: counted, not compared.
    pub fn see_part(&mut self, text: &str) {
        match self.find(text) {
            Some(line) => line.seen += 1,
            None if text.is_empty() => self.seen_empty += 1,
            None => {
                self.unknown_count += 1;
                keep(&mut self.unknown, text);
            }
        }
    }

    pub fn report(&self) -> Report {
        let mut report = Report {
            altered: self.altered_count,
            unknown: self.unknown_count,
            expected_empty: self.expected_empty,
            seen_empty: self.seen_empty,
            ..Report::default()
        };
        let mut examples = [Vec::new(), Vec::new()];
        for (pod, lines) in self.lines.iter().enumerate() {
            for (number, line) in lines.iter().enumerate() {
                report.expected += 1;
                report.missing += u64::from(line.seen == 0);
                report.repeated += u64::from(line.seen.saturating_sub(1));
                match line.seen {
                    0 => keep(&mut examples[0], &format!("seq={pod}-{number}")),
                    1 => {}
                    _ => keep(&mut examples[1], &format!("seq={pod}-{number}")),
                }
            }
        }
        let kinds = ["missing", "repeated", "altered", "unknown"];
        let [missing, repeated] = examples;
        let all = [missing, repeated, self.altered.clone(), self.unknown.clone()];
        for (kind, examples) in kinds.iter().zip(all) {
            report.examples.extend(examples.into_iter().map(|example| format!("{kind}: {example}")));
        }
        report
    }

    /// Every line once and unchanged, every empty line too; else panics with the report.
    pub fn assert_every_line_once(&self) {
        let report = self.report();
        assert!(report.is_complete() && report.repeated == 0, "{report}");
    }

    /// Every line at least once and unchanged; else panics with the report. Says how many came again.
    pub fn assert_every_line(&self) -> u64 {
        let report = self.report();
        assert!(report.is_complete(), "{report}");
        report.repeated + (report.seen_empty - report.expected_empty)
    }

    fn find(&mut self, text: &str) -> Option<&mut Line> {
        let (pod, number) = generate::tag(text)?;
        self.lines.get_mut(pod)?.get_mut(usize::try_from(number).ok()?)
    }
}

impl Report {
    fn is_complete(&self) -> bool {
        self.missing + self.altered + self.unknown == 0 && self.seen_empty >= self.expected_empty
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "of {} lines {} missing, {} repeated, {} altered, {} unknown; empty lines: {} of {}",
            self.expected, self.missing, self.repeated, self.altered, self.unknown, self.seen_empty, self.expected_empty
        )?;
        self.examples.iter().try_for_each(|example| writeln!(out, "  {example}"))
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn keep(examples: &mut Vec<String>, text: &str) {
    if examples.len() < EXAMPLES {
        examples.push(text.chars().take(400).collect());
    }
}

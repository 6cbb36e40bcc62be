//! Which spans of an origin are settled, and the watermark.
//!
//! ```text
//! 0            watermark        first gap
//! ├── settled ────┤ not settled ├─ settled ─┤ …      ahead: spans settled out of turn
//! ```
//!
//! **Invariant**: everything before the watermark is settled; the byte at the watermark is not. An event that is
//! still open has settled nothing, so the watermark cannot pass its start.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use crate::model::event::Span;
use crate::model::feed::{Reading, Resume, Runs};

/// The most spans settled out of turn that a checkpoint remembers.
const MOST_AHEAD: usize = 4096;

/// Bytes settled out of turn.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Offset behind the last of them.
    end: u64,
    /// Whether some of them were sent. What was only left out is left out again when it is read again, and is not worth
    /// its bytes in a checkpoint.
    was_sent: bool,
}

/// The account of one origin in one pipeline.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Everything before it is settled.
    watermark: u64,
    /// Start → settled spans behind the first gap; disjoint, not touching.
    ahead: BTreeMap<u64, Run>,
    /// The last point at or before the watermark where no event was open, with the runs there.
    point: (u64, Runs),
    /// Those behind the watermark; ascending. It holds no memory where there are none.
    points: VecDeque<(u64, Runs)>,
    /// When ranges of content were first read, for lines without a time; ascending.
    readings: VecDeque<Reading>,
}

impl Ledger {
    /// Goes on from `resume`.
    pub fn resume(resume: &Resume) -> Self {
        debug_assert!(resume.from <= resume.offset);
        Self {
            watermark: resume.offset,
            ahead: resume.ahead.iter().map(|span| (span.start, Run { end: span.end, was_sent: true })).collect(),
            point: (resume.from, resume.runs),
            points: VecDeque::new(),
            readings: resume.readings.iter().copied().collect(),
        }
    }

    /// Everything before it is settled.
    pub fn watermark(&self) -> u64 {
        self.watermark
    }

    /// Notes that no event is open at `offset`, with the runs of time as they stand there.
    pub fn note_point(&mut self, offset: u64, runs: Runs) {
        let last = self.points.back_mut().unwrap_or(&mut self.point);
        match last.0.cmp(&offset) {
            Ordering::Less => self.points.push_back((offset, runs)),
            Ordering::Equal => last.1 = runs,
            Ordering::Greater => {}
        }
    }

    /// The last point that was noted.
    pub fn last_point(&self) -> u64 {
        self.points.back().unwrap_or(&self.point).0
    }

    /// Notes when a range of content was first read. Ranges come in ascending order.
    pub fn note_reading(&mut self, reading: Reading) {
        debug_assert!(self.readings.back().is_none_or(|last| last.end <= reading.start));
        self.readings.push_back(reading);
    }

    /// The end of what was read before; lines from there on are read for the first time.
    pub fn readings_end(&self) -> u64 {
        self.readings.back().map_or(0, |last| last.end)
    }

    /// When the byte at `offset` was first read, where that was noted.
    pub fn reading_at(&self, offset: u64) -> Option<Reading> {
        let behind = self.readings.partition_point(|reading| reading.start <= offset);
        let reading = behind.checked_sub(1).and_then(|at| self.readings.get(at)).copied()?;
        (offset < reading.end).then_some(reading)
    }

    /// Settles spans. Order and grouping do not matter; settling a byte twice is harmless.
    pub fn settle(&mut self, spans: &[Span]) {
        self.settle_as(spans, true);
    }

    /// Settles the spans of an entry that is left out by a rule.
    pub fn leave_out(&mut self, spans: &[Span]) {
        self.settle_as(spans, false);
    }

    fn settle_as(&mut self, spans: &[Span], was_sent: bool) {
        let mut rest = spans.iter().copied().peekable();
        while let Some(mut run) = rest.next() {
            // Lines of a file follow each other: a batch of thousands is a handful of runs.
            while let Some(next) = rest.next_if(|next| next.start == run.end) {
                run.end = next.end;
            }
            self.settle_run(run, was_sent);
        }
    }

    fn settle_run(&mut self, run: Span, mut was_sent: bool) {
        if run.start <= self.watermark {
            self.watermark = self.watermark.max(run.end);
        } else {
            let mut start = run.start;
            let mut end = run.end;
            while let Some((&known_start, &known)) = self.ahead.range(..=end).next_back() {
                if known.end < start {
                    break;
                }
                start = start.min(known_start);
                end = end.max(known.end);
                was_sent |= known.was_sent;
                self.ahead.remove(&known_start);
            }
            self.ahead.insert(start, Run { end, was_sent });
        }
        while let Some(first) = self.ahead.first_entry() {
            if *first.key() > self.watermark {
                break;
            }
            self.watermark = self.watermark.max(first.remove().end);
        }
        self.forget_before_watermark();
    }

    fn forget_before_watermark(&mut self) {
        while let Some(point) = self.points.front().filter(|(offset, _)| *offset <= self.watermark) {
            self.point = *point;
            self.points.pop_front();
        }
        if self.points.is_empty() {
            self.points = VecDeque::new();
        }
        let from = self.from();
        // The last one stays: its end says what was read before.
        while self.readings.len() > 1 && self.readings.front().is_some_and(|reading| reading.end <= from) {
            self.readings.pop_front();
        }
    }

    fn from(&self) -> u64 {
        self.point.0.min(self.watermark)
    }

    /// What going on from here needs, beside what it does not know of.
    pub fn to_resume(&self) -> Resume {
        // More than so many gaps are not worth their bytes: what lies behind them is sent again after a crash.
        let ahead = self.ahead.iter().filter(|(_, run)| run.was_sent).take(MOST_AHEAD);
        let ahead = ahead.map(|(&start, run)| Span { start, end: run.end }).collect();
        let readings = self.readings.iter().copied().collect();
        Resume { offset: self.watermark, from: self.from(), runs: self.point.1, ahead, readings, demotions: None }
    }

    /// Whether the byte at `offset` is settled.
    pub fn is_settled_at(&self, offset: u64) -> bool {
        offset < self.watermark || self.ahead.range(..=offset).next_back().is_some_and(|(_, run)| offset < run.end)
    }

    /// Whether everything before `end` is settled.
    pub fn is_settled_to(&self, end: u64) -> bool {
        self.watermark >= end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::feed;
    use crate::model::time::Time;
    use proptest::prelude::*;

    fn span(start: u64, end: u64) -> Span {
        Span { start, end }
    }

    #[test]
    fn the_watermark_is_the_contiguous_prefix() {
        let mut ledger = Ledger::default();
        ledger.settle(&[span(10, 20)]);
        assert_eq!(ledger.watermark(), 0);
        ledger.settle(&[span(30, 40), span(20, 25)]);
        ledger.settle(&[span(0, 10)]);
        assert_eq!(ledger.watermark(), 25);
        ledger.settle(&[span(25, 30)]);
        assert_eq!(ledger.watermark(), 40);
        assert!(ledger.ahead.is_empty());
    }

    #[test]
    fn going_on_starts_at_the_last_point_before_the_watermark() {
        let mut ledger = Ledger::default();
        let mut runs = Runs::default();
        runs[0] = feed::Run::of(Time { secs: 1, nanos: 0 });
        ledger.note_point(0, Runs::default());
        ledger.note_point(10, runs);
        ledger.note_point(30, Runs::default());
        ledger.settle(&[span(0, 20)]);
        let resume = ledger.to_resume();
        assert_eq!((resume.offset, resume.from, resume.runs), (20, 10, runs));
        ledger.settle(&[span(40, 50)]);
        let resume = ledger.to_resume();
        assert_eq!(resume.ahead, [span(40, 50)]);
        let resumed = Ledger::resume(&resume);
        assert_eq!(resumed.to_resume(), resume);
        let settled: Vec<bool> = [19, 20, 39, 40, 49, 50].map(|offset| resumed.is_settled_at(offset)).to_vec();
        assert_eq!(settled, [true, false, false, true, true, false]);
    }

    #[test]
    fn a_reading_is_found_by_offset_and_kept_while_needed() {
        let reading = |start, end, secs| Reading { start, end, time: Time { secs, nanos: 0 } };
        let mut ledger = Ledger::default();
        ledger.note_point(0, Runs::default());
        ledger.note_reading(reading(0, 10, 1));
        ledger.note_reading(reading(10, 20, 2));
        assert_eq!(ledger.reading_at(9), Some(reading(0, 10, 1)));
        assert_eq!(ledger.reading_at(10), Some(reading(10, 20, 2)));
        assert_eq!((ledger.reading_at(20), ledger.readings_end()), (None, 20));
        ledger.note_point(12, Runs::default());
        ledger.settle(&[span(0, 12)]);
        assert_eq!(ledger.to_resume().readings, [reading(10, 20, 2)]);
        ledger.note_point(20, Runs::default());
        ledger.settle(&[span(12, 20)]);
        assert_eq!(ledger.to_resume().readings, [reading(10, 20, 2)]);
    }

    #[test]
    fn what_was_left_out_moves_the_watermark_and_stays_out_of_the_checkpoint() {
        let mut ledger = Ledger::default();
        ledger.leave_out(&[span(0, 10)]);
        assert_eq!(ledger.watermark(), 10);
        // A line that is in flight, then one left out, one that is in flight, one left out, one delivered.
        ledger.leave_out(&[span(20, 30)]);
        ledger.leave_out(&[span(40, 50)]);
        assert_eq!(ledger.to_resume().ahead, []);
        ledger.settle(&[span(50, 60)]);
        assert_eq!(ledger.to_resume().ahead, [span(40, 60)]);
        ledger.settle(&[span(10, 20)]);
        assert_eq!(ledger.watermark(), 30);
        ledger.settle(&[span(30, 40)]);
        assert_eq!(ledger.watermark(), 60);
        assert!(ledger.ahead.is_empty());
    }

    proptest! {
        #[test]
        fn any_order_and_grouping_of_answers_gives_the_same_watermark(
            lengths in proptest::collection::vec(1_u64..5, 1..60),
            keys in proptest::collection::vec(any::<u32>(), 60),
            chunk in 1_usize..7,
            missing in proptest::option::of(0_usize..60),
        ) {
            let mut spans = Vec::new();
            let mut at = 0;
            for length in &lengths {
                spans.push(span(at, at + length));
                at += length;
            }
            let missing = missing.filter(|&index| index < spans.len());
            let expected = missing.map_or(at, |index| spans[index].start);
            let mut shuffled: Vec<(u32, Span)> = keys.iter().copied().zip(spans.iter().copied()).collect();
            if let Some(index) = missing { shuffled.remove(index); }
            shuffled.sort_unstable();
            let mut ledger = Ledger::default();
            for part in shuffled.chunks(chunk) {
                let before = ledger.watermark();
                ledger.settle(&part.iter().map(|(_, span)| *span).collect::<Vec<_>>());
                prop_assert!(ledger.watermark() >= before);
            }
            prop_assert_eq!(ledger.watermark(), expected);
        }
    }
}

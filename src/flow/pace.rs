//! How far ahead an origin may be read where its lines go to a stream that minds their order in time.
//!
//! ```text
//! log time   floor                                         floor + 30 min
//! ────────────┼──────────── may be handed on ───────────────────┼──── held ────▶
//!             └ the oldest of: what is not settled, what each reader reads next
//! ```
//!
//! Loki refuses an entry that is an hour behind the newest of its stream. Batches are on their way side by side and may
//! arrive in any order, so it is not enough to read several origins of one stream in step: nothing may be handed on that
//! is far ahead of anything of its stream that is still on its way. **Invariant**: of one stream, nothing is handed on
//! that is more than [`AHEAD`] ahead of what is unsettled or not read yet. It refuses to hold the oldest, so something
//! always moves.

use std::collections::HashMap;

use crate::model::origin::OriginId;
use crate::model::time::Time;

/// How far ahead an origin may be read, in seconds of log time: half of what Loki forgives.
pub const AHEAD: i64 = 30 * 60;
/// A line so many seconds in the future has a wrong time: it is nothing to wait for, and nothing waits for it.
const FUTURE: i64 = 10 * 60;

/// A stream of the store, by the hash of what makes it.
pub type Stream = u64;

/// Which times may be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Later lines are held.
    until: Time,
    /// Lines later than this have a wrong time, and go.
    future: Time,
}

impl Window {
    /// Everything may go.
    pub const OPEN: Self = Self { until: Time { secs: i64::MAX, nanos: 0 }, future: Time { secs: i64::MAX, nanos: 0 } };

    /// Whether a line of this time has to wait.
    #[inline]
    pub fn holds(&self, time: Time) -> bool {
        time > self.until && time <= self.future
    }
}

/// All streams that are written to.
#[derive(Debug, Default)]
pub struct Pace {
    streams: HashMap<Stream, Of>,
    /// Streams with entries in the open batch.
    open: Vec<Stream>,
    /// Batches on their way, and their streams.
    sent: HashMap<u64, Vec<Stream>>,
}

/// The batch that is not sealed yet: real ones count from 1.
const OPEN_BATCH: u64 = 0;

/// One stream.
#[derive(Debug, Default)]
struct Of {
    /// Origins with more to read, and the time of what they read next.
    readers: Vec<(OriginId, Time)>,
    /// Batches that hold unsettled entries, and a time that none of them is before.
    unsettled: Vec<(u64, Time)>,
}

impl Pace {
    /// Which times may be handed on to `stream` at `now`.
    pub fn window(&self, stream: Stream, now: Time) -> Window {
        let Some(of) = self.streams.get(&stream) else { return Window::OPEN };
        let future = later(now, FUTURE);
        let times = of.readers.iter().map(|(_, time)| *time).chain(of.unsettled.iter().map(|(_, time)| *time));
        match times.filter(|time| *time <= future).min() {
            Some(floor) => Window { until: later(floor, AHEAD), future },
            None => Window::OPEN,
        }
    }

    /// Where a reader of the stream is: the time of what it reads next, `None` where there is nothing more to read.
    pub fn place(&mut self, stream: Stream, reader: OriginId, next: Option<Time>) {
        let of = self.streams.entry(stream).or_default();
        of.readers.retain(|(known, _)| *known != reader);
        of.readers.extend(next.map(|time| (reader, time)));
        self.forget_if_empty(stream);
    }

    /// Entries of the stream, none before `first`, were put into the open batch.
    pub fn handed_on(&mut self, stream: Stream, first: Time) {
        let of = self.streams.entry(stream).or_default();
        match of.unsettled.iter_mut().find(|(batch, _)| *batch == OPEN_BATCH) {
            Some((_, time)) => *time = first.min(*time),
            None => {
                of.unsettled.push((OPEN_BATCH, first));
                self.open.push(stream);
            }
        }
    }

    /// The open batch is on its way as `batch`.
    pub fn sealed(&mut self, batch: u64) {
        if self.open.is_empty() {
            return;
        }
        let streams = std::mem::take(&mut self.open);
        for stream in &streams {
            let of = self.streams.get_mut(stream);
            let entry = of.and_then(|of| of.unsettled.iter_mut().find(|(of, _)| *of == OPEN_BATCH));
            if let Some(entry) = entry {
                entry.0 = batch;
            }
        }
        self.sent.insert(batch, streams);
    }

    /// Every entry of a batch is settled.
    pub fn settled(&mut self, batch: u64) {
        for stream in self.sent.remove(&batch).unwrap_or_default() {
            if let Some(of) = self.streams.get_mut(&stream) {
                of.unsettled.retain(|(known, _)| *known != batch);
            }
            self.forget_if_empty(stream);
        }
    }

    fn forget_if_empty(&mut self, stream: Stream) {
        if self.streams.get(&stream).is_some_and(|of| of.readers.is_empty() && of.unsettled.is_empty()) {
            self.streams.remove(&stream);
            // At the start every file is a reader for a moment.
            if self.streams.len() < self.streams.capacity() / 8 {
                self.streams.shrink_to(2 * self.streams.len());
            }
        }
    }
}

/// `seconds` later.
fn later(time: Time, seconds: i64) -> Time {
    Time { secs: time.secs.saturating_add(seconds), nanos: time.nanos }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Time = Time { secs: 1_000_000, nanos: 0 };

    fn at(secs: i64) -> Time {
        Time { secs, nanos: 0 }
    }

    #[test]
    fn the_oldest_of_what_is_unread_and_unsettled_holds_the_others() {
        let mut pace = Pace::default();
        assert_eq!(pace.window(1, NOW), Window::OPEN);
        pace.place(1, OriginId(1), Some(at(5_000)));
        pace.place(1, OriginId(2), Some(at(1_000)));
        let holds = |pace: &Pace, secs| pace.window(1, NOW).holds(at(secs));
        assert!(!holds(&pace, 2_800) && holds(&pace, 2_801));
        assert_eq!(pace.window(2, NOW), Window::OPEN, "another stream");
        pace.handed_on(1, at(1_000));
        pace.place(1, OriginId(2), None);
        pace.sealed(7);
        assert!(!holds(&pace, 2_800) && holds(&pace, 2_801), "on its way is not there yet");
        pace.settled(7);
        assert!(!holds(&pace, 6_800) && holds(&pace, 6_801));
        pace.place(1, OriginId(1), None);
        assert!(pace.streams.is_empty() && pace.sent.is_empty(), "nothing is kept");
    }

    #[test]
    fn a_line_from_the_future_neither_waits_nor_holds() {
        let mut pace = Pace::default();
        pace.place(1, OriginId(1), Some(at(1_000)));
        pace.place(1, OriginId(2), Some(at(2_000_000)));
        assert!(!pace.window(1, NOW).holds(at(2_000_000)));
        pace.place(1, OriginId(1), None);
        assert_eq!(pace.window(1, NOW), Window::OPEN);
    }

    /// Readers of one stream, each with lines at ascending times; a store that takes batches in any order and refuses
    /// what is an hour behind its newest.
    #[derive(Clone, Debug)]
    enum Step {
        Read(usize),
        Seal,
        Arrive(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => any::<usize>().prop_map(Step::Read),
            1 => Just(Step::Seal),
            2 => any::<usize>().prop_map(Step::Arrive),
        ]
    }

    proptest! {
        #[test]
        fn whatever_the_order_of_answers_nothing_is_an_hour_behind(
            gaps in proptest::collection::vec(proptest::collection::vec(0_i64..4_000, 1..30), 1..4),
            steps in proptest::collection::vec(step(), 1..200),
        ) {
            let lines: Vec<Vec<i64>> = gaps
                .iter()
                .map(|gaps| gaps.iter().scan(0, |time, gap| { *time += gap; Some(*time) }).collect())
                .collect();
            let mut pace = Pace::default();
            let mut places = vec![0; lines.len()];
            for (reader, lines) in lines.iter().enumerate() {
                pace.place(1, OriginId(reader as u128), Some(at(lines[0])));
            }
            let (mut open, mut sent, mut next_batch) = (Vec::new(), Vec::new(), 1);
            let mut newest = i64::MIN / 2;
            let all: usize = lines.iter().map(Vec::len).sum();
            let mut arrived = 0;
            let mut run = |step: &Step| -> Result<(), TestCaseError> {
                match step {
                    Step::Read(which) => {
                        let reader = which % lines.len();
                        let Some(&time) = lines[reader].get(places[reader]) else { return Ok(()) };
                        if pace.window(1, NOW).holds(at(time)) {
                            return Ok(());
                        }
                        places[reader] += 1;
                        open.push(time);
                        pace.handed_on(1, at(time));
                        let next = lines[reader].get(places[reader]).map(|time| at(*time));
                        pace.place(1, OriginId(reader as u128), next);
                    }
                    Step::Seal if open.is_empty() => {}
                    Step::Seal => {
                        pace.sealed(next_batch);
                        sent.push((next_batch, std::mem::take(&mut open)));
                        next_batch += 1;
                    }
                    Step::Arrive(_) if sent.is_empty() => {}
                    Step::Arrive(which) => {
                        let (batch, times) = sent.remove(which % sent.len());
                        for time in times {
                            prop_assert!(time > newest - 3_600, "{time} is an hour behind {newest}");
                            newest = newest.max(time);
                            arrived += 1;
                        }
                        pace.settled(batch);
                    }
                }
                Ok(())
            };
            for step in &steps {
                run(step)?;
            }
            // Something always moves: so many rounds bring everything home.
            for _ in 0..=all {
                for reader in 0..lines.len() {
                    run(&Step::Read(reader))?;
                }
                run(&Step::Seal)?;
                (0..all).try_for_each(|_| run(&Step::Arrive(0)))?;
            }
            prop_assert_eq!(arrived, all);
        }
    }
}

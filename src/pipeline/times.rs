//! Which time an event has: the runtime's, one that its line says, or that of reading.
//!
//! ```text
//! a field of `parse.time` ─▶ the runtime's ─▶ found in the line ─▶ that of reading        the first that is there, and that
//!                                                                                         the sink's store would take
//! ```
//!
//! **Invariant**: it depends on the line, the settings and the *recorded* time of reading, never on the clock, so that a replay finds
//! the same.

use std::time::Duration;

use crate::flow::runs;
use crate::model::event::{Entry, Span, TimeSource};
use crate::model::feed::{Reading, Runs};
use crate::model::sink::Encoder;
use crate::model::time::Time;
use crate::parse::time;

/// A time, where it came from, and the nanoseconds that keep equal ones apart.
pub(super) type Stamp = (Time, TimeSource, u32);

/// What a sink's store makes of times.
#[derive(Debug)]
pub(super) struct Times {
    /// Seconds: a line that is older when it is read gets the time of reading.
    restamps_after: Option<i64>,
    /// Seconds before and behind the time of reading: what a line says outside of them is not taken for its time.
    trusted: Option<(i64, i64)>,
}

impl Times {
    pub(super) fn new(encoder: &dyn Encoder) -> Self {
        let secs = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Self {
            restamps_after: encoder.restamps_after().map(secs),
            trusted: encoder.trusts_line_times().map(|(before, behind)| (secs(before), secs(behind))),
        }
    }

    /// Whether the time of reading matters for lines that have one of their own, too.
    #[inline]
    pub(super) fn restamps(&self) -> bool {
        self.restamps_after.is_some()
    }

    /// The time of an entry of which the settings say nothing.
    #[inline]
    pub(super) fn of(&self, entry: &Entry<'_>, runs: &mut Runs, reading: Option<Reading>, spans: &[Span]) -> Stamp {
        match (entry.time, reading) {
            (Some(own), Some(reading)) if self.is_too_old(own, reading) => {
                (reading.time, TimeSource::Restamped { own }, place_in(reading, spans))
            }
            (Some(time), _) => {
                let run = &mut runs[runs::index(entry.stream)];
                (time, TimeSource::Runtime, runs::nudge(run, time))
            }
            (None, Some(reading)) => match self.time_in(first_of(entry.body, spans), reading) {
                Some(found) => (found, TimeSource::Line, place_below_a_millisecond(spans)),
                None => (reading.time, TimeSource::Reading, place_in(reading, spans)),
            },
            (None, None) => (Default::default(), TimeSource::Reading, 0),
        }
    }

    /// The time of an entry in whose line stands another, `inner`: where it has no time of its own, that one may say it.
    pub(super) fn of_inner(&self, inner: &str, given: Stamp, reading: Reading, spans: &[Span]) -> Stamp {
        let found = match given {
            (_, TimeSource::Reading, _) => self.time_in(inner.as_bytes(), reading),
            _ => None,
        };
        found.map_or(given, |found| (found, TimeSource::Line, place_below_a_millisecond(spans)))
    }

    /// The time of an entry whose field says `said`; `None` where the sink's store could not take it.
    pub(super) fn of_field(
        &self,
        said: Time,
        runtime: Option<Time>,
        reading: Option<Reading>,
        spans: &[Span],
    ) -> Option<Stamp> {
        if let Some(reading) = reading
            && self.is_too_old(said, reading)
        {
            return Some((reading.time, TimeSource::Restamped { own: said }, place_in(reading, spans)));
        }
        // Where lines have the runtime's time, files are kept in step by it (`flow/pace.rs`), up to half of what the store
        // forgives apart: what the field may add to that is half of what it may where they have none.
        let is_trusted = match (runtime, reading) {
            (Some(runtime), _) => self.trusts(said, runtime, 2),
            (None, Some(reading)) => self.trusts(said, reading.time, 1),
            (None, None) => self.trusted.is_none(),
        };
        is_trusted.then_some((said, TimeSource::Field, place_below_a_millisecond(spans)))
    }

    fn is_too_old(&self, own: Time, reading: Reading) -> bool {
        self.restamps_after.is_some_and(|after| reading.time.secs.saturating_sub(own.secs) > after)
    }

    /// The time that the line says, where the sink may trust it.
    fn time_in(&self, line: &[u8], reading: Reading) -> Option<Time> {
        time::find(line, reading.time).filter(|found| self.trusts(*found, reading.time, 1))
    }

    /// Whether a time lies near enough to another for the sink: within its window, or a part of what that has before it.
    fn trusts(&self, time: Time, other: Time, part: i64) -> bool {
        self.trusted.is_none_or(|(before, behind)| {
            let ahead = time.secs.saturating_sub(other.secs);
            -before / part <= ahead && ahead <= behind
        })
    }
}

/// The place within the range keeps equal lines apart, without a count to remember.
fn place_in(reading: Reading, spans: &[Span]) -> u32 {
    let start = spans.first().map_or(0, |span| span.start);
    u32::try_from(start.saturating_sub(reading.start)).unwrap_or(u32::MAX)
}

/// Times in lines are coarse and come out of order, so counting equal ones would not do: the place in the file keeps equal
/// lines apart (those that are not a multiple of a million bytes away from each other), and in order.
fn place_below_a_millisecond(spans: &[Span]) -> u32 {
    spans.first().map_or(0, |span| (span.start % 1_000_000) as u32)
}

/// The first line of an event.
#[inline]
pub(super) fn first_of<'b>(body: &'b [u8], spans: &[Span]) -> &'b [u8] {
    // A line of pieces has no LF.
    let end = if spans.len() == 1 { None } else { memchr::memchr(b'\n', body) };
    &body[..end.unwrap_or(body.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn check(times: &Times, said: i64, runtime: Option<i64>, expected: Option<TimeSource>) {
        let at = |secs| Time { secs, nanos: 0 };
        let reading = Some(Reading { start: 0, end: 100, time: at(10 * HOUR) });
        let spans = [Span { start: 7, end: 9 }];
        let found = times.of_field(at(said), runtime.map(at), reading, &spans);
        assert_eq!(found.map(|(_, source, _)| source), expected, "{said} beside {runtime:?}");
        if let Some((time, TimeSource::Field, nudge)) = found {
            assert_eq!((time, nudge), (at(said), 7));
        }
    }

    /// As with Loki: half an hour before the time of reading, and five minutes behind it.
    #[test]
    fn a_field_is_believed_as_far_as_the_store_takes_it() {
        let times = Times { restamps_after: None, trusted: Some((HOUR / 2, 300)) };
        let field = Some(TimeSource::Field);
        check(&times, 10 * HOUR - 1800, None, field);
        check(&times, 10 * HOUR - 1801, None, None);
        check(&times, 10 * HOUR + 300, None, field);
        check(&times, 10 * HOUR + 301, None, None);
        check(&times, 9 * HOUR - 900, Some(9 * HOUR), field);
        check(&times, 9 * HOUR - 901, Some(9 * HOUR), None);
        let others = Times { restamps_after: None, trusted: None };
        check(&others, 0, Some(9 * HOUR), field);
        let restamps = Times { restamps_after: Some(HOUR / 2), trusted: Some((HOUR / 2, 300)) };
        let own = Time { secs: 9 * HOUR, nanos: 0 };
        check(&restamps, 9 * HOUR, Some(10 * HOUR), Some(TimeSource::Restamped { own }));
        check(&restamps, 10 * HOUR - 60, Some(10 * HOUR), field);
    }
}

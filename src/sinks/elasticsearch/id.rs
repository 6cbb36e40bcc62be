//! Document ids that a replay makes again.
//!
//! ```text
//! 0f5Gh2 3kP_0aZr9xQ1bW7c-T      6 characters of time, 18 of hash; the alphabet is in ASCII's order
//! zQx81c 3kP_0aZr9xQ1bW7c-T      for a line without a runtime's time: `z` and 5 of its origin
//! ```
//!
//! **Invariant**: an id is a matter of the runtime's time, the origin, the spans and the bytes alone, never of when
//! they were read. Different entries of an origin have different spans, so they differ by 108 bits of hash. Ids that
//! begin with the time index fastest: neighbours share their beginning.

use xxhash_rust::xxh3::Xxh3;

use crate::model::event::{Event, TimeSource};

/// The length of an id.
pub(super) const ID_LEN: usize = 24;

/// Sixty-four characters in ASCII's order; all may stand in an id and in a URL.
const ALPHABET: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/// The event's id.
#[inline]
pub(super) fn id(event: &Event<'_>) -> [u8; ID_LEN] {
    let mut hash = Xxh3::new();
    // Every part has a fixed length, but for the bytes, which come last.
    let mut fixed = [0; 44];
    fixed[..16].copy_from_slice(&event.origin.id.0.to_le_bytes());
    let start = event.spans.first().map_or(0, |span| span.start);
    let end = event.spans.last().map_or(0, |span| span.end);
    fixed[16..24].copy_from_slice(&start.to_le_bytes());
    fixed[24..32].copy_from_slice(&end.to_le_bytes());
    let prefix = match event.time_source {
        TimeSource::Runtime => {
            fixed[32..40].copy_from_slice(&event.time.secs.to_le_bytes());
            fixed[40..].copy_from_slice(&event.time.nanos.to_le_bytes());
            // 36 bits of seconds reach beyond the last year that is written.
            u128::from(event.time.secs.max(0) as u64)
        }
        TimeSource::Line | TimeSource::Field | TimeSource::Reading | TimeSource::Restamped { .. } => {
            (63 << 30) | (event.origin.id.0 & ((1 << 30) - 1))
        }
    };
    hash.update(&fixed);
    hash.update(event.body.as_bytes());
    let hash = hash.digest128();
    let mut id = [0; ID_LEN];
    put(prefix, &mut id[..6]);
    put(hash, &mut id[6..]);
    id
}

/// Writes the lowest six bits for each place, the highest first.
fn put(mut number: u128, places: &mut [u8]) {
    for place in places.iter_mut().rev() {
        *place = ALPHABET[(number & 63) as usize];
        number >>= 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Span;
    use crate::model::time::Time;
    use crate::sinks::samples::{Sample, file, named_file, pod};
    use std::collections::HashSet;
    use std::sync::Arc;

    fn text(sample: &Sample) -> String {
        String::from_utf8_lossy(&sample.with(id)).into_owned()
    }

    #[test]
    fn a_replay_makes_the_same_id() {
        let first = text(&Sample::json(pod()));
        assert_eq!(first, text(&Sample::json(pod())));
        assert_eq!(first.len(), ID_LEN);
        let read = Sample::plain(file());
        let later = Sample { time: Time { secs: 1_900_000_000, nanos: 5 }, nudge: 9, ..Sample::plain(file()) };
        assert_eq!(text(&read), text(&later), "the time of reading takes no part");
        assert!(text(&read).starts_with('z'));
    }

    #[test]
    fn what_differs_has_another_id() {
        let base = || Sample::json(pod());
        let spans = |start, end| vec![Span { start, end }];
        let samples = [
            base(),
            Sample { spans: spans(80, 200), ..base() },
            Sample { spans: spans(81, 201), ..base() },
            Sample { spans: spans(200, 320), ..base() },
            Sample { body: "{}".into(), ..base() },
            Sample { time: Time { secs: 1_795_423_848, nanos: 1 }, ..base() },
            Sample::json(file()),
            Sample::json(named_file("/other")),
        ];
        let ids: HashSet<_> = samples.iter().map(text).collect();
        assert_eq!(ids.len(), samples.len());
    }

    #[test]
    fn a_million_lines_share_no_id() {
        let origin = pod();
        let mut sample = Sample { body: "same".into(), ..Sample::plain(Arc::clone(&origin)) };
        let mut ids = HashSet::with_capacity(1_000_000);
        for line in 0..1_000_000 {
            sample.spans[0] = Span { start: line * 50, end: line * 50 + 50 };
            assert!(ids.insert(sample.with(id)), "line {line}");
        }
    }

    #[test]
    fn ids_are_in_the_order_of_time() {
        let at = |secs| text(&Sample { time: Time { secs, nanos: 0 }, ..Sample::json(pod()) });
        let times = [-5, 1, 1_000_000_000, 1_795_423_848, 1_795_423_849, 2_147_483_648, 16_725_225_600];
        for pair in times.windows(2) {
            assert!(at(pair[0])[..6] < at(pair[1])[..6], "{pair:?}");
        }
        assert!(ALPHABET.is_sorted());
    }
}

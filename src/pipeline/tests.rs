//! Any cutting of the input into reads, batches, answers and restarts gives the same events.

mod demote;
mod group;
mod header;
mod memory;
mod pace;
mod replaced;
mod underway;
mod world;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::refit::Refit;
use super::*;
use crate::flow::batch;
use crate::flow::checkpoint::{OriginRecord, State};
use crate::frame::group::rules::Rules;
use crate::metrics::Metrics;
use crate::model::batch::{Fate, Settled};
use crate::model::body::{Body, Group};
use crate::model::budget::Budget;
use crate::model::event::{Event, Fields, Span, TimeSource};
use crate::model::feed::{Content, Feed, Marks, ParserName};
use crate::model::origin::{Format, Origin};
use crate::model::settings::{Node, Place, Problems, Value};
use crate::model::sink::Encoder;
use crate::parse::Parser;
use crate::parse::moment::Moment;
use crate::parse::recipe::Recipe;
use crate::parse::separated::Separated;
use crate::transform::condition::Condition;
use crate::transform::redact::Redactor;
use crate::transform::steps::{Step, Steps, What};
use world::*;

fn straight(bytes: &[u8], format: Format) -> BTreeMap<Vec<Span>, String> {
    World::new(bytes, format).finish()
}

#[derive(Clone, Debug)]
enum Move {
    Grow(usize),
    ReadsOf(usize),
    Pass,
    Seal,
    Answer(usize, bool),
    Crash(bool),
    Refit(usize, bool),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let step = prop_oneof![
        4 => (0_usize..400).prop_map(Move::Grow),
        1 => (1_usize..100).prop_map(Move::ReadsOf),
        6 => Just(Move::Pass),
        3 => Just(Move::Seal),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, partly)| Move::Answer(which, partly)),
        1 => any::<bool>().prop_map(Move::Crash),
        1 => (0_usize..3, any::<bool>()).prop_map(|(answered, arrived)| Move::Refit(answered, arrived)),
    ];
    proptest::collection::vec(step, 1..120)
}

fn check(bytes: &[u8], format: Format, steps: &[Move]) {
    check_with(bytes, format, steps, Ways::default());
}

fn check_with(bytes: &[u8], format: Format, steps: &[Move], ways: Ways) {
    let mut world = World::with(bytes, format, ways);
    steps.iter().for_each(|step| world.take(step));
    let (got, expected) = (world.finish(), World::with(bytes, format, ways).finish());
    let first = got.iter().zip(&expected).find(|(got, expected)| got != expected);
    assert!(got == expected, "{} events, not {}; the first other: {first:?}", got.len(), expected.len());
}

/// Lines as two interleaved streams write them: whole, in pieces, wrong, too long, with equal times.
fn cri() -> impl Strategy<Value = Vec<u8>> {
    let line = (0_u8..20, any::<bool>(), 0_usize..40, 0_u32..4);
    (proptest::collection::vec(line, 1..60), any::<bool>()).prop_map(|(lines, is_cut)| {
        let mut bytes = Vec::new();
        let mut second = 0;
        for (kind, is_err, length, later) in lines {
            second += later;
            let stream = if is_err { "stderr" } else { "stdout" };
            let tag = if kind < 7 { "P" } else { "F" };
            let text = "x".repeat(length);
            let line = match kind {
                19 => format!("not cri {text}\n"),
                18 => format!("{}\n", "y".repeat(MAX_LINE + (16 << 10) + 50 * length)),
                17 => "\n".to_owned(),
                _ => format!("2026-11-23T08:50:{:02}.5Z {stream} {tag} {text}\n", second % 60),
            };
            bytes.extend_from_slice(line.as_bytes());
        }
        if is_cut {
            bytes.pop();
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_course_of_events_gives_the_same_events(bytes in cri(), steps in moves()) {
        check(&bytes, Format::Cri, &steps);
    }

    #[test]
    fn restamped_lines_keep_their_times(bytes in cri(), steps in moves()) {
        check_with(&bytes, Format::Cri, &steps, Ways { restamps: true, ..Ways::default() });
    }

    /// What is left out is left out in every course, and nothing else is missing.
    #[test]
    fn what_is_left_out_is_left_out_alike(bytes in cri(), steps in moves()) {
        let ways = Ways { filters: true, ..Ways::default() };
        check_with(&bytes, Format::Cri, &steps, ways);
        let all = World::new(&bytes, Format::Cri).finish();
        let left = World::with(&bytes, Format::Cri, ways).finish();
        let is_kept = |text: &String| {
            let line = text.rsplit_once(" \"").map_or("", |(_, line)| line.trim_end().trim_end_matches('"'));
            let (is_flawed, is_short) = (!text.contains(" None \""), line.len() < 10 && text.contains("Some(Stdout)"));
            !is_short && (is_flawed || line.len().is_multiple_of(2))
        };
        let expected: Vec<_> = all.iter().filter(|(_, text)| is_kept(text)).collect();
        prop_assert_eq!(left.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn redacted_lines_are_redacted_alike(
        lines in proptest::collection::vec((any::<bool>(), any::<bool>(), 0_usize..5, 0_usize..30), 1..60),
        steps in moves(),
    ) {
        // Secrets are cut in two by pieces, and by the longest line.
        let texts = [r#"{"to":"a@b.de","n":1"#, "}", " 10.0.", "0.1 4111 1111", " 1111 1111 "];
        let line = |(is_err, is_part, which, length): &(bool, bool, usize, usize)| {
            let (stream, tag) = (if *is_err { "stderr" } else { "stdout" }, if *is_part { "P" } else { "F" });
            format!("2026-11-23T08:50:00.5Z {stream} {tag} {}\n", texts[*which].repeat(1 + length / 20 * length))
        };
        let bytes: Vec<u8> = lines.iter().map(line).collect::<String>().into_bytes();
        let ways = Ways { redacts: true, ..Ways::default() };
        check_with(&bytes, Format::Cri, &steps, ways);
        for text in World::with(&bytes, Format::Cri, ways).finish().values() {
            let shown = ["a@b.de", "10.0.0.1", "4111 1111 1111 1111"].iter().any(|secret| text.contains(secret));
            prop_assert!(!shown, "{}", text);
        }
    }

    /// A field's time, without its year and out of order, is the same in every course; so is that of lines without one.
    #[test]
    fn times_of_a_field_are_kept(
        lines in proptest::collection::vec(("Nov-2|[A-Z][a-z]{2}-2|Jan-0|", 0_u8..5, any::<bool>(), any::<bool>()), 1..60),
        restamps in any::<bool>(),
        steps in moves(),
    ) {
        let line = |(field, digit, is_part, is_err): &(String, u8, bool, bool)| {
            let (stream, tag) = (if *is_err { "stderr" } else { "stdout" }, if *is_part { "P" } else { "F" });
            format!("2026-11-23T08:50:00.5Z {stream} {tag} at=\"{field}{digit} 08:5{digit}:00\" x=1\n")
        };
        let bytes: Vec<u8> = lines.iter().map(line).collect::<String>().into_bytes();
        check_with(&bytes, Format::Cri, &steps, Ways { timed: true, restamps, ..Ways::default() });
    }

    #[test]
    fn lines_without_a_time_keep_theirs(
        lines in proptest::collection::vec("(2026-11-2[1-3] 08:50:4[0-9] )?[a-c\\r]{0,60}", 1..60),
        steps in moves(),
    ) {
        check(lines.join("\n").as_bytes(), Format::Plain, &steps);
    }
}

#[test]
fn a_field_says_the_time_before_the_runtime() {
    let line = |said: &str| format!("2026-11-23T08:50:00.5Z stdout F at=\"{said}\" x=1\n");
    let bytes = [line("Nov-21 08:52:00"), line("Jan-01 00:00:00"), line("Dec-01 00:00:00"), line("")].concat();
    let ways = Ways { timed: true, ..Ways::default() };
    let stored = World::with(bytes.as_bytes(), Format::Cri, ways).finish();
    assert_eq!(stored.len(), 4);
    // Lines are counted by the runtime's time, also those that do not go by it.
    for (text, expected) in stored.values().zip([
        "2026-11-21T08:52:00Z+0  Some(Stdout) None",
        // The year of the nearest first of January.
        "2026-11-23T08:50:00.5Z+1  Some(Stdout) Some(NoTime)",
        "2026-11-23T08:50:00.5Z+2  Some(Stdout) Some(NoTime)",
        "2026-11-23T08:50:00.5Z+3  Some(Stdout) None",
    ]) {
        assert!(text.starts_with(expected), "{text}");
    }
}

/// Found by the property above: a turn that found no room forgot what of each stream was handed on behind its
/// start, and handed it on again.
#[test]
fn a_turn_without_room_forgets_nothing() {
    let line = |stream: &str, tag: &str| format!("2026-11-23T08:50:00.5Z {stream} {tag} x\n");
    let first = [line("stderr", "P"), line("stdout", "F")].concat();
    let bytes = [first.clone(), line("stdout", "F")].concat();
    let at_once = [Move::Grow(first.len()), Move::Pass, Move::Seal];
    // One batch of several in flight for each of the permits, then a turn without one.
    let mut steps = at_once.to_vec();
    for _ in 0..3 {
        steps.extend([Move::Grow(line("stdout", "F").len()), Move::Pass, Move::Seal]);
    }
    let bytes = [bytes, line("stdout", "F").repeat(4), line("stderr", "F")].concat();
    check(bytes.as_bytes(), Format::Cri, &steps);
}

#[test]
fn a_line_too_long_is_cut_once_and_the_next_is_whole() {
    let mut bytes = vec![b'a'; 200_000];
    bytes.extend_from_slice(b"\nnext\n");
    let stored = straight(&bytes, Format::Plain);
    let texts: Vec<&String> = stored.values().collect();
    assert_eq!(stored.len(), 2, "{texts:?}");
    assert!(texts[0].contains("Some(Cut)") && texts[0].contains("…[cut by tailwater]"), "{texts:?}");
    assert!(texts[1].contains("\"next\""), "{texts:?}");
}

#[test]
fn a_sink_that_never_answers_stops_the_reading_at_its_share() {
    let bytes = "2026-11-23T08:50:48Z stdout F hello\n".repeat(20_000);
    let mut world = World::new(bytes.as_bytes(), Format::Cri);
    world.content.there.lock().expect("not poisoned").0 = bytes.len();
    for _ in 0..100 {
        world.pass();
        world.pipeline.seal();
        world.retry_all_for_another();
    }
    assert_eq!(world.sent.lock().expect("not poisoned").len(), 4);
    world.answer(1, false);
    world.pass();
    world.pipeline.seal();
    assert_eq!(world.sent.lock().expect("not poisoned").len(), 4);
}

/// Found by the soak: killed before a file that was truncated was forgotten, the next process counted the same again.
#[test]
fn what_was_counted_as_unreachable_is_not_unread_in_the_book() {
    let bytes = b"2026-11-23T08:50:48Z stdout F hello\n2026-11-23T08:50:49Z std";
    let mut world = World::new(bytes, Format::Cri);
    world.content.there.lock().expect("not poisoned").0 = bytes.len();
    world.pass();
    world.pipeline.seal();
    world.answer(0, false);
    let unread = |world: &World| {
        let cursor = world.book.0.lock().expect("not poisoned").cursors[&(world.origin.id, "p".into())].clone();
        cursor.size - cursor.resume.offset
    };
    assert_eq!(unread(&world), 24);
    world.pipeline.take(Inbox::Source(Signal::Abandoned(world.origin.id, bytes.len() as u64)));
    assert_eq!(world.pipeline.books.unreachable, 24);
    assert_eq!(unread(&world), 0);
}

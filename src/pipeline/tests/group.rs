//! Lines that are one event: the same events, whatever the course of reads, batches, answers and crashes.

use super::*;

/// What applications write: traces, whole and torn, what looks like one, and other lines.
const TEXTS: [&str; 20] = [
    "java.lang.IllegalStateException: no stock",
    "\tat a.B.c(B.java:3)",
    "Caused by: java.io.IOException: disk",
    "Traceback (most recent call last):",
    "  File \"/a.py\", line 3, in f",
    "KeyError: 'x'",
    "",
    "During handling of the above exception, another exception occurred:",
    "Error: a",
    "    at f (/a.js:1:2)",
    "panic: a",
    "goroutine 1 [running]:",
    "main.main()",
    "\t/a.go:3 +0x1d",
    "thread 'main' panicked at src/main.rs:2:5:",
    "a message",
    "# listening",
    "{\"level\":\"info\"}",
    "x.rb:3:in 'f': a (ArgumentError)",
    "\tfrom x.rb:3:in 'f'",
];

/// A line: which text, whether it follows the one before in the trace, the stream, the tenths of seconds it is later, and how it is
/// wrapped.
type Typed = (usize, bool, bool, u32, u8);

fn typed() -> impl Strategy<Value = Vec<Typed>> {
    let later = prop_oneof![6 => Just(0_u32), 3 => 1_u32..5, 1 => 15_u32..30];
    proptest::collection::vec((0..TEXTS.len(), proptest::bool::weighted(0.6), any::<bool>(), later, 0_u8..16), 1..80)
}

/// The texts in their order, each stream with a place of its own among them.
fn texts(lines: &[Typed]) -> Vec<(&'static str, bool, u32, u8)> {
    let mut places = [0; 2];
    let mut tenths = 0;
    let mut text = |&(which, follows, is_err, later, kind): &Typed| {
        let place = &mut places[usize::from(is_err)];
        *place = if follows { (*place + 1) % TEXTS.len() } else { which };
        tenths += later;
        (TEXTS[*place], is_err, tenths, kind)
    };
    lines.iter().map(&mut text).collect()
}

fn cri(lines: &[Typed]) -> Vec<u8> {
    let mut bytes = String::new();
    for (text, is_err, tenths, kind) in texts(lines) {
        let stream = if is_err { "stderr" } else { "stdout" };
        let head = format!("2026-11-23T08:{:02}:{:02}.{}Z {stream}", tenths / 600 % 60, tenths / 10 % 60, tenths % 10);
        match kind {
            // Torn by the runtime, perhaps without its end.
            0 => bytes.push_str(&format!("{head} P {text}\n")),
            1 => {
                bytes.push_str(&format!("{head} P {}\n{head} F {}\n", &text[..text.len() / 2], &text[text.len() / 2..]))
            }
            2 => bytes.push_str("not cri\n"),
            3 => bytes.push_str(&format!("{head} F {text}{}\n", "y".repeat(200))),
            4 if tenths % 7 == 0 => bytes.push_str(&format!("{head} F {}\n", "y".repeat(MAX_LINE + (17 << 10)))),
            _ => bytes.push_str(&format!("{head} F {text}\n")),
        }
    }
    bytes.into_bytes()
}

/// Every entry is of one event.
fn assert_whole(bytes: &[u8], events: &BTreeMap<Vec<Span>, String>) {
    let mut spans: Vec<Span> = events.keys().flatten().copied().collect();
    spans.sort_unstable();
    assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start), "an entry is of one event");
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').count();
    assert_eq!(spans.len(), lines, "every line is an entry");
}

fn hold(bytes: &[u8], format: Format, steps: &[Move], multiline: &'static str) {
    let ways = Ways { multiline, ..Ways::default() };
    check_with(bytes, format, steps, ways);
    assert_whole(bytes, &World::with(bytes, format, ways).finish());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_course_of_events_groups_alike(lines in typed(), steps in moves()) {
        hold(&cri(&lines), Format::Cri, &steps, "auto");
    }

    #[test]
    fn expressions_group_alike(lines in typed(), steps in moves()) {
        hold(&cri(&lines), Format::Cri, &steps, "start");
    }

    #[test]
    fn indented_lines_group_alike(lines in typed(), steps in moves()) {
        hold(&cri(&lines), Format::Cri, &steps, "indented");
    }

    #[test]
    fn what_is_left_out_is_grouped_alike(lines in typed(), steps in moves()) {
        check_with(&cri(&lines), Format::Cri, &steps, Ways { filters: true, restamps: true, ..Ways::default() });
    }

    /// These have the times of reading, which all lie within the gap here.
    #[test]
    fn plain_lines_group_alike(lines in typed(), steps in moves()) {
        let texts: Vec<_> = texts(&lines).into_iter().map(|(text, ..)| text).collect();
        hold((texts.join("\n") + "\n").as_bytes(), Format::Plain, &steps, "auto");
    }
}

/// Two streams of a container with events of several lines, none of which ends before the other's begins: there are points to go
/// on from all the same, so that a crash repeats the reading of no more than some of it.
#[test]
fn events_that_overlap_leave_points_to_go_on_from() {
    let bytes = overlapping(40_000);
    let mut world = World::with(&bytes, Format::Cri, Ways { multiline: "start", ..Ways::default() });
    world.content.there.lock().expect("not poisoned").0 = bytes.len();
    let mut last = 0;
    for _ in 0..100_000 {
        world.pass();
        world.pipeline.seal();
        world.answer(0, false);
        let state = world.pipeline.feeds.values().next().expect("the feed");
        let resume = state.ledger.to_resume();
        assert!(resume.offset - resume.from <= 2 * MAX_OPEN, "{} bytes to be read again", resume.offset - resume.from);
        if state.at_end {
            last = resume.from;
            break;
        }
    }
    assert!(last > bytes.len() as u64 - 2 * MAX_OPEN, "{last} of {}", bytes.len());
}

/// Where they are cut does not depend on where the reads, and the processes, ended.
#[test]
fn events_that_overlap_are_cut_alike() {
    let bytes = overlapping(16_000);
    let mut moves = Vec::new();
    for step in 0..bytes.len() / 150_000 + 1 {
        moves.extend([Move::Grow(150_000 + step * 7)]);
        for _ in 0..40 {
            moves.extend([Move::Pass, Move::Seal, Move::Answer(0, false)]);
        }
        if step % 5 == 4 {
            moves.push(Move::Crash(true));
        }
    }
    hold(&bytes, Format::Cri, &moves, "start");
    let events = World::with(&bytes, Format::Cri, Ways { multiline: "start", ..Ways::default() }).finish();
    assert!(events.values().any(|text| text.contains("\"goes on")), "some are cut");
}

/// Lines of both streams by turns, of which every other begins an event.
fn overlapping(lines: usize) -> Vec<u8> {
    let line = |number: usize| {
        let stream = if number.is_multiple_of(2) { "stdout" } else { "stderr" };
        let text = if (number / 2).is_multiple_of(2) { "# an event" } else { "goes on" };
        format!("2026-11-23T08:50:00.5Z {stream} F {text} {}\n", "x".repeat(100))
    };
    (0..lines).map(line).collect::<String>().into_bytes()
}

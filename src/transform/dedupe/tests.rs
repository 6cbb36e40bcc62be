//! What is a repeat, and what is said of it.

use super::*;
use crate::model::event::{Fields, Span, Stream as Output, TimeSource};
use crate::model::origin::{Format, Origin, OriginId};
use crate::model::settings::{Node, Place as Typed, Problems, Value};
use crate::model::text::Text;
use proptest::prelude::*;

fn dedupe(typed: &[(&str, &str)]) -> Dedupe {
    let place = Typed { file: "t.yaml".into(), line: 1, column: 1 };
    let node = |value| Node { place: place.clone(), value };
    let entry =
        |(key, value): &(&str, &str)| ((*key).to_owned(), place.clone(), node(Value::Scalar((*value).to_owned())));
    let map = node(Value::Map(typed.iter().map(entry).collect()));
    let mut problems = Problems::default();
    let dedupe = Dedupe::read(&mut Section::new("dedupe", &map, &[KEYS], &mut problems), "fold");
    dedupe.unwrap_or_else(|| panic!("{problems:?}"))
}

struct Lines {
    dedupe: Dedupe,
    /// What goes on and what is said, in order.
    out: Vec<String>,
}

impl Lines {
    fn of(typed: &[(&str, &str)]) -> Self {
        Self { dedupe: dedupe(typed), out: Vec::new() }
    }

    fn meet_of(&mut self, file: u128, output: Option<Output>, second: i64, line: &str) -> bool {
        let (source, host) = ("s".into(), "h".into());
        let id = OriginId(file);
        let origin = Arc::new(Origin {
            id,
            source,
            path: std::path::Path::new("/a").into(),
            format: Format::Plain,
            workload: None,
            host,
        });
        let moment = Time { secs: second, nanos: 0 };
        let mut owed = Vec::new();
        self.dedupe.advance(moment, &mut owed);
        let event = Event {
            origin: &origin,
            spans: &[Span { start: 0, end: 10 }],
            time: moment,
            time_source: TimeSource::Runtime,
            nudge: 0,
            stream: output,
            level: line.starts_with('E').then_some(Level::Error),
            body: line,
            message: Text::Plain(line),
            fields: Fields::None,
            flaw: None,
            demoted: 0,
        };
        let is_left_out = self.dedupe.leaves_out(&event, moment, &mut owed);
        self.out.extend(owed.into_iter().map(|line| line.text));
        if !is_left_out {
            self.out.push(line.to_owned());
        }
        is_left_out
    }

    fn meet(&mut self, second: i64, line: &str) -> bool {
        self.meet_of(1, None, second, line)
    }

    fn end(mut self) -> Vec<String> {
        let mut owed = Vec::new();
        self.dedupe.look(Duration::ZERO, true, &mut owed);
        self.out.extend(owed.into_iter().map(|line| line.text));
        assert_eq!((self.dedupe.unsaid, self.dedupe.due), (0, None));
        self.out
    }
}

#[test]
fn repeats_are_one_and_a_count() {
    let mut lines = Lines::of(&[]);
    for line in ["A", "A", "A", "B", "A", "A", "C"] {
        lines.meet(0, line);
    }
    let expected = ["A", "message repeated 2 times: [A]", "B", "A", "message repeated 1 time: [A]", "C"];
    assert_eq!(lines.end(), expected);
}

/// What docs/limiting.md says it takes: 6 MiB at most, however many outputs repeat whatever they like.
#[test]
fn what_is_remembered_is_bounded() {
    let mut lines = Lines::of(&[("lines", "20")]);
    // Each is told again in the room that the longest one has.
    let many: Vec<String> = (0..20).map(|at| format!("{at}{}", "x".repeat(2 * TOLD))).collect();
    for file in 0..3 * MOST_STREAMS as u128 {
        many.iter().chain(&many).for_each(|line| _ = lines.meet_of(file, None, 0, line));
        assert!(lines.dedupe.unsaid <= MOST_UNSAID, "{}", lines.dedupe.unsaid);
        lines.out.clear();
    }
    let held = |dedupe: &mut Dedupe| {
        let (mut streams, mut folds, mut told) = (0, 0, 0);
        for (key, stream) in dedupe.streams.iter_mut() {
            streams += key.len();
            folds += stream.folds.capacity() * size_of::<Fold>();
            let repeats = stream.folds.iter().filter_map(|fold| fold.repeats.as_ref());
            told += repeats.map(|repeats| size_of::<Repeats>() + repeats.message.capacity()).sum::<usize>();
        }
        // A map of a thousand has room for two thousand.
        streams + 2 * 2048 * (size_of::<(Box<str>, Stream)>() + 1) + folds + told
    };
    let held = held(&mut lines.dedupe);
    assert!((1 << 20..6 << 20).contains(&held), "{held} bytes");
    assert!(include_str!("../../../docs/limiting.md").contains("or `dedupe` 6 MiB"));
}

/// Where more wait to be told of than there is room for, those of the output at hand are told of, and nothing is lost.
#[test]
fn with_too_many_to_tell_of_some_are_told_at_once() {
    let mut lines = Lines::of(&[("lines", "5")]);
    for file in 0..1000 {
        for line in ["A", "B", "C", "D", "E", "A", "B", "C", "D", "E"] {
            lines.meet_of(file, None, 0, line);
        }
    }
    assert!(lines.out.iter().filter(|line| line.starts_with("message repeated")).count() >= 1000);
    let out = lines.end();
    assert_eq!(
        out.iter().filter(|line| !line.starts_with("message repeated")).count()
            + out.iter().filter(|line| line.starts_with("message repeated 1 time:")).count(),
        10_000
    );
}

#[test]
fn other_lines_may_lie_between() {
    let mut lines = Lines::of(&[("lines", "2")]);
    for line in ["A", "B", "A", "B", "C", "D", "A"] {
        lines.meet(0, line);
    }
    let expected = ["A", "B", "message repeated 1 time: [A]", "C", "message repeated 1 time: [B]", "D", "A"];
    assert_eq!(lines.end(), expected);
}

#[test]
fn when_its_time_is_up_a_line_goes_on_once_more() {
    let mut lines = Lines::of(&[("within", "10s")]);
    (0..25).for_each(|second| _ = lines.meet(second, "A"));
    let repeated = "message repeated 9 times: [A]";
    assert_eq!(lines.end(), ["A", repeated, "A", repeated, "A", "message repeated 4 times: [A]"]);
    // By the clock, where no more lines come.
    let mut lines = Lines::of(&[("within", "10s")]);
    (0..3).for_each(|second| _ = lines.meet(second, "A"));
    let mut owed = Vec::new();
    lines.dedupe.look(Duration::from_secs(50), false, &mut owed);
    lines.dedupe.look(Duration::from_secs(59), false, &mut owed);
    assert_eq!(owed.len(), 0);
    lines.dedupe.look(Duration::from_secs(60), false, &mut owed);
    assert_eq!((owed.len(), owed[0].entries, owed[0].level), (1, 2, None));
    assert_eq!(
        owed[0].fields,
        r#"{"tailwater":{"dedupe":"fold","repeated":2,"lines":2,"from":"1970-01-01T00:00:00Z","to":"1970-01-01T00:00:02Z"}}"#
    );
    assert!(!lines.meet(3, "A"), "it was told of");
}

#[test]
fn files_and_outputs_and_levels_are_apart() {
    let mut lines = Lines::of(&[]);
    for (file, output) in [(1, None), (2, None), (1, Some(Output::Stdout)), (1, Some(Output::Stderr))] {
        assert!(!lines.meet_of(file, output, 0, "A"));
    }
    assert!(lines.meet_of(2, None, 0, "A"));
    let mut lines = Lines::of(&[("by", "level")]);
    assert_eq!(["E1", "E2", "x", "y"].map(|line| lines.meet(0, line)), [false, true, false, true]);
    assert_eq!(lines.end(), ["E1", "message repeated 1 time: [E2]", "x", "message repeated 1 time: [y]"]);
}

#[test]
fn only_the_beginning_of_a_message_is_told() {
    let mut lines = Lines::of(&[]);
    let long = "é".repeat(200);
    for line in [long.as_str(), &long, "failed\n\tat a.B", "failed\n\tat a.B"] {
        lines.meet(0, line);
    }
    let told = lines.end().into_iter().filter(|line| line.starts_with("message")).collect::<Vec<_>>();
    assert_eq!(
        told,
        [format!("message repeated 1 time: [{}…]", "é".repeat(128)), "message repeated 1 time: [failed…]".into()]
    );
}

proptest! {
    /// Each line goes on or is told of; of what follows a line at once, the same is left out.
    #[test]
    fn all_that_is_left_out_is_told_of(
        lines in proptest::collection::vec((0_u128..3, 0_u8..3, 0_i64..4), 1..200),
        apart in 1_u8..4,
    ) {
        let mut world = Lines::of(&[("within", "5s"), ("lines", &apart.to_string())]);
        let (mut second, mut left_out) = (0, 0);
        for (file, line, gap) in &lines {
            second += gap;
            left_out += u64::from(world.meet_of(*file, None, second, &line.to_string()));
        }
        let out = world.end();
        let told = out.iter().filter_map(|line| line.strip_prefix("message repeated ")?.split(' ').next()?.parse::<u64>().ok());
        prop_assert_eq!(told.sum::<u64>(), left_out);
        let on = out.iter().filter(|line| !line.starts_with("message")).count();
        prop_assert_eq!(on + left_out as usize, lines.len());
    }
}

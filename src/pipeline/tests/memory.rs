//! Transforms that remember what came before: they give up that a replay is identical, and nothing else.

use super::*;
use crate::flow::account::Tally;
use crate::model::settings::{Key, Node, Place, Problems, Section, Value};
use crate::transform::dedupe::{self, Dedupe};
use crate::transform::limit::{self, Limit};

/// Repeats among every other line folded; a line a second for each stream, and two at once.
pub(super) fn steps() -> Steps {
    let dedupe = typed(
        [("within", "5s"), ("lines", "2"), ("by", "stream"), ("when", "size(line) % 2 == 0")],
        dedupe::KEYS,
        |section| Dedupe::read(section, "again").expect("folds"),
    );
    Steps::new(vec![Step { name: "again".into(), what: What::Dedupe(Box::new(dedupe)) }, calm()])
}

fn calm() -> Step {
    let keys = [("lines_per_second", "1"), ("burst", "2"), ("by", "stream"), ("summary_every", "3s")];
    let limit = typed(keys, limit::KEYS, |section| Limit::read(section, "calm").expect("a limit"));
    Step { name: "calm".into(), what: What::Limit(Box::new(limit)) }
}

fn typed<const N: usize, T>(
    typed: [(&str, &str); N],
    keys: &'static [Key],
    read: impl FnOnce(&mut Section<'_>) -> T,
) -> T {
    let place = Place { file: "t.yaml".into(), line: 1, column: 1 };
    let entry = |(key, value): (&str, &str)| {
        (key.to_owned(), place.clone(), Node { place: place.clone(), value: Value::Scalar(value.to_owned()) })
    };
    let node = Node { place: place.clone(), value: Value::Map(typed.map(entry).to_vec()) };
    let mut problems = Problems::default();
    read(&mut Section::new("a transform", &node, &[keys], &mut problems))
}

fn world(bytes: &[u8]) -> World {
    World::with(bytes, Format::Cri, Ways { remembers: true, ..Ways::default() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 256 } else { 2048 }))]

    /// Debug builds compare the books at every step; the watermark comes to the end.
    #[test]
    fn the_books_balance_whatever_happens(bytes in cri(), steps in moves()) {
        let mut world = world(&bytes);
        for step in &steps {
            world.take(step);
            let account = world.pipeline.books.account();
            prop_assert!(account.is_balanced(), "{:?}", account);
        }
        world.run_to_its_end();
        prop_assert_eq!(world.pipeline.books.account().in_flight, Tally::default());
    }

    /// What was left out, while no crash made it forget, is what the answered lines of our own say, also over other settings.
    #[test]
    fn all_that_is_left_out_is_said(bytes in cri(), steps in moves()) {
        let mut world = world(&bytes);
        steps.iter().filter(|step| !matches!(step, Move::Crash(_))).for_each(|step| world.take(step));
        world.run_to_its_end();
        prop_assert_eq!(world.spoken_of, world.pipeline.books.account().filtered.entries);
    }
}

/// A backlog of an hour that is read at once is limited as it was written, and what is said of it stands where it belongs.
#[test]
fn a_backlog_is_limited_by_its_own_time() {
    let line = |second: u32| format!("2026-11-23T08:{:02}:{:02}Z stdout F x{second:04}\n", second / 60, second % 60);
    // A line a second, and at ten minutes past the hour a hundred at once.
    let lines: String = (0..3600).map(|second| line(second).repeat(if second == 600 { 100 } else { 1 })).collect();
    let mut world = world(lines.as_bytes());
    world.run_to_its_end();
    let account = world.pipeline.books.account();
    assert_eq!((account.filtered.entries, account.delivered.entries), (98, 3601));
    assert_eq!(world.said.len(), 1);
    assert!(world.said[0].starts_with("2026-11-23T08:10:00Z+"), "{:?}", world.said);
    assert!(world.said[0].contains("98 lines (") && world.said[0].contains(" of `stdout` were"), "{:?}", world.said);
}

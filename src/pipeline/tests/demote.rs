//! Labels that are demoted: what is read again goes to the streams that it went to, whenever the process died and whatever was
//! read before.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::flow::checkpoint::State;
use crate::flow::pace::Window;
use crate::model::time::Time;

/// The half of a sink that counts labels' values.
pub(super) struct Demoter {
    most: usize,
    pub(super) labels: Vec<String>,
    values: [BTreeSet<usize>; 2],
    pub(super) crowded: Vec<String>,
}

impl Demoter {
    pub(super) fn new(most: usize) -> Self {
        let labels = ["length", "third"].map(str::to_owned).to_vec();
        Self { most, labels, values: Default::default(), crowded: Vec::new() }
    }

    /// Where an event's labels stand, as text.
    pub(super) fn see(&mut self, event: &Event<'_>) -> String {
        let values = [event.body.len(), event.body.len() / 3];
        let is_demoted = |place: usize| event.demoted & (1 << place) != 0;
        for (place, value) in values.into_iter().enumerate().filter(|(place, _)| !is_demoted(*place)) {
            let known = &mut self.values[place];
            if known.len() <= self.most && known.insert(value) && known.len() > self.most {
                self.crowded.push(self.labels[place].clone());
            }
        }
        format!("<{}{}> ", u8::from(is_demoted(0)), u8::from(is_demoted(1)))
    }
}

/// The text of an event without where its labels stand.
pub(super) fn without_labels(text: &str) -> &str {
    text.strip_prefix('<').and_then(|text| text.split_once("> ")).map_or(text, |(_, text)| text)
}

/// A label that was demoted does not come back: none of the origin's later lines has it.
pub(super) fn assert_final(stored: &BTreeMap<Vec<Span>, (String, u32)>) {
    // By where they begin.
    for place in 1..=2 {
        let demoted =
            stored.values().filter(|(text, _)| text.starts_with('<')).map(|(text, _)| &text[place..=place] == "1");
        assert!(demoted.is_sorted(), "{stored:?}");
    }
}

fn demoted(world: &World) -> Vec<String> {
    let mut labels = Vec::new();
    world.book.look(&mut |state: &State| labels.extend(state.demoted.values().flatten().map(ToString::to_string)));
    labels
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_again_goes_where_it_went(bytes in cri(), steps in moves(), most in 0_usize..7) {
        check_with(&bytes, Format::Cri, &steps, Ways { most: Some(most), ..Ways::default() });
    }

    #[test]
    fn lines_without_a_time_go_where_they_went(
        lines in proptest::collection::vec("[a-c]{0,30}", 1..60),
        steps in moves(),
        most in 0_usize..7,
    ) {
        check_with(lines.join("\n").as_bytes(), Format::Plain, &steps, Ways { most: Some(most), ..Ways::default() });
    }
}

fn lines(lengths: impl IntoIterator<Item = usize>) -> Vec<u8> {
    lengths.into_iter().map(|length| format!("{}\n", "x".repeat(length))).collect::<String>().into_bytes()
}

/// The line that has one value too many is the last under the label; the next has it beside it, in the same batch.
#[test]
fn one_value_too_many_is_the_last() {
    let bytes = lines([3, 6, 9, 12, 15]);
    let mut world = World::with(&bytes, Format::Plain, Ways { most: Some(2), ..Ways::default() });
    world.content.there.lock().expect("not poisoned").0 = bytes.len();
    world.pass();
    assert_eq!(demoted(&world), ["length", "third"], "before the batch leaves");
    world.pipeline.seal();
    world.answer(0, false);
    let stored: Vec<String> = world.stored.values().map(|(text, _)| text[..4].to_owned()).collect();
    assert_eq!(stored, ["<00>", "<00>", "<00>", "<11>", "<11>"]);
    // It is shown, and stays so after a restart, for new origins too.
    world.crash(false);
    assert_eq!(world.pipeline.metrics.demoted(), ["length", "third"]);
    assert_eq!(world.pipeline.forge.stream(&world.origin), None);
    let mut new = None;
    world.pipeline.forge.fit(&mut new);
    let new = new.expect("marks");
    assert!(new.labels.len() == 2 && new.labels.iter().all(|mark| mark.from == 0), "{new:?}");
}

/// Settings without it take it back.
#[test]
fn labels_come_back_by_the_settings_alone() {
    let bytes = lines([3, 6, 9, 12, 15]);
    let mut world = World::with(&bytes, Format::Plain, Ways { most: Some(1), ..Ways::default() });
    world.content.there.lock().expect("not poisoned").0 = bytes.len();
    world.pass();
    world.pipeline.seal();
    world.answer(0, false);
    world.ways.most = None;
    world.crash(false);
    assert_eq!((demoted(&world), world.pipeline.metrics.demoted()), (vec![], vec![]));
    world.ways.most = Some(1);
    world.crash(false);
    assert_eq!(demoted(&world), [""; 0]);
}

/// Two files whose labels are told apart by the demoted one alone are one stream then, and kept in step.
#[test]
fn streams_that_become_one_are_paced_as_one() {
    struct ByLabel(Plain);
    impl Encoder for ByLabel {
        fn push(&mut self, event: &Event<'_>, body: &mut Body) {
            self.0.push(event, body);
        }
        fn stream(&mut self, origin: &Arc<Origin>, demoted: u64) -> Option<u64> {
            Some(if demoted & 1 == 0 { origin.id.0 as u64 } else { 99 })
        }
        fn crowded(&mut self) -> Option<String> {
            self.0.crowded()
        }
        fn demotable(&self) -> &[String] {
            self.0.demotable()
        }
        fn bound(&self, line: usize) -> usize {
            self.0.bound(line)
        }
    }
    let ways = Ways { most: Some(0), ..Ways::default() };
    let mut world = World::with(b"2026-11-23T08:50:48Z stdout F a\n", Format::Cri, ways);
    let (pipeline, sent, inbox) = start_with(&world.book, Box::new(ByLabel(Plain::of(ways))));
    (world.pipeline, world.sent, world._inbox) = (pipeline, sent, inbox);
    world.feed();
    let streams = |world: &World| world.pipeline.feeds.values().map(|state| state.stream).collect::<Vec<_>>();
    assert_eq!(streams(&world), [Some(7)]);
    world.pipeline.is_walked = true;
    world.content.there.lock().expect("not poisoned").0 = world.content.bytes.len();
    world.pass();
    world.pipeline.take_crowded();
    assert_eq!((streams(&world), demoted(&world)), (vec![Some(99)], vec!["length".to_owned(), "third".to_owned()]));
    assert_eq!(world.pipeline.pace.window(7, Time::default()), Window::OPEN, "nobody reads of it");
}

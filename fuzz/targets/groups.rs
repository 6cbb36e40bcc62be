//! Any lines, cut anywhere into what is there at a look and what a read gives: the same groups.
#![no_main]

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use tailwater::flow::{batch, pace};
use tailwater::frame::group::rules::Rules;
use tailwater::model::body::{Body, Group};
use tailwater::model::budget::Budget;
use tailwater::model::event::{Event, Span};
use tailwater::model::feed::{Content, Feed, Marks, ParserName};
use tailwater::model::origin::{Format, Origin};
use tailwater::model::sink::Encoder;
use tailwater::parse::Parser;
use tailwater::pipeline::MAX_OPEN;
use tailwater::pipeline::feeds::FeedState;
use tailwater::pipeline::forge::{Forge, Tools};
use tailwater::pipeline::turn::Reader;
use tailwater::transform::steps::Steps;

const MAX_LINE: usize = 512;

static ORIGIN: LazyLock<Arc<Origin>> = LazyLock::new(tailwater_fuzz::origin);
static RULES: LazyLock<Vec<Rules>> = LazyLock::new(|| {
    let presets = ["auto", "java", "python", "go", "indented"].map(|name| Rules::preset(name).expect("a preset"));
    presets.into_iter().chain(Rules::start("^[E#]")).collect()
});

/// Bytes of which so many are there, and a read gives so many at most.
struct Growing {
    bytes: Vec<u8>,
    there: AtomicUsize,
    most: usize,
}

impl Content for Growing {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let there = self.there.load(Ordering::Relaxed);
        let from = (offset as usize).min(there);
        let count = into.len().min(there - from).min(self.most);
        into[..count].copy_from_slice(&self.bytes[from..from + count]);
        Ok(count)
    }
}

type Seen = Vec<(Vec<Span>, String)>;

/// Notes what it is given.
struct Witness(Arc<Mutex<Seen>>);

impl Encoder for Witness {
    fn push(&mut self, event: &Event<'_>, body: &mut Body) {
        if body.groups.is_empty() {
            body.groups.push(Group { route: None, head: "".into() });
        }
        body.bytes.push(b'\n');
        body.close_item(event.origin, event.spans, 0);
        self.0.lock().expect("not poisoned").push((event.spans.to_vec(), event.body.to_owned()));
    }

    fn bound(&self, _: usize) -> usize {
        1
    }
}

/// The events of `bytes`, of which first so many are there, then so many more.
fn events(bytes: &[u8], format: Format, rules: &Rules, cuts: &[u8], most: usize) -> Seen {
    let seen = Arc::default();
    let batch = batch::Settings::default();
    let permit_bytes = batch.permit_bytes(1, 0);
    let mut forge = Forge::new(Tools {
        encoder: Box::new(Witness(Arc::clone(&seen))),
        parsers: vec![Parser::Plain.into()],
        multiline: vec![rules.clone()],
        batch,
        budget: Budget::new(2 * permit_bytes),
        permit_bytes,
        most_underway: usize::MAX,
        max_line: MAX_LINE,
        redactor: None,
        steps: Steps::default(),
    });
    let mut reader = Reader::new(MAX_LINE, MAX_OPEN, vec![rules.clone()]);
    let content = Arc::new(Growing { bytes: bytes.to_vec(), there: AtomicUsize::new(0), most });
    let marks = Arc::new(Marks::new(1));
    let origin = Arc::new(Origin { format, ..(**ORIGIN).clone() });
    let feed = Feed {
        origin,
        content: Arc::clone(&content) as _,
        marks: Arc::clone(&marks),
        head: None,
        replayable: true,
        chain: 0,
        order: 0,
        parser: ParserName(0),
    };
    let mut state = FeedState::new(feed, None);
    for cut in cuts {
        let there = content.there.load(Ordering::Relaxed);
        content.there.store((there + usize::from(*cut)).min(bytes.len()), Ordering::Relaxed);
        reader.turn(&mut state, &mut forge, pace::Window::OPEN);
        drop(forge.seal());
    }
    content.there.store(bytes.len(), Ordering::Relaxed);
    marks.set_ended();
    while !state.is_final {
        reader.turn(&mut state, &mut forge, pace::Window::OPEN);
        drop(forge.seal());
    }
    let mut seen = std::mem::take(&mut *seen.lock().expect("not poisoned"));
    seen.sort();
    seen
}

fuzz_target!(|input: (u8, u8, Vec<u8>, &[u8])| {
    let (which, kind, cuts, text) = input;
    let rules = &RULES[usize::from(which) % RULES.len()];
    // As a runtime writes it: the first byte of a line says of which stream, and whether it is a piece.
    let (bytes, format) = match kind % 2 {
        0 => (text.to_vec(), Format::Plain),
        _ => {
            let wrap = |line: &[u8]| {
                let first = line.first().copied().unwrap_or_default();
                let head = format!(
                    "2026-11-23T08:50:{:02}.{}Z {} {} ",
                    first / 64,
                    first % 8 + 1,
                    if first & 1 == 0 { "stdout" } else { "stderr" },
                    if first & 14 == 14 { "P" } else { "F" }
                );
                [head.as_bytes(), line, b"\n"].concat()
            };
            (text.split(|byte| *byte == b'\n').flat_map(wrap).collect(), Format::Cri)
        }
    };
    let most = cuts.first().map_or(usize::MAX, |first| usize::from(*first) * 8 + 1);
    let expected = events(&bytes, format, rules, &[], usize::MAX);
    let got = events(&bytes, format, rules, &cuts, most);
    assert_eq!(got, expected);
});

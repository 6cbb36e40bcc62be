//! Two containers of one stream, before a store that refuses what is an hour behind.

use super::*;
use crate::model::time::Time;

/// As [`Plain`], for a store that minds the order of times in its one stream.
struct OneStream;

impl Encoder for OneStream {
    fn push(&mut self, event: &Event<'_>, body: &mut Body) {
        Plain::of(Ways::default()).push(event, body);
    }

    fn stream(&mut self, _: &Arc<Origin>, _: u64) -> Option<u64> {
        Some(1)
    }

    fn bound(&self, line: usize) -> usize {
        Plain::of(Ways::default()).bound(line)
    }
}

/// Minutes from line to line → the file.
fn file(gaps: &[u32]) -> Vec<u8> {
    let mut minute = 0;
    let lines = gaps.iter().map(|gap| {
        minute += i64::from(*gap);
        let time = Time { secs: 1_577_836_800 + 60 * minute, nanos: 0 };
        format!("{} stdout F {}\n", time.to_rfc3339(), "x".repeat(40))
    });
    lines.collect::<String>().into_bytes()
}

/// The store takes the batches in this order; gives how many lines it took.
fn deliver(files: &[Vec<u8>], order: &[usize]) -> usize {
    let book = Arc::new(Memory::default());
    let (mut pipeline, sent, _inbox) = start_with(&book, Box::new(OneStream));
    for (index, bytes) in files.iter().enumerate() {
        let content = Growing { bytes: bytes.clone(), there: Mutex::new((bytes.len(), usize::MAX)) };
        let origin = Origin {
            id: OriginId(index as u128),
            source: "s".into(),
            path: Path::new(&format!("/{index}")).into(),
            format: Format::Cri,
            workload: None,
            host: "h".into(),
        };
        let feed = Feed {
            origin: Arc::new(origin),
            content: Arc::new(content),
            marks: Arc::new(Marks::new(1)),
            head: None,
            replayable: true,
            chain: index as u64,
            order: 0,
            parser: ParserName(0),
        };
        pipeline.take(Inbox::Source(Signal::Feed(feed, None)));
        pipeline.pass();
        pipeline.seal();
        assert_eq!(sent.lock().expect("not poisoned").len(), 0, "others may still be found");
    }
    pipeline.take(Inbox::Source(Signal::Walked));
    let (mut newest, mut taken) = (i64::MIN / 2, 0);
    let mut order = order.iter().cycle();
    for _ in 0..10_000 {
        // As the pipeline's thread does it.
        while pipeline.pass() {}
        pipeline.seal_if_due(false);
        let mut sent = sent.lock().expect("not poisoned");
        if sent.is_empty() {
            continue;
        }
        let at = order.next().expect("it has no end") % sent.len();
        let batch = sent.remove(at);
        drop(sent);
        for index in 0..batch.body.items.len() {
            let text = String::from_utf8(batch.body.item(index).to_vec()).expect("text");
            let (time, _) = text.split_once('+').expect("a time and its nudge");
            let time = Time::parse_rfc3339(time.as_bytes()).expect("a time").secs;
            assert!(time > newest - 3600, "{text} is an hour behind {newest}");
            newest = newest.max(time);
            taken += 1;
        }
        pipeline.take(Inbox::Report(Report::Delivered(batch)));
        if pipeline.feeds.values().all(|state| state.at_end) && pipeline.books.account().in_flight.entries == 0 {
            break;
        }
    }
    taken
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn nothing_arrives_an_hour_late(
        gaps in proptest::collection::vec(proptest::collection::vec(0_u32..70, 1..200), 1..4),
        order in proptest::collection::vec(any::<usize>(), 1..20),
    ) {
        let files: Vec<Vec<u8>> = gaps.iter().map(|gaps| file(gaps)).collect();
        prop_assert_eq!(deliver(&files, &order), gaps.iter().map(Vec::len).sum::<usize>());
    }
}

//! The loop against a store that is a function, on a clock that jumps to where something happens.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::*;
use crate::flow::retry;
use crate::metrics::Metrics;
use crate::model::batch::{DropReason, Fate};
use crate::model::body::Group;
use crate::model::budget::Budget;
use crate::model::event::Span;
use crate::model::origin::{Format, Origin, OriginId};

/// Items are lines; the request is the lines; the status is the verdict, and the body has a letter per item.
struct Lines;

impl Wire for Lines {
    fn request(&self, body: &Arc<Body>, items: &[u32]) -> Request {
        let lines: Vec<u8> = items.iter().flat_map(|&item| body.item(item as usize)).copied().collect();
        Request { path: Cow::Borrowed("/"), headers: Vec::new(), body: Bytes::from(lines) }
    }

    fn verdict(&self, answer: &Answer<'_>, _items: usize) -> Verdict {
        let words = String::from_utf8_lossy(answer.body).into_owned();
        match answer.status {
            204 => Verdict::Delivered,
            207 => Verdict::Items(answer.body.iter().map(|&letter| item(letter)).collect()),
            400 => Verdict::Bisect(words),
            401 => Verdict::Hold(words),
            413 => Verdict::Split(words),
            430 => Verdict::RetryByGroup(words),
            _ => Verdict::Retry(words),
        }
    }

    fn fold(&self, item: &[u8]) -> Option<Vec<u8>> {
        Some([b"folded ", item].concat())
    }

    fn dead_letter(&self, item: &[u8], index: &str, words: &str) -> Option<Vec<u8>> {
        Some([index.as_bytes(), b" ", words.as_bytes(), b" ", item].concat())
    }

    fn letter(&self, body: &Body, index: usize) -> Vec<u8> {
        format!("{:?}", String::from_utf8_lossy(body.item(index))).into_bytes()
    }

    fn bound(&self, body: usize) -> usize {
        body
    }
}

fn item(letter: u8) -> ItemVerdict {
    let words = "hunter2 says no".to_owned();
    match letter {
        b'd' => ItemVerdict::Delivered,
        b'r' => ItemVerdict::Retry(words),
        b'f' => ItemVerdict::RefusedFields(words),
        _ => ItemVerdict::Refused(words),
    }
}

/// What a request is and comes to: when (since the start) and which lines; after how long which status and body.
type Reaction = Box<dyn FnMut(Duration, &str) -> (Duration, u16, String) + Send>;

#[derive(Clone)]
struct Store {
    start: Instant,
    react: Arc<Mutex<Reaction>>,
    /// When each request came, and its lines.
    seen: Arc<Mutex<Vec<(Duration, String)>>>,
}

impl Transport for Store {
    fn send(&self, request: Request, _: usize) -> impl Future<Output = Sent> + Send + 'static {
        let at = self.start.elapsed();
        let lines = String::from_utf8_lossy(&request.body).into_owned();
        let (after, status, body) = (self.react.lock().expect("not poisoned"))(at, &lines);
        self.seen.lock().expect("not poisoned").push((at, lines));
        async move {
            sleep(after).await;
            match status {
                0 => Sent::Nothing("no route to hunter2".to_owned()),
                _ => Sent::Answer { status, body: body.into_bytes() },
            }
        }
    }

    fn mask(&self, words: &str) -> String {
        words.replace("hunter2", "***")
    }
}

fn batch(id: u64, lines: &[&str]) -> Batch {
    let mut body = Body { groups: vec![Group { route: None, head: "".into() }], ..Body::default() };
    let origin = Arc::new(Origin {
        id: OriginId(u128::from(id)),
        source: "s".into(),
        path: Path::new(&format!("/{id}")).into(),
        format: Format::Plain,
        workload: None,
        host: "h".into(),
    });
    for (nth, line) in lines.iter().enumerate() {
        body.bytes.extend_from_slice(line.as_bytes());
        body.bytes.push(b'\n');
        body.close_item(&origin, &[Span { start: nth as u64, end: nth as u64 + 1 }], 0);
    }
    Batch { id, body: Arc::new(body), permit: Budget::new(10).try_acquire(10).expect("free") }
}

/// What came of a run.
struct Outcomes {
    reports: Vec<Report>,
    seen: Vec<(Duration, String)>,
    abandoned: Abandoned,
    took: Duration,
    page: String,
}

impl Outcomes {
    /// The fate of each entry, as (batch, entry, fate), sorted.
    fn fates(&self) -> Vec<(u64, u64, Fate)> {
        let mut fates: Vec<_> = self.reports.iter().flat_map(fates).collect();
        fates.sort_by_key(|(batch, entry, _)| (*batch, *entry));
        fates
    }

    fn lines(&self) -> Vec<&str> {
        self.seen.iter().map(|(_, lines)| lines.trim_end()).collect()
    }
}

fn fates(report: &Report) -> Vec<(u64, u64, Fate)> {
    match report {
        Report::Delivered(batch) => {
            batch.body.spans.iter().map(|span| (batch.id, span.start, Fate::Delivered)).collect()
        }
        Report::Part { batch, settled, .. } | Report::End { batch, settled, .. } => {
            let each = settled
                .iter()
                .flat_map(|settled| settled.spans.iter().map(|span| (*batch, span.start, settled.fate.clone())));
            each.collect()
        }
    }
}

/// Delivers `batches` to a store that reacts so. `grace` ends it after so long.
async fn deliver(
    batches: Vec<Batch>,
    settings: Settings,
    grace: Option<Duration>,
    react: impl FnMut(Duration, &str) -> (Duration, u16, String) + Send + 'static,
) -> Outcomes {
    let start = Instant::now();
    let store = Store { start, react: Arc::new(Mutex::new(Box::new(react))), seen: Arc::default() };
    let metrics = Metrics::new();
    let progress = Arc::new(Progress::default());
    let delivery = Delivery {
        sink: "test".into(),
        wire: Arc::new(Lines),
        transport: store.clone(),
        settings,
        metrics: metrics.pipeline("test"),
        progress: Arc::clone(&progress),
    };
    let (send, receive) = mpsc::unbounded_channel();
    batches.into_iter().for_each(|batch| send.send(batch).expect("open"));
    drop(send);
    let (_deadline, watched) = watch::channel(grace.map(|grace| start + grace));
    let reports = Rc::new(RefCell::new(Vec::new()));
    let reported = Rc::clone(&reports);
    let abandoned = delivery.run(receive, watched, move |report| reported.borrow_mut().push(report)).await;
    let reports = reports.take();
    let settled: usize = reports.iter().map(|report| fates(report).len()).sum();
    assert_eq!(progress.settled(), settled as u64);
    let seen = store.seen.lock().expect("not poisoned").clone();
    Outcomes {
        reports,
        seen,
        abandoned: abandoned.expect("it starts"),
        took: start.elapsed(),
        page: metrics.render(false),
    }
}

const SOON: Duration = Duration::from_millis(10);

fn answer(status: u16) -> (Duration, u16, String) {
    (SOON, status, String::new())
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_at_once_comes_back_as_it_was() {
    let out =
        deliver(vec![batch(1, &["a", "b"]), batch(2, &["c"])], Settings::default(), None, |_, _| answer(204)).await;
    assert!(matches!(&out.reports[..], [Report::Delivered(first), Report::Delivered(_)] if first.permit.bytes() == 10));
    assert_eq!(out.lines(), ["a\nb", "c"]);
    assert_eq!(out.took, SOON, "both at once");
    assert!(out.page.contains("tailwater_requests_total{outcome=\"delivered\",pipeline=\"test\"} 2"), "{}", out.page);
}

#[tokio::test(start_paused = true)]
async fn a_dead_store_is_asked_seldom_and_by_one_batch_at_a_time() {
    let down = Duration::from_secs(600);
    let batches = (1..=20).map(|id| batch(id, &["x"])).collect();
    let out = deliver(batches, Settings::default(), None, move |at, _| answer(if at < down { 503 } else { 204 })).await;
    let while_down = out.seen.iter().filter(|(at, _)| *at < down).count();
    // Four at first, then one at a time with pauses that grow to 30 s, of which chance takes half.
    assert!((20..100).contains(&while_down), "{while_down}");
    let first_moment = out.seen.iter().filter(|(at, _)| at.is_zero()).count();
    assert_eq!(first_moment, 4);
    assert_eq!(out.fates().len(), 20);
    assert!(out.fates().iter().all(|(.., fate)| *fate == Fate::Delivered));
    assert!(
        out.took < down + Duration::from_secs(31),
        "when it is back, nothing waits longer than the gate: {:?}",
        out.took
    );
    let after: Vec<_> = out.seen.iter().filter(|(at, _)| *at >= down).map(|(at, _)| *at).collect();
    let at_once = |at: Duration| after.iter().filter(|other| **other == at).count();
    assert_eq!(after.iter().map(|at| at_once(*at)).max(), Some(4), "after a ramp");
    assert_eq!(at_once(after[0]), 1, "the probe is alone");
    assert_eq!(at_once(after[1]), 2, "then two");
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_says_whose_entries_it_holds_back() {
    let mut calls = 0;
    let out = deliver(vec![batch(7, &["a", "b"])], Settings::default(), None, move |_, _| {
        calls += 1;
        answer(if calls == 1 { 0 } else { 204 })
    });
    let out = out.await;
    match &out.reports[..] {
        [Report::Part { batch: 7, settled, retrying }, Report::End { batch: 7, settled: end, permit }] => {
            assert!(settled.is_empty());
            assert_eq!(retrying.iter().map(|origin| origin.id).collect::<Vec<_>>(), [OriginId(7)]);
            assert_eq!((end[0].spans.len(), &end[0].fate, permit.bytes()), (2, &Fate::Delivered, 10));
        }
        other => panic!("{other:?}"),
    }
    assert!(out.page.contains("tailwater_retries_total{pipeline=\"test\"} 1"), "{}", out.page);
    assert!(out.page.contains("tailwater_requests_total{outcome=\"failed\",pipeline=\"test\"} 1"), "{}", out.page);
}

#[tokio::test(start_paused = true)]
async fn each_item_goes_its_own_way() {
    let mut answers = vec!["d", "fd", "drfx"];
    let out = deliver(vec![batch(1, &["a", "b", "c", "d"])], Settings::default(), None, move |_, _| {
        let letters = answers.pop().unwrap_or("d");
        (SOON, 207, if letters == "fd" { "f".to_owned() } else { letters.to_owned() })
    })
    .await;
    assert_eq!(out.lines()[0], "a\nb\nc\nd");
    let mut later = out.lines()[1..].to_vec();
    later.sort_unstable();
    assert_eq!(later, ["b", "folded c"]);
    assert_eq!(out.fates().len(), 4);
    assert_eq!(out.fates().iter().filter(|(.., fate)| *fate == Fate::Dropped(DropReason::Refused)).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn halves_find_what_is_too_large_or_refused() {
    for status in [413, 400] {
        let lines = ["a", "b", "c", "d", "bad", "f"];
        let react = move |_, lines: &str| answer(if lines.contains("bad") { status } else { 204 });
        let out = deliver(vec![batch(1, &lines)], Settings::default(), None, react).await;
        let refused: Vec<_> = out.fates().into_iter().filter(|(.., fate)| *fate != Fate::Delivered).collect();
        assert_eq!(refused, [(1, 4, Fate::Dropped(DropReason::Refused))]);
        assert_eq!(out.fates().len(), 6);
        assert!(out.seen.len() <= 7, "{:?}", out.lines());
    }
}

#[tokio::test(start_paused = true)]
async fn one_poisoned_batch_does_not_stop_the_others() {
    let mut batches: Vec<_> = (2..=50).map(|id| batch(id, &["good"])).collect();
    batches.insert(0, batch(1, &["poison"]));
    let react = |_, lines: &str| answer(if lines.contains("poison") { 500 } else { 204 });
    let out = deliver(batches, Settings::default(), Some(Duration::from_secs(60)), react).await;
    assert_eq!(out.fates().len(), 49);
    assert_eq!(out.abandoned, Abandoned { batches: 1, entries: 1 });
    let poisoned = out.lines().iter().filter(|lines| **lines == "poison").count();
    assert!(poisoned < 40, "it has its own pause: {poisoned}");
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_kept_and_tried_slowly() {
    let retry = retry::Settings { give_up_after: Some(Duration::from_secs(5)), ..retry::Settings::default() };
    let settings = Settings { retry, ..Settings::default() };
    let mended = Duration::from_secs(3600);
    let out =
        deliver(vec![batch(1, &["a"])], settings, None, move |at, _| answer(if at < mended { 401 } else { 204 })).await;
    assert!((120..=241).contains(&out.seen.len()), "{}", out.seen.len());
    assert_eq!(out.fates(), [(1, 0, Fate::Delivered)]);
}

#[tokio::test(start_paused = true)]
async fn the_budget_of_a_retry_is_time() {
    let retry = retry::Settings { give_up_after: Some(Duration::from_secs(300)), ..retry::Settings::default() };
    let settings = Settings { retry, ..Settings::default() };
    let out = deliver(vec![batch(1, &["a"]), batch(2, &["b", "c"])], settings, None, |_, _| answer(429)).await;
    assert_eq!(out.fates().len(), 3);
    assert!(out.fates().iter().all(|(.., fate)| *fate == Fate::Dropped(DropReason::GaveUp)));
    assert!(out.took > Duration::from_secs(200) && out.took <= Duration::from_secs(301), "{:?}", out.took);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_gives_back_what_is_not_delivered() {
    let for_ever = Duration::from_secs(1_000_000);
    let batches = (1..=10).map(|id| batch(id, &["a", "b"])).collect();
    let out = deliver(batches, Settings::default(), Some(Duration::from_secs(10)), move |_, _| {
        (for_ever, 204, String::new())
    })
    .await;
    assert_eq!(out.abandoned, Abandoned { batches: 10, entries: 20 });
    assert!(out.reports.is_empty());
    assert_eq!((out.took, out.seen.len()), (Duration::from_secs(10), 4));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_uses_the_time_that_is_left() {
    let retry = retry::Settings { min: Duration::from_secs(900), max: Duration::from_secs(900), give_up_after: None };
    let settings = Settings { retry, ..Settings::default() };
    let start = Instant::now();
    let mut calls = 0;
    let (deadline, watched) = watch::channel(None);
    let store = Store {
        start,
        seen: Arc::default(),
        react: Arc::new(Mutex::new(Box::new(move |_, _| {
            calls += 1;
            answer(if calls == 1 { 503 } else { 204 })
        }))),
    };
    let delivery = Delivery {
        sink: "test".into(),
        wire: Arc::new(Lines),
        transport: store,
        settings,
        metrics: Metrics::new().pipeline("test"),
        progress: Arc::default(),
    };
    let (send, receive) = mpsc::unbounded_channel();
    send.send(batch(1, &["a"])).expect("open");
    drop(send);
    let asked = async {
        sleep(Duration::from_secs(1)).await;
        deadline.send(Some(Instant::now() + Duration::from_secs(10))).expect("listened to");
        // The sender lives on: that it goes means nothing to the delivery.
        deadline
    };
    let (abandoned, _deadline) = tokio::join!(delivery.run(receive, watched, |_| {}), asked);
    assert_eq!(abandoned, Ok(Abandoned::default()));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn letters_are_written_to_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dead");
    let settings = Settings { dead_letter: DeadLetter::File(path.clone()), ..Settings::default() };
    let out = deliver(vec![batch(1, &["a", "b", "c"])], settings, None, |_, _| (SOON, 207, "xdx".to_owned())).await;
    let dead = |entry| (1, entry, Fate::DeadLettered);
    assert_eq!(out.fates(), [dead(0), (1, 1, Fate::Delivered), dead(2)]);
    let text = std::fs::read_to_string(&path).expect("the file");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((lines.len(), &lines[0]["entry"], &lines[1]["entry"]), (2, &"a\n".into(), &"c\n".into()));
    assert_eq!(
        (&lines[0]["reason"], &lines[0]["sink"], &lines[1]["offset"]),
        (&"*** says no".into(), &"test".into(), &2.into())
    );
}

#[tokio::test(start_paused = true)]
async fn letters_go_to_an_index() {
    let settings = Settings { dead_letter: DeadLetter::Index("dead".into()), ..Settings::default() };
    let mut answers = vec!["dx", "xxd"];
    let react = move |_, _: &str| (SOON, 207, answers.pop().unwrap_or_default().to_owned());
    let out = deliver(vec![batch(1, &["a", "b", "c"])], settings, None, react).await;
    assert_eq!(out.lines()[1], "dead *** says no a\ndead *** says no b");
    let refused = Fate::Dropped(DropReason::Refused);
    assert_eq!(out.fates(), [(1, 0, Fate::DeadLettered), (1, 1, refused), (1, 2, Fate::Delivered)]);
}

/// A pause that ended between the look at what may begin and the look at when to wake was waited for by nobody: with every
/// permit in such batches nothing came in any more, and the sink stood still for ever.
#[tokio::test(start_paused = true)]
async fn a_pause_that_ends_while_the_loop_turns_is_not_slept_through() {
    let down: Reaction = Box::new(|_, _| answer(0));
    let store = Store { start: Instant::now(), react: Arc::new(Mutex::new(down)), seen: Arc::default() };
    let delivery = Delivery {
        sink: "test".into(),
        wire: Arc::new(Lines),
        transport: store,
        settings: Settings::default(),
        metrics: Metrics::new().pipeline("test"),
        progress: Arc::default(),
    };
    let mut state = Loop::new(delivery, |_| {}).expect("it starts");
    state.take(batch(1, &["a"]));
    state.begin_ready(state.start.elapsed());
    let (task, sent) = state.tasks.join_next_with_id().await.expect("a request is under way").expect("it ends");
    state.finish(task, sent);
    let turn = state.start.elapsed();
    state.begin_ready(turn);
    assert!(state.flights.is_empty(), "the pause stands");
    tokio::time::advance(Duration::from_secs(3600)).await;
    let wake = state.wake_at(turn).expect("somebody waits for the pause's end");
    assert!(wake <= Instant::now(), "it is over");
}

//! The worklist as a random program: whatever the store answers, each item is settled exactly once.

use std::borrow::Cow;
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::model::body::Group;
use crate::model::event::Span;
use crate::model::origin::{Format, Origin, OriginId};
use crate::model::sink::{Answer, Request};

/// A sink whose items fold unless they end in an odd digit, and have letters unless they end in `9`.
struct Double;

impl Wire for Double {
    fn request(&self, _: &Arc<Body>, _: &[u32]) -> Request {
        Request { path: Cow::Borrowed("/"), headers: Vec::new(), body: Bytes::new() }
    }

    fn verdict(&self, _: &Answer<'_>, _: usize) -> Verdict {
        Verdict::Delivered
    }

    fn fold(&self, item: &[u8]) -> Option<Vec<u8>> {
        item.last().is_some_and(|digit| digit % 2 == 0).then(|| b"folded".to_vec())
    }

    fn dead_letter(&self, item: &[u8], _: &str, _: &str) -> Option<Vec<u8>> {
        (item.last() != Some(&b'9')).then(|| item.to_vec())
    }

    fn letter(&self, body: &Body, index: usize) -> Vec<u8> {
        body.item(index).to_vec()
    }

    fn bound(&self, body: usize) -> usize {
        body
    }
}

fn origin(name: &str) -> Arc<Origin> {
    Arc::new(Origin {
        id: OriginId::new(name.as_bytes(), b"", 0),
        source: "test".into(),
        path: Path::new(name).into(),
        format: Format::Plain,
        workload: None,
        host: "here".into(),
    })
}

/// `count` items of two origins, `groups` groups and `routes` routes; every third item owns two spans.
fn body(count: u32, groups: u32, routes: u32) -> Body {
    let mut body = Body::default();
    for group in 0..groups {
        let route = (routes > 1).then(|| Arc::from((group % routes).to_string()));
        body.groups.push(Group { route, head: group.to_string().into() });
    }
    let origins = [origin("/a"), origin("/b")];
    for item in 0..count {
        body.bytes.extend_from_slice(item.to_string().as_bytes());
        let start = u64::from(item) * 10;
        let spans = [Span { start, end: start + 5 }, Span { start: start + 5, end: start + 10 }];
        let owned = if item % 3 == 0 { &spans[..] } else { &spans[..1] };
        body.close_item(&origins[(item / 2 % 2) as usize], owned, item % groups);
    }
    body
}

struct Scene {
    body: Body,
    retry: retry::Settings,
    letters: Letters<'static>,
    list: Worklist,
    now: Duration,
}

impl Scene {
    fn new(body: Body) -> Self {
        let list = Worklist::new(&body);
        Self { body, retry: retry::Settings::default(), letters: Letters::Drop, list, now: Duration::ZERO }
    }

    /// Answers the next part that is ready, later if none is ready now. Gives its form and items.
    fn answer(&mut self, verdict: impl FnOnce(usize) -> Verdict) -> (Form, Vec<u32>, Told) {
        if self.list.ready(self.now, |_| true).is_none() {
            self.now = self.list.wake_at(&self.retry, self.now).expect("something waits");
        }
        let part = self.list.ready(self.now, |_| true).expect("a part is ready");
        let (id, form, items) = (part.id, part.form, part.items.clone());
        self.list.begin(id);
        let rules = Rules { body: &self.body, wire: &Double, retry: &self.retry, letters: self.letters };
        let told = self.list.answer(id, verdict(items.len()), &rules, self.now, 1 << 63);
        (form, items, told)
    }

    fn fates(&mut self) -> Vec<(Fate, usize)> {
        let settled = self.list.take_settled(&self.body);
        settled.into_iter().map(|settled| (settled.fate, settled.spans.len())).collect()
    }
}

fn words() -> String {
    "no".to_owned()
}

#[test]
fn a_batch_without_trouble() {
    let mut scene = Scene::new(body(4, 1, 1));
    let (form, items, told) = scene.answer(|_| Verdict::Delivered);
    assert_eq!((form, items, told.health), (Form::Plain, vec![0, 1, 2, 3], Health::Well));
    assert!(scene.list.is_done() && scene.list.only_delivered());
    assert_eq!(scene.fates(), [(Fate::Delivered, 3), (Fate::Delivered, 3)]);
}

#[test]
fn routes_do_not_share_a_request() {
    let mut scene = Scene::new(body(6, 3, 2));
    assert_eq!(scene.answer(|_| Verdict::Delivered).1, [0, 2, 3, 5]);
    assert_eq!(scene.answer(|_| Verdict::Delivered).1, [1, 4]);
    assert!(scene.list.is_done());
    assert!(Worklist::new(&Body::default()).is_done());
}

#[test]
fn a_failed_request_waits_and_its_origins_are_under_retry() {
    let mut scene = Scene::new(body(3, 1, 1));
    let (.., told) = scene.answer(|_| Verdict::Retry(words()));
    assert_eq!(told.health, Health::Failed);
    assert_eq!(told.notices, [Notice { trouble: Trouble::Failing, items: 3, words: words(), origin: None }]);
    assert!(scene.list.ready(scene.now, |_| true).is_none());
    assert_eq!(scene.list.retrying(&scene.body), [0, 1]);
    assert_eq!(scene.list.open_entries(&scene.body), 4);
    scene.list.release(scene.now);
    assert!(scene.list.ready(scene.now, |_| true).is_some(), "when the sink is back, nothing waits any longer");
}

#[test]
fn verdicts_per_item() {
    let mut scene = Scene::new(body(4, 1, 1));
    let (.., told) = scene.answer(|_| {
        Verdict::Items(vec![
            ItemVerdict::Delivered,
            ItemVerdict::Retry(words()),
            ItemVerdict::RefusedFields(words()),
            ItemVerdict::Refused(words()),
        ])
    });
    assert_eq!(told.health, Health::Strained);
    assert_eq!(scene.fates(), [(Fate::Delivered, 2), (Fate::Dropped(DropReason::Refused), 2)]);
    assert_eq!(scene.list.retrying(&scene.body), [0], "what is folded is not under retry");
    let (form, items, _) = scene.answer(|_| Verdict::Items(vec![ItemVerdict::RefusedFields(words())]));
    assert_eq!((form, items), (Form::Folded, vec![2]));
    assert_eq!(scene.fates(), [(Fate::Dropped(DropReason::Refused), 1)], "the folded form's refusal is final");
    assert_eq!(scene.answer(|_| Verdict::Delivered).1, [1]);
    assert!(scene.list.is_done());
}

#[test]
fn an_answer_for_another_number_of_items_is_no_answer() {
    let mut scene = Scene::new(body(2, 1, 1));
    let (.., told) = scene.answer(|_| Verdict::Items(vec![ItemVerdict::Delivered]));
    assert_eq!(told.health, Health::Failed);
    assert_eq!(told.notices[0].words, "the answer tells of 1 items instead of 2");
}

#[test]
fn all_items_put_off_is_a_failing_sink() {
    let mut scene = Scene::new(body(2, 1, 1));
    let (.., told) = scene.answer(|count| Verdict::Items(vec![ItemVerdict::Retry(words()); count]));
    assert_eq!(told.health, Health::Failed);
}

#[test]
fn groups_are_retried_each_by_itself() {
    let mut scene = Scene::new(body(5, 2, 1));
    let (.., told) = scene.answer(|_| Verdict::RetryByGroup(words()));
    assert_eq!(told.health, Health::Strained);
    let mut sets = [scene.answer(|_| Verdict::Delivered).1, scene.answer(|_| Verdict::Delivered).1];
    sets.sort();
    assert_eq!(sets, [vec![0, 2, 4], vec![1, 3]]);
}

#[test]
fn what_is_too_large_is_halved_and_a_single_item_refused() {
    let mut scene = Scene::new(body(3, 1, 1));
    scene.answer(|_| Verdict::Split(words()));
    assert!(scene.list.retrying(&scene.body).is_empty());
    assert_eq!(scene.answer(|_| Verdict::Split(words())).1, [0]);
    assert_eq!(scene.fates(), [(Fate::Dropped(DropReason::Refused), 2)]);
    assert_eq!(scene.answer(|_| Verdict::Delivered).1, [1, 2]);
}

/// A store that stores what is good and answers 400 while there is one of `bad` in the request.
fn bisect(count: u32, bad: &[u32]) -> (usize, Vec<(Fate, usize)>) {
    let mut scene = Scene::new(body(count, 1, 1));
    let mut requests = 0;
    while !scene.list.is_done() {
        let part = scene.list.ready(scene.now, |_| true).expect("halves are sent at once").items.clone();
        let refused = part.iter().any(|item| bad.contains(item));
        scene.answer(|_| if refused { Verdict::Bisect(words()) } else { Verdict::Delivered });
        requests += 1;
    }
    (requests, scene.fates())
}

#[test]
fn refused_items_are_found_by_halving() {
    let (requests, fates) = bisect(1000, &[617]);
    assert!(requests <= 21, "{requests}");
    assert_eq!(fates.iter().filter(|(fate, _)| *fate != Fate::Delivered).map(|(_, spans)| spans).sum::<usize>(), 1);
    let all: Vec<u32> = (0..1000).collect();
    let (requests, fates) = bisect(1000, &all);
    assert_eq!(requests, 1 + BISECT_MAX as usize);
    assert!(fates.iter().all(|(fate, _)| *fate == Fate::Dropped(DropReason::Refused)));
}

#[test]
fn a_hold_does_not_use_up_the_budget() {
    let mut scene = Scene::new(body(1, 1, 1));
    scene.retry.give_up_after = Some(Duration::from_secs(10));
    for _ in 0..10 {
        assert_eq!(scene.answer(|_| Verdict::Hold(words())).2.health, Health::Held);
    }
    assert!(scene.now > Duration::from_secs(60));
    assert!(!scene.list.is_done());
    scene.answer(|_| Verdict::Retry(words()));
    assert!(!scene.list.is_done(), "its time only begins now");
    scene.now += Duration::from_secs(10);
    let told = scene.list.expire(&scene.body, &scene.retry, scene.now);
    assert_eq!(told.iter().map(|notice| (notice.trouble, notice.items)).collect::<Vec<_>>(), [(Trouble::GaveUp, 1)]);
    assert_eq!(told[0].origin.as_ref(), scene.body.origins.first());
    assert_eq!(scene.fates(), [(Fate::Dropped(DropReason::GaveUp), 2)]);
}

#[test]
fn the_budget_is_time() {
    let mut scene = Scene::new(body(1, 1, 1));
    scene.retry.give_up_after = Some(Duration::from_secs(5));
    let mut last = Vec::new();
    while !scene.list.is_done() {
        last = scene.answer(|_| Verdict::Retry(words())).2.notices;
    }
    assert_eq!(last[0].trouble, Trouble::GaveUp);
    assert!(scene.now <= Duration::from_secs(5) && scene.now > Duration::from_secs(1), "{:?}", scene.now);
}

#[test]
fn letters() {
    let mut scene = Scene::new(body(10, 1, 1));
    scene.letters = Letters::Index("dead");
    let refused = |count| Verdict::Items(vec![ItemVerdict::Refused(words()); count]);
    scene.answer(refused);
    assert_eq!(scene.fates(), [(Fate::Dropped(DropReason::Refused), 2)], "the one without a letter");
    let part = scene.list.ready(scene.now, |_| true).expect("letters");
    assert_eq!((part.form, part.words.len(), &*part.words[0]), (Form::Letter, 9, "no"));
    scene.answer(|_| Verdict::Retry(words()));
    assert!(!scene.list.is_done(), "a letter that cannot be written is tried again");
    scene.answer(|_| Verdict::Items([vec![ItemVerdict::Delivered; 8], vec![ItemVerdict::Refused(words())]].concat()));
    assert!(scene.list.is_done());
    let lettered: usize =
        scene.fates().iter().filter(|(fate, _)| *fate == Fate::DeadLettered).map(|(_, spans)| spans).sum();
    assert_eq!(lettered, 11);
}

#[derive(Clone, Debug)]
enum Mood {
    Delivered,
    Items(Vec<u8>),
    Retry,
    ByGroup,
    Hold,
    Split,
    Bisect,
    Wrong,
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![
        1 => Just(Mood::Delivered),
        4 => proptest::collection::vec(0..4_u8, 1..8).prop_map(Mood::Items),
        2 => Just(Mood::Retry),
        2 => Just(Mood::ByGroup),
        1 => Just(Mood::Hold),
        3 => Just(Mood::Split),
        6 => Just(Mood::Bisect),
        1 => Just(Mood::Wrong),
    ]
}

impl Mood {
    fn verdict(&self, count: usize) -> Verdict {
        let item = |kind: &u8| match kind {
            0 => ItemVerdict::Delivered,
            1 => ItemVerdict::Retry(words()),
            2 => ItemVerdict::RefusedFields(words()),
            _ => ItemVerdict::Refused(words()),
        };
        match self {
            Self::Delivered => Verdict::Delivered,
            Self::Items(kinds) => Verdict::Items(kinds.iter().map(item).cycle().take(count).collect()),
            Self::Retry => Verdict::Retry(words()),
            Self::ByGroup => Verdict::RetryByGroup(words()),
            Self::Hold => Verdict::Hold(words()),
            Self::Split => Verdict::Split(words()),
            Self::Bisect => Verdict::Bisect(words()),
            Self::Wrong => Verdict::Items(vec![]),
        }
    }
}

proptest! {
    #[test]
    fn any_answers_settle_each_item_exactly_once(
        (count, groups, routes) in (1..120_u32, 1..6_u32, 1..4_u32),
        moods in proptest::collection::vec(mood(), 0..150),
        letters in prop_oneof![Just(Letters::Drop), Just(Letters::File), Just(Letters::Index("dead"))],
        give_up in proptest::option::of(1..100_u64),
    ) {
        let mut scene = Scene::new(body(count, groups, routes));
        scene.letters = letters;
        scene.retry.give_up_after = give_up.map(Duration::from_secs);
        let (mut seen, mut bisecting) = (Vec::new(), 0);
        for mood in moods.iter().chain(std::iter::repeat(&Mood::Delivered)) {
            if scene.list.is_done() {
                break;
            }
            let parts = scene.list.parts.len();
            let (_, items, _) = scene.answer(|count| mood.verdict(count));
            prop_assert!(items.is_sorted() && !items.is_empty());
            let route = |item: &u32| scene.body.groups[scene.body.items[*item as usize].group as usize].route.clone();
            prop_assert!(items.windows(2).all(|pair| route(&pair[0]) == route(&pair[1])));
            if matches!(mood, Mood::Bisect) && scene.list.parts.len() > parts {
                bisecting += 2;
            }
            let retry = scene.retry.clone();
            scene.list.expire(&scene.body, &retry, scene.now);
            let settled = scene.list.take_settled(&scene.body);
            prop_assert!(settled.iter().all(|settled| settled.spans.is_sorted()));
            seen.extend(settled.iter().flat_map(|settled| settled.spans.clone()));
            let all = scene.list.open_entries(&scene.body) as usize + seen.len();
            prop_assert_eq!(all, scene.body.spans.len());
        }
        prop_assert!(bisecting <= BISECT_MAX);
        seen.sort_unstable();
        prop_assert_eq!(&seen, &scene.body.spans, "the double's spans ascend over all items");
    }
}

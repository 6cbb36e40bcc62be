//! One batch under delivery: what is still to send, what waits, what is settled.
//!
//! ```text
//!                ┌──────── later (pause), by group, halves, folded, dead letter ◀───────┐
//!                ▼                                                                      │
//! Body ──▶ parts ready ──begin──▶ under way ──answer(Verdict)──▶ settled (Fate)         │
//!                                                   └───────────────────────────────────┘
//! ```
//!
//! **Invariant**: every item is in exactly one part or settled, and settled once. Parts hold indices, never bytes:
//! they share their batch's permit. It sends nothing and knows no clock and no chance: times and random numbers
//! come in.

mod part;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::model::batch::{DropReason, Fate, Settled};
use crate::model::body::Body;
use crate::model::origin::Origin;
use crate::model::sink::{ItemVerdict, Verdict, Wire};

pub use part::{Form, Part};

use super::retry;
use super::retry_gate::Health;
use part::split_by;

/// The most requests per batch that look for refused items by halving; what is left then is refused together.
pub const BISECT_MAX: u32 = 64;
/// The most bytes of items in one part of folded forms or letters, since these stand in memory beside their batch.
const PORTION_MAX: usize = 256 << 10;
/// The most bytes of words kept for the letters of one answer.
const WORDS_MAX: usize = 64 << 10;

/// Where refused items go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters<'a> {
    /// Nowhere: counted and dropped.
    Drop,
    /// To a file, as [`Wire::letter`] gives them.
    File,
    /// To this index of the same store, as [`Wire::dead_letter`] gives them.
    Index(&'a str),
}

/// What stands fixed while a batch is delivered.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The batch's items.
    pub body: &'a Body,
    /// The sink.
    pub wire: &'a dyn Wire,
    /// Pauses and the budget of time.
    pub retry: &'a retry::Settings,
    /// Where refused items go.
    pub letters: Letters<'a>,
}

/// What a person should hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trouble {
    /// Not stored; tried again.
    Failing,
    /// Kept until a person changes something.
    Held,
    /// Refused for good.
    Refused,
    /// Dropped, since the time was up.
    GaveUp,
}

/// Something that a person should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub trouble: Trouble,
    /// How many items.
    pub items: usize,
    /// The server's words, of the first item where there are several.
    pub words: String,
    /// Whose items they are, where they leave the books; `None` where the store as a whole is in trouble.
    pub origin: Option<Arc<Origin>>,
}

/// What an answer comes to beside the items' own fates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it says about the sink as a whole.
    pub health: Health,
    /// What a person should hear of.
    pub notices: Vec<Notice>,
}

/// One batch under delivery.
#[derive(Debug)]
pub struct Worklist {
    /// What has no fate yet.
    parts: Vec<Part>,
    /// Fates not yet taken.
    settled: Vec<(Fate, Vec<u32>)>,
    /// How many parts there ever were.
    next_id: u32,
    /// Requests that may still look for refused items.
    bisect_left: u32,
}

/// One answer being taken in.
struct Turn<'a> {
    rules: &'a Rules<'a>,
    now: Duration,
    random: u64,
    notices: Vec<Notice>,
}

impl Worklist {
    /// All items of `body`, one part per route.
    pub fn new(body: &Body) -> Self {
        let mut list = Self { parts: Vec::new(), settled: Vec::new(), next_id: 0, bisect_left: BISECT_MAX };
        let all = 0..body.items.len() as u32;
        let one_route = body.groups.windows(2).all(|pair| pair[0].route == pair[1].route);
        let routes = match one_route {
            _ if all.is_empty() => Vec::new(),
            true => vec![all.collect()],
            false => split_by(all, |item| body.groups[body.items[item as usize].group as usize].route.as_ref()),
        };
        for items in routes {
            list.add(Part::new(items, Form::Plain, Vec::new()));
        }
        list
    }

    /// The first part that is ready and `wanted`.
    pub fn ready(&self, now: Duration, wanted: impl Fn(&Part) -> bool) -> Option<&Part> {
        self.parts.iter().find(|part| !part.under_way && part.ready_at <= now && wanted(part))
    }

    /// Notes that part `id` is under way.
    pub fn begin(&mut self, id: u32) {
        if let Some(part) = self.parts.iter_mut().find(|part| part.id == id) {
            part.under_way = true;
        }
    }

    /// When something changes next by itself: a pause is over or a budget has run out.
    pub fn wake_at(&self, retry: &retry::Settings, now: Duration) -> Option<Duration> {
        let waiting = self.parts.iter().filter(|part| !part.under_way);
        waiting.flat_map(|part| [part.ready_at, part.gives_up_at(retry)]).filter(|at| *at > now).min()
    }

    /// Whether every item has its fate.
    pub fn is_done(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many entries have no fate yet.
    pub fn open_entries(&self, body: &Body) -> u64 {
        let items = self.parts.iter().flat_map(|part| &part.items);
        items.map(|&item| body.item_spans(item as usize).len() as u64).sum()
    }

    /// Whether there are fates not yet taken.
    pub fn has_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    /// Whether every fate not yet taken is [`Fate::Delivered`].
    pub fn only_delivered(&self) -> bool {
        self.settled.iter().all(|(fate, _)| *fate == Fate::Delivered)
    }

    /// The fates since the last call, by fate and origin.
    pub fn take_settled(&mut self, body: &Body) -> Vec<Settled> {
        let mut out: Vec<(u32, Settled)> = Vec::new();
        for (fate, items) in std::mem::take(&mut self.settled) {
            for item in items {
                let origin = body.items[item as usize].origin;
                let spans = body.item_spans(item as usize);
                match out.iter_mut().rev().find(|(known, settled)| *known == origin && settled.fate == fate) {
                    Some((_, settled)) => settled.spans.extend_from_slice(spans),
                    None => {
                        let of = Arc::clone(&body.origins[origin as usize]);
                        out.push((origin, Settled { origin: of, spans: spans.to_vec(), fate: fate.clone() }));
                    }
                }
            }
        }
        let sorted = |(_, mut settled): (u32, Settled)| {
            settled.spans.sort_unstable();
            settled
        };
        out.into_iter().map(sorted).collect()
    }

    /// The origins (indices into the body's, ascending) that have entries under retry.
    pub fn retrying(&self, body: &Body) -> Vec<u32> {
        let failing = self.parts.iter().filter(|part| part.failures > 0);
        let mut origins: Vec<_> =
            failing.flat_map(|part| &part.items).map(|&item| body.items[item as usize].origin).collect();
        origins.sort_unstable();
        origins.dedup();
        origins
    }

    /// Drops what has been failing for longer than its budget, and says so.
    pub fn expire(&mut self, body: &Body, retry: &retry::Settings, now: Duration) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(at) = self.parts.iter().position(|part| !part.under_way && part.gives_up_at(retry) <= now) {
            let part = self.parts.remove(at);
            let gone = part.items.iter().map(|&item| (item, ""));
            notices.extend(by_origin(Trouble::GaveUp, gone, body));
            self.settle(part.given_up(), part.items);
        }
        notices
    }

    /// Makes ready what waits because the sink as a whole failed.
    pub fn release(&mut self, now: Duration) {
        for part in self.parts.iter_mut().filter(|part| part.whole) {
            part.ready_at = part.ready_at.min(now);
        }
    }

    /// Takes in what the answer to part `id` means.
    pub fn answer(&mut self, id: u32, verdict: Verdict, rules: &Rules<'_>, now: Duration, random: u64) -> Told {
        let mut turn = Turn { rules, now, random, notices: Vec::new() };
        let health = match self.parts.iter().position(|part| part.id == id) {
            Some(at) => {
                let part = self.parts.remove(at);
                self.decide(part, verdict, &mut turn)
            }
            None => Health::Well,
        };
        Told { health, notices: turn.notices }
    }

    fn decide(&mut self, part: Part, verdict: Verdict, turn: &mut Turn<'_>) -> Health {
        match verdict {
            Verdict::Delivered => {
                self.deliver(part.form, part.items);
                Health::Well
            }
            Verdict::Items(verdicts) if verdicts.len() == part.items.len() => self.by_item(&part, verdicts, turn),
            Verdict::Items(verdicts) => {
                let words = format!("the answer tells of {} items instead of {}", verdicts.len(), part.items.len());
                self.later(part, words, true, turn);
                Health::Failed
            }
            Verdict::Retry(words) => {
                self.later(part, words, true, turn);
                Health::Failed
            }
            Verdict::RetryByGroup(words) => {
                let items = &turn.rules.body.items;
                for set in split_by(part.items.iter().copied(), |item| items[item as usize].group) {
                    self.later(part.only(set), words.clone(), false, turn);
                }
                Health::Strained
            }
            Verdict::Hold(words) => {
                let items = part.items.len();
                turn.notices.push(Notice { trouble: Trouble::Held, items, words, origin: None });
                let ready_at = turn.now + turn.rules.retry.hold(turn.random());
                let failures = part.failures.saturating_add(1);
                self.add(Part { failures, failing_since: None, ready_at, whole: true, under_way: false, ..part });
                Health::Held
            }
            Verdict::Split(_) if part.items.len() > 1 => {
                self.halve(&part);
                Health::Well
            }
            Verdict::Bisect(_) if part.items.len() > 1 && self.bisect_left >= 2 => {
                self.bisect_left -= 2;
                self.halve(&part);
                Health::Well
            }
            Verdict::Split(words) | Verdict::Bisect(words) => {
                let all = part.items.iter().map(|&item| (item, words.clone())).collect();
                self.refuse(part.form, all, turn);
                Health::Well
            }
        }
    }

    fn by_item(&mut self, part: &Part, verdicts: Vec<ItemVerdict>, turn: &mut Turn<'_>) -> Health {
        let (mut stored, mut fold, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let (mut again, mut again_words) = (Vec::new(), None);
        for (&item, verdict) in part.items.iter().zip(verdicts) {
            match verdict {
                ItemVerdict::Delivered => stored.push(item),
                ItemVerdict::Retry(words) => {
                    again.push(item);
                    again_words.get_or_insert(words);
                }
                ItemVerdict::RefusedFields(_) if part.form == Form::Plain && turn.can_fold(item) => fold.push(item),
                ItemVerdict::RefusedFields(words) | ItemVerdict::Refused(words) => refused.push((item, words)),
            }
        }
        let nothing_taken = again.len() == part.items.len();
        let health = match again_words {
            Some(words) => {
                self.later(part.only(again), words, nothing_taken, turn);
                if nothing_taken { Health::Failed } else { Health::Strained }
            }
            None => Health::Well,
        };
        self.deliver(part.form, stored);
        self.fold(&fold, turn);
        self.refuse(part.form, refused, turn);
        health
    }

    /// Puts a failed part off, or gives it up. `whole`: nothing of its request was taken.
    fn later(&mut self, part: Part, words: String, whole: bool, turn: &mut Turn<'_>) {
        let failures = part.failures.saturating_add(1);
        let ready_at = turn.now + turn.rules.retry.pause(failures, turn.random());
        let failing_since = part.failing_since.or(Some(turn.now));
        let part = Part { failures, failing_since, ready_at, whole, under_way: false, ..part };
        // A pause that ends behind the budget would only put off the drop.
        let up = part.ready_at >= part.gives_up_at(turn.rules.retry);
        if up {
            let gone = part.items.iter().map(|&item| (item, words.as_str()));
            turn.notices.extend(by_origin(Trouble::GaveUp, gone, turn.rules.body));
            self.settle(part.given_up(), part.items);
        } else {
            turn.notices.push(Notice { trouble: Trouble::Failing, items: part.items.len(), words, origin: None });
            self.add(part);
        }
    }

    fn halve(&mut self, part: &Part) {
        for half in part.halves() {
            self.add(half);
        }
    }

    /// Sends items once more in their second form.
    fn fold(&mut self, items: &[u32], turn: &Turn<'_>) {
        for set in portions(items, turn.rules.body) {
            self.add(Part::new(set.to_vec(), Form::Folded, Vec::new()));
        }
    }

    /// Ends the way of refused items, or sends them on as dead letters.
    fn refuse(&mut self, form: Form, refused: Vec<(u32, String)>, turn: &mut Turn<'_>) {
        let told = refused.iter().map(|(item, words)| (*item, words.as_str()));
        turn.notices.extend(by_origin(Trouble::Refused, told, turn.rules.body));
        let (mut letters, mut dropped) = (Vec::new(), Vec::new());
        let (mut words, mut kept): (Vec<Arc<str>>, usize) = (Vec::new(), 0);
        for (item, text) in refused {
            if form == Form::Letter || !turn.has_letter(item, &text) {
                dropped.push(item);
                continue;
            }
            letters.push(item);
            let same = words.last().filter(|last| ***last == *text || kept + text.len() > WORDS_MAX).map(Arc::clone);
            words.push(same.unwrap_or_else(|| {
                kept += text.len();
                text.into()
            }));
        }
        self.settle(Fate::Dropped(DropReason::Refused), dropped);
        for set in portions(&letters, turn.rules.body) {
            let rest = words.split_off(set.len());
            self.add(Part::new(set.to_vec(), Form::Letter, std::mem::replace(&mut words, rest)));
        }
    }

    fn deliver(&mut self, form: Form, items: Vec<u32>) {
        self.settle(if form == Form::Letter { Fate::DeadLettered } else { Fate::Delivered }, items);
    }

    fn settle(&mut self, fate: Fate, items: Vec<u32>) {
        if !items.is_empty() {
            self.settled.push((fate, items));
        }
    }

    fn add(&mut self, part: Part) {
        self.parts.push(Part { id: self.next_id, ..part });
        self.next_id += 1;
    }
}

/// What is to be said of items and the words about them: one notice for each origin, with the words about its first.
fn by_origin<'w>(trouble: Trouble, items: impl Iterator<Item = (u32, &'w str)>, body: &Body) -> Vec<Notice> {
    let mut notices: Vec<(u32, Notice)> = Vec::new();
    for (item, words) in items {
        let of = body.items[item as usize].origin;
        // Items come in turns of one origin, so the last one is nearly always the right one.
        match notices.iter_mut().rev().find(|(known, _)| *known == of) {
            Some((_, notice)) => notice.items += 1,
            None => {
                let origin = Some(Arc::clone(&body.origins[of as usize]));
                notices.push((of, Notice { trouble, items: 1, words: words.to_owned(), origin }));
            }
        }
    }
    notices.into_iter().map(|(_, notice)| notice).collect()
}

/// Divides `items` in order into sets of at most [`PORTION_MAX`] bytes, or single items.
fn portions<'i>(mut items: &'i [u32], body: &'i Body) -> impl Iterator<Item = &'i [u32]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = items.iter().take_while(|item| {
            bytes += body.range(**item as usize).len();
            bytes <= PORTION_MAX
        });
        let (set, rest) = items.split_at(fits.count().max(1).min(items.len()));
        items = rest;
        (!set.is_empty()).then_some(set)
    })
}

impl Turn<'_> {
    /// The next number: one step of splitmix64, so that one number that comes in makes many.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn can_fold(&self, item: u32) -> bool {
        self.rules.wire.fold(self.rules.body.item(item as usize)).is_some()
    }

    fn has_letter(&self, item: u32, words: &str) -> bool {
        match self.rules.letters {
            Letters::Drop => false,
            Letters::File => true,
            Letters::Index(index) => {
                self.rules.wire.dead_letter(self.rules.body.item(item as usize), index, words).is_some()
            }
        }
    }
}

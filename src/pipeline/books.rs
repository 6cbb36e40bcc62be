//! What a pipeline counts, and what it says when it is asked.
//!
//! **Invariant**: what was read is settled, left out or in a batch; debug builds count the batches' own entries and compare at
//! every settle. Counts are plain integers of the pipeline's own thread; nobody else touches them.

use std::collections::BTreeMap;
#[cfg(debug_assertions)]
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::feeds::FeedState;
use crate::flow::account::{Account, Flaws, Tally};
use crate::metrics::look::{Doing, FilteredLook, Lag, Look, OriginLook, WorkloadLook, WorkloadName};
use crate::model::batch::{Batch, Fate};

/// So long after its last file a workload's counts are kept.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// How often it is looked for workloads whose time is over.
const SWEEP: Duration = Duration::from_secs(60);

/// The counts.
pub struct Books {
    /// Of the whole pipeline.
    account: Account,
    /// What transforms have left out, those of earlier settings too.
    filtered: Vec<FilteredLook>,
    /// The place in `filtered` of each step.
    steps: Vec<usize>,
    /// What was wrong with the form of lines.
    flaws: Flaws,
    /// Bytes that were gone before they could be read.
    pub unreachable: u64,
    /// What was read of files that are read and settled to their end, by workload, and when the last of them ended.
    gone: BTreeMap<WorkloadName, Gone>,
    /// When entries were last settled, or there was nothing to settle.
    progress: Instant,
    last_sweep: Instant,
    /// Batch → its entries that are not settled.
    #[cfg(debug_assertions)]
    sent: HashMap<u64, Tally>,
}

impl Default for Books {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            account: Account::default(),
            filtered: Vec::new(),
            steps: Vec::new(),
            flaws: Flaws::default(),
            unreachable: 0,
            gone: BTreeMap::new(),
            progress: now,
            last_sweep: now,
            #[cfg(debug_assertions)]
            sent: HashMap::new(),
        }
    }
}

impl Books {
    /// These are the steps from now on. Those of the same name go on with their counts.
    pub fn take_steps(&mut self, names: impl Iterator<Item = Arc<str>>) {
        self.steps.clear();
        for name in names {
            let known = self.filtered.iter().position(|known| known.rule == name);
            self.steps.push(known.unwrap_or(self.filtered.len()));
            if known.is_none() {
                self.filtered.push(FilteredLook::new(&name));
            }
        }
    }

    /// What became of everything.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// A turn has handed on so much of `state`.
    pub fn hand_on(&mut self, state: &mut FeedState, tally: Tally, cut: u64) {
        state.account.hand_on(tally, cut);
        self.account.hand_on(tally, cut);
    }

    /// A turn has met lines of `state` whose form was wrong.
    pub fn note_flaws(&mut self, state: &mut FeedState, flaws: &Flaws) {
        state.flaws.get_or_insert_default().add(flaws);
        self.flaws.add(flaws);
    }

    /// A turn has left out so much of `state`, by step.
    pub fn filter(&mut self, state: &mut FeedState, by_step: &[Tally]) {
        for (place, tally) in self.steps.iter().zip(by_step) {
            self.filtered[*place].tally.add(*tally);
            self.account.filter(*tally);
            state.account.filter(*tally);
        }
        self.progress = Instant::now();
        debug_assert!(self.account.is_balanced(), "{:?}", self.account);
    }

    /// Takes how often the conditions of steps asked a value for what it is not.
    pub fn note_wrong(&mut self, by_step: &mut [u64]) {
        for (place, wrong) in self.steps.iter().zip(by_step) {
            self.filtered[*place].wrong += std::mem::take(wrong);
        }
    }

    /// A batch leaves.
    pub fn send(&mut self, batch: &Batch) {
        #[cfg(debug_assertions)]
        self.sent.insert(batch.id, Tally::of(&batch.body.spans));
        let _only_checked = batch;
    }

    /// Entries of a batch have met their fate.
    pub fn settle(&mut self, batch: u64, fate: &Fate, tally: Tally) {
        self.account.settle(fate, tally);
        self.progress = Instant::now();
        #[cfg(debug_assertions)]
        if let Some(left) = self.sent.get_mut(&batch) {
            left.entries -= tally.entries;
            left.bytes -= tally.bytes;
        }
        debug_assert!(self.account.is_balanced(), "{:?}", self.account);
        let _only_checked = batch;
    }

    /// Every entry of a batch has met its fate; `open` is in the batch that has not left.
    pub fn end(&mut self, batch: u64, open: impl Fn() -> Tally) {
        #[cfg(debug_assertions)]
        {
            let left = self.sent.remove(&batch);
            debug_assert_eq!(left, Some(Tally::default()), "a batch ends when all of it is settled");
            let mut in_batches = open();
            self.sent.values().for_each(|tally| in_batches.add(*tally));
            debug_assert_eq!(self.account.in_flight, in_batches, "what is in flight is in batches");
            debug_assert!(self.account.is_balanced(), "{:?}", self.account);
        }
        let _only_checked = (batch, open);
    }

    /// What is in flight will not be answered for, and is read again.
    pub fn give_back(&mut self) {
        self.account.give_back();
        self.progress = Instant::now();
        #[cfg(debug_assertions)]
        self.sent.clear();
    }

    /// A feed is done with.
    pub fn finish(&mut self, state: &FeedState) {
        let now = Instant::now();
        let gone = self.gone.entry(WorkloadName::of(&state.feed.origin));
        let gone = gone.or_insert_with(|| Gone { account: Account::default(), flaws: Flaws::default(), since: now });
        gone.account.add(&state.account);
        gone.flaws.add(state.flaws.as_deref().unwrap_or(&Flaws::default()));
        gone.since = now;
    }

    /// Nothing is in flight, and all that may be read was looked at.
    pub fn note_rest(&mut self) {
        if self.account.in_flight.entries == 0 {
            self.progress = Instant::now();
        }
    }

    /// Forgets workloads whose last file is long gone. `is_live` says whether one has files yet.
    pub fn sweep<'f>(&mut self, feeds: impl Iterator<Item = &'f FeedState>) {
        let now = Instant::now();
        if now.duration_since(self.last_sweep) < SWEEP {
            return;
        }
        self.last_sweep = now;
        for state in feeds {
            if let Some(gone) = self.gone.get_mut(&WorkloadName::of(&state.feed.origin)) {
                gone.since = now;
            }
        }
        self.gone.retain(|_, gone| now.duration_since(gone.since) < KEPT_FOR);
    }

    /// What is to be said of it all; of each origin, with the name of its parser, only where `with_origins`.
    pub fn look<'f>(
        &self,
        feeds: impl Iterator<Item = (&'f FeedState, Doing, &'static str)>,
        with_origins: bool,
    ) -> Look {
        let now = SystemTime::now();
        let (filtered, unreachable) = (self.filtered.clone(), self.unreachable);
        let mut look = Look { account: self.account, flaws: self.flaws, filtered, unreachable, ..Look::default() };
        let empty = |account, flaws| WorkloadFound { account, flaws, lag: Lag::default(), origins: 0 };
        let mut workloads: BTreeMap<WorkloadName, WorkloadFound> =
            self.gone.iter().map(|(name, gone)| (name.clone(), empty(gone.account, gone.flaws))).collect();
        for (state, doing, parser) in feeds {
            let lag = state.lag(now);
            look.lag.add(lag);
            let found = workloads
                .entry(WorkloadName::of(&state.feed.origin))
                .or_insert_with(|| empty(Account::default(), Flaws::default()));
            let flaws = state.flaws.as_deref().copied().unwrap_or_default();
            found.account.add(&state.account);
            found.flaws.add(&flaws);
            found.lag.add(lag);
            found.origins += 1;
            if with_origins {
                look.origins.push(OriginLook {
                    origin: Arc::clone(&state.feed.origin),
                    offset: state.ledger.watermark(),
                    read: state.pos,
                    size: state.size(),
                    lag,
                    doing,
                    in_flight: state.in_flight(),
                    parser,
                    flaws,
                });
            }
        }
        let is_idle = look.lag.bytes == 0 && self.account.in_flight.entries == 0;
        look.since_progress = if is_idle { Duration::ZERO } else { self.progress.elapsed() };
        look.workloads = workloads
            .into_iter()
            .map(|(name, found)| WorkloadLook {
                name,
                account: found.account,
                flaws: found.flaws,
                lag: found.lag,
                origins: found.origins,
            })
            .collect();
        look
    }
}

/// What was read of a workload's files that are done with, and when the last of them ended.
struct Gone {
    account: Account,
    flaws: Flaws,
    since: Instant,
}

/// A workload while it is put together.
struct WorkloadFound {
    account: Account,
    flaws: Flaws,
    lag: Lag,
    origins: u64,
}

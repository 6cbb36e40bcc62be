//! The thread that knows all files and hands feeds to the pipelines.
//!
//! ```text
//! found ──open, first line──▶ whose? ──known──▶ go on there ─┐
//!   │ no line yet, or           ├──new────▶ new origin ──────┼─▶ feed ─▶ at end ─▶ closed
//!   │ compressed just now       └──copy───▶ stands by ───────┘   │          │
//!   └▶ waits                                   ▲                 ▼          ▼
//!                                              └───────── gone: truncated, or without a name ─▶ abandoned, forgotten
//! ```
//!
//! **Invariant**: an origin's record is in the checkpoint before its feed leaves, and at most one open file is an
//! origin's content. It reads first lines only; all else is the pipelines' to read.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use tracing::warn;

use super::change::{Change, Inbox};
use super::find::Finder;
use super::found::{Found, Stat};
use super::gzip::Inflaters;
use super::identify::{self, Start};
use super::slot::{FileContent, Slot};
use super::states::{Copy, Gone, Inode, Missing, Waiter, Waiting};
use super::watch::{Coverage, Watch};
use crate::flow::checkpoint::Book;
use crate::metrics::beat::Beat;
use crate::model::feed::{Marks, Signal};
use crate::model::origin::OriginId;
use crate::sources::share::Share;

/// How often files at an end, deleted, waiting or truncated are looked after.
const TEND: Duration = Duration::from_millis(200);
/// So few files are all looked at in every round; of more those that do nothing once in so long.
const FEW: usize = 1000;
const TEND_ALL: Duration = Duration::from_secs(1);
/// How often everything is walked where every folder is watched on a file system that tells of all changes, where some may
/// not tell, and where some folder is not watched.
const WALK_TOLD: Duration = Duration::from_secs(60);
const WALK_WATCHED: Duration = Duration::from_secs(5);
const WALK_UNWATCHED: Duration = Duration::from_millis(500);
/// Walks never take more than a tenth of the time.
const WALK_SHARE: u32 = 10;
/// How often files that became idle are looked for, to be watched for their next byte.
const WATCH_IDLE: Duration = Duration::from_secs(5);
/// A compressed file that did not change for this long when it is found is whole.
const WHOLE_WHEN_OLD: Duration = Duration::from_secs(2);

/// What deleted files may hold back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A deleted file that is not read by then is let go of.
    pub hold_deleted: Duration,
    /// No more bytes of deleted, unread files are held; the oldest go first.
    pub hold_deleted_bytes: u64,
    /// No more files are open at a time; the others take turns.
    pub descriptors: usize,
}

/// What the rest of the program sees of the follower.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Files with an open descriptor.
    pub open: AtomicU64,
    /// Files known.
    pub known: AtomicU64,
    /// Whether everything was walked once.
    pub walked: AtomicBool,
    /// Troubles with files that are wanted and could not be read, each said once.
    pub unreadable: AtomicU64,
    /// Whether the follower's loop turns.
    pub beat: Beat,
}

/// A follower that has ended is not one that is stuck.
struct RestsAtEnd(Arc<Gauges>);

impl Drop for RestsAtEnd {
    fn drop(&mut self) {
        self.0.beat.rest();
    }
}

/// What a follower is made of.
pub struct Parts {
    /// The sources of files.
    pub finders: Vec<Finder>,
    /// Where identities and cursors are kept.
    pub book: Arc<dyn Book>,
    /// The pipelines' names and inboxes; workers of one sink have one name.
    pub pipelines: Vec<(Arc<str>, Inbox)>,
    /// Which origins each of them reads.
    pub shares: Vec<Share>,
    /// What deleted files may hold back.
    pub limits: Limits,
    /// The machine's name.
    pub host: Arc<str>,
    /// Read what is there, and end.
    pub once: bool,
    /// Numbers for others to see.
    pub gauges: Arc<Gauges>,
    /// What changes while it works.
    pub changes: Receiver<Change>,
    /// Ends the thread.
    pub stop: Arc<AtomicBool>,
}

/// The follower's own state.
pub struct Follower {
    pub(super) parts: Parts,
    /// Device and inode → file.
    pub(super) slots: HashMap<Inode, Box<Slot>>,
    /// Origin → the file that is its content.
    pub(super) bound: HashMap<OriginId, Inode>,
    /// Files without a whole first line, and compressed ones that may not be whole.
    pub(super) waiting: HashMap<Inode, Waiting>,
    /// Bytes that were seen in such a file and are not there any more.
    pub(super) missing: Vec<Missing>,
    /// Files that hold what another holds, too.
    pub(super) copies: HashMap<Inode, Copy>,
    /// Origins whose file is gone, for a while.
    pub(super) gone: HashMap<OriginId, Gone>,
    /// Origins of which nothing more is read, and who is not done with them.
    pub(super) leaving: HashMap<OriginId, Arc<Marks>>,
    /// Files that hold nothing for us, as long as they are so.
    pub(super) passed: HashMap<Inode, (Stat, u64)>,
    /// Watches of files that are followed no more.
    pub(super) stale_watches: Vec<i32>,
    /// One for each pipeline.
    pub(super) inflaters: Vec<Arc<Inflaters>>,
    /// Sources that had files before this start.
    pub(super) known_sources: Vec<Arc<str>>,
    /// Paths whose trouble was said.
    said: HashMap<PathBuf, String>,
    /// Files that wait for a descriptor since the last walk.
    pub(super) denied: usize,
    /// Those of them of which it is not known whose content they hold.
    pub(super) unopened: usize,
    /// Who waits for a descriptor.
    pub(super) waiters: HashMap<Inode, Waiter>,
    /// Whose turn it is at this walk: as many of those that wait as there are descriptors, the longest first.
    pub(super) called: HashSet<Inode>,
    /// Files that are open, or were let through to be opened since the last walk began.
    pub(super) open: usize,
    /// Whether it was said that descriptors are few.
    pub(super) said_few: bool,
    /// Counts the walks.
    pub(super) walk: u64,
    /// Whether to walk though nothing was told.
    pub(super) wants_walk: bool,
    /// Where to look though nothing was told.
    pub(super) wants_look: BTreeSet<PathBuf>,
    /// Files that are looked at in every round.
    pub(super) busy: Vec<Inode>,
    /// Of each chain the place of its last file with bytes, when all were last looked at.
    pub(super) newest: HashMap<u64, u64>,
    /// When that was.
    tended: Option<Instant>,
    /// Counts the walks, those of single folders too.
    pub(super) looks: u64,
    pub(super) next_order: u64,
    /// Whether it was said what is missing since the last run.
    pub(super) said_missing: bool,
    pub(super) forgot_missing: Instant,
}

impl Follower {
    /// Knows nothing yet.
    pub fn new(parts: Parts) -> Self {
        let mut next_order = 0;
        let mut known_sources: Vec<Arc<str>> = Vec::new();
        parts.book.look(&mut |state| {
            next_order = state.origins.values().map(|origin| origin.order + 1).max().unwrap_or(0);
            known_sources.extend(state.origins.values().map(|origin| Arc::clone(&origin.source)));
        });
        known_sources.sort_unstable();
        known_sources.dedup();
        Self {
            inflaters: parts.pipelines.iter().map(|_| Arc::default()).collect(),
            parts,
            slots: HashMap::new(),
            bound: HashMap::new(),
            waiting: HashMap::new(),
            missing: Vec::new(),
            copies: HashMap::new(),
            gone: HashMap::new(),
            leaving: HashMap::new(),
            passed: HashMap::new(),
            stale_watches: Vec::new(),
            known_sources,
            said: HashMap::new(),
            denied: 0,
            unopened: 0,
            waiters: HashMap::new(),
            called: HashSet::new(),
            open: 0,
            said_few: false,
            walk: 0,
            wants_walk: false,
            wants_look: BTreeSet::new(),
            looks: 0,
            busy: Vec::new(),
            newest: HashMap::new(),
            tended: None,
            next_order,
            said_missing: false,
            forgot_missing: Instant::now(),
        }
    }

    /// Follows until told to stop; with `once` until everything was handed on, and then it returns.
    pub fn run(mut self, mut watch: Watch) {
        let mut changed = true;
        let mut last_walk = Instant::now();
        let mut walk_took = Duration::ZERO;
        let mut coverage = Coverage::Partial;
        let mut last_idle = Instant::now();
        let mut places = BTreeSet::new();
        let mut last_look = Instant::now();
        let mut look_took = Duration::ZERO;
        let _rests = RestsAtEnd(Arc::clone(&self.parts.gauges));
        while !self.parts.stop.load(Ordering::Acquire) {
            self.parts.gauges.beat.beat();
            self.take_changes();
            let regular = match coverage {
                // What a parked file grows by is told by nobody.
                _ if self.denied > 0 || self.has_parked() => WALK_UNWATCHED,
                Coverage::Partial => WALK_UNWATCHED,
                // What was left out may be mended where nothing tells of it: a link's target, a folder above.
                Coverage::Told if self.said.is_empty() => WALK_TOLD,
                Coverage::Watched | Coverage::Told => WALK_WATCHED,
            };
            let mut gap = walk_took * WALK_SHARE;
            if self.denied > 0 {
                // Those that wait for a descriptor are asked again by a walk only.
                gap = gap.min(WALK_WATCHED);
            }
            changed |= std::mem::take(&mut self.wants_walk);
            places.append(&mut self.wants_look);
            let look_gap = look_took * WALK_SHARE;
            if !places.is_empty() && !changed && self.walk > 0 && last_look.elapsed() >= look_gap {
                last_look = Instant::now();
                match self.look_into(&std::mem::take(&mut places), &mut watch) {
                    Some(true) => {}
                    Some(false) => coverage = Coverage::Partial,
                    None => changed = true,
                }
                look_took = last_look.elapsed();
            }
            if (changed && last_walk.elapsed() >= gap) || self.walk == 0 || last_walk.elapsed() >= regular.max(gap) {
                changed = false;
                last_walk = Instant::now();
                let is_first = self.walk == 0;
                if is_first {
                    // Nothing is watched before all is known: that would keep the first lines waiting.
                    self.walk_all(None);
                    self.send_all(&Signal::Walked);
                }
                if self.parts.once {
                    if !is_first {
                        self.walk_all(None);
                    }
                    if self.denied == 0 {
                        self.say_missing();
                        return;
                    }
                } else {
                    // What changes while it walks is told.
                    places.clear();
                    watch.begin_walk();
                    self.walk_all(Some(&mut watch));
                    coverage = watch.end_walk();
                }
                if is_first {
                    self.parts.gauges.walked.store(true, Ordering::Release);
                }
                self.watch_idle(&mut watch);
                walk_took = last_walk.elapsed();
                last_idle = Instant::now();
            } else if last_idle.elapsed() >= WATCH_IDLE {
                self.watch_idle(&mut watch);
                self.look_after_closed();
                last_idle = Instant::now();
            }
            self.tend();
            self.parts.gauges.known.store(self.slots.len() as u64, Ordering::Relaxed);
            self.parts.gauges.open.store(self.held() as u64, Ordering::Relaxed);
            let timeout = match () {
                () if self.wants_walk || !self.wants_look.is_empty() => Duration::ZERO,
                () if changed => gap.saturating_sub(last_walk.elapsed()).min(TEND),
                () if !places.is_empty() => look_gap.saturating_sub(last_look.elapsed()).min(TEND),
                () => TEND,
            };
            let mut woken = watch.wait(timeout);
            changed |= woken.changed;
            places.append(&mut woken.places);
            self.wake(&woken);
        }
    }

    /// Says what is wrong with a path, once.
    pub(super) fn say(&mut self, path: &Path, why: String) {
        if self.said.get(path) != Some(&why) {
            warn!(path = %path.display(), "left out: {why}. It is looked at again at every walk");
            self.said.insert(path.to_owned(), why);
        }
    }

    /// Says that something that is wanted cannot be read, and counts it.
    pub(super) fn say_unreadable(&mut self, path: &Path, why: String) {
        self.parts.gauges.unreadable.fetch_add(1, Ordering::Release);
        self.say(path, why);
    }

    /// Finds out whose content a file is, and hands it on.
    pub(super) fn begin(&mut self, finder: usize, found: Found) {
        // A first walk may open many files.
        self.parts.gauges.beat.beat();
        if found.stat.size == 0 {
            self.wait_for(finder, found);
            return;
        }
        if found.gzip {
            // Beside the file that it is made of it may not be whole, and nobody needs it.
            if found.path.with_extension("").exists() || self.awaits(&found.path) {
                return;
            }
            if !self.parts.once && age(found.stat.modified) < WHOLE_WHEN_OLD {
                self.wait_for(finder, found);
                return;
            }
            self.begin_gzip(finder, found);
            return;
        }
        let start = FileContent::open(&found.path)
            .and_then(|(content, stat)| Ok((identify::read_start(&content, self.parts.once)?, content, stat)));
        match start {
            // Replaced between the walk and now: the next walk sees what is there.
            Ok((_, _, stat)) if stat.inode != found.stat.inode => self.wants_walk = true,
            Ok((Start::Empty, ..)) => self.wait_for(finder, found),
            Ok((Start::Unfinished(head, _), content, stat)) => {
                self.wait_for_line(finder, Found { stat, ..found }, head, content);
            }
            Ok((Start::Head(_, bytes), ..)) if bytes.starts_with(&[0x1f, 0x8b]) => {
                self.pass(&found);
                self.say_unreadable(&found.path, "it is compressed, and its name does not end in .gz".to_owned());
            }
            Ok((Start::Head(head, bytes), content, _)) => self.resolve(finder, found, head, bytes, content, None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => self.say_unreadable(&found.path, format!("it cannot be read: {error}")),
        }
    }

    /// A file holds nothing for us as long as it stays as it is.
    pub(super) fn pass(&mut self, found: &Found) {
        self.passed.insert(found.stat.inode, (found.stat, self.walk));
    }

    /// What time brings: first lines, ends, truncations, limits.
    fn tend(&mut self) {
        // Most of many files do nothing: they are looked at once a second, and those that do something in every round.
        let is_whole = self.slots.len() <= FEW || self.tended.is_none_or(|tended| tended.elapsed() >= TEND_ALL);
        if is_whole {
            self.tended = Some(Instant::now());
            self.newest = self.newest_of_chains();
            self.busy = self.slots.keys().copied().collect();
        }
        let newest = std::mem::take(&mut self.newest);
        self.tend_waiting(&newest);
        let mut overtaken = Vec::new();
        let mut done = Vec::new();
        let mut busy = std::mem::take(&mut self.busy);
        busy.retain(|inode| {
            let Some(slot) = self.slots.get_mut(inode) else { return false };
            if slot.content.is_none() {
                return false;
            }
            let succeeded = newest.get(&slot.chain).is_some_and(|order| *order > slot.order);
            // What an active file grows by is known here too: a pipeline that waits for its store does not look, and what
            // is then truncated is to be counted.
            let is_looked_at = slot.deleted.is_some() || succeeded || (slot.watch.is_none() && slot.gzip.is_none());
            if is_looked_at && slot.refresh() {
                slot.marks.set_overtaken();
            }
            let is_idle = !is_looked_at && !slot.marks.ended();
            if slot.marks.overtaken() {
                overtaken.push(*inode);
            } else if slot.marks.all_done() {
                done.push(*inode);
            } else if !slot.marks.ended() && slot.is_at_end(succeeded) {
                slot.marks.set_ended();
                let id = slot.id();
                for (_, inbox) in &self.parts.pipelines {
                    inbox(Signal::Wake(id));
                }
            }
            !is_idle
        });
        (self.newest, self.busy) = (newest, busy);
        for inode in overtaken {
            self.truncated(inode);
        }
        for inode in done {
            self.close(inode);
        }
        self.park();
        self.let_go();
        self.give_up_gone();
        self.forget_left();
        // A file that waits for a descriptor is not known yet, and may be any that is looked for.
        if self.unopened > 0 {
            return;
        }
        if !self.said_missing && self.walk > 1 && !self.waiting.values().any(|waiting| waiting.found.gzip) {
            self.say_missing();
        }
        self.forget_missing();
    }

    /// A name and an inbox for each sink: what concerns no origin that is read is told once.
    pub(super) fn sinks(&self) -> impl Iterator<Item = (usize, &Arc<str>, &Inbox)> {
        let pipelines = self.parts.pipelines.iter().zip(&self.parts.shares).enumerate();
        pipelines.filter(|(_, (_, share))| share.is_first()).map(|(index, ((name, inbox), _))| (index, name, inbox))
    }

    pub(super) fn send_all(&self, signal: &Signal) {
        for (_, inbox) in &self.parts.pipelines {
            inbox(signal.clone());
        }
    }
}

/// How long ago a time in nanoseconds was; nothing where it is yet to come.
pub(super) fn age(modified: i64) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_nanos(modified.max(0) as u64))
}

//! The thread that knows all files and hands feeds to the pipelines.
//!
//! ```text
//! found ──open, first line──▶ whose? ──known──▶ go on there ─┐
//!   │ no line yet               ├──new────▶ new origin ──────┼─▶ feed ─▶ at end ─▶ closed
//!   └▶ waits                    └──copy───▶ stands by        │              │
//!                                             └──────────────┘ truncated / held too long ─▶ abandoned
//! ```
//!
//! **Invariant**: an origin's record is in the checkpoint before its feed leaves, and at most one open file is an
//! origin's content. It reads first lines only; all else is the pipelines' to read.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, info, warn};

use super::find::{Finder, Found};
use super::identify::{self, Head, Start};
use super::slot::{FileContent, Slot};
use super::watch::{Watch, Woken};
use crate::flow::checkpoint::{Book, OriginRecord, Record};
use crate::frame;
use crate::model::feed::{Feed, Marks, Resume, Signal};
use crate::model::origin::{Format, Origin, OriginId};
use crate::sources::StartAt;

/// How often files at an end, deleted, waiting or truncated are looked after.
const TEND: Duration = Duration::from_millis(200);
/// How often everything is walked where every folder is watched, and where not.
const WALK_WATCHED: Duration = Duration::from_secs(5);
const WALK_UNWATCHED: Duration = Duration::from_millis(500);
/// Walks never take more than a tenth of the time.
const WALK_SHARE: u32 = 10;
/// An origin whose file is nowhere to be found is forgotten after this long.
const FORGET_MISSING: Duration = Duration::from_secs(3600);

/// What deleted files may hold back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A deleted file that is not read by then is let go of.
    pub hold_deleted: Duration,
    /// No more bytes of deleted, unread files are held; the oldest go first.
    pub hold_deleted_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { hold_deleted: Duration::from_secs(300), hold_deleted_bytes: 1 << 30 }
    }
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
}

/// Takes a pipeline's signals.
pub type Inbox = Box<dyn Fn(Signal) + Send>;

/// What a follower is made of.
pub struct Parts {
    /// The sources of files.
    pub finders: Vec<Finder>,
    /// Where identities and cursors are kept.
    pub book: Arc<dyn Book>,
    /// The pipelines' names and inboxes.
    pub pipelines: Vec<(Arc<str>, Inbox)>,
    /// What deleted files may hold back.
    pub limits: Limits,
    /// The machine's name.
    pub host: Arc<str>,
    /// Read what is there, and end.
    pub once: bool,
    /// Numbers for others to see.
    pub gauges: Arc<Gauges>,
    /// Ends the thread.
    pub stop: Arc<AtomicBool>,
}

/// The follower's own state.
pub struct Follower {
    parts: Parts,
    /// Device and inode → file.
    slots: HashMap<(u64, u64), Slot>,
    /// Origin → device and inode of the file that is its content.
    bound: HashMap<OriginId, (u64, u64)>,
    /// Files without a whole first line.
    waiting: HashMap<(u64, u64), (usize, Found)>,
    /// Copies of a file that is still being written, standing by for its truncation.
    copies: HashMap<(u64, u64), (usize, Found, OriginId)>,
    /// Origins whose bytes are gone; never given to a file again.
    retired: HashSet<OriginId>,
    /// Paths whose trouble was said.
    said: HashSet<PathBuf>,
    walk: u64,
    next_order: u64,
    started: Instant,
    forgot_missing: bool,
}

impl Follower {
    /// Knows nothing yet.
    pub fn new(parts: Parts) -> Self {
        let mut next_order = 0;
        parts.book.look(&mut |state| {
            next_order = state.origins.values().map(|origin| origin.order + 1).max().unwrap_or(0);
        });
        Self {
            parts,
            slots: HashMap::new(),
            bound: HashMap::new(),
            waiting: HashMap::new(),
            copies: HashMap::new(),
            retired: HashSet::new(),
            said: HashSet::new(),
            walk: 0,
            next_order,
            started: Instant::now(),
            forgot_missing: false,
        }
    }

    /// Follows until told to stop; with `once` until everything was handed on, and then it returns.
    pub fn run(mut self, mut watch: Watch) {
        let mut changed = true;
        let mut last_walk = Instant::now();
        let mut walk_took = Duration::ZERO;
        let mut complete = false;
        while !self.parts.stop.load(Ordering::Acquire) {
            let regular = if complete { WALK_WATCHED } else { WALK_UNWATCHED };
            let gap = walk_took * WALK_SHARE;
            if (changed && last_walk.elapsed() >= gap) || self.walk == 0 || last_walk.elapsed() >= regular.max(gap) {
                changed = false;
                last_walk = Instant::now();
                let folders = self.walk_all();
                if self.walk == 1 {
                    self.send_all(&Signal::Walked);
                }
                if self.parts.once {
                    return;
                }
                let first = self.walk == 1;
                watch.set(&folders);
                complete = watch.is_complete(&folders);
                if first {
                    // What came between the walk and the first watches is seen now.
                    self.walk_all();
                    self.missing_at_start();
                    self.parts.gauges.walked.store(true, Ordering::Release);
                }
                walk_took = last_walk.elapsed();
            }
            self.tend();
            self.parts.gauges.known.store(self.slots.len() as u64, Ordering::Relaxed);
            let open = self.slots.values().filter(|slot| slot.content.is_some()).count();
            self.parts.gauges.open.store(open as u64, Ordering::Relaxed);
            let timeout = if changed { gap.saturating_sub(last_walk.elapsed()).min(TEND) } else { TEND };
            changed |= watch.wait(timeout) == Woken::Changed;
        }
    }

    /// Walks all sources and takes in what is found; gives the folders to watch.
    fn walk_all(&mut self) -> BTreeSet<PathBuf> {
        self.walk += 1;
        let mut folders = BTreeSet::new();
        for index in 0..self.parts.finders.len() {
            let walk = self.parts.finders[index].walk();
            folders.extend(walk.folders);
            for (path, why) in walk.left_out {
                self.say(path, &why);
            }
            for found in walk.found {
                self.take_in(index, found);
            }
        }
        self.look_after_unseen();
        folders
    }

    fn say(&mut self, path: PathBuf, why: &str) {
        if self.said.insert(path.clone()) {
            warn!(path = %path.display(), "left out: {why}. It is looked at again at every walk");
        }
    }

    fn take_in(&mut self, finder: usize, found: Found) {
        let inode = found.stat.inode;
        let walk = self.walk;
        if let Some(slot) = self.slots.get_mut(&inode) {
            if slot.content.is_some() {
                if slot.see(&found, walk) {
                    slot.marks.set_overtaken();
                }
                return;
            }
            if slot.size == found.stat.size {
                slot.see(&found, walk);
                return;
            }
            // Closed, and not as it was: it has grown, or another file has its inode.
            self.remove(inode);
        }
        if found.gzip || self.copies.contains_key(&inode) {
            return;
        }
        self.waiting.remove(&inode);
        self.begin(finder, found);
    }

    /// Finds out whose content a file is, and hands it on.
    fn begin(&mut self, finder: usize, found: Found) {
        let source = &self.parts.finders[finder];
        if let Some(limit) = source.common.ignore_older
            && self.walk <= 1
            && is_older(found.stat.modified, limit)
        {
            return;
        }
        if found.stat.size == 0 {
            self.waiting.insert(found.stat.inode, (finder, found));
            return;
        }
        let start = FileContent::open(&found.path)
            .and_then(|(content, stat)| Ok((identify::read_start(&content, self.parts.once)?, content, stat)));
        match start {
            // Replaced between the walk and now: the next walk sees what is there.
            Ok((_, _, stat)) if stat.inode != found.stat.inode => {}
            Ok((Start::Empty | Start::Unfinished, ..)) => {
                self.waiting.insert(found.stat.inode, (finder, found));
            }
            Ok((Start::Head(head, bytes), content, _)) => self.resolve(finder, found, head, &bytes, content),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => self.say(found.path, &format!("it cannot be read: {error}")),
        }
    }

    fn resolve(&mut self, finder: usize, found: Found, head: Head, start: &[u8], content: FileContent) {
        let mut known = Vec::new();
        self.parts.book.look(&mut |state| {
            known = identify::candidates(state, &found.logical, head)
                .into_iter()
                .map(|origin| {
                    let fits = identify::fits(state, origin.id, &content).unwrap_or(false);
                    let is_proven =
                        state.cursors.iter().any(|((id, _), cursor)| *id == origin.id && cursor.check.len > 0);
                    (origin.clone(), fits, is_proven)
                })
                .collect::<Vec<_>>();
        });
        let count = known.iter().map(|(origin, ..)| origin.count + 1).max().unwrap_or(0);
        // The best hint first: bytes that were hashed, then the inode, then the newest.
        known.sort_by_key(|(origin, _, is_proven)| {
            (!*is_proven, origin.inode != found.stat.inode, std::cmp::Reverse(origin.count))
        });
        for (record, fits, _) in known {
            if !fits || self.retired.contains(&record.id) {
                continue;
            }
            match self.bound.get(&record.id).and_then(|inode| self.slots.get(inode)) {
                None => return self.hand_on(finder, found, record, content),
                Some(slot) if slot.deleted.is_some() || found.rotated => {
                    self.copies.insert(found.stat.inode, (finder, found, record.id));
                    return;
                }
                // The same banner again in a new file: another origin.
                Some(_) => {}
            }
        }
        let record = OriginRecord {
            id: OriginId::new(path_bytes(&found.logical), &start[..usize::from(head.len)], count),
            source: Arc::clone(&self.parts.finders[finder].source),
            path: found.logical.clone(),
            format: self.parts.finders[finder].common.format.or_else(|| frame::detect(start)).unwrap_or(Format::Plain),
            head_len: head.len,
            head_hash: head.hash,
            count,
            inode: found.stat.inode,
            order: self.next_order,
        };
        self.next_order += 1;
        self.parts.book.append(vec![Record::Origin(record.clone())]);
        self.hand_on(finder, found, record, content);
    }

    fn hand_on(&mut self, finder: usize, found: Found, record: OriginRecord, content: FileContent) {
        let source = &self.parts.finders[finder];
        let origin = Arc::new(Origin {
            id: record.id,
            source: Arc::clone(&source.source),
            path: found.logical.clone(),
            format: record.format,
            workload: found.workload.clone(),
            host: Arc::clone(&self.parts.host),
        });
        let marks = Arc::new(Marks::new(self.parts.pipelines.len()));
        if self.parts.once {
            marks.set_ended();
        }
        let content = Arc::new(content);
        let feed = Feed {
            origin: Arc::clone(&origin),
            content: Arc::clone(&content) as _,
            marks: Arc::clone(&marks),
            replayable: true,
            chain: found.chain,
            order: record.order,
            parser: source.parser,
        };
        let at_end = source.common.start_at == StartAt::End && self.walk <= 1;
        debug!(path = %found.path.display(), origin = %record.id, format = record.format.name(), "following");
        for (index, (name, inbox)) in self.parts.pipelines.iter().enumerate() {
            if !source.wanted_by.get(index).copied().unwrap_or(true) {
                marks.set_done(index);
                continue;
            }
            let mut resume = None;
            self.parts.book.look(&mut |state| {
                resume = state.cursors.get(&(record.id, Arc::clone(name))).map(|cursor| cursor.resume.clone());
            });
            if resume.is_none() && at_end {
                resume = Some(Resume { offset: found.stat.size, from: found.stat.size, ..Resume::default() });
            }
            inbox(Signal::Feed(feed.clone(), resume));
        }
        let slot = Slot {
            origin,
            marks,
            content: Some(content),
            path: found.path,
            chain: found.chain,
            order: record.order,
            size: found.stat.size,
            changed: Instant::now(),
            deleted: None,
            seen: self.walk,
        };
        self.bound.insert(record.id, found.stat.inode);
        self.slots.insert(found.stat.inode, slot);
    }

    /// Files that the walk did not come upon: deleted, or moved out of sight.
    fn look_after_unseen(&mut self) {
        let walk = self.walk;
        let mut gone = Vec::new();
        for (inode, slot) in &mut self.slots {
            if slot.seen == walk {
                continue;
            }
            if slot.content.is_some() {
                slot.refresh();
            } else {
                gone.push(*inode);
            }
        }
        for inode in gone {
            if let Some(slot) = self.remove(inode) {
                self.parts.book.append(vec![Record::Forget(slot.id())]);
            }
        }
        let seen: HashSet<(u64, u64)> = self.slots.keys().copied().collect();
        self.copies.retain(|_, (_, found, id)| {
            found.path.exists() && self.bound.get(id).is_some_and(|inode| seen.contains(inode))
        });
        self.waiting.retain(|_, (_, found)| found.path.exists());
    }

    /// What time brings: first lines, ends, truncations, limits.
    fn tend(&mut self) {
        for inode in self.waiting.keys().copied().collect::<Vec<_>>() {
            self.look_at_waiting(inode);
        }
        let mut newest: HashMap<u64, u64> = HashMap::new();
        for slot in self.slots.values().filter(|slot| slot.size > 0) {
            let order = newest.entry(slot.chain).or_insert(slot.order);
            *order = (*order).max(slot.order);
        }
        let mut overtaken = Vec::new();
        let mut done = Vec::new();
        for (inode, slot) in &mut self.slots {
            if slot.content.is_none() {
                continue;
            }
            let succeeded = newest.get(&slot.chain).is_some_and(|order| *order > slot.order);
            if (slot.deleted.is_some() || succeeded) && slot.refresh() {
                slot.marks.set_overtaken();
            }
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
        }
        for inode in overtaken {
            self.truncated(inode);
        }
        for inode in done {
            self.close(inode);
        }
        self.let_go();
        self.forget_missing();
    }

    fn look_at_waiting(&mut self, inode: (u64, u64)) {
        let Some((finder, found)) = self.waiting.get(&inode) else { return };
        let Ok((content, stat)) = FileContent::open(&found.path) else { return };
        if stat.inode == inode && stat.size > 0 {
            let (finder, mut found) = (*finder, found.clone());
            drop(content);
            found.stat = stat;
            self.waiting.remove(&inode);
            self.begin(finder, found);
        }
    }

    /// Every pipeline is done with a file: its descriptor goes, and with its last name its record.
    fn close(&mut self, inode: (u64, u64)) {
        let Some(slot) = self.slots.get_mut(&inode) else { return };
        debug!(path = %slot.path.display(), origin = %slot.id(), "read to its end");
        slot.refresh();
        slot.content = None;
        if slot.deleted.is_some()
            && let Some(slot) = self.remove(inode)
        {
            self.parts.book.append(vec![Record::Forget(slot.id())]);
        }
    }

    /// A file's content is not what it was: a copy that stands by takes the cursor along, the file itself is a
    /// new origin.
    fn truncated(&mut self, inode: (u64, u64)) {
        let Some(slot) = self.remove(inode) else { return };
        let id = slot.id();
        let copy = self.copies.iter().find(|(_, (_, _, of))| *of == id).map(|(inode, _)| *inode);
        let copied = copy.and_then(|inode| self.copies.remove(&inode)).and_then(|(finder, found, _)| {
            let (content, _) = FileContent::open(&found.path).ok()?;
            let mut record = None;
            self.parts.book.look(&mut |state| record = state.origins.get(&id).cloned());
            Some((finder, found, record?, content))
        });
        match copied {
            Some((finder, found, record, content)) => {
                info!(path = %slot.path.display(), copy = %found.path.display(), "truncated after it was copied; reading goes on in the copy");
                self.hand_on(finder, found, record, content);
            }
            None => {
                info!(
                    path = %slot.path.display(),
                    "truncated or replaced in place; what was not read by then is counted as unreachable. Rotate by rename to lose nothing"
                );
                self.abandon(&slot);
            }
        }
        // The next walk finds what is there now.
        self.walk_again(inode);
    }

    fn walk_again(&mut self, inode: (u64, u64)) {
        for index in 0..self.parts.finders.len() {
            let found = self.parts.finders[index].walk().found.into_iter().find(|found| found.stat.inode == inode);
            if let Some(found) = found {
                self.take_in(index, found);
                return;
            }
        }
    }

    fn abandon(&mut self, slot: &Slot) {
        self.retired.insert(slot.id());
        self.send_all(&Signal::Abandoned(slot.id(), slot.size));
        self.parts.book.append(vec![Record::Forget(slot.id())]);
    }

    /// Lets go of deleted files that were held for too long, or that hold too much.
    fn let_go(&mut self) {
        let limits = self.parts.limits;
        let mut held: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.content.is_some())
            .filter_map(|(inode, slot)| slot.deleted.map(|since| (since, slot.size, *inode)))
            .collect();
        held.sort_unstable();
        let mut bytes: u64 = held.iter().map(|(_, size, _)| size).sum();
        for (since, size, inode) in held {
            let too_long = since.elapsed() > limits.hold_deleted;
            if !too_long && bytes <= limits.hold_deleted_bytes {
                continue;
            }
            bytes -= size;
            let Some(slot) = self.remove(inode) else { continue };
            warn!(
                path = %slot.path.display(),
                unread_bytes = slot.unread(),
                "a deleted file was let go of before every sink had read it, since it {}; the unread bytes are counted as \
                 unreachable. Normal when a sink is down for long: raise hold_deleted and hold_deleted_bytes to keep more",
                if too_long { "was held for hold_deleted" } else { "and others hold more than hold_deleted_bytes" }
            );
            self.abandon(&slot);
        }
    }

    /// Origins of the checkpoint whose file is not to be found: what was not read of them is out of reach.
    fn missing_at_start(&mut self) {
        let mut missing = Vec::new();
        self.parts.book.look(&mut |state| {
            for origin in state.origins.values().filter(|origin| !self.bound.contains_key(&origin.id)) {
                let of_origin = |name: &Arc<str>| state.cursors.get(&(origin.id, Arc::clone(name)));
                let unread = self.parts.pipelines.iter().map(|(name, _)| {
                    of_origin(name).map_or(0, |cursor| cursor.size.saturating_sub(cursor.resume.offset))
                });
                missing.push((origin.path.clone(), unread.collect::<Vec<_>>()));
            }
        });
        for (path, unread) in missing {
            let most = unread.iter().copied().max().unwrap_or(0);
            if most == 0 {
                continue;
            }
            warn!(
                path = %path.display(),
                bytes = most,
                "a file that was not read to its end is gone; its unread bytes are counted as unreachable. \
                 Normal when it was rotated away while Tailwater was down"
            );
            for ((_, inbox), bytes) in self.parts.pipelines.iter().zip(unread) {
                inbox(Signal::Unreachable(bytes));
            }
        }
    }

    /// Origins whose file did not turn up for long are forgotten.
    fn forget_missing(&mut self) {
        if self.forgot_missing || self.started.elapsed() < FORGET_MISSING {
            return;
        }
        self.forgot_missing = true;
        let mut missing = Vec::new();
        self.parts.book.look(&mut |state| {
            missing
                .extend(state.origins.keys().filter(|id| !self.bound.contains_key(id)).map(|id| Record::Forget(*id)));
        });
        self.parts.book.append(missing);
    }

    fn remove(&mut self, inode: (u64, u64)) -> Option<Slot> {
        let slot = self.slots.remove(&inode)?;
        if self.bound.get(&slot.id()) == Some(&inode) {
            self.bound.remove(&slot.id());
        }
        Some(slot)
    }

    fn send_all(&self, signal: &Signal) {
        for (_, inbox) in &self.parts.pipelines {
            inbox(signal.clone());
        }
    }
}

fn is_older(modified: i64, limit: Duration) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_secs(modified.max(0) as u64)) > limit
}

fn path_bytes(path: &std::path::Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes()
}

//! Whose content a file is that was not followed yet: an origin's that is known, a new one's, or a copy's of what is
//! followed already.
//!
//! **Invariant**: what decides is the content: the first line, the bytes before every cursor, and beside an open file
//! the bytes before the shorter one's end. A name alone makes nobody the same.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, info};

use super::change::SPARE;
use super::end::line_start;
use super::follow::{Follower, age};
use super::found::Found;
use super::gzip::{self, GzipContent, OnDamage, Reading};
use super::identify::{self, Head, Known, Start};
use super::slot::{FileContent, Slot};
use super::states::Copy;
use crate::flow::checkpoint::{Cursor, OriginRecord, Record};
use crate::flow::rotation;
use crate::frame;
use crate::model::feed::{Content, Feed, Landmark, Marks, Resume, Signal, read_full};
use crate::model::origin::{Format, HEAD_MAX, Origin, OriginId};
use crate::sources::{StartAt, spool};

/// Between two neighbours of a chain there is room for those that are found later.
const ORDER_STEP: u64 = 1 << 16;
/// Bytes that are compared to know a copy.
const COMPARED: usize = 1024;

/// What was opened.
pub(super) struct Opened {
    finder: usize,
    found: Found,
    head: Head,
    file: Arc<FileContent>,
    /// What a compressed file says of its size.
    gzip: Option<u32>,
    /// The first bytes.
    start: Vec<u8>,
    /// Its place in its chain, where it has one already.
    order: Option<u64>,
}

/// What a file is to an origin.
enum Is {
    /// Its content, from now on.
    Content,
    /// The same as its content, at the moment.
    Copy,
    /// Nothing to it.
    Other,
}

impl Follower {
    /// `order` is its place in its chain, where it has one already.
    pub(super) fn resolve(
        &mut self,
        finder: usize,
        found: Found,
        head: Head,
        start: Vec<u8>,
        content: FileContent,
        order: Option<u64>,
    ) {
        self.resolve_opened(Opened { finder, found, head, file: Arc::new(content), gzip: None, start, order });
    }

    /// The same for a compressed file.
    pub(super) fn begin_gzip(&mut self, finder: usize, found: Found) {
        let opened = FileContent::open(&found.path).and_then(|(file, stat)| {
            let file = Arc::new(file);
            let start = identify::read_start(&GzipContent::to_look(Arc::clone(&file), &found.path), true)?;
            Ok((gzip::trailer(&file)?, start, file, stat))
        });
        match opened {
            // Replaced between the walk and now: the next walk sees what is there.
            Ok((.., stat)) if stat.inode != found.stat.inode => self.wants_walk = true,
            Ok((size, Start::Head(head, bytes), file, _)) => {
                let gzip = Some(size.unwrap_or(0));
                self.resolve_opened(Opened { finder, found, head, file, gzip, start: bytes, order: None });
            }
            Ok((size, ..)) => {
                self.pass(&found);
                if size.is_none_or(|size| size != 0) {
                    self.say_unreadable(
                        &found.path,
                        "it is no whole compressed file, and nothing in it can be read".to_owned(),
                    );
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.say_unreadable(&found.path, format!("it cannot be read: {error}")),
        }
    }

    fn resolve_opened(&mut self, opened: Opened) {
        let start = &opened.start;
        let found = &opened.found;
        let mut known = Vec::new();
        self.parts.book.look(&mut |state| {
            known = identify::candidates(state, &found.logical, found.stat.inode, start);
        });
        let of_path = known.iter().filter(|known| known.record.path == found.logical);
        let count = of_path.map(|known| known.record.count + 1).max().unwrap_or(0);
        let is_alone = known.len() == 1;
        for known in known {
            let of = known.record.id;
            match self.what_is(&opened, &known, is_alone) {
                Is::Content => return self.hand_on(opened, known.record),
                Is::Copy => {
                    debug!(path = %opened.found.path.display(), origin = %of, "a copy stands by");
                    let Opened { finder, found, .. } = opened;
                    self.copies.insert(found.stat.inode, Copy { finder, found, of });
                    return;
                }
                Is::Other => {}
            }
        }
        let common = &self.parts.finders[opened.finder].common;
        if common.ignore_older.is_some_and(|limit| age(found.stat.modified) > limit) {
            return self.pass(&opened.found);
        }
        let record = OriginRecord {
            id: OriginId::new(path_bytes(&found.logical), &start[..usize::from(opened.head.len)], count),
            source: Arc::clone(&self.parts.finders[opened.finder].source),
            path: found.logical.clone(),
            format: self.format_of(opened.finder, start),
            head_len: opened.head.len,
            head_hash: opened.head.hash,
            count,
            inode: found.stat.inode,
            order: opened.order.unwrap_or_else(|| self.place_in_chain(&opened.found)),
        };
        let mut records = vec![Record::Origin(record.clone())];
        records.extend(self.start_at_end(&opened, record.id));
        self.parts.book.append(records);
        self.hand_on(opened, record);
    }

    fn format_of(&self, finder: usize, start: &[u8]) -> Format {
        let finder = &self.parts.finders[finder];
        if finder.is_spool {
            return spool::format(start).unwrap_or(Format::Plain);
        }
        finder.common.format.or_else(|| frame::detect(start)).unwrap_or(Format::Plain)
    }

    /// Where a new origin stands among those of its chain: the last, but before what its name says is newer.
    pub(super) fn place_in_chain(&mut self, found: &Found) -> u64 {
        let name = |path: &Path| path.file_name().map(|name| path_bytes(Path::new(name)).to_vec()).unwrap_or_default();
        let own = name(&found.path);
        let slots = self.slots.values().filter(|slot| slot.chain == found.chain && slot.origin.path == found.logical);
        let slots = slots.map(|slot| (&*slot.path, slot.order));
        let waiting = self.waiting.values().map(|waiting| (&waiting.found, waiting.order()));
        let waiting = waiting.filter(|(other, _)| other.chain == found.chain && other.logical == found.logical);
        let waiting = waiting.filter_map(|(other, order)| Some((&*other.path, order?)));
        let newer = slots
            .chain(waiting)
            .filter(|(path, _)| rotation::age_order(&rotation::parse(&own), &rotation::parse(&name(path))).is_lt());
        match newer.map(|(_, order)| order).min() {
            Some(order) => order.saturating_sub(1),
            None => {
                self.next_order += ORDER_STEP;
                self.next_order
            }
        }
    }

    /// The cursors of a file that was there at the first start, where only what comes is wanted. They are written at
    /// once: what comes while the program is down is wanted, too.
    fn start_at_end(&self, opened: &Opened, id: OriginId) -> Vec<Record> {
        let finder = &self.parts.finders[opened.finder];
        let is_first = self.walk <= finder.since + 1 && !self.known_sources.contains(&finder.source);
        if finder.common.start_at != StartAt::End || !is_first {
            return Vec::new();
        }
        let size = opened.gzip.map_or(opened.found.stat.size, u64::from);
        let offset = if opened.gzip.is_some() { size } else { line_start(&opened.file, size) };
        let cursor = Cursor { resume: Resume { offset, from: offset, ..Resume::default() }, size, ..Cursor::default() };
        self.sinks().map(|(_, name, _)| Record::Cursor(Arc::clone(name), id, cursor.clone())).collect()
    }

    fn what_is(&mut self, opened: &Opened, known: &Known, is_alone: bool) -> Is {
        let (found, id) = (&opened.found, known.record.id);
        let is_left = is_retired(&known.record) || self.leaving.contains_key(&id);
        if is_left || self.gone.get(&id).is_some_and(|gone| gone.truncated == Some(found.stat.inode)) {
            return Is::Other;
        }
        // A whole read of a compressed file says what its last bytes say, where nobody else could be meant.
        let is_read = |size: u32| is_alone && known.is_settled_to(size);
        let fits = || opened.gzip.is_some_and(is_read) || known.fits(&*opened.content()).unwrap_or(false);
        // A program that deletes its log and begins anew may write the same few lines: they are new. So much that is the
        // same was copied.
        let may_be_copied = |length: u64| found.rotated || opened.gzip.is_some() || length >= COMPARED as u64;
        if self.gone.get(&id).is_some_and(|gone| gone.slot.deleted.is_some() && !may_be_copied(gone.slot.length())) {
            return Is::Other;
        }
        let Some(slot) = self.bound.get(&id).and_then(|inode| self.slots.get_mut(inode)) else {
            return if fits() { Is::Content } else { Is::Other };
        };
        if slot.refresh() {
            slot.marks.set_overtaken();
        }
        let has_all = match opened.gzip {
            Some(size) => size == slot.length() as u32,
            None => found.stat.size >= slot.length(),
        };
        let Some(file) = slot.content.clone() else {
            // It was read to its end, and its file is not to be seen any more, or will not be soon.
            let is_copied = slot.deleted.is_none() || may_be_copied(slot.length());
            return match (has_all && is_copied && fits(), slot.seen < self.walk || slot.deleted.is_some()) {
                (true, true) => Is::Content,
                (true, false) => Is::Copy,
                (false, _) => Is::Other,
            };
        };
        if slot.marks.overtaken() {
            return if fits() { Is::Copy } else { Is::Other };
        }
        if slot.deleted.is_some() {
            return match (has_all && may_be_copied(slot.length()), opened.gzip) {
                (true, Some(_)) if is_alone => Is::Content,
                (true, _) if same_so_far(&file, slot.stat.size, opened) => Is::Content,
                // The writer went on in the file while it was compressed: what it wrote then is in the file only.
                (false, Some(_)) if is_compressed_from(found, slot) => Is::Copy,
                _ => Is::Other,
            };
        }
        if !found.rotated || slot.rotated {
            // The same banner again in a new file: another origin.
            return Is::Other;
        }
        if same_so_far(&file, slot.stat.size, opened) {
            return Is::Copy;
        }
        // Truncated and grown again before anybody looked?
        if known.is_proven() && !known.fits(&*file).unwrap_or(true) && fits() {
            slot.marks.set_overtaken();
            return Is::Copy;
        }
        Is::Other
    }

    fn hand_on(&mut self, opened: Opened, mut record: OriginRecord) {
        let Opened { finder, found, head, file, gzip, start, .. } = opened;
        let before = match self.bound.remove(&record.id).and_then(|inode| self.slots.remove(&inode)) {
            Some(slot) => Some(slot),
            None => self.gone.remove(&record.id).map(|gone| gone.slot),
        };
        self.stale_watches.extend(before.as_ref().and_then(|slot| slot.watch));
        if let Some(slot) = &before
            && slot.path != found.path
        {
            info!(from = %slot.path.display(), to = %found.path.display(), origin = %record.id, "reading goes on in another file");
        }
        if record.inode != found.stat.inode {
            record.inode = found.stat.inode;
            self.parts.book.append(vec![Record::Origin(record.clone())]);
        }
        let source = &self.parts.finders[finder];
        let origin = Arc::new(Origin {
            id: record.id,
            source: Arc::clone(&source.source),
            // A pipe has no path, also where it was written to files first.
            path: if source.is_spool { Path::new("").into() } else { Arc::clone(&record.path) },
            format: record.format,
            workload: found.workload.clone(),
            host: Arc::clone(&self.parts.host),
        });
        let marks = Arc::new(Marks::with_spare(self.parts.pipelines.len(), SPARE));
        if self.parts.once || gzip.is_some() {
            marks.set_ended();
        }
        debug!(path = %found.path.display(), origin = %record.id, format = record.format.name(), "following");
        for (index, (name, inbox)) in self.parts.pipelines.iter().enumerate() {
            let mut cursor = None;
            self.parts.book.look(&mut |state| cursor = state.cursors.get(&(record.id, Arc::clone(name))).cloned());
            if source.is_spool && cursor.is_none() {
                // Behind the segment's own first line.
                let offset = memchr::memchr(b'\n', &start).map_or(0, |end| end as u64 + 1);
                let resume = Resume { offset, from: offset, ..Resume::default() };
                cursor = Some(Box::new(Cursor { resume, ..Cursor::default() }));
            }
            let is_wanted = source.wanted_by.get(index).copied().unwrap_or(true)
                && self.parts.shares.get_mut(index).is_none_or(|share| share.has(&origin, found.chain));
            let was_done = before.as_ref().is_some_and(|slot| {
                let has_more = gzip.is_none() && (slot.has_more || found.stat.size > slot.length());
                slot.marks.is_done(index) && !has_more
            });
            let is_read = gzip.zip(cursor.as_ref()).is_some_and(|(size, cursor)| identify::is_settled_to(cursor, size));
            if !is_wanted || was_done || is_read {
                marks.set_done(index);
                if let Some(slot) = before.as_ref().filter(|slot| !slot.marks.is_done(index)) {
                    // It has the file before: nothing more will come there.
                    slot.marks.set_ended();
                    inbox(Signal::Wake(record.id));
                }
                continue;
            }
            let content: Arc<dyn Content> = match gzip {
                None => Arc::clone(&file) as _,
                Some(_) => {
                    let on_damage: OnDamage = {
                        let inbox = Arc::clone(inbox);
                        Arc::new(move |bytes| inbox(Signal::Unreachable(bytes)))
                    };
                    let check = cursor.as_ref().map(|cursor| cursor.check);
                    let known = before.as_ref().map_or(0, |slot| slot.most);
                    let reading = Reading {
                        inflaters: Some(Arc::clone(&self.inflaters[index])),
                        landmark: check.map(|check| Landmark { at: check.at, len: check.len, hash: check.hash }),
                        size: cursor.as_ref().map_or(0, |cursor| cursor.size).max(known),
                        length: gzip.map_or(0, u64::from),
                        head: start.clone(),
                        on_damage: Some(on_damage),
                    };
                    Arc::new(GzipContent::new(Arc::clone(&file), found.path.to_path_buf(), reading))
                }
            };
            let feed = Feed {
                origin: Arc::clone(&origin),
                content,
                marks: Arc::clone(&marks),
                head: gzip.is_none().then(|| head.landmark()),
                replayable: true,
                chain: found.chain,
                order: record.order,
                parser: source.parser,
            };
            inbox(Signal::Feed(feed, cursor.map(|cursor| Box::new(cursor.resume))));
        }
        let is_done = marks.all_done();
        let origin_path = record.path;
        let slot = Slot {
            origin,
            marks,
            content: (!is_done).then_some(file),
            gzip: gzip.map(u64::from),
            head,
            // The same name is held once.
            path: if *found.path == *origin_path { origin_path } else { found.path },
            rotated: found.rotated,
            chain: found.chain,
            order: record.order,
            stat: found.stat,
            most: found.stat.size,
            changed: Instant::now(),
            deleted: None,
            seen: self.walk,
            watch: None,
            opened: Instant::now(),
            has_more: false,
            again: false,
        };
        self.bound.insert(record.id, found.stat.inode);
        self.slots.insert(found.stat.inode, Box::new(slot));
        self.busy.push(found.stat.inode);
    }
}

impl Opened {
    /// Its content, for a look.
    fn content(&self) -> Box<dyn Content + '_> {
        match self.gzip {
            None => Box::new(Borrowed(&self.file)),
            Some(_) => Box::new(GzipContent::to_look(Arc::clone(&self.file), &self.found.path)),
        }
    }
}

struct Borrowed<'f>(&'f FileContent);

impl Content for Borrowed<'_> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, into)
    }
}

/// Whether an open file of `size` bytes and another hold the same before the shorter one's end.
fn same_so_far(file: &FileContent, size: u64, opened: &Opened) -> bool {
    let other = opened.gzip.map_or(opened.found.stat.size, u64::from);
    let end = size.min(other);
    let start = end.saturating_sub(COMPARED as u64);
    let bytes_of = |content: &dyn Content| {
        let mut bytes = vec![0; (end - start) as usize];
        let count = read_full(content, start, &mut bytes)?;
        bytes.truncate(count);
        io::Result::Ok(bytes)
    };
    match (bytes_of(file), bytes_of(&*opened.content())) {
        (Ok(one), Ok(other)) => one.len() as u64 == end - start && one == other,
        _ => false,
    }
}

fn is_compressed_from(found: &Found, slot: &Slot) -> bool {
    found.path.with_extension("") == *slot.path
}

/// An origin whose bytes are gone has no inode: it is kept so that its count is not given again.
pub(super) fn is_retired(record: &OriginRecord) -> bool {
    record.inode == (0, 0)
}

pub(super) fn path_bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes()
}

const _: () = assert!(HEAD_MAX <= COMPARED, "a file that is all head is compared whole");

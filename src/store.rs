//! Checkpoints on disk.
//!
//! ```text
//! state_dir/lock            held while the program runs; holds its process id
//! state_dir/checkpoint.0    one of the two slots is active: its snapshot, then every move since
//! state_dir/checkpoint.1    the other is where the next snapshot is written
//! ```
//!
//! A move is appended with a plain write, which outlives `kill -9`; once a second at most the slot is fsynced,
//! which outlives a power cut, and written anew into the other slot where it has grown. **Invariant**: at every
//! moment one slot on disk holds a whole snapshot, once the first was written. What cannot be written stays in
//! memory and is tried again; it never stops the flow and never refuses a start. It never says less than what is so:
//! [`Store::began`] tells a first start from one whose checkpoint is lost.
#![expect(clippy::disallowed_methods, reason = "checkpoints live on disk")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use tracing::{info, warn};

use crate::flow::checkpoint::{Book, Record, State};
use crate::flow::record;
use crate::flow::slot::{self, ReadSlot, Slot};

/// A slot is written anew once its moves are larger than this and than four snapshots.
const COMPACT_FROM: u64 = 1 << 20;
/// How often a locked directory is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// The record of watermarks, in memory and (where there is a state directory) on disk.
pub struct Store {
    inner: Mutex<Inner>,
    /// The state directory; `None` for a store that forgets.
    dir: Option<PathBuf>,
    /// What was found at the start.
    began: Began,
    /// Writes that failed since the start.
    errors: AtomicU64,
    /// Snapshots and fsyncs that went well since the start.
    syncs: AtomicU64,
}

struct Inner {
    state: State,
    /// Held for its lock; `None` where the directory cannot be used (yet).
    lock: Option<File>,
    /// The open slot; `None` before the first snapshot, and after an error until the next.
    slot: Option<Arc<File>>,
    /// Which of the two slots is active.
    active: usize,
    generation: u64,
    /// Bytes of moves in the active slot.
    moves: u64,
    /// Bytes of its snapshot.
    snapshot: u64,
    /// Whether bytes were written since the last fsync.
    dirty: bool,
    /// Moves made while a snapshot is on its way to the disk, to be put behind it.
    meanwhile: Option<Vec<u8>>,
    /// Whether the last write failed: said once, until one goes well.
    failing: bool,
}

/// Why a state directory cannot be used.
#[derive(Debug)]
pub enum OpenError {
    /// Another process holds it; its process id, where it could be read.
    Locked(Option<u32>),
}

/// What a store found at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Began {
    /// Cursors; reading goes on at them.
    GoesOn,
    /// Nothing: no checkpoint was ever written there.
    Anew,
    /// Checkpoints, and none that can be used; why not.
    Lost(String),
}

impl Store {
    /// A store that forgets everything at the end.
    pub fn in_memory() -> Self {
        Self::new(None, Slots::none(Began::Anew), None)
    }

    fn new(dir: Option<PathBuf>, slots: Slots, lock: Option<File>) -> Self {
        let inner = Inner {
            state: slots.state,
            lock,
            slot: None,
            active: slots.active,
            generation: slots.generation,
            moves: 0,
            snapshot: 0,
            dirty: false,
            meanwhile: None,
            failing: false,
        };
        let (errors, syncs) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { inner: Mutex::new(inner), dir, began: slots.began, errors, syncs }
    }

    /// Opens (and makes) a state directory, waiting up to `wait` for another process to let go of it. A damaged
    /// checkpoint is never an error: what is whole is taken, and a warning says what was lost. Nor is a directory
    /// that cannot be made or written: what can be read of it is taken, and writing is tried again every second.
    pub fn open(dir: &Path, wait: Duration) -> Result<Self, OpenError> {
        let held = match fs::create_dir_all(dir).map_err(NotHeld::Io).and_then(|()| lock(dir, wait)) {
            Ok(file) => Some(file),
            Err(NotHeld::ByAnother(holder)) => return Err(OpenError::Locked(holder)),
            // The first snapshot meets the same, and says it.
            Err(NotHeld::Io(_)) => None,
        };
        let slots = read_slots(dir);
        let unusable = slots.unusable.clone();
        let store = Self::new(Some(dir.to_owned()), slots, held);
        // The first snapshot goes into the other slot, so that the one just read stays until the new one is whole.
        store.snapshot();
        let inner = store.lock();
        if inner.slot.is_some() {
            for slot in unusable.into_iter().filter(|slot| *slot != inner.active) {
                // It was said; the next start has nothing to say of it. Where it stays, it is said again.
                let _stays = fs::remove_file(slot_path(dir, slot));
            }
        }
        drop(inner);
        Ok(store)
    }

    /// What a state directory says, without locking it.
    pub fn read(dir: &Path) -> io::Result<State> {
        fs::metadata(dir)?;
        let slots = read_slots(dir);
        if let Began::Lost(why) = &slots.began {
            warn!("no checkpoint can be used: {why}; a start now would read files as if seen for the first time");
        }
        Ok(slots.state)
    }

    /// Changes the state by hand and writes it whole; nothing else may use the store meanwhile. An error where it could
    /// not be written, and then nothing is changed for the next start.
    pub fn edit(&self, change: impl FnOnce(&mut State)) -> io::Result<()> {
        let errors = self.counts().0;
        if self.lock().lock.is_none() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it cannot be locked"));
        }
        change(&mut self.lock().state);
        self.snapshot();
        if self.counts().0 == errors { Ok(()) } else { Err(io::Error::other("the checkpoint cannot be written there")) }
    }

    /// What was found at the start.
    pub fn began(&self) -> &Began {
        &self.began
    }

    /// Looks at the state; keep it short, pipelines wait meanwhile.
    pub fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock().state)
    }

    /// In memory at once, on disk by a plain write. An error is said and counted, and mended by the next
    /// [`Store::tick`].
    fn append_records(&self, records: Vec<Record>) {
        let mut bytes = Vec::new();
        if self.dir.is_some() {
            for record in &records {
                record::encode(record, &mut bytes);
            }
        }
        let mut inner = self.lock();
        for record in records {
            inner.state.apply(record);
        }
        if let Some(meanwhile) = &mut inner.meanwhile {
            meanwhile.extend_from_slice(&bytes);
        }
        let Some(slot) = inner.slot.clone() else { return };
        match (&*slot).write_all(&bytes) {
            Ok(()) => {
                inner.moves += bytes.len() as u64;
                inner.dirty = true;
            }
            Err(error) => {
                // Behind half a record nothing is read: no more moves go into this slot.
                inner.slot = None;
                self.failed(&mut inner, "written", &error);
            }
        }
    }

    /// What is due once a second: fsync, and a new snapshot where the moves have grown, a write failed or the file is
    /// no longer where a start would look for it.
    pub fn tick(&self) {
        let Some(dir) = &self.dir else { return };
        let mut inner = self.lock();
        if let Some(slot) = &inner.slot
            && !is_in_place(slot, &slot_path(dir, inner.active))
        {
            // A file without its name takes every write, and nobody would ever find it.
            inner.slot = None;
            let gone = io::Error::new(io::ErrorKind::NotFound, "it was removed, renamed or covered by a mount");
            self.failed(&mut inner, "found where it was written", &gone);
        }
        let grown = inner.moves > COMPACT_FROM.max(4 * inner.snapshot);
        let slot = match inner.slot.clone() {
            Some(slot) if !grown => slot,
            _ => {
                drop(inner);
                self.snapshot();
                return;
            }
        };
        if !std::mem::take(&mut inner.dirty) {
            return;
        }
        drop(inner);
        // Outside the lock: an fsync on a busy disk takes long, and pipelines write meanwhile.
        match slot.sync_data() {
            Ok(()) => {
                self.syncs.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                // After a failed fsync the kernel may have dropped the pages: only a new file can be trusted.
                let mut inner = self.lock();
                inner.slot = None;
                self.failed(&mut inner, "synced to disk", &error);
            }
        }
    }

    /// Writes failed, and fsyncs done, since the start.
    pub fn counts(&self) -> (u64, u64) {
        (self.errors.load(Ordering::Relaxed), self.syncs.load(Ordering::Relaxed))
    }

    /// Writes the whole state into the other slot and makes it the active one.
    fn snapshot(&self) {
        let Some(dir) = &self.dir else { return };
        if let Err(error) = self.hold(dir) {
            self.failed(&mut self.lock(), "written", &error);
            return;
        }
        let (bytes, next, generation) = {
            let mut inner = self.lock();
            inner.meanwhile = Some(Vec::new());
            let generation = inner.generation + 1;
            (slot::encode_slot(&inner.state, generation), 1 - inner.active, generation)
        };
        let written = write_slot(dir, next, &bytes);
        let mut inner = self.lock();
        let meanwhile = inner.meanwhile.take().unwrap_or_default();
        let switched = written.and_then(|file| {
            (&file).write_all(&meanwhile)?;
            Ok(file)
        });
        match switched {
            Ok(file) => {
                inner.slot = Some(Arc::new(file));
                inner.active = next;
                inner.generation = generation;
                inner.snapshot = bytes.len() as u64;
                inner.moves = meanwhile.len() as u64;
                inner.dirty = !meanwhile.is_empty();
                self.syncs.fetch_add(1, Ordering::Relaxed);
                if std::mem::take(&mut inner.failing) {
                    info!(directory = %dir.display(), "checkpoints are written again");
                }
            }
            Err(error) => self.failed(&mut inner, "written", &error),
        }
    }

    /// Makes the directory where it is missing, and takes its lock where it is not held.
    fn hold(&self, dir: &Path) -> io::Result<()> {
        if self.lock().lock.as_ref().is_some_and(|lock| is_in_place(lock, &dir.join("lock"))) {
            return Ok(());
        }
        fs::create_dir_all(dir)?;
        let file = lock(dir, Duration::ZERO).map_err(|error| match error {
            NotHeld::Io(error) => error,
            NotHeld::ByAnother(holder) => {
                let holder = holder.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"));
                io::Error::new(io::ErrorKind::WouldBlock, format!("{holder} holds the state directory"))
            }
        })?;
        // Another directory under the same name may hold slots of its own: what is written now must be newer.
        let found = read_slots(dir);
        let mut inner = self.lock();
        inner.lock = Some(file);
        if found.generation > inner.generation {
            (inner.active, inner.generation) = (found.active, found.generation);
        }
        Ok(())
    }

    fn failed(&self, inner: &mut Inner, what: &str, error: &io::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        if std::mem::replace(&mut inner.failing, true) {
            return;
        }
        let directory = self.dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default();
        warn!(
            directory,
            %error,
            "checkpoint could not be {what}; delivery goes on, but a restart now would send again what was delivered since. \
             It is tried again every second: make room or restore write access"
        );
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere cannot leave the state half-applied in a way that matters: records are applied whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book for Store {
    fn look(&self, look: &mut dyn FnMut(&State)) {
        self.with_state(look);
    }

    fn append(&self, records: Vec<Record>) {
        self.append_records(records);
    }
}

fn slot_path(dir: &Path, slot: usize) -> PathBuf {
    dir.join(format!("checkpoint.{slot}"))
}

fn write_slot(dir: &Path, slot: usize, bytes: &[u8]) -> io::Result<File> {
    let path = slot_path(dir, slot);
    // A new inode each time: a slot whose fsync failed is not written over in place.
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(&path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    File::open(dir)?.sync_all()?;
    Ok(file)
}

/// Whether a file is what its path leads to.
fn is_in_place(file: &File, path: &Path) -> bool {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(path)) => identity(file) == identity(path),
        (_, Err(error)) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => false,
        // No telling: the next write says what is wrong.
        _ => true,
    }
}

/// What the two slots say.
struct Slots {
    /// The best one's state.
    state: State,
    /// Its number.
    active: usize,
    /// Its generation.
    generation: u64,
    /// Whether there is one.
    began: Began,
    /// Which are there and cannot be used.
    unusable: Vec<usize>,
}

impl Slots {
    fn none(began: Began) -> Self {
        Self { state: State::default(), active: 1, generation: 0, began, unusable: Vec::new() }
    }
}

/// The best of the two slots. What is damaged beside it is said.
fn read_slots(dir: &Path) -> Slots {
    let mut best: Option<(usize, Box<ReadSlot>)> = None;
    let (mut damaged, mut unusable) = (Vec::new(), Vec::new());
    for slot in 0..2 {
        let path = slot_path(dir, slot);
        let why = match fs::read(&path).map(|bytes| slot::decode_slot(&bytes)) {
            Ok(Slot::Read(read)) => {
                if best.as_ref().is_none_or(|(_, known)| known.generation < read.generation) {
                    best = Some((slot, read));
                }
                continue;
            }
            Ok(Slot::Empty) => "is empty".to_owned(),
            Ok(Slot::Unreadable) => "is damaged".to_owned(),
            Ok(Slot::OtherVersion(version)) => {
                format!("has version {version}, this program reads versions up to {}", slot::VERSION)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(error) => format!("cannot be read: {error}"),
        };
        unusable.push(slot);
        damaged.push(format!("{} {why}", path.display()));
    }
    let Some((active, read)) = best else {
        let began = if damaged.is_empty() { Began::Anew } else { Began::Lost(damaged.join("; ")) };
        return Slots { unusable, ..Slots::none(began) };
    };
    if read.damaged > 0 {
        warn!(
            file = %slot_path(dir, active).display(),
            damaged_bytes = read.damaged,
            "the end of the checkpoint is damaged; reading goes on from what is whole before it, so lines delivered since may be \
             sent again. Normal after a power cut"
        );
    }
    for what in damaged {
        warn!(
            "one of two checkpoint slots cannot be used: {what}; reading goes on from the other, so lines delivered since it \
             was written may be sent again. Normal after a crash while a slot was written"
        );
    }
    Slots { state: read.state, active, generation: read.generation, began: Began::GoesOn, unusable }
}

/// Why a state directory's lock is not held.
enum NotHeld {
    /// By another process; its id, where it could be read.
    ByAnother(Option<u32>),
    /// It cannot be opened or locked.
    Io(io::Error),
}

fn lock(dir: &Path, wait: Duration) -> Result<File, NotHeld> {
    let path = dir.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        // A lock can be held where nothing can be written.
        .or_else(|error| File::open(&path).map_err(|_| NotHeld::Io(error)))?;
    let deadline = Instant::now() + wait;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(LOCK_RETRY),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let holder = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(NotHeld::ByAnother(holder));
            }
            Err(error) => return Err(NotHeld::Io(error.into())),
        }
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| writeln!(file, "{}", std::process::id()));
    if let Err(error) = written {
        // The lock itself holds; only the id for a second process's message is missing.
        warn!(%error, directory = %dir.display(), "the process id could not be written into the lock file");
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::checkpoint::{Cursor, OriginRecord};
    use crate::model::feed::Resume;
    use crate::model::origin::{Format, OriginId};

    fn origin() -> Record {
        Record::Origin(OriginRecord {
            id: OriginId(1),
            source: "s".into(),
            path: Path::new("/a").into(),
            format: Format::Plain,
            head_len: 1,
            head_hash: 1,
            count: 0,
            inode: (1, 1),
            order: 0,
        })
    }

    fn cursor(offset: u64) -> Record {
        let resume = Resume { offset, ..Resume::default() };
        Record::Cursor("p".into(), OriginId(1), Cursor { resume, ..Cursor::default() })
    }

    fn offset(state: &State) -> Option<u64> {
        state.cursors.get(&(OriginId(1), "p".into())).map(|cursor| cursor.resume.offset)
    }

    fn open(dir: &Path) -> Store {
        Store::open(dir, Duration::ZERO).expect("the directory can be used")
    }

    #[test]
    fn moves_outlive_the_process_without_an_fsync() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = open(dir.path());
        store.append(vec![origin(), cursor(5)]);
        store.append(vec![cursor(9)]);
        assert_eq!(offset(&Store::read(dir.path()).expect("readable")), Some(9));
        drop(store);
        assert_eq!(open(dir.path()).with_state(offset), Some(9));
    }

    #[test]
    fn a_damaged_slot_falls_back_to_what_is_whole() {
        let dir = tempfile::tempdir().expect("a folder");
        for round in 1..=4 {
            let store = open(dir.path());
            store.append(vec![origin(), cursor(round)]);
            let active = store.lock().active;
            drop(store);
            let path = slot_path(dir.path(), active);
            let bytes = fs::read(&path).expect("a slot");
            fs::write(&path, &bytes[..bytes.len() - 1]).expect("cut");
            // The move of this round is damaged; the state before it stands in the snapshot.
            let expected = (round > 1).then_some(round - 1);
            assert_eq!(offset(&Store::read(dir.path()).expect("readable")), expected);
            fs::write(&path, bytes).expect("mended");
        }
        fs::write(slot_path(dir.path(), 0), [0; 100]).expect("zeros");
        fs::write(slot_path(dir.path(), 1), b"TAILWTR\n").expect("rubbish");
        let store = open(dir.path());
        assert_eq!(store.with_state(offset), None);
        assert!(
            matches!(store.began(), Began::Lost(why) if why.contains("checkpoint.0 is damaged")),
            "{:?}",
            store.began()
        );
        drop(store);
        assert_eq!(*open(dir.path()).began(), Began::GoesOn);
    }

    #[test]
    fn a_grown_slot_is_written_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = open(dir.path());
        let before = store.lock().generation;
        store.append(vec![origin()]);
        for offset in 0..20_000 {
            store.append(vec![cursor(offset)]);
        }
        store.tick();
        assert_eq!(store.lock().generation, before + 1);
        store.append(vec![cursor(77)]);
        drop(store);
        assert_eq!(open(dir.path()).with_state(offset), Some(77));
    }

    #[test]
    fn a_second_process_is_told_who_holds_the_directory() {
        let dir = tempfile::tempdir().expect("a folder");
        let _holder = open(dir.path());
        let second = Store::open(dir.path(), Duration::from_millis(1));
        assert!(matches!(second, Err(OpenError::Locked(Some(id))) if id == std::process::id()));
    }

    /// A file without a name takes every write. The program went on as if nothing were wrong, and the next start read
    /// everything from the beginning without a word.
    #[test]
    fn a_directory_that_vanishes_is_made_again_with_all_that_is_known() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = dir.path().join("state");
        let store = open(&state);
        store.append(vec![origin(), cursor(3)]);
        type Away = fn(&Path);
        let ways: [Away; 2] = [
            |state| fs::remove_dir_all(state).expect("gone"),
            |state| fs::rename(state, state.with_extension("away")).expect("renamed"),
        ];
        for (round, away) in (1..).zip(ways) {
            away(&state);
            store.append(vec![cursor(3 + round)]);
            store.tick();
            assert_eq!(store.counts().0, round, "it is said");
            assert_eq!(offset(&Store::read(&state).expect("readable")), Some(3 + round));
            let second = Store::open(&state, Duration::from_millis(1));
            assert!(matches!(second, Err(OpenError::Locked(Some(_)))), "it is locked again");
        }
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_tried_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = dir.path().join("file/state");
        fs::write(dir.path().join("file"), "in the way").expect("written");
        let store = open(&state);
        assert_eq!((store.began(), store.counts()), (&Began::Anew, (1, 0)));
        store.append(vec![origin(), cursor(3)]);
        store.tick();
        assert_eq!(store.counts(), (2, 0));
        fs::remove_file(dir.path().join("file")).expect("out of the way");
        // What stood there before is older than what is known by now.
        let before = open(&dir.path().join("before"));
        before.append(vec![origin(), cursor(1)]);
        (0..5).for_each(|_| before.snapshot());
        drop(before);
        fs::create_dir(dir.path().join("file")).expect("made");
        fs::rename(dir.path().join("before"), &state).expect("there");
        store.tick();
        assert_eq!(offset(&Store::read(&state).expect("readable")), Some(3));
    }
}

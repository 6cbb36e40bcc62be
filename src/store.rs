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
//! memory and is tried again; it never stops the flow and never refuses a start.
#![expect(clippy::disallowed_methods, reason = "checkpoints live on disk")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use tracing::{info, warn};

use crate::flow::checkpoint::{self, Book, ReadSlot, Record, Slot, State};

/// A slot is written anew once its moves are larger than this and than four snapshots.
const COMPACT_FROM: u64 = 1 << 20;
/// How often a locked directory is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// The record of watermarks, in memory and (where there is a state directory) on disk.
pub struct Store {
    inner: Mutex<Inner>,
    disk: Option<Disk>,
    /// Writes that failed since the start.
    errors: AtomicU64,
    /// Snapshots and fsyncs that went well since the start.
    syncs: AtomicU64,
}

struct Disk {
    /// The state directory.
    dir: PathBuf,
    /// Held for its lock.
    _lock: File,
}

struct Inner {
    state: State,
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
    /// It cannot be made or its lock cannot be opened.
    Directory(io::Error),
}

impl Store {
    /// A store that forgets everything at the end.
    pub fn in_memory() -> Self {
        Self::new(State::default(), None, 1, 0)
    }

    fn new(state: State, disk: Option<Disk>, active: usize, generation: u64) -> Self {
        let inner = Inner {
            state,
            slot: None,
            active,
            generation,
            moves: 0,
            snapshot: 0,
            dirty: false,
            meanwhile: None,
            failing: false,
        };
        Self { inner: Mutex::new(inner), disk, errors: AtomicU64::new(0), syncs: AtomicU64::new(0) }
    }

    /// Opens (and makes) a state directory, waiting up to `wait` for another process to let go of it. A damaged
    /// checkpoint is never an error: what is whole is taken, and a warning says what was lost.
    pub fn open(dir: &Path, wait: Duration) -> Result<Self, OpenError> {
        fs::create_dir_all(dir).map_err(OpenError::Directory)?;
        let lock = lock(dir, wait)?;
        let (state, active, generation) = read_slots(dir);
        let disk = Disk { dir: dir.to_owned(), _lock: lock };
        let store = Self::new(state, Some(disk), active, generation);
        // The first snapshot goes into the other slot, so that the one just read stays until the new one is whole.
        store.snapshot();
        Ok(store)
    }

    /// What a state directory says, without locking it.
    pub fn read(dir: &Path) -> io::Result<State> {
        fs::metadata(dir)?;
        Ok(read_slots(dir).0)
    }

    /// Looks at the state; keep it short, pipelines wait meanwhile.
    pub fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock().state)
    }

    /// In memory at once, on disk by a plain write. An error is said and counted, and mended by the next
    /// [`Store::tick`].
    fn append_records(&self, records: Vec<Record>) {
        let mut bytes = Vec::new();
        if self.disk.is_some() {
            for record in &records {
                checkpoint::encode(record, &mut bytes);
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

    /// What is due once a second: fsync, and a new snapshot where the moves have grown or a write failed.
    pub fn tick(&self) {
        if self.disk.is_none() {
            return;
        }
        let mut inner = self.lock();
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
        let Some(disk) = &self.disk else { return };
        let (bytes, next, generation) = {
            let mut inner = self.lock();
            inner.meanwhile = Some(Vec::new());
            let generation = inner.generation + 1;
            (inner.state.encode_slot(generation), 1 - inner.active, generation)
        };
        let written = write_slot(&disk.dir, next, &bytes);
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
                    info!(directory = %disk.dir.display(), "checkpoints are written again");
                }
            }
            Err(error) => self.failed(&mut inner, "written", &error),
        }
    }

    fn failed(&self, inner: &mut Inner, what: &str, error: &io::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        if std::mem::replace(&mut inner.failing, true) {
            return;
        }
        let directory = self.disk.as_ref().map(|disk| disk.dir.display().to_string()).unwrap_or_default();
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

/// The best of the two slots: state, its number, its generation.
fn read_slots(dir: &Path) -> (State, usize, u64) {
    let mut best: Option<(usize, Box<ReadSlot>)> = None;
    let mut damaged = Vec::new();
    for slot in 0..2 {
        let path = slot_path(dir, slot);
        match fs::read(&path).map(|bytes| checkpoint::decode_slot(&bytes)) {
            Ok(Slot::Read(read)) => {
                if best.as_ref().is_none_or(|(_, known)| known.generation < read.generation) {
                    best = Some((slot, read));
                }
            }
            Ok(Slot::Empty) => {}
            Ok(Slot::Unreadable) => damaged.push(format!("{} is damaged", path.display())),
            Ok(Slot::OtherVersion(version)) => damaged.push(format!(
                "{} has version {version}, this program reads version {}",
                path.display(),
                checkpoint::VERSION
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => damaged.push(format!("{} cannot be read: {error}", path.display())),
        }
    }
    match best {
        Some((slot, read)) => {
            if read.damaged > 0 {
                warn!(
                    file = %slot_path(dir, slot).display(),
                    damaged_bytes = read.damaged,
                    "the end of the checkpoint is damaged; what is whole before it is used, lines delivered shortly before the \
                     last end may be sent again. Normal after a power cut"
                );
            }
            for what in damaged {
                info!(
                    "one checkpoint slot is unusable, the other is whole and is used: {what}. Normal after a crash while it was written"
                );
            }
            (read.state, slot, read.generation)
        }
        None => {
            if !damaged.is_empty() {
                warn!(
                    "no checkpoint can be used: {}; files are read as if seen for the first time (`start_at` decides), so \
                     lines that were delivered may be sent again",
                    damaged.join("; ")
                );
            }
            (State::default(), 1, 0)
        }
    }
}

fn lock(dir: &Path, wait: Duration) -> Result<File, OpenError> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join("lock"))
        .map_err(OpenError::Directory)?;
    let deadline = Instant::now() + wait;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(LOCK_RETRY),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let holder = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(OpenError::Locked(holder));
            }
            Err(error) => return Err(OpenError::Directory(error.into())),
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
            path: "/a".into(),
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
        assert_eq!(open(dir.path()).with_state(offset), None);
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

    #[test]
    fn a_directory_that_vanishes_is_written_again_when_it_is_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = dir.path().join("state");
        let store = open(&state);
        fs::remove_dir_all(&state).expect("gone");
        store.append(vec![origin(), cursor(3)]);
        store.lock().slot = None;
        store.tick();
        assert_eq!(store.counts().0, 1);
        fs::create_dir(&state).expect("back");
        store.tick();
        assert_eq!(offset(&Store::read(&state).expect("readable")), Some(3));
    }
}

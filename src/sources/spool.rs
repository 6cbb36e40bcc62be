//! A pipe, written to segment files first, which are followed like any other file.
//!
//! ```text
//! STATE/spool/SOURCE/00000001795762972810999490.log    "tailwater spool 1795762972810999490 plain\n" and whole lines
//!                    00000001795762999810999490.log    the one that is written to
//! pipe ──read──▶ segment ──full──▶ the next            settled by every sink ──▶ removed
//! ```
//!
//! The first line of a segment is its own: it tells its lines' format, and makes its content different from every other
//! segment's, so that two of the same lines are never taken for one. Reading begins behind it.
//!
//! **Invariant**: a line that was read from the pipe is in a segment, or in the one buffer of this thread while the disk
//! does not take it. A segment is removed when the cursor of every sink that wants it stands at its end. With `max_bytes`
//! on disk the pipe is not read, so its writer waits; nothing is dropped.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{info, warn};

use crate::flow::checkpoint::Book;
use crate::frame;
use crate::model::origin::{Format, HEAD_MAX};
use crate::model::settings::{Key, Section};
use crate::model::units::parse_bytes;

/// The keys of `spool`.
pub const KEYS: &[Key] = &[Key {
    name: "max_bytes",
    kind: "size",
    default: "1GiB",
    help: "what the segments may hold; then the pipe is not read and its writer waits",
}];

/// How a segment's first line begins.
const MARK: &str = "tailwater spool ";
/// How much is read from the pipe at once: what a pipe holds by default.
const CHUNK: usize = 64 << 10;
/// A new segment is begun after so many bytes, or after an eighth of what all may hold.
const SEGMENT: u64 = 16 << 20;
/// The least that segments may hold: enough for some of them.
const MIN: u64 = 1 << 20;
/// How often it is looked for room, and for segments that are settled.
const LOOK: Duration = Duration::from_millis(50);
/// How often what was written is synced, and a trouble with the disk is tried again.
const TICK: Duration = Duration::from_secs(1);
/// How often a trouble with the disk is said.
const SAY: Duration = Duration::from_secs(60);

/// What may be said about a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes that the segments may hold.
    pub max_bytes: u64,
}

impl Settings {
    /// Reads them.
    pub fn read(section: &mut Section<'_>) -> Self {
        let at_least = |text: &str| match parse_bytes(text)? {
            MIN.. => parse_bytes(text),
            _ => Err("expected at least `1MiB`".to_owned()),
        };
        Self { max_bytes: section.parsed("max_bytes", at_least).unwrap_or(1 << 30) }
    }
}

/// Where a source's segments are.
pub fn folder(state_dir: &Path, source: &str) -> PathBuf {
    state_dir.join("spool").join(source)
}

/// What the first line of a segment says of the others; of bytes that do not begin with one: nothing.
pub fn format(start: &[u8]) -> Option<Format> {
    let line = std::str::from_utf8(start.split(|&byte| byte == b'\n').next()?).ok()?;
    Format::parse(line.strip_prefix(MARK)?.split(' ').nth(1)?)
}

/// What the pipe's thread is made of.
pub struct Parts {
    /// The source's name.
    pub source: Arc<str>,
    /// Where the segments are.
    pub folder: PathBuf,
    /// How much they may hold.
    pub settings: Settings,
    /// The names of the pipelines that want it.
    pub pipelines: Vec<Arc<str>>,
    /// Where their cursors are.
    pub book: Arc<dyn Book>,
    /// Ends the waiting for what is not settled.
    pub stop: Arc<AtomicBool>,
}

/// Reads `input` into segments to its end; then says so by `ended`, and comes back when every segment is settled and
/// removed, or when it is to stop.
pub fn follow(mut input: impl Read + AsFd, parts: &Parts, ended: impl FnOnce()) -> io::Result<()> {
    let mut segments = Segments::open(parts);
    let mut chunk = vec![0; CHUNK];
    let result = loop {
        segments.wait_for_room();
        if !is_ready(&input) {
            segments.rest();
            continue;
        }
        match input.read(&mut chunk) {
            Ok(0) => break Ok(()),
            Ok(count) => segments.append(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    segments.finish();
    ended();
    while !segments.is_empty() && !parts.stop.load(Ordering::Acquire) {
        std::thread::sleep(LOOK);
        segments.sweep();
    }
    result
}

/// Whether the pipe has something to read, or its end; waits a second for it.
fn is_ready(input: &impl AsFd) -> bool {
    let wait = Timespec { tv_sec: TICK.as_secs() as i64, tv_nsec: 0 };
    let mut fds = [PollFd::new(input, PollFlags::IN)];
    // Where it cannot be told, reading tells.
    poll(&mut fds, Some(&wait)).map_or(true, |ready| ready > 0)
}

/// The segments on disk.
struct Segments<'p> {
    parts: &'p Parts,
    /// Begin a new one after so many bytes.
    segment_bytes: u64,
    /// Those that are written no more: path and size, the oldest first.
    whole: Vec<(PathBuf, u64)>,
    /// The one that is written to.
    active: Option<Active>,
    /// The format of the lines, once it can be told; and the bytes that it cannot be told from yet.
    format: Option<Format>,
    head: Vec<u8>,
    /// The number of the newest segment.
    newest: u128,
    last_sweep: Instant,
    last_sync: Instant,
    last_said: Option<Instant>,
}

/// The segment that is written to.
struct Active {
    file: File,
    path: PathBuf,
    /// Bytes that are in it.
    size: u64,
    /// Whether its last byte is a line's end.
    is_at_line: bool,
    /// Whether it was written to since it was synced.
    is_dirty: bool,
}

impl<'p> Segments<'p> {
    /// With what an earlier process left.
    fn open(parts: &'p Parts) -> Self {
        let mut whole = Vec::new();
        let mut newest = 0;
        // A folder that is not there holds nothing.
        for entry in fs::read_dir(&parts.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Some(number) = number_of(&path) else { continue };
            match end_line(&path) {
                Ok(size) => {
                    newest = newest.max(number);
                    whole.push((path, size));
                }
                Err(error) => warn!(path = %path.display(), %error, "a segment of the spool cannot be read"),
            }
        }
        whole.sort();
        if !whole.is_empty() {
            let bytes: u64 = whole.iter().map(|(_, size)| size).sum();
            info!(source = &*parts.source, segments = whole.len(), bytes, "the spool has lines of an earlier run");
        }
        let now = Instant::now();
        Self {
            segment_bytes: (parts.settings.max_bytes / 8).min(SEGMENT),
            parts,
            whole,
            active: None,
            format: None,
            head: Vec::new(),
            newest,
            last_sweep: now,
            last_sync: now,
            last_said: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.active.is_none()
    }

    fn bytes(&self) -> u64 {
        self.whole.iter().map(|(_, size)| size).sum::<u64>() + self.active.as_ref().map_or(0, |active| active.size)
    }

    /// Comes back when one more chunk may be written.
    fn wait_for_room(&mut self) {
        if self.last_sweep.elapsed() >= TICK {
            self.sweep();
        }
        while self.bytes() + CHUNK as u64 > self.parts.settings.max_bytes && !self.parts.stop.load(Ordering::Acquire) {
            self.say("the spool is full, so the pipe is not read and its writer waits (normal while a sink is down); it goes on when a sink takes lines");
            // What is in the active one can go only when it is whole.
            self.close();
            std::thread::sleep(LOOK);
            self.sweep();
        }
    }

    /// Removes segments that every pipeline has settled.
    fn sweep(&mut self) {
        self.last_sweep = Instant::now();
        let parts = self.parts;
        self.whole.retain(|(path, size)| {
            if !is_settled(parts, path, *size) {
                return true;
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    warn!(path = %path.display(), %error, "a segment of the spool is settled and cannot be removed");
                    true
                }
                _ => false,
            }
        });
    }

    /// Nothing came for a while.
    fn rest(&mut self) {
        self.sync();
        self.sweep();
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.format.is_none() {
            self.head.extend_from_slice(bytes);
            self.format = frame::detect(&self.head[..self.head.len().min(HEAD_MAX)]);
            if self.format.is_some() {
                let head = std::mem::take(&mut self.head);
                self.write(&head);
            }
            return;
        }
        self.write(bytes);
        if self.last_sync.elapsed() >= TICK {
            self.sync();
        }
    }

    /// Writes whole lines to a segment before another is begun.
    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let full = self.active.as_ref().is_some_and(|active| active.size >= self.segment_bytes);
            let too_full = self.active.as_ref().is_some_and(|active| active.size >= 2 * self.segment_bytes);
            // A line longer than a segment is cut: nothing that holds it could ever be removed.
            let part = match memchr::memchr(b'\n', bytes) {
                Some(end) if full => end + 1,
                _ => bytes.len(),
            };
            if full && (too_full || self.active.as_ref().is_some_and(|active| active.is_at_line)) {
                self.close();
                continue;
            }
            self.put(&bytes[..part]);
            bytes = &bytes[part..];
        }
    }

    /// Writes to the active segment, for as long as it takes.
    fn put(&mut self, bytes: &[u8]) {
        let mut written = 0;
        loop {
            match self.try_put(bytes, &mut written) {
                Ok(()) => return,
                // What was not written is lost with the pipe: the process ends.
                Err(error) => {
                    self.say(&format!(
                        "the spool cannot be written: {error}; the pipe is not read meanwhile, and it is tried again every second"
                    ));
                    std::thread::sleep(TICK);
                    self.sweep();
                }
            }
        }
    }

    fn try_put(&mut self, bytes: &[u8], written: &mut usize) -> io::Result<()> {
        if self.active.is_none() {
            self.active = Some(self.begin()?);
        }
        let Some(active) = &mut self.active else { return Ok(()) };
        while *written < bytes.len() {
            match active.file.write(&bytes[*written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    *written += count;
                    active.size += count as u64;
                    active.is_at_line = bytes[*written - 1] == b'\n';
                    active.is_dirty = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A new segment with its first line.
    fn begin(&mut self) -> io::Result<Active> {
        fs::create_dir_all(&self.parts.folder)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let number = now.max(self.newest + 1);
        let path = self.parts.folder.join(format!("{number:020}.log"));
        // It holds lines as they came, whatever `redact` says.
        let mut file = File::options().append(true).create_new(true).mode(0o600).open(&path)?;
        let first = format!("{MARK}{number} {}\n", self.format.unwrap_or(Format::Plain).name());
        if let Err(error) = file.write_all(first.as_bytes()) {
            // Half a first line is worse than none.
            drop(fs::remove_file(&path));
            return Err(error);
        }
        self.newest = number;
        Ok(Active { file, path, size: first.len() as u64, is_at_line: true, is_dirty: true })
    }

    /// Nothing more is written to the active segment.
    fn close(&mut self) {
        let Some(active) = self.active.take_if(|active| active.size > 0) else { return };
        if !active.is_at_line {
            self.active = Some(active);
            self.put(b"\n");
            return self.close();
        }
        self.sync_file(&active);
        self.whole.push((active.path, active.size));
    }

    /// The pipe has ended.
    fn finish(&mut self) {
        if self.format.is_none() && !self.head.is_empty() {
            let head = std::mem::take(&mut self.head);
            self.format = Some(frame::detect_at_end(&head[..head.len().min(HEAD_MAX)]));
            self.write(&head);
        }
        self.close();
        self.sweep();
    }

    fn sync(&mut self) {
        self.last_sync = Instant::now();
        if let Some(active) = self.active.take_if(|active| active.is_dirty) {
            self.sync_file(&active);
            self.active = Some(Active { is_dirty: false, ..active });
        }
    }

    /// For a power cut; `kill -9` loses nothing of what was written.
    fn sync_file(&mut self, active: &Active) {
        if let Err(error) = active.file.sync_data() {
            self.say(&format!("the spool cannot be synced: {error}; what a power cut would lose is not known"));
        }
    }

    /// Says a trouble, at most once a minute.
    fn say(&mut self, what: &str) {
        if self.last_said.is_none_or(|last| last.elapsed() >= SAY) {
            self.last_said = Some(Instant::now());
            warn!(source = &*self.parts.source, folder = %self.parts.folder.display(), "{what}");
        }
    }
}

/// The number in a segment's name.
fn number_of(path: &Path) -> Option<u128> {
    path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()
}

/// Ends a line that a crash left without its end, since nothing that follows belongs to it; gives the size.
fn end_line(path: &Path) -> io::Result<u64> {
    let mut file = File::options().read(true).append(true).open(path)?;
    let size = file.seek(SeekFrom::End(0))?;
    if size == 0 {
        return Ok(0);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(size);
    }
    file.write_all(b"\n")?;
    Ok(size + 1)
}

/// Whether the cursor of every pipeline that wants a segment stands at its end. One that nobody has looked into yet is not.
fn is_settled(parts: &Parts, path: &Path, size: u64) -> bool {
    if size == 0 {
        return true;
    }
    // The record has the path with its links resolved.
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut settled = false;
    parts.book.look(&mut |state| {
        let origin = state.origins.values().find(|origin| origin.source == parts.source && *origin.path == *real);
        settled = origin.is_some_and(|origin| {
            let stands = |name: &Arc<str>| state.cursors.get(&(origin.id, Arc::clone(name)));
            parts.pipelines.iter().all(|name| stands(name).is_some_and(|cursor| cursor.resume.offset >= size))
        });
    });
    settled
}

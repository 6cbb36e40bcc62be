//! A pipe, held in a bounded buffer in memory.
//!
//! ```text
//!        base (the slowest reader's position)          end
//! ─ gone ──┼──────────── held, at most `capacity` ──────┼──▶ writer waits when full
//! ```
//!
//! **Invariant**: bytes from the slowest pipeline's position on are held; when the buffer is full the pipe is not
//! read, so its writer waits. Nothing is dropped.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::frame;
use crate::model::feed::{Content, Feed, Marks, ParserName, Signal, read_full};
use crate::model::origin::{HEAD_MAX, Origin, OriginId};
use crate::model::settings::{Key, Section};
use crate::sources::spool;

/// The keys of a `stdin` source.
pub const KEYS: &[Key] = &[Key {
    name: "spool",
    kind: "map",
    default: "",
    help: "write the pipe to segment files in `state_dir` first: a sink that is down stops neither its writer nor other sinks, and a restart goes on",
}];

/// What may be said about a pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where it is written to first, if it is.
    pub spool: Option<spool::Settings>,
}

impl Settings {
    /// Reads them.
    pub fn read(section: &mut Section<'_>) -> Self {
        let typed = section.section("spool", &[spool::KEYS], spool::Settings::read);
        Self { spool: typed }
    }
}

/// How much is read from the pipe at once: what a pipe holds by default.
const CHUNK: usize = 64 << 10;

/// What the pipe's thread is made of.
pub struct Parts {
    /// The source's name.
    pub source: Arc<str>,
    /// Which parser its lines go to.
    pub parser: ParserName,
    /// The machine's name.
    pub host: Arc<str>,
    /// The pipelines' inboxes.
    pub pipelines: Vec<Box<dyn Fn(Signal) + Send>>,
    /// Which of them want it.
    pub wanted_by: Vec<bool>,
}

/// Reads `input` into `pipe` to its end, and hands the feed on as soon as its format can be told. Gives the error that
/// ended it, if one did.
pub fn follow(pipe: &Arc<Pipe>, input: impl Read, parts: &Parts) -> io::Result<()> {
    let marks = Arc::new(Marks::new(parts.pipelines.len()));
    for (index, _) in parts.wanted_by.iter().enumerate().filter(|(_, wanted)| !**wanted) {
        marks.set_done(index);
        pipe.release(index, u64::MAX);
    }
    let fed = Cell::new(false);
    let id = OriginId::new(b"stdin", &unique(), 0);
    let feed = |format| {
        let origin = Origin {
            id,
            source: Arc::clone(&parts.source),
            path: Path::new("").into(),
            format,
            workload: None,
            host: Arc::clone(&parts.host),
        };
        let feed = Feed {
            origin: Arc::new(origin),
            content: Arc::clone(pipe) as _,
            marks: Arc::clone(&marks),
            head: None,
            replayable: false,
            chain: 0,
            order: 0,
            parser: parts.parser,
        };
        for (inbox, _) in parts.pipelines.iter().zip(&parts.wanted_by).filter(|(_, wanted)| **wanted) {
            inbox(Signal::Feed(feed.clone(), None));
        }
        fed.set(true);
    };
    let head = || {
        let mut head = vec![0; HEAD_MAX];
        let length = read_full(&**pipe, 0, &mut head).unwrap_or(0);
        head.truncate(length);
        head
    };
    let wake = || {
        for inbox in &parts.pipelines {
            inbox(Signal::Wake(id));
        }
    };
    let ended = pipe.fill(input, || {
        if !fed.get() {
            if let Some(format) = frame::detect(&head()) {
                feed(format);
            }
        } else if pipe.is_awaited.swap(false, Ordering::AcqRel) {
            wake();
        }
    });
    marks.set_ended();
    let head = head();
    if !fed.get() && !head.is_empty() {
        feed(frame::detect_at_end(&head));
    }
    wake();
    ended
}

/// Bytes that no other run of the program has: offsets in a pipe begin at 0 each time.
fn unique() -> Vec<u8> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut bytes = since.as_nanos().to_le_bytes().to_vec();
    bytes.extend_from_slice(&std::process::id().to_le_bytes());
    bytes
}

/// The bytes of a pipe.
pub struct Pipe {
    held: Mutex<Held>,
    room: Condvar,
    capacity: usize,
    /// Whether a reader has found nothing since the last wake-up.
    is_awaited: AtomicBool,
}

struct Held {
    /// `bytes[0]` is the content's byte number `base`, less `gone`.
    bytes: Vec<u8>,
    /// Bytes at the front of `bytes` that nobody needs; cleared away when they are half of it.
    gone: usize,
    /// Offset of `bytes[gone]`.
    base: u64,
    /// Where each pipeline is; `u64::MAX` for one that is done.
    readers: Vec<u64>,
}

impl Pipe {
    /// Holds at most `capacity` bytes for `pipelines` readers.
    pub fn new(capacity: usize, pipelines: usize) -> Arc<Self> {
        let held = Held { bytes: Vec::new(), gone: 0, base: 0, readers: vec![0; pipelines] };
        Arc::new(Self {
            held: Mutex::new(held),
            room: Condvar::new(),
            capacity: capacity.max(2 * CHUNK),
            is_awaited: AtomicBool::new(false),
        })
    }

    /// Reads `input` to its end, waiting while the buffer is full; calls `came` after each read. Gives the error
    /// that ended it, if one did.
    pub fn fill(&self, mut input: impl Read, came: impl Fn()) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = match input.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let mut held = self.lock();
            while held.bytes.len() - held.gone + count > self.capacity {
                held = self.room.wait(held).unwrap_or_else(PoisonError::into_inner);
            }
            held.clear_gone();
            held.bytes.extend_from_slice(&chunk[..count]);
            drop(held);
            came();
        }
    }

    /// The bytes that no pipeline in `readers` has read yet, from the slowest on.
    pub fn unread(&self) -> Vec<u8> {
        let held = self.lock();
        held.bytes[held.gone..].to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Every change under the lock is complete before anything can panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn clear_gone(&mut self) {
        if self.gone * 2 >= self.bytes.len() {
            self.bytes.drain(..self.gone);
            self.gone = 0;
        }
    }
}

impl Content for Pipe {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let held = self.lock();
        let Some(from) = offset.checked_sub(held.base) else {
            return Err(io::Error::other("the pipe's bytes were let go of already"));
        };
        let there = &held.bytes[held.gone..];
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(there.len());
        let count = into.len().min(there.len() - from);
        into[..count].copy_from_slice(&there[from..from + count]);
        if count == 0 {
            self.is_awaited.store(true, Ordering::Release);
        }
        Ok(count)
    }

    fn release(&self, pipeline: usize, offset: u64) {
        let mut held = self.lock();
        if let Some(reader) = held.readers.get_mut(pipeline) {
            *reader = offset;
        }
        let end = held.base + (held.bytes.len() - held.gone) as u64;
        let slowest = held.readers.iter().copied().min().unwrap_or(u64::MAX).min(end);
        let free = slowest.saturating_sub(held.base) as usize;
        if free > 0 {
            held.gone += free;
            held.base = slowest;
            drop(held);
            self.room.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_waits_for_the_slowest_reader() {
        let pipe = Pipe::new(2 * CHUNK, 2);
        let data: Vec<u8> = (0..10 * CHUNK).map(|index| (index / 7) as u8).collect();
        let writer = {
            let (pipe, data) = (Arc::clone(&pipe), data.clone());
            std::thread::spawn(move || pipe.fill(data.as_slice(), || {}))
        };
        let read = |pipeline: usize, at: &mut u64, to: &mut Vec<u8>| {
            let mut buffer = vec![0; 1000];
            let count = pipe.read_at(*at, &mut buffer).expect("held");
            to.extend_from_slice(&buffer[..count]);
            *at += count as u64;
            pipe.release(pipeline, *at);
        };
        let (mut fast, mut slow) = ((0, Vec::new()), (0, Vec::new()));
        while slow.1.len() < data.len() {
            read(0, &mut fast.0, &mut fast.1);
            assert!(fast.1.len() <= slow.1.len() + 2 * CHUNK, "no more than the buffer lies between them");
            read(1, &mut slow.0, &mut slow.1);
            assert!(pipe.unread().len() <= 2 * CHUNK);
        }
        while fast.1.len() < data.len() {
            read(0, &mut fast.0, &mut fast.1);
        }
        assert_eq!((fast.1, slow.1), (data.clone(), data));
        assert!(writer.join().is_ok_and(|ended| ended.is_ok()));
    }
}

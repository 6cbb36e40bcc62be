//! What a source hands to a pipeline, and what the pipeline tells back.
//!
//! A [`Feed`] is an origin and a way to read its bytes by position. Pipelines share it and know nothing of each
//! other. **Invariant**: bytes once readable at an offset never change while the feed lives.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use super::event::Span;
use super::labels::Demotions;
use super::origin::{Origin, OriginId};
use super::time::Time;

/// Reading an origin's uncompressed content by position.
pub trait Content: Send + Sync {
    /// Reads up to `into.len()` bytes from `offset` on; 0 where nothing is there (yet).
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// How many bytes there are now; `None` where that cannot be told without reading.
    fn size(&self) -> Option<u64> {
        None
    }

    /// The reader `pipeline` will never again read what lies before `offset`: content that is held in memory may
    /// let go of it.
    fn release(&self, pipeline: usize, offset: u64) {
        let _files_hold_nothing = (pipeline, offset);
    }

    /// Whether reading at `offset` costs no more than a read: a mere look is not worth more.
    fn is_near(&self, offset: u64) -> bool {
        let _any_byte_is_as_near = offset;
        true
    }

    /// Gets ready to be read from `offset` on, one bounded piece of work at a time.
    fn prepare(&self, offset: u64) -> Ready {
        let _any_byte_is_as_near = offset;
        Ready::Now
    }

    /// The last landmark at or before `offset`, for content whose bytes before `offset` are costly to read again.
    fn landmark(&self, offset: u64) -> Option<Landmark> {
        let _bytes_can_be_read_again = offset;
        None
    }
}

/// Whether content can be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Yes.
    Now,
    /// Some work was done, and more is to be: ask again when others had their turn.
    Soon,
    /// Others are being read, which it waits for.
    Later,
}

/// Bytes before an offset, hashed (xxh3): by them content is known again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Landmark {
    /// The offset.
    pub at: u64,
    /// How many bytes before it are hashed.
    pub len: u16,
    /// Their hash.
    pub hash: u64,
}

/// Reads until `into` is full or nothing more is there; how much came.
pub fn read_full(content: &dyn Content, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < into.len() {
        match content.read_at(offset + length as u64, &mut into[length..])? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}

/// One origin to be read.
#[derive(Clone)]
pub struct Feed {
    /// Whose lines they are.
    pub origin: Arc<Origin>,
    /// Its bytes.
    pub content: Arc<dyn Content>,
    /// The bytes that it began with when it was identified, at most [`HEAD_MAX`](super::origin::HEAD_MAX); `None` where
    /// they cannot change or cost more than a read to look at.
    pub head: Option<Landmark>,
    /// What source and pipelines tell each other about it.
    pub marks: Arc<Marks>,
    /// Whether it can be read again after a restart: a file can, a pipe cannot.
    pub replayable: bool,
    /// Origins that are to be read one after the other (the rotations of one file, the restarts of one container)
    /// share a chain.
    pub chain: u64,
    /// Its place in the chain: older ones, which are to be read first, have smaller numbers.
    pub order: u64,
    /// Which parser its source asks for.
    pub parser: ParserName,
}

/// Which of the settings' parsers handles a feed: an index into the program's list of parsers, and into that of the rules by which
/// lines make one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParserName(pub usize);

/// What source and pipelines tell each other about a feed, without a lock.
///
/// The content of an *overtaken* feed was truncated or replaced in place: what its offsets held is gone.
#[derive(Debug)]
pub struct Marks {
    ended: AtomicBool,
    overtaken: AtomicBool,
    news: AtomicU8,
    parked: AtomicBool,
    /// Of each pipeline how far it has read, and [`DONE`].
    read: Box<[AtomicU64]>,
}

/// The bit of a place in [`Marks`] that says that the pipeline is done. No file has so many bytes.
const DONE: u64 = 1 << 63;

/// How the next byte of an idle feed gets known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum News {
    /// By looking for it.
    Asked,
    /// By [`Signal::Wake`], where the file system tells of changes at all.
    Watched,
    /// By [`Signal::Wake`], on a file system that is known to tell.
    Told,
}

impl Marks {
    /// For `pipelines` readers.
    pub fn new(pipelines: usize) -> Self {
        Self {
            ended: AtomicBool::new(false),
            overtaken: AtomicBool::new(false),
            news: AtomicU8::new(News::Asked as u8),
            parked: AtomicBool::new(false),
            read: (0..pipelines).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// For `pipelines` readers, and places for `spare` more, who want nothing of it yet.
    pub fn with_spare(pipelines: usize, spare: usize) -> Self {
        let marks = Self::new(pipelines + spare);
        (pipelines..pipelines + spare).for_each(|index| marks.set_done(index));
        marks
    }

    /// The source: a reader that comes later wants it.
    pub fn set_wanted(&self, pipeline: usize) {
        self.read[pipeline].store(0, Ordering::Release);
    }

    /// The source: no more bytes will come, what is there is all.
    pub fn set_ended(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether no more bytes will come. Ask before reading: if it was so, an empty read is the end.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// A pipeline: the bytes before its position are not those that it read.
    pub fn set_overtaken(&self) {
        self.overtaken.store(true, Ordering::Release);
    }

    /// Whether the content was truncated or replaced in place.
    pub fn overtaken(&self) -> bool {
        self.overtaken.load(Ordering::Acquire)
    }

    /// The source: how its next byte gets known.
    pub fn set_news(&self, news: News) {
        self.news.store(news as u8, Ordering::Release);
    }

    /// How its next byte gets known.
    pub fn news(&self) -> News {
        match self.news.load(Ordering::Acquire) {
            told if told == News::Told as u8 => News::Told,
            watched if watched == News::Watched as u8 => News::Watched,
            _ => News::Asked,
        }
    }

    /// The source: another file needs the descriptor. What was read is settled, and the feed is done with; it is handed
    /// over again where there is more to read.
    pub fn set_parked(&self) {
        self.parked.store(true, Ordering::Release);
    }

    /// Whether the feed is to be let go of for now.
    pub fn parked(&self) -> bool {
        self.parked.load(Ordering::Acquire)
    }

    /// How far a pipeline has read; `None` where it needs the feed no more.
    pub fn read_by(&self, pipeline: usize) -> Option<u64> {
        let read = self.read[pipeline].load(Ordering::Acquire);
        (read & DONE == 0).then_some(read)
    }

    /// A pipeline: everything before `offset` was read and handed on.
    pub fn set_read(&self, pipeline: usize, offset: u64) {
        debug_assert!(offset & DONE == 0);
        let moved = |known: u64| Some(offset | known & DONE);
        // It always moves, so there is no error.
        let _before = self.read[pipeline].fetch_update(Ordering::AcqRel, Ordering::Acquire, moved);
    }

    /// How far the slowest of the interested pipelines has read.
    pub fn slowest_read(&self) -> u64 {
        let read = self.read.iter().map(|read| read.load(Ordering::Acquire));
        read.filter(|read| read & DONE == 0).min().unwrap_or(u64::MAX)
    }

    /// How far any pipeline has read.
    pub fn farthest_read(&self) -> u64 {
        self.read.iter().map(|read| read.load(Ordering::Acquire) & !DONE).max().unwrap_or(0)
    }

    /// A pipeline: the feed is read to its end and settled, or was never wanted.
    pub fn set_done(&self, pipeline: usize) {
        self.read[pipeline].fetch_or(DONE, Ordering::AcqRel);
    }

    /// Whether a pipeline needs the feed no more.
    pub fn is_done(&self, pipeline: usize) -> bool {
        self.read[pipeline].load(Ordering::Acquire) & DONE != 0
    }

    /// Whether no pipeline needs the feed any more.
    pub fn all_done(&self) -> bool {
        self.read.iter().all(|read| read.load(Ordering::Acquire) & DONE != 0)
    }
}

/// What a source tells a pipeline.
#[derive(Clone)]
pub enum Signal {
    /// A new origin, and where to go on in it.
    Feed(Feed, Option<Box<Resume>>),
    /// Bytes have come to an origin that was idle (or its feed has ended).
    Wake(OriginId),
    /// The origin's bytes cannot be read any more (truncated, or deleted for too long): what is not read up to this
    /// size is unreachable.
    Abandoned(OriginId, u64),
    /// Bytes of a file that was rotated away before it could be read.
    Unreachable(u64),
    /// Every file that was there at the start was handed over.
    Walked,
    /// No more feeds will come from any source.
    NoMoreFeeds,
}

/// What is needed to go on in an origin.
///
/// ```text
/// ──────────┬──────────────────────┬───────────────▶ bytes
///          from                 offset
///           │ read again, known    │ not settled yet
///           │ to be settled        │
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// The watermark: everything before it is settled.
    pub offset: u64,
    /// A point at or before `offset` where no event was open, and for which `runs` holds: reading starts here.
    pub from: u64,
    /// The runs of equal times at `from`, for each stream.
    pub runs: Runs,
    /// What is settled behind `offset` already, out of turn; ascending, disjoint. A replay leaves it out.
    pub ahead: Vec<Span>,
    /// Ranges of content and the time they were first read at: the time of lines that have none of their own.
    /// Ascending, disjoint.
    pub readings: Vec<Reading>,
    /// Which labels are stored beside its lines, where the sink demotes some.
    pub demotions: Option<Box<Demotions>>,
}

/// A range of content that was first read at `time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Offset of the first byte of the range.
    pub start: u64,
    /// Offset behind its last byte.
    pub end: u64,
    /// When it was read.
    pub time: Time,
}

/// The run of lines with one time that a stream is in: see `flow::runs`.
pub type Runs = [Run; 3];

/// A run of lines with one time. Every file has several, so it is packed: two times side by side take twice the room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    secs: i64,
    /// Below 1,000,000,000.
    nanos: u32,
    /// Nanoseconds from the first line's time to what the last one was given.
    length: u32,
}

impl Run {
    /// Of one line.
    #[inline]
    pub fn of(time: Time) -> Self {
        Self { secs: time.secs, nanos: time.nanos, length: 0 }
    }

    /// From `first` to `last`, of at most `u32::MAX` nanoseconds; `None` where `last` is before `first`.
    pub fn between(first: Time, last: Time) -> Option<Self> {
        let length = last.as_nanos() - first.as_nanos();
        (length >= 0).then(|| Self { length: u32::try_from(length).unwrap_or(u32::MAX), ..Self::of(first) })
    }

    /// The time of the run's first line.
    #[inline]
    pub fn first(&self) -> Time {
        Time { secs: self.secs, nanos: self.nanos }
    }

    /// The time that the run's last line was given.
    #[inline]
    pub fn last(&self) -> Time {
        if self.length == 0 { self.first() } else { self.first().plus_nanos(self.length) }
    }

    /// One line more, a nanosecond later. After `u32::MAX` of them they are not told apart any more.
    pub fn extend(&mut self) {
        self.length = self.length.saturating_add(1);
    }
}

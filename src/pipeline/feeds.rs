//! One feed as a pipeline sees it: where it reads, what is settled.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::warn;
use xxhash_rust::xxh3::xxh3_64;

use crate::flow::account::{Account, Flaws, Tally};
use crate::flow::checkpoint::{Check, Cursor};
use crate::flow::ledger::Ledger;
use crate::flow::pace::Stream;
use crate::frame::{Framer, join};
use crate::metrics::look::Lag;
use crate::model::batch::Fate;
use crate::model::event::Span;
use crate::model::feed::{Content, Feed, News, ParserName, Resume, Run, Runs, read_full};
use crate::model::labels::Demotions;
use crate::model::origin::Format;
use crate::model::time::Time;

/// After this many looks without news a feed is looked at less often.
const BUSY_LOOKS: u32 = 50;
/// How much less often; how much less where the source is to tell of news, in case that the file system does not tell; and
/// where it is known to tell.
const IDLE_FACTOR: u32 = 10;
const WATCHED_FACTOR: u32 = 50;
const TOLD_FACTOR: u32 = 600;
/// The bytes before the position that are compared when a feed is read on.
pub const TAIL: usize = 64;
/// More than a CRI line's time, stream and tag.
const CRI_HEAD: usize = 256;
/// As much of a Docker line as a runtime writes at once; its time stands at its end.
const DOCKER_LINE: usize = 40 << 10;

/// The content of a feed whose bytes are gone.
struct Nothing;

impl Content for Nothing {
    fn read_at(&self, _offset: u64, _into: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

/// One feed and its account.
pub struct FeedState {
    /// What the source handed over.
    pub feed: Feed,
    /// Where the next turn reads on: a line's start, at or before everything that is not handed on.
    pub pos: u64,
    /// Behind the last byte ever read.
    pub seen: u64,
    /// Up to where each stream was handed on; behind `pos` where a piece or an event is open there.
    pub joined: join::State,
    /// Where the events that are open began to overlap.
    pub run: Option<u64>,
    /// How long the file must not grow until what is open at `pos` is closed; `None` where nothing is.
    pub open_for: Option<Duration>,
    /// The runs of equal times, behind everything handed on.
    pub runs: Runs,
    /// Whether `pos` stands within a line that was cut.
    pub in_cut: bool,
    /// Before it, what the ledger says is settled was settled before the last restart.
    pub known_until: u64,
    /// The account.
    pub ledger: Ledger,
    /// A hash of the bytes (at most [`TAIL`]) before `pos`.
    pub tail: (usize, u64),
    /// Whether the last look found nothing more.
    pub at_end: bool,
    /// Whether a look that began after the source had said that no more will come found nothing more.
    pub is_final: bool,
    /// Whether the ledger knows readings that the checkpoint does not.
    pub new_readings: bool,
    /// Whether entries were left out since its cursor was last written: no answer of a store will have it written.
    pub is_unwritten: bool,
    /// Looks without news.
    pub idle: u32,
    /// When it is looked at next.
    pub due: Instant,
    /// When it last brought news.
    pub news: Instant,
    /// Batches that have entries of it under retry.
    pub retrying: u32,
    /// What became of what was handed on of it.
    pub account: Account,
    /// Which labels are stored beside its lines, where the sink demotes some.
    pub demotions: Option<Box<Demotions>>,
    /// What was wrong with the form of its lines, where anything was.
    pub flaws: Option<Box<Flaws>>,
    /// The line that names the fields of the others, where its parser takes them from one; empty where there is none, `None` where
    /// that is not known yet.
    pub header: Option<Arc<str>>,
    /// The stream of the store that its lines go to, where their order in time matters there.
    pub stream: Option<Stream>,
    /// The time of the line at `pos`, where it was looked at.
    pub next: Option<Time>,
    /// Whether its bytes are gone: it is kept for its account only.
    pub is_abandoned: bool,
    /// Whether it was said that it cannot be read.
    pub is_failing: bool,
    /// Whether it is known how `pos` stands: see [`FeedState::find_place`].
    pub is_placed: bool,
    /// What the bytes before a cursor were, when they were last to be trusted.
    check: Check,
}

/// Every file that is followed has one in each pipeline: see decision 041.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<FeedState>() <= 704);

impl FeedState {
    /// A feed to be read on from `resume`, or from its beginning.
    pub fn new(feed: Feed, resume: Option<Resume>) -> Self {
        let resume = resume.unwrap_or_default();
        let now = Instant::now();
        Self {
            feed,
            pos: resume.from,
            seen: resume.from,
            joined: join::State::default(),
            run: None,
            open_for: None,
            runs: resume.runs,
            in_cut: false,
            known_until: resume.ahead.last().map_or(resume.offset, |span| span.end),
            ledger: Ledger::resume(&resume),
            tail: (0, 0),
            at_end: false,
            is_final: false,
            new_readings: false,
            is_unwritten: false,
            idle: 0,
            due: now,
            news: now,
            retrying: 0,
            account: Account::default(),
            demotions: resume.demotions,
            flaws: None,
            header: None,
            stream: None,
            next: None,
            is_abandoned: false,
            is_failing: false,
            is_placed: false,
            check: Check::default(),
        }
    }

    /// The same from its cursor on, as a restart would have it: what is in flight is read again. Gives how much that is.
    pub fn begin_again(self, parser: ParserName) -> (Self, Tally) {
        let resume = self.to_resume();
        let Self { mut account, feed, check, seen, new_readings, is_abandoned, flaws, header, .. } = self;
        // What a pipe began with cannot be read again; of files it stands in the checkpoint.
        let header = header.filter(|_| !feed.replayable);
        let given_back = account.give_back();
        let again = Self::new(Feed { parser, ..feed }, Some(resume));
        (Self { account, check, seen, new_readings, is_abandoned, flaws, header, ..again }, given_back)
    }

    /// Looks whether `pos` stands within a line that was cut: one that has no beginning within the `longest` bytes
    /// before it. An end that came after a file was taken to be at its end is a line of its own.
    pub fn find_place(&mut self, longest: usize) -> io::Result<()> {
        let mut before = [b'\n'];
        if self.pos > 0 && self.feed.replayable {
            read_full(self.content(), self.pos - 1, &mut before)?;
        }
        if before != *b"\n" && self.pos >= longest as u64 {
            let mut line = vec![0; longest];
            let count = read_full(self.content(), self.pos - longest as u64, &mut line)?;
            self.in_cut = memchr::memchr(b'\n', &line[..count]).is_none();
        }
        self.is_placed = true;
        Ok(())
    }

    /// Notes that a look brought nothing; the next is later the longer that goes on.
    pub fn rest(&mut self, poll: Duration, now: Instant) {
        self.at_end = true;
        self.idle = self.idle.saturating_add(1);
        let factor = match (self.idle > BUSY_LOOKS, self.feed.marks.news()) {
            (false, _) => 1,
            (true, News::Asked) => IDLE_FACTOR,
            (true, News::Watched) => WATCHED_FACTOR,
            (true, News::Told) => TOLD_FACTOR,
        };
        self.due = now + poll * factor;
        if let Some(wait) = self.open_for {
            // What is open is closed when it is time, however idle the file is.
            self.due = self.due.min((self.news + wait).max(now + poll));
        }
    }

    /// When the byte at `offset` was first read, where that was noted.
    pub fn reading_at(&self, offset: u64) -> Option<Time> {
        self.ledger.reading_at(offset).map(|reading| reading.time)
    }

    /// Notes that it is to be looked at at once.
    pub fn wake(&mut self) {
        self.idle = 0;
        self.due = Instant::now();
        self.at_end = false;
    }

    /// Notes that it cannot be read, and says it once.
    pub fn fails(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_failing, true) {
            warn!(
                path = %self.feed.origin.path.display(),
                %error,
                "a file cannot be read at the moment; it is tried again, nothing is lost while it exists"
            );
        }
    }

    /// Its bytes are gone. What is in flight is still answered for, and must not keep a deleted file's bytes on disk.
    pub fn abandon(&mut self) {
        self.is_abandoned = true;
        self.feed.content = Arc::new(Nothing);
    }

    /// Remembers the bytes before the new position.
    pub fn set_tail(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(TAIL)..];
        self.tail = (bytes.len(), if bytes.is_empty() { 0 } else { xxh3_64(bytes) });
    }

    /// Settles entries; their number is the number of spans.
    pub fn settle(&mut self, spans: &[Span], tally: Tally, fate: &Fate) {
        self.ledger.settle(spans);
        self.account.settle(fate, tally);
    }

    /// Entries handed on and not settled.
    pub fn in_flight(&self) -> u64 {
        self.account.in_flight.entries
    }

    /// The time of what is read next: of the line at `pos` if it was looked at, else of the last one handed on, which
    /// mostly is not later. `None` where neither has a time of its own.
    pub fn place(&self) -> Option<Time> {
        let last = self.runs.iter().map(Run::first).max();
        self.next.or(last.filter(|time| *time != Time::default()))
    }

    /// The runtime's time of the line at `offset`; `None` where it has none or cannot be read.
    pub fn time_at(&self, offset: u64) -> Option<Time> {
        let size = match self.feed.origin.format {
            Format::Cri => CRI_HEAD,
            Format::Docker => DOCKER_LINE,
            Format::Plain => return None,
        };
        if !self.content().is_near(offset) {
            return None;
        }
        let mut line = vec![0; size];
        let count = read_full(self.content(), offset, &mut line).ok()?;
        line.truncate(memchr::memchr(b'\n', &line[..count]).unwrap_or(count));
        Framer::new(self.feed.origin.format).entry(&line).time
    }

    /// How many bytes are there.
    pub fn size(&self) -> u64 {
        let size = if self.is_gone() { None } else { self.content().size() };
        size.unwrap_or(0).max(self.seen)
    }

    /// How far it is behind at `now`.
    pub fn lag(&self, now: SystemTime) -> Lag {
        let offset = self.ledger.watermark();
        let end = if self.is_gone() { self.pos } else { self.size() };
        let bytes = end.saturating_sub(offset);
        if bytes == 0 {
            return Lag::default();
        }
        let read_at = || self.ledger.reading_at(offset).map(|reading| reading.time);
        let time = self.time_at(offset).or_else(read_at).and_then(Time::to_system);
        // A line without a time that was not read yet, or one from the future, has no age.
        let age = time.and_then(|time| now.duration_since(time).ok()).unwrap_or_default();
        Lag { bytes, age }
    }

    fn to_resume(&self) -> Resume {
        Resume { demotions: self.demotions.clone(), ..self.ledger.to_resume() }
    }

    /// What the checkpoint is to say.
    pub fn cursor(&mut self) -> Cursor {
        self.is_unwritten = false;
        let resume = self.to_resume();
        // Behind a truncation other bytes stand there: the copy that may take over is known by the earlier ones.
        if !self.is_gone() {
            self.check = self.check(resume.offset).unwrap_or_default();
        }
        Cursor { resume, check: self.check, size: self.seen }
    }

    /// The hash of the bytes before `offset`; of none where they cannot be read.
    fn check(&self, offset: u64) -> Option<Check> {
        if !self.feed.replayable {
            return None;
        }
        if let Some(landmark) = self.content().landmark(offset) {
            return Some(Check { at: landmark.at, len: landmark.len, hash: landmark.hash });
        }
        let start = offset.saturating_sub(Check::MAX as u64);
        let mut bytes = [0; Check::MAX];
        let wanted = (offset - start) as usize;
        let count = read_full(self.content(), start, &mut bytes[..wanted]).ok()?;
        if count < wanted {
            return None;
        }
        Some(Check::new(offset, &bytes[..wanted]))
    }

    /// Whether everything was read, handed on and settled, and nothing more will come, or not to this feed.
    pub fn is_done(&self) -> bool {
        if self.is_abandoned {
            return self.in_flight() == 0;
        }
        if self.feed.marks.parked() && self.in_flight() == 0 {
            // As a restart would have it: the cursor says how to go on.
            return true;
        }
        self.is_read() && self.ledger.is_settled_to(self.pos)
    }

    /// Whether it is read to its end, settled or not, and nothing more will come.
    pub fn is_read(&self) -> bool {
        self.is_abandoned || (self.is_final && self.at_end && self.pos == self.seen)
    }

    /// Whether its bytes are gone, or not what they were.
    pub fn is_gone(&self) -> bool {
        self.is_abandoned || self.feed.marks.overtaken()
    }

    /// Its content.
    pub fn content(&self) -> &dyn Content {
        &*self.feed.content
    }
}

//! A feed's turn: its bytes are read, cut into lines, unwrapped, and given to `hand`, which joins and groups them.
//!
//! ```text
//!          pos                 base+filled
//! content ──┼── lines ────┼ rest ┼──▶            rest: a line without an end yet, read again next time
//! buffer    [ ............ | ... ]
//! ```
//!
//! **Invariant**: when a turn ends, for whatever reason, everything before `pos` was handed on; what was handed on
//! behind it is remembered per stream. Nothing of the file stays in memory.

use std::time::{Duration, Instant, SystemTime};

use xxhash_rust::xxh3::xxh3_64;

use super::feeds::FeedState;
use super::forge::{Forge, UNCOUNTED, longest_line};
use super::hand::{Count, Hand};
use crate::flow::pace::Window;
use crate::frame::Framer;
use crate::frame::group::Grouper;
use crate::frame::group::rules::Rules;
use crate::frame::join::Joiner;
use crate::frame::lines::Lines;
use crate::frame::text::Known;
use crate::model::event::Span;
use crate::model::feed::{Reading, read_full};
use crate::model::origin::{Format, HEAD_MAX};
use crate::model::time::Time;

/// How much is read at once: well within the cache.
const CHUNK: usize = 128 << 10;
/// A feed's turn ends after this many bytes, so that one that shouts does not starve one that whispers.
const QUANTUM: u64 = 512 << 10;
/// An open piece whose file did not grow for this long is taken for a line that its container never finished.
const DANGLING_AFTER: Duration = Duration::from_secs(30);
/// An open event whose file did not grow for its gap and this long is over: the next line's own time is later by more than the gap.
const GAP_SLACK: Duration = Duration::from_millis(250);

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing more is there at the moment.
    AtEnd,
    /// The feed has had its share; there is more.
    Share,
    /// The batch is full, or no memory is free for one: to be sealed, or waited for.
    NoRoom,
    /// The next line is too far ahead of others of its stream.
    Ahead,
    /// The content is not what it was.
    Overtaken,
}

/// What turns need: buffers that belong to the worker.
pub struct Reader {
    buffer: Vec<u8>,
    framers: [Framer; 3],
    joiner: Joiner,
    grouper: Grouper,
    /// Which lines make one event, by the place of the feed's parser.
    rules: Vec<Rules>,
    longest: usize,
    /// What became of the last turn's entries.
    pub count: Count,
    /// Bytes that the last turn passed over in lines that were cut.
    pub cut: u64,
    /// Turns end there, whatever is behind it.
    pub until: u64,
}

impl Reader {
    /// For lines of at most `max_line` bytes, and pieces and events that stay open for at most `max_open` bytes of their file.
    pub fn new(max_line: usize, max_open: u64, rules: Vec<Rules>) -> Self {
        let longest = longest_line(max_line);
        Self {
            buffer: vec![0; longest + CHUNK],
            framers: [Format::Cri, Format::Docker, Format::Plain].map(Framer::new),
            joiner: Joiner::new(max_line, max_open),
            grouper: Grouper::new(max_line, max_open),
            rules,
            longest,
            count: Count::default(),
            cut: 0,
            until: u64::MAX,
        }
    }

    /// Gives `state` its turn; lines that `window` holds are left.
    pub fn turn(&mut self, state: &mut FeedState, forge: &mut Forge, window: Window) -> End {
        self.count.clear();
        self.cut = 0;
        // Asked before reading: if nothing more will come, what is found then is all.
        let ended = state.feed.marks.ended() && self.until == u64::MAX;
        forge.take_header(state.feed.parser, state.header.as_deref());
        if !state.is_placed
            && let Err(error) = state.find_place(self.longest)
        {
            state.fails(&error);
            return End::AtEnd;
        }
        match is_unchanged(state) {
            Look::News => {}
            Look::Same if (ended && state.pos < state.seen) || Self::is_dangling(state) => {}
            Look::Same => {
                state.is_final = ended;
                return End::AtEnd;
            }
            Look::Overtaken => return End::Overtaken,
        }
        let buffer = std::mem::take(&mut self.buffer);
        let mut turn = Turn { reader: self, state, forge, window, held: None, buffer, filled: 0, base: 0 };
        let end = turn.run(ended);
        let buffer = std::mem::take(&mut turn.buffer);
        self.buffer = buffer;
        state.is_final = ended && end == End::AtEnd && !state.is_failing;
        end
    }

    fn is_dangling(state: &FeedState) -> bool {
        state.open_for.is_some_and(|wait| state.news.elapsed() >= wait)
    }
}

enum Look {
    News,
    Same,
    Overtaken,
}

/// A look at the bytes around the end of what was read: cheap, and enough to see growth and most truncations.
fn is_unchanged(state: &FeedState) -> Look {
    if !state.feed.replayable || state.seen == 0 {
        return Look::News;
    }
    let mut around = [0; 2];
    match read_full(state.content(), state.seen - 1, &mut around) {
        Ok(0) => Look::Overtaken,
        // Behind the last byte that was read there is nothing new; before it there may be, if it was never read.
        Ok(1) if state.at_end => Look::Same,
        Ok(_) => Look::News,
        Err(_) => Look::News,
    }
}

struct Turn<'t> {
    reader: &'t mut Reader,
    state: &'t mut FeedState,
    forge: &'t mut Forge,
    window: Window,
    /// The time of the line that the window holds.
    held: Option<Time>,
    buffer: Vec<u8>,
    /// Bytes in the buffer.
    filled: usize,
    /// The offset of the buffer's first byte.
    base: u64,
}

impl Turn<'_> {
    fn run(&mut self, ended: bool) -> End {
        self.base = self.state.pos;
        self.filled = 0;
        self.reader.joiner.begin(self.state.joined);
        self.reader.grouper.begin(self.state.run);
        let quantum_end = self.base + QUANTUM;
        let end = loop {
            match self.fill() {
                Ok(0) => break self.finish(ended),
                // Asked after reading: what was read before it was still the same is what it was.
                Ok(_) if !self.is_same() => break End::Overtaken,
                Ok(count) => self.take_in(count),
                Err(error) => {
                    self.state.fails(&error);
                    break End::AtEnd;
                }
            }
            if !self.lines() {
                break End::NoRoom;
            }
            // What is open is read again: not much of it, and some way was made.
            let open = self.hand().open_start().unwrap_or(self.base);
            if self.base >= quantum_end && self.base - open <= QUANTUM / 4 {
                break End::Share;
            }
        };
        self.leave();
        self.state.next = self.held;
        if self.held.is_some() { End::Ahead } else { end }
    }

    /// Whether the content is still what it was: by the bytes before the position, or by those that it begins with where
    /// none before the position are known.
    fn is_same(&self) -> bool {
        let (at, len, hash) = match (self.state.tail, self.state.feed.head) {
            ((0, _), Some(head)) => (head.at, usize::from(head.len), head.hash),
            ((0, _), None) => return true,
            ((len, hash), _) => (self.base, len, hash),
        };
        let mut bytes = [0; HEAD_MAX];
        match read_full(self.state.content(), at - len as u64, &mut bytes[..len]) {
            Ok(count) => count == len && xxh3_64(&bytes[..len]) == hash,
            // Not to be read at the moment is not to be another file.
            Err(_) => true,
        }
    }

    /// Reads on behind what is in the buffer; how much came.
    fn fill(&mut self) -> std::io::Result<usize> {
        let allowed = usize::try_from(self.reader.until.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let to = (self.filled + CHUNK).min(self.buffer.len()).min(allowed.max(self.filled));
        self.state.feed.content.read_at(self.base + self.filled as u64, &mut self.buffer[self.filled..to])
    }

    /// So many bytes more are in the buffer.
    fn take_in(&mut self, count: usize) {
        self.filled += count;
        self.state.is_failing = false;
        let seen = self.base + self.filled as u64;
        if seen > self.state.seen {
            self.state.seen = seen;
            self.state.news = Instant::now();
            self.state.idle = 0;
        }
    }

    /// Handles the finished lines in the buffer and moves the rest to its front; false where there was no room.
    fn lines(&mut self) -> bool {
        loop {
            if self.state.in_cut {
                let seen = Span { start: self.base, end: self.base + self.filled as u64 };
                if !self.hand().close_overdue(None, seen) {
                    return false;
                }
                if !self.skip_cut() {
                    return true;
                }
            }
            if !self.whole_lines() {
                return false;
            }
            // A line that long is left, whether its end is here or not.
            if self.filled <= self.reader.longest {
                return true;
            }
            if !self.cut_line() {
                return false;
            }
        }
    }

    fn whole_lines(&mut self) -> bool {
        let buffer = std::mem::take(&mut self.buffer);
        let mut used = 0;
        let mut has_room = true;
        let (mut known, mut known_to) = (Known::default(), 0);
        for (line, span) in Lines::new(&buffer[..self.filled], self.base) {
            if line.len() > self.reader.longest {
                // Cut like one whose end is not here yet: what it becomes must not depend on that.
                break;
            }
            if used >= known_to {
                let (text, length) = Known::ahead(&buffer[used..self.filled]);
                (known, known_to) = (text, used + length);
            }
            if !self.handle(line, known, span, 0) {
                has_room = false;
                break;
            }
            used = (span.end - self.base) as usize;
        }
        self.buffer = buffer;
        self.advance(used);
        has_room
    }

    /// Hands on the beginning of a line whose end is too far away.
    fn cut_line(&mut self) -> bool {
        let length = self.reader.longest;
        let span = Span { start: self.base, end: self.base + length as u64 };
        let buffer = std::mem::take(&mut self.buffer);
        let has_room = self.handle(&buffer[..length], Known::default(), span, UNCOUNTED);
        self.buffer = buffer;
        if has_room {
            self.advance(length);
            self.state.in_cut = true;
        }
        has_room
    }

    /// Passes over the rest of a line that was cut; whether its end was found.
    fn skip_cut(&mut self) -> bool {
        let end = memchr::memchr(b'\n', &self.buffer[..self.filled]);
        let skipped = end.map_or(self.filled, |at| at + 1);
        let span = Span { start: self.base, end: self.base + skipped as u64 };
        // It is no entry: nobody will answer for it, so it is settled here.
        if !self.state.ledger.is_settled_at(span.start) {
            self.reader.cut += span.len();
        }
        self.state.ledger.settle(&[span]);
        self.advance(skipped);
        self.state.in_cut = end.is_none();
        end.is_some()
    }

    fn advance(&mut self, used: usize) {
        if used == 0 {
            return;
        }
        self.state.set_tail(&self.buffer[..used]);
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
        self.base += used as u64;
    }

    /// Nothing more is there. If nothing more will come, what is open is closed.
    fn finish(&mut self, ended: bool) -> End {
        let is_dangling = Reader::is_dangling(self.state);
        if ended && self.filled > 0 && !self.state.in_cut {
            let span = Span { start: self.base, end: self.base + self.filled as u64 };
            let buffer = std::mem::take(&mut self.buffer);
            let has_room = self.handle(&buffer[..self.filled], Known::default(), span, 0);
            self.buffer = buffer;
            if !has_room {
                return End::NoRoom;
            }
            self.advance(self.filled);
        }
        let has_piece = self.reader.joiner.open_start().is_some();
        if (ended || is_dangling) && !self.hand().flush(ended || has_piece) {
            return End::NoRoom;
        }
        End::AtEnd
    }

    /// Notes where the next turn begins.
    fn leave(&mut self) {
        let open = self.hand().open_start();
        let Reader { joiner, grouper, rules, .. } = &*self.reader;
        self.state.joined = grouper.given(joiner.state());
        self.state.run = grouper.run();
        self.state.open_for = match (joiner.open_start(), grouper.open_start()) {
            (Some(_), _) => Some(DANGLING_AFTER),
            (None, Some(_)) => Some(rules[self.state.feed.parser.0].gap + GAP_SLACK),
            (None, None) => None,
        };
        self.state.pos = open.unwrap_or(self.base);
        if open.is_some() {
            // The bytes before what is open are not at hand; the look at the end of the file must do.
            self.state.tail = (0, 0);
            // A line that was cut behind it will be met again from its beginning.
            self.state.in_cut = false;
        }
        if self.state.joined.done_until.iter().all(|done| *done <= self.state.pos) {
            self.state.ledger.note_point(self.state.pos, self.state.runs);
        }
    }

    fn hand(&mut self) -> Hand<'_> {
        let Reader { joiner, grouper, rules, count, .. } = &mut *self.reader;
        let (rules, known) = (&rules[self.state.feed.parser.0], Known::default());
        Hand { joiner, grouper, rules, state: self.state, forge: self.forge, count, known }
    }

    /// Handles one line; false where there was no room for what it makes, and then it is to be read again.
    fn handle(&mut self, line: &[u8], known: Known<'_>, span: Span, lost: u64) -> bool {
        let Reader { framers, joiner, grouper, rules, count, .. } = &mut *self.reader;
        let framer = &mut framers[match self.state.feed.origin.format {
            Format::Cri => 0,
            Format::Docker => 1,
            Format::Plain => 2,
        }];
        let entry = framer.entry(line);
        if let Some(time) = entry.time.filter(|time| self.window.holds(*time)) {
            self.held = Some(time);
            return false;
        }
        if entry.time.is_none() || self.forge.restamps() {
            note_reading(self.state, span, self.base + self.filled as u64);
        }
        let rules = &rules[self.state.feed.parser.0];
        Hand { joiner, grouper, rules, state: self.state, forge: self.forge, count, known }.entry(&entry, span, lost)
    }
}

/// Notes the time of reading for lines without a time of their own, or with one that may be too old; `covered` is the end of what was read.
#[cold]
fn note_reading(state: &mut FeedState, span: Span, covered: u64) {
    if span.start < state.ledger.readings_end() {
        return;
    }
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let time = Time { secs: since.as_secs() as i64, nanos: since.subsec_nanos() };
    state.ledger.note_reading(Reading { start: span.start, end: covered.max(span.end), time });
    state.new_readings = true;
}

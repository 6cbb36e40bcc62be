//! Joins the pieces of lines that the runtime split.
//!
//! A runtime splits long lines and lets the two streams interleave, so pieces are joined per stream:
//!
//! ```text
//! stdout P ──▶ open ─ stdout P ─▶ open ─ stdout F ──▶ joined: one text, the time of the first piece, a span each
//! stderr F ──▶ whole (the open piece of stdout does not concern it)
//! ```
//!
//! **Invariants**
//! - What is joined depends on the bytes and offsets of the file alone. A piece is open until its line ends, until
//!   more than `max_open` bytes of its file lie behind its start (a rule of bytes: a replay cuts alike, and no
//!   watermark is pinned), or until the caller knows that nothing follows.
//! - Between turns a file holds no bytes here: [`Joiner::begin`] forgets what is open, the caller reads on from
//!   [`Joiner::open_start`], and the [`State`] says what of each stream was already given out.
//! - At most `max_line` bytes are kept per stream; the others are counted.

use crate::model::event::{Entry, Flaw, Span, Stream};
use crate::model::time::Time;

/// How many streams are told apart: stdout, stderr, and lines that do not say.
pub(super) const STREAMS: usize = 3;

/// Joins pieces; one per worker, used for one file at a time.
#[derive(Debug)]
pub struct Joiner {
    /// The most bytes of a joined text that are kept.
    max_line: usize,
    /// The most bytes of a file from the start of an open piece.
    max_open: u64,
    /// What was given out of the file at hand.
    state: State,
    /// One per stream.
    slots: [Slot; STREAMS],
}

/// What a file keeps between its turns: for each stream the end of the last entry that was given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Entries of a stream that start before this offset were given out already; stdout, stderr, unsaid.
    pub done_until: [u64; STREAMS],
}

/// What became of an entry.
#[derive(Debug, PartialEq)]
pub enum Step<'j> {
    /// It is a line by itself: use it as it is.
    Whole,
    /// It is a piece of a line that goes on.
    Held,
    /// It was given out in an earlier turn.
    Skipped,
    /// It was the last piece of this line.
    Joined(Joined<'j>),
}

/// A line made of pieces.
#[derive(Debug, PartialEq)]
pub struct Joined<'j> {
    /// The time of the first piece, the first flaw among the pieces, the stream, and the bytes of all pieces.
    pub entry: Entry<'j>,
    /// How many more bytes the line had that were not kept; for [`super::text::text`].
    pub lost: u64,
    /// The spans of the pieces, ascending.
    pub spans: &'j [Span],
}

impl Joiner {
    /// A joiner that keeps at most `max_line` bytes of a line, and no piece open for more than `max_open` bytes of
    /// its file.
    pub fn new(max_line: usize, max_open: u64) -> Self {
        Self { max_line, max_open, state: State::default(), slots: Default::default() }
    }

    /// Begins a turn of a file that was left in `state`, to be read from [`Joiner::open_start`] of its last turn.
    pub fn begin(&mut self, state: State) {
        self.state = state;
        for slot in &mut self.slots {
            slot.clear();
        }
    }

    /// What the file must keep until its next turn.
    pub fn state(&self) -> State {
        self.state
    }

    /// The smallest start of what is open: where the next turn reads on, and what no watermark may pass.
    pub fn open_start(&self) -> Option<u64> {
        self.slots.iter().filter_map(Slot::start).min()
    }

    /// Closes, oldest first, what must not stay open when the file is read to `end`. Call it with the end of an
    /// entry's span, until it gives `None`, before that entry is pushed.
    pub fn overdue(&mut self, end: u64) -> Option<Joined<'_>> {
        let (start, oldest) = self.oldest()?;
        (end.saturating_sub(start) > self.max_open).then(|| self.close(oldest))
    }

    /// Closes, oldest first, what is open in a file that nothing will be added to. Call it until it gives `None`.
    pub fn flush(&mut self) -> Option<Joined<'_>> {
        let (_, oldest) = self.oldest()?;
        Some(self.close(oldest))
    }

    /// Takes the file's next entry. `lost` is how many bytes its body had beyond those in `entry.body` (0 unless its
    /// line was too long to be held).
    #[inline]
    pub fn push(&mut self, entry: &Entry<'_>, span: Span, lost: u64) -> Step<'_> {
        let index = match entry.stream {
            Some(Stream::Stdout) => 0,
            Some(Stream::Stderr) => 1,
            None => 2,
        };
        if span.start < self.state.done_until[index] {
            return Step::Skipped;
        }
        let slot = &mut self.slots[index];
        if !entry.partial && slot.spans.is_empty() {
            self.state.done_until[index] = span.end;
            return Step::Whole;
        }
        slot.add(entry, span, lost, self.max_line);
        if entry.partial { Step::Held } else { Step::Joined(self.close(index)) }
    }

    fn oldest(&self) -> Option<(u64, usize)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| Some((slot.start()?, index))).min()
    }

    fn close(&mut self, index: usize) -> Joined<'_> {
        let slot = &mut self.slots[index];
        self.state.done_until[index] = slot.spans.last().map_or(0, |span| span.end);
        let stream = [Some(Stream::Stdout), Some(Stream::Stderr), None][index];
        std::mem::swap(&mut slot.spans, &mut slot.closed);
        slot.spans.clear();
        Joined {
            entry: Entry { time: slot.time, stream, partial: false, body: &slot.bytes, flaw: slot.flaw },
            lost: slot.lost,
            spans: &slot.closed,
        }
    }
}

/// The pieces of one stream.
#[derive(Debug, Default)]
struct Slot {
    /// The spans of the open pieces; empty when nothing is open.
    spans: Vec<Span>,
    /// The spans of the line that was closed last, lent out.
    closed: Vec<Span>,
    /// The bytes of the pieces in `spans` (or, once closed, in `closed`).
    bytes: Vec<u8>,
    /// How many more bytes the pieces had.
    lost: u64,
    /// The time of the first piece.
    time: Option<Time>,
    /// The first flaw among the pieces.
    flaw: Option<Flaw>,
}

impl Slot {
    fn start(&self) -> Option<u64> {
        self.spans.first().map(|span| span.start)
    }

    fn clear(&mut self) {
        self.spans.clear();
    }

    fn add(&mut self, entry: &Entry<'_>, span: Span, lost: u64, max_line: usize) {
        if self.spans.is_empty() {
            self.bytes.clear();
            self.lost = 0;
            self.time = entry.time;
            self.flaw = None;
        }
        self.flaw = self.flaw.or(entry.flaw);
        self.spans.push(span);
        // Behind a gap nothing is kept: a text has one beginning and one marker.
        let room = if self.lost > 0 { 0 } else { max_line - self.bytes.len() };
        let kept = entry.body.len().min(room);
        self.bytes.extend_from_slice(&entry.body[..kept]);
        self.lost = self.lost.saturating_add((entry.body.len() - kept) as u64).saturating_add(lost);
        // A runtime may cut between CR and LF; the line's end then is an empty last piece. (Where it cut between two
        // CRs, `a\r` and `\r\n`, the framer has removed the second already and both go.)
        if !entry.partial && entry.body.is_empty() && self.lost == 0 && self.bytes.last() == Some(&b'\r') {
            self.bytes.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OUT: Option<Stream> = Some(Stream::Stdout);
    const ERR: Option<Stream> = Some(Stream::Stderr);

    /// An entry of a file in these tests: stream, partial, body. Each takes as many bytes of the file as its body
    /// and ten more.
    type Line<'a> = (Option<Stream>, bool, &'a str);

    /// What came out: text, lost bytes, time in seconds (the index of the first piece), spans.
    type Given = (String, u64, Option<i64>, Vec<(u64, u64)>);

    fn laid_out<'a>(lines: &[Line<'a>]) -> Vec<(Entry<'a>, Span)> {
        let mut at = 0;
        let entries = lines.iter().enumerate().map(|(index, &(stream, partial, body))| {
            let span = Span { start: at, end: at + body.len() as u64 + 10 };
            at = span.end;
            let time = Some(Time { secs: index as i64, nanos: 0 });
            (Entry { time, stream, partial, body: body.as_bytes(), flaw: None }, span)
        });
        entries.collect()
    }

    fn given(joined: &Joined<'_>) -> Given {
        (
            String::from_utf8_lossy(joined.entry.body).into_owned(),
            joined.lost,
            joined.entry.time.map(|time| time.secs),
            joined.spans.iter().map(|span| (span.start, span.end)).collect(),
        )
    }

    /// Reads a file in turns, each of as many entries as `turns` says, as a pipeline does: from what is open.
    fn read(lines: &[Line<'_>], max_line: usize, max_open: u64, turns: &[usize]) -> Vec<Given> {
        let file = laid_out(lines);
        let end = file.last().map_or(0, |(_, span)| span.end);
        let mut joiner = Joiner::new(max_line, max_open);
        let mut out = Vec::new();
        let (mut state, mut resume, mut reached) = (State::default(), 0, 0);
        let mut turns = turns.iter().copied().cycle();
        while reached < end {
            joiner.begin(state);
            let mut fresh = turns.next().unwrap_or(1).max(1);
            for (entry, span) in file.iter().filter(|(_, span)| span.start >= resume) {
                if fresh == 0 {
                    break;
                }
                while let Some(joined) = joiner.overdue(span.end) {
                    out.push(given(&joined));
                }
                match joiner.push(entry, *span, 0) {
                    Step::Whole => out.push((
                        String::from_utf8_lossy(entry.body).into_owned(),
                        0,
                        entry.time.map(|time| time.secs),
                        vec![(span.start, span.end)],
                    )),
                    Step::Held | Step::Skipped => {}
                    Step::Joined(joined) => out.push(given(&joined)),
                }
                if span.start >= reached {
                    reached = span.end;
                    fresh -= 1;
                }
            }
            state = joiner.state();
            resume = joiner.open_start().unwrap_or(reached);
        }
        while let Some(joined) = joiner.flush() {
            out.push(given(&joined));
        }
        assert_eq!(joiner.open_start(), None);
        out
    }

    fn check(lines: &[Line<'_>], expected: &[(&str, u64, &[u64])]) {
        let found: Vec<_> = read(lines, 20, 100, &[usize::MAX])
            .into_iter()
            .map(|(text, lost, _, spans)| (text, lost, spans.into_iter().map(|(start, _)| start).collect::<Vec<_>>()))
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(text, lost, starts)| ((*text).to_owned(), *lost, starts.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn pieces_are_joined_per_stream() {
        check(&[(OUT, false, "a"), (ERR, false, "b")], &[("a", 0, &[0]), ("b", 0, &[11])]);
        check(&[(OUT, true, "a"), (OUT, true, "b"), (OUT, false, "c")], &[("abc", 0, &[0, 11, 22])]);
        check(
            &[(OUT, true, "a"), (ERR, true, "x"), (None, false, "n"), (OUT, false, "b"), (ERR, false, "y")],
            &[("n", 0, &[22]), ("ab", 0, &[0, 33]), ("xy", 0, &[11, 44])],
        );
        check(&[(None, true, "a"), (None, false, "b")], &[("ab", 0, &[0, 11])]);
    }

    #[test]
    fn ends_of_lines() {
        // An empty last piece, as conmon writes it.
        check(&[(OUT, true, "a"), (OUT, false, "")], &[("a", 0, &[0, 11])]);
        check(&[(OUT, true, "a\r"), (OUT, false, "")], &[("a", 0, &[0, 12])]);
        check(&[(OUT, true, "a\r"), (OUT, false, "b")], &[("a\rb", 0, &[0, 12])]);
        // A dangling piece of a container that has ended.
        check(&[(OUT, true, "a"), (ERR, true, "b")], &[("a", 0, &[0]), ("b", 0, &[11])]);
        check(&[(OUT, true, "a\r")], &[("a\r", 0, &[0])]);
    }

    #[test]
    fn what_is_beyond_the_longest_line_is_counted() {
        check(&[(OUT, true, "0123456789abcde"), (OUT, false, "fghijklmno")], &[("0123456789abcdefghij", 5, &[0, 25])]);
        let mut joiner = Joiner::new(20, 100);
        let file = laid_out(&[(OUT, true, "ab"), (OUT, false, "cd")]);
        assert_eq!(joiner.push(&file[0].0, file[0].1, 7), Step::Held);
        let Step::Joined(joined) = joiner.push(&file[1].0, file[1].1, 0) else { panic!("the line has ended") };
        assert_eq!((joined.entry.body, joined.lost), (&b"ab"[..], 9));
    }

    #[test]
    fn a_piece_is_closed_when_its_file_has_gone_on() {
        let long = "x".repeat(90);
        check(
            &[(OUT, true, "a"), (ERR, false, &long), (OUT, false, "b")],
            &[("a", 0, &[0]), (&long, 0, &[11]), ("b", 0, &[111])],
        );
        // Exactly `max_open` bytes are allowed.
        check(
            &[(OUT, true, "a"), (ERR, false, &long[..69]), (OUT, false, "")],
            &[(&long[..69], 0, &[11]), ("a", 0, &[0, 90])],
        );
        check(
            &[(OUT, true, "a"), (OUT, true, &long[..79]), (OUT, false, "b")],
            &[(&format!("a{}", &long[..19]), 60, &[0, 11]), ("b", 0, &[100])],
        );
    }

    proptest! {
        #[test]
        fn any_turns_give_the_same_lines(
            lines in proptest::collection::vec(
                (prop_oneof![Just(OUT), Just(ERR), Just(None)], any::<bool>(), "[a-c\r]{0,30}"),
                1..30,
            ),
            turns in proptest::collection::vec(1_usize..6, 1..5),
            max_open in 20_u64..200,
        ) {
            let lines: Vec<Line<'_>> = lines.iter().map(|(stream, partial, body)| (*stream, *partial, &body[..])).collect();
            let whole = read(&lines, 40, max_open, &[usize::MAX]);
            prop_assert_eq!(&read(&lines, 40, max_open, &turns), &whole);
            // Every entry is given out once.
            let mut spans: Vec<_> = whole.iter().flat_map(|(.., spans)| spans.iter().copied()).collect();
            spans.sort_unstable();
            let all: Vec<_> = laid_out(&lines).iter().map(|(_, span)| (span.start, span.end)).collect();
            prop_assert_eq!(spans, all);
        }
    }
}

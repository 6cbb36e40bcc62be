//! The lines that are held of one stream.
//!
//! ```text
//! lines   [ taken | first … sure | unsure … | not looked at ]
//!                 └── head        └── sure   └── looked
//! ```
//!
//! **Invariant**: lines are given out in their order, each once; `bytes` and `spans` hold those that are not, and the one that was
//! taken last.

use super::rules::{Next, Rules, Standing};
use crate::model::event::{Entry, Flaw, Span, Stream};
use crate::model::time::Time;

/// Lines that are one event, or a line by itself.
#[derive(Debug, PartialEq)]
pub struct Grouped<'g> {
    /// The time of the first line, the stream, the lines' bytes with a LF between them.
    pub entry: Entry<'g>,
    /// How many more bytes the line had; 0 where there are several.
    pub lost: u64,
    /// The spans of all entries, ascending.
    pub spans: &'g [Span],
}

/// So many lines are unsure at most.
const MOST_UNSURE: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Lines that were taken, and those that are held.
    lines: Vec<Held>,
    /// The bytes of the lines, a LF between two of them.
    bytes: Vec<u8>,
    /// The spans of the lines' entries.
    spans: Vec<Span>,
    /// The first line that is held.
    head: usize,
    /// How many of those held were looked at.
    looked: usize,
    /// How many of those looked at are of the event; the others may be.
    sure: usize,
    /// How the event stands; none where nothing was looked at.
    standing: Option<Standing>,
    /// So many of those held are decided to be an event.
    pub(super) decided: Option<usize>,
    /// Which stream it is.
    stream: Option<Stream>,
}

/// A line that is held.
#[derive(Debug)]
struct Held {
    /// Its bytes.
    bytes: (usize, usize),
    /// Its spans.
    spans: (usize, usize),
    /// Its time, or its entry's first piece's.
    own: Option<Time>,
    /// The same, or the time of its reading.
    time: Option<Time>,
    /// How many more bytes it had.
    lost: u64,
    flaw: Option<Flaw>,
}

impl Held {
    /// Whether it cannot be one of several: it has no end, or is none of the application's lines.
    fn is_alone(&self) -> bool {
        self.lost > 0 || self.flaw.is_some()
    }
}

impl Slot {
    pub(super) fn is_empty(&self) -> bool {
        self.head == self.lines.len()
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.bytes.clear();
        self.spans.clear();
        self.head = 0;
        self.look_anew();
    }

    fn look_anew(&mut self) {
        (self.looked, self.sure, self.standing, self.decided) = (0, 0, None, None);
    }

    /// Where the first line that is held starts.
    pub(super) fn start(&self) -> Option<u64> {
        let first = self.lines.get(self.head)?;
        self.spans.get(first.spans.0).map(|span| span.start)
    }

    /// The time of the last line.
    pub(super) fn last_time(&self) -> Option<Time> {
        self.lines.last().and_then(|line| line.time)
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>, lost: u64, spans: &[Span], time: Option<Time>) {
        if self.is_empty() {
            self.clear();
            self.stream = entry.stream;
        } else {
            self.forget_taken();
            self.bytes.push(b'\n');
        }
        let (bytes, first) = (self.bytes.len(), self.spans.len());
        self.bytes.extend_from_slice(entry.body);
        self.spans.extend_from_slice(spans);
        self.lines.push(Held {
            bytes: (bytes, self.bytes.len()),
            spans: (first, self.spans.len()),
            own: entry.time,
            time,
            lost,
            flaw: entry.flaw,
        });
    }

    /// Lets go of what was taken: mostly all but one line.
    fn forget_taken(&mut self) {
        if self.head == 0 {
            return;
        }
        let (bytes, spans) = (self.lines[self.head].bytes.0, self.lines[self.head].spans.0);
        self.bytes.drain(..bytes);
        self.spans.drain(..spans);
        self.lines.drain(..self.head);
        for line in &mut self.lines {
            line.bytes = (line.bytes.0 - bytes, line.bytes.1 - bytes);
            line.spans = (line.spans.0 - spans, line.spans.1 - spans);
        }
        self.head = 0;
    }

    /// Looks at the lines that were not looked at; how many lines from the first are decided to be an event.
    pub(super) fn decide(&mut self, rules: &Rules, max_line: usize) -> Option<usize> {
        while self.decided.is_none() && self.looked < self.lines.len() - self.head {
            self.decided = self.look(rules, max_line);
        }
        self.decided
    }

    /// The same where no line follows: what is sure is an event.
    pub(super) fn close(&mut self, rules: &Rules, max_line: usize) -> Option<usize> {
        if self.is_empty() {
            return None;
        }
        if self.decide(rules, max_line).is_none() {
            self.decided = Some(self.sure);
        }
        self.decided
    }

    /// Looks at one line more.
    fn look(&mut self, rules: &Rules, max_line: usize) -> Option<usize> {
        let line = &self.lines[self.head + self.looked];
        let text = &self.bytes[line.bytes.0..line.bytes.1];
        let Some(standing) = self.standing else {
            let standing = if line.is_alone() { None } else { rules.first(text) };
            (self.standing, self.looked, self.sure) = (standing, 1, 1);
            return if standing.is_some() { None } else { Some(1) };
        };
        let next = if line.is_alone() { Next::Ends } else { rules.next(standing, text) };
        let is_over = self.looked == rules.max_lines || line.bytes.1 - self.lines[self.head].bytes.0 > max_line;
        let (is_sure, standing) = match next {
            Next::Goes(standing) if !is_over => (true, standing),
            Next::May(standing) if !is_over && self.looked - self.sure < MOST_UNSURE => (false, standing),
            // Nothing of an event that is cut is left to be looked at again.
            Next::Goes(_) => return Some(self.looked),
            Next::Ends | Next::May(_) => return Some(self.sure),
        };
        self.standing = Some(standing);
        self.looked += 1;
        if is_sure {
            self.sure = self.looked;
        }
        None
    }

    /// So many lines are taken: see [`Slot::taken`].
    pub(super) fn drop_front(&mut self, lines: usize) {
        self.head += lines;
        self.look_anew();
    }

    /// The event of so many lines before the first that is held.
    pub(super) fn taken(&self, lines: usize) -> Grouped<'_> {
        let (first, last) = (&self.lines[self.head - lines], &self.lines[self.head - 1]);
        let alone = lines == 1;
        Grouped {
            entry: Entry {
                time: first.own,
                stream: self.stream,
                partial: false,
                body: &self.bytes[first.bytes.0..last.bytes.1],
                flaw: first.flaw.filter(|_| alone),
            },
            lost: if alone { first.lost } else { 0 },
            spans: &self.spans[first.spans.0..last.spans.1],
        }
    }
}

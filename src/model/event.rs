//! Spans, entries and events: what a line becomes.
//!
//! **Invariant**: an [`Entry`] and an [`Event`] borrow from the worker's buffers and live no longer than their
//! line's turn.

use std::sync::Arc;

use super::origin::Origin;
use super::text::Text;
use super::time::Time;

/// A half-open range `start..end` of bytes of an origin's uncompressed content. One entry owns one span, its
/// line ending included; the spans of a file's entries follow each other without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the last byte; never before `start`.
    pub end: u64,
}

impl Span {
    /// Bytes from start to end.
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether the span holds no byte.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Which of a container's two outputs a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// How grave an event is, normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The finest detail.
    Trace,
    /// For developers.
    Debug,
    /// Normal operation; also `notice`.
    Info,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
    /// The program cannot go on; also `panic`, `critical`, `alert`, `emergency`.
    Fatal,
}

impl Level {
    /// The lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// What was wrong with a line's form. Nothing is thrown away for being ugly: the event says what was the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// The line was longer than `max_line` and was cut; its text ends with a marker.
    Cut,
    /// The file's lines are CRI, this one was not: it stands whole as the body.
    NotCri,
    /// The file's lines are Docker's JSON, this one was not: it stands whole as the body.
    NotDocker,
    /// The line was not what its parser looks for: it stands whole, as plain text.
    NotParsed,
    /// A value did not fit the type that the settings give it: it stays a text.
    NotTyped,
    /// The settings say where its time stands, and no time to go by stands there.
    NoTime,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Cut, Self::NotCri, Self::NotDocker, Self::NotParsed, Self::NotTyped, Self::NoTime];

    /// The name used in events and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::NotCri => "not_cri",
            Self::NotDocker => "not_docker",
            Self::NotParsed => "not_parsed",
            Self::NotTyped => "not_typed",
            Self::NoTime => "no_time",
        }
    }
}

/// One line with the runtime's wrapping undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The runtime's own time, where the line has one.
    pub time: Option<Time>,
    /// The container's output it came from, where the line says so.
    pub stream: Option<Stream>,
    /// A piece whose line goes on in a later entry of the same stream.
    pub partial: bool,
    /// The application's bytes: without LF, and without CR where the line ended in CR LF.
    pub body: &'a [u8],
    /// What was wrong with the line's form.
    pub flaw: Option<Flaw>,
}

/// What the application's own structure was, untouched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fields<'a> {
    /// The line had no structure that was recognised.
    None,
    /// The line is one JSON object: checked to be valid JSON, as it stands in the line, without white space around it.
    Json(&'a str),
    /// Keys and values in the order of the line; a key may repeat.
    Pairs(&'a [(Text<'a>, Text<'a>)]),
}

/// Where an event's time came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// From the runtime's wrapping: the same in every replay.
    Runtime,
    /// Found in the line, since the runtime gave none.
    Line,
    /// From the field that the settings name.
    Field,
    /// The time of reading, since the line has none of its own.
    Reading,
    /// The time of reading, since its sink's store would refuse the line's own.
    Restamped {
        /// The line's own time.
        own: Time,
    },
}

/// An entry (or several, joined) with its level and fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// Who it comes from.
    pub origin: &'a Arc<Origin>,
    /// The spans of its entries, ascending, at least one. What it settles; a line of our own settles nothing, and has one that is
    /// empty.
    pub spans: &'a [Span],
    /// Its time: of its first piece, where it was joined.
    pub time: Time,
    /// Where the time came from.
    pub time_source: TimeSource,
    /// Nanoseconds that a store which collapses equal lines must add to `time` to keep this one apart from earlier
    /// lines of its origin and stream at the same time; a matter of the file's bytes alone.
    pub nudge: u32,
    /// The container's output it came from.
    pub stream: Option<Stream>,
    /// How grave it is, where it says so.
    pub level: Option<Level>,
    /// What the application wrote: pieces joined, the line's end removed, invalid UTF-8 replaced.
    pub body: &'a str,
    /// The message: of a structured line its `message` or `msg`, else the whole body.
    pub message: Text<'a>,
    /// The application's own keys.
    pub fields: Fields<'a>,
    /// What was wrong with the line's form.
    pub flaw: Option<Flaw>,
    /// Which of the sink's labels are stored beside the line: bits, by their places in
    /// [`Encoder::demotable`](super::sink::Encoder::demotable).
    pub demoted: u64,
}

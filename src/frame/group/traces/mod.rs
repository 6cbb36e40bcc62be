//! What traces of the languages look like: the first line, and from line to line which may follow.
//!
//! ```text
//! line ─ glance ─▶ may begin one? ─ first ─▶ state per language ─ next line ─▶ state … ─▶ no language goes on: it ends
//!          └─ no: a few nanoseconds, nothing else is asked
//! ```
//!
//! A language is two functions over [`Line`]s: `first` gives the state that a line begins a trace in, `next` what a line is to a
//! trace in a state. Several languages may hold a trace for theirs at once; one that does not know a line gives it up.
//!
//! **Invariant**: what a line is depends on the lines before it in its trace alone. A frame without the lines before it begins a
//! trace too, so that the rest of one whose beginning was not recognised, or is in the file before, stays together.

mod dotnet;
mod go;
mod java;
mod line;
mod node;
mod php;
mod python;
mod ruby;
mod rust;

use line::{Line, Step};

/// One language, for the program, settings, help and documents.
#[derive(Clone, Copy)]
pub struct Language {
    /// The name as typed.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Whether `auto` knows it: what its first lines look like says enough.
    pub in_auto: bool,
    /// The state of a trace that begins with the line; 0 where none does.
    first: fn(&Line<'_>) -> u8,
    /// What the line is to a trace in a state.
    next: fn(u8, &Line<'_>) -> Step,
}

/// All languages; [`Set`] has a bit for each, [`States`] a place.
pub const LANGUAGES: &[Language; COUNT] = &[
    Language {
        name: "java",
        help: "also Kotlin, Scala, Clojure: causes, suppressed ones, thread dumps",
        in_auto: true,
        first: java::first,
        next: java::next,
    },
    Language {
        name: "python",
        help: "chained exceptions, exception groups, asyncio, faulthandler",
        in_auto: true,
        first: python::first,
        next: python::next,
    },
    Language {
        name: "go",
        help: "panics with their goroutines, fatal errors, data races",
        in_auto: true,
        first: go::first,
        next: go::next,
    },
    Language {
        name: "ruby",
        help: "uncaught ones, those of loggers, Rails",
        in_auto: true,
        first: ruby::first,
        next: ruby::next,
    },
    Language {
        name: "dotnet",
        help: "inner and aggregate exceptions; also the console logger, whose messages stand below their heads",
        in_auto: true,
        first: dotnet::first,
        next: dotnet::next,
    },
    Language {
        name: "node",
        help: "causes, async frames, uncaught ones with their source line",
        in_auto: true,
        first: node::first,
        next: node::next,
    },
    Language {
        name: "php",
        help: "uncaught ones, Xdebug's, Monolog's and Laravel's",
        in_auto: true,
        first: php::first,
        next: php::next,
    },
    Language {
        name: "rust",
        help: "panics with or without backtrace; errors of anyhow and eyre",
        in_auto: true,
        first: rust::first,
        next: rust::next,
    },
    Language {
        name: "indented",
        help: "no language: a line and all indented ones below it",
        in_auto: false,
        first: |line| u8::from(!line.is_blank()),
        next: |state, line| if line.is_indented() { Step::Goes(state) } else { Step::Ends },
    },
];

const COUNT: usize = 9;

/// A set of languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set(u16);

impl Set {
    /// None.
    pub const NONE: Self = Self(0);

    /// Those that `auto` knows.
    pub fn auto() -> Self {
        Self((0..COUNT).filter(|at| LANGUAGES[*at].in_auto).fold(0, |set, at| set | 1 << at))
    }

    /// With the one at this place of [`LANGUAGES`].
    pub fn with(self, at: usize) -> Self {
        Self(self.0 | 1 << at)
    }

    /// With those of another.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, at: usize) -> bool {
        self.0 >> at & 1 == 1
    }

    fn has_any_line(self) -> bool {
        (0..COUNT).any(|at| self.has(at) && !LANGUAGES[at].in_auto)
    }
}

/// How the languages see an open trace; 0 for those that do not take it for theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States([u8; COUNT]);

/// What a line is to an open trace, all languages asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Not of it.
    Ends,
    /// Of it.
    Goes(States),
    /// Of it if a later line is.
    May(States),
}

/// The states of a trace that begins with `line`; `None` where none does.
pub fn first(set: Set, line: &[u8]) -> Option<States> {
    if !may_begin(set, line) {
        return None;
    }
    let line = Line::new(line);
    let mut states = States::default();
    for (at, language) in LANGUAGES.iter().enumerate().filter(|(at, _)| set.has(*at)) {
        states.0[at] = (language.first)(&line);
    }
    (states != States::default()).then_some(states)
}

/// What `line` is to a trace in `states`.
pub fn next(set: Set, states: States, whole: &[u8]) -> Next {
    let line = Line::new(whole);
    let (mut sure, mut unsure) = (States::default(), States::default());
    let mut message = States::default();
    for (at, language) in LANGUAGES.iter().enumerate().filter(|(at, _)| states.0[*at] != 0) {
        match (language.next)(states.0[at], &line) {
            Step::Ends => {}
            Step::Goes(state) => sure.0[at] = state,
            Step::May(state) => unsure.0[at] = state,
            Step::Message(state) => message.0[at] = state,
        }
    }
    if message != States::default() && !begins_something(set, &line) {
        for (into, from) in unsure.0.iter_mut().zip(message.0) {
            *into = (*into).max(from);
        }
    }
    let is_sure = sure != States::default();
    // Who is sure does not make those who are not give up.
    for (into, from) in sure.0.iter_mut().zip(unsure.0) {
        *into = (*into).max(from);
    }
    match (is_sure, sure == States::default()) {
        (true, _) => Next::Goes(sure),
        (false, false) => Next::May(sure),
        (false, true) => Next::Ends,
    }
}

/// Whether a line is more likely the beginning of something than a message's second line.
fn begins_something(set: Set, line: &Line<'_>) -> bool {
    let levels = ["INFO", "WARN", "ERROR", "DEBUG", "TRACE", "FATAL", "NOTICE", "SEVERE"];
    matches!(line.whole.first(), Some(b'0'..=b'9' | b'[' | b'{' | b'<'))
        || line.begins_any(&levels)
        || first(Set(set.0 & Set::auto().0), line.whole).is_some()
}

/// Whether a trace of one of the languages may begin with `line`: cheap, and never wrong where it says no.
#[inline]
pub fn may_begin(set: Set, line: &[u8]) -> bool {
    let Some(&byte) = line.first() else { return false };
    // JSON of a logger: most lines, and never a trace's first.
    if byte == b'{' {
        return set.has_any_line();
    }
    may_begin_text(set, line, byte)
}

fn may_begin_text(set: Set, line: &[u8], byte: u8) -> bool {
    let starts = |with: &[&str]| with.iter().any(|with| line.starts_with(with.as_bytes()));
    let is_told = match byte {
        b' ' | b'\t' => return true,
        b'#' | b'@' => true,
        // Go's logger writes the date before.
        b'0'..=b'9' => line.get(20..).is_some_and(|rest| rest.starts_with(b"http: panic serving")),
        b'[' => line.len() > 30 && memchr::memmem::find(&line[..line.len().min(64)], b"] PHP ").is_some(),
        b'c' => starts(&["crit: ", "concurrent.", "created by "]),
        b'd' => starts(&["dbug: "]),
        b'f' => starts(&["fatal error: ", "fail: ", "file:///"]),
        b'g' => starts(&["goroutine "]),
        b'i' => starts(&["info: ", "internal/"]),
        b'n' => starts(&["node:"]),
        b'p' => starts(&["panic: "]),
        b'r' => starts(&["runtime: "]),
        b't' => starts(&["thread '", "trce: "]),
        b'u' => starts(&["unexpected fault address "]),
        b'w' => starts(&["warn: "]),
        b'F' => starts(&["Fatal error: ", "Fatal Python error: ", "Full thread dump "]),
        b'N' => starts(&["NOTICE: PHP message: "]),
        b'P' => starts(&["PHP ", "Process "]),
        b'S' => starts(&["SIGQUIT: ", "SIGABRT: ", "SIGSEGV: ", "Stack overflow."]),
        b'U' => starts(&["Unhandled ", "Unclosed "]),
        b'W' => starts(&["WARNING: DATA RACE"]),
        b'"' => line == b"\"\"\"",
        _ => false,
    };
    is_told
        || line.ends_with(b" call last):")
        || line.ends_with(b" call first):")
        || line.ends_with(b" was never retrieved")
        || line.ends_with(b"Task was destroyed but it is pending!")
        || is_place(line)
        || line::errors(line).next().is_some()
        || set.has_any_line()
}

/// `file:line` of Ruby's and JavaScript's first lines: what stands before the first blank ends in a number, or in `:in`.
fn is_place(line: &[u8]) -> bool {
    let word = &line[..memchr::memchr(b' ', &line[..line.len().min(256)]).unwrap_or(line.len())];
    word.ends_with(b":in")
        || (word.len() == line.len() && word.last().is_some_and(u8::is_ascii_digit) && word.contains(&b':'))
}

#[cfg(test)]
mod tests;

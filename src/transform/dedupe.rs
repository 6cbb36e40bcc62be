//! Repeated lines are one, and a count.
//!
//! ```text
//! A ─▶ goes on    A A A ─▶ left out    B ─▶ goes on, and before it: message repeated 3 times: [A]
//! └──────────── a fold ───────────────┘
//! ```
//!
//! A fold is over when its time is up, when so many other lines have come, and at the end.
//!
//! **Invariant**: the first line of a fold goes on at once, so none waits for others; what was left out is told of when the fold is
//! over. Lines of different files, or of a container's two outputs, are never one.

use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use super::condition::{Condition, Wants};
use super::key::By;
use super::recent::Recent;
use super::summary::{FieldsText, Place, SummaryLine, later};
use crate::model::event::{Event, Level};
use crate::model::settings::{Key, Section};
use crate::model::template::cut;
use crate::model::time::Time;
use crate::model::units;

/// The keys of `dedupe`.
pub const KEYS: &[Key] = &[
    Key {
        name: "within",
        kind: "duration",
        default: "1m",
        help: "repeats of a line are left out for so long; then it goes on once more",
    },
    Key {
        name: "lines",
        kind: "number",
        default: "1",
        help: "a repeat is among the next so many lines of its file and output; `1`: it follows at once",
    },
    Key {
        name: "by",
        kind: "template, or a list of names",
        default: "level and message",
        help: "lines for which this is the same repeat each other, such as `[level, fields.code]`",
    },
    Key {
        name: "when",
        kind: "condition",
        default: "",
        help: "only lines that this holds of are looked at; all if not set",
    },
];

/// At least so many outputs of files are remembered.
const MOST_STREAMS: usize = 1000;
/// More lines back are not looked at: they are all compared.
const MOST_LINES: u64 = 20;
/// So much of a message is told again.
const TOLD: usize = 256;
/// So many folds wait to be told of; where there are more, those of the output at hand are over.
const MOST_UNSAID: usize = 4000;

/// Folds, and what it takes to be one.
#[derive(Clone, Debug)]
pub struct Dedupe {
    name: Arc<str>,
    within: Duration,
    lines: u64,
    by: Option<By>,
    when: Option<Condition>,
    streams: Recent<Stream>,
    /// Folds of which there is something to say.
    unsaid: usize,
    /// When the first of them is to be said, by the lines' time.
    due: Option<Time>,
    /// For rendering.
    key: String,
}

/// One output of one file.
#[derive(Clone, Debug, Default)]
struct Stream {
    /// Lines so far.
    lines: u64,
    /// No more than the lines that a repeat may be apart.
    folds: Vec<Fold>,
}

#[derive(Clone, Debug)]
struct Fold {
    identity: u128,
    /// The first line's moment.
    since: Time,
    /// The last line's number in its stream.
    last: u64,
    /// Most folds have none.
    repeats: Option<Box<Repeats>>,
}

/// What was left out of a fold.
#[derive(Clone, Debug)]
struct Repeats {
    events: u64,
    entries: u64,
    /// The last one's moment.
    until: Time,
    /// When it was noticed by the clock.
    clock: Option<Duration>,
    last: Place,
    level: Option<Level>,
    message: String,
}

impl Dedupe {
    /// Reads a map with [`KEYS`], for the transform `name`; `None` if it is wrong, which is noted.
    pub fn read(section: &mut Section<'_>, name: &str) -> Option<Self> {
        let before = section.problems().0.len();
        let within = section.parsed("within", |text| match units::parse_duration(text)? {
            within if (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&within) => Ok(within),
            _ => Err("choose between `1s` and `24h`".to_owned()),
        });
        let lines = section.parsed("lines", |text| match text.parse() {
            Ok(lines @ 1..=MOST_LINES) => Ok(lines),
            _ => Err(format!("expected a whole number from 1 to {MOST_LINES}")),
        });
        let by = match section.node("by") {
            Some(_) => By::read(section).map(Some),
            None => Some(None),
        };
        let when = Condition::read(section, name, "when").flatten();
        if section.problems().0.len() > before {
            return None;
        }
        Some(Self {
            name: name.into(),
            within: within.unwrap_or(Duration::from_secs(60)),
            lines: lines.unwrap_or(1),
            by: by?,
            when,
            streams: Recent::new(MOST_STREAMS),
            unsaid: 0,
            due: None,
            key: String::new(),
        })
    }

    /// Which lines it looks at; `None`: all.
    pub fn when(&self) -> Option<&Condition> {
        self.when.as_ref()
    }

    /// How much a parser must find out.
    pub fn wants(&self) -> Wants {
        let when = self.when.as_ref().map_or(Wants::Level, Condition::wants);
        match &self.by {
            Some(by) if !by.wants_fields() => when,
            _ => Wants::All,
        }
    }

    /// Whether the event of `moment` is a repeat. What is to be said before it goes to `owed`.
    pub fn leaves_out(&mut self, event: &Event<'_>, moment: Time, owed: &mut Vec<SummaryLine>) -> bool {
        let mut key = std::mem::take(&mut self.key);
        let identity = self.identity(event, &mut key);
        key.clear();
        // An identity is bytes; each is a character here.
        key.extend(event.origin.id.0.to_le_bytes().map(char::from));
        key.push_str(event.stream.map_or("", |stream| stream.name()));
        let mut over = Vec::new();
        let mut forgotten = |_: &str, stream: Stream| over.extend(stream.folds);
        let stream = self.streams.get(&key, Stream::default, &mut forgotten);
        self.key = key;
        let Some(stream) = stream else { return false };
        stream.lines += 1;
        let (lines, within) = (self.lines, self.within);
        over.extend(stream.folds.extract_if(.., |fold| {
            let passed = moment.as_nanos() - fold.since.as_nanos();
            passed.unsigned_abs() >= within.as_nanos()
        }));
        let is_repeat = match stream.folds.iter_mut().find(|fold| fold.identity == identity) {
            Some(fold) => {
                fold.last = stream.lines;
                if fold.repeats.is_none() {
                    self.unsaid += 1;
                    let due = later(fold.since, self.within);
                    self.due = Some(self.due.map_or(due, |known| known.min(due)));
                }
                fold.repeat(event, moment);
                true
            }
            None => {
                stream.folds.push(Fold { identity, since: moment, last: stream.lines, repeats: None });
                false
            }
        };
        // What did not come now comes too late.
        over.extend(stream.folds.extract_if(.., |fold| stream.lines - fold.last >= lines));
        if self.unsaid > MOST_UNSAID {
            over.extend(stream.folds.extract_if(.., |fold| fold.repeats.is_some()));
        }
        self.end(over, owed);
        is_repeat
    }

    /// Lines of `moment` are met: what was to be said before them goes to `owed`.
    #[inline]
    pub fn advance(&mut self, moment: Time, owed: &mut Vec<SummaryLine>) {
        if self.due.is_some_and(|due| due <= moment) {
            let within = self.within;
            self.say(owed, |fold| later(fold.since, within) <= moment);
        }
    }

    /// The clock shows `clock`: what has waited for its time goes to `owed`, or `all` there is.
    pub fn look(&mut self, clock: Duration, all: bool, owed: &mut Vec<SummaryLine>) {
        if self.unsaid > 0 {
            let within = self.within;
            self.say(owed, |fold| {
                let noticed = fold.repeats.as_mut().map(|repeats| *repeats.clock.get_or_insert(clock));
                all || noticed.is_some_and(|noticed| clock.saturating_sub(noticed) >= within)
            });
        }
    }

    fn identity(&self, event: &Event<'_>, scratch: &mut String) -> u128 {
        match &self.by {
            Some(by) => {
                by.render(event, scratch);
                xxh3_128(scratch.as_bytes())
            }
            None => {
                let level = event.level.map_or(0, |level| 1 + level as u128);
                xxh3_128(event.message.plain().as_bytes()) ^ (level << 120)
            }
        }
    }

    #[cold]
    fn say(&mut self, owed: &mut Vec<SummaryLine>, mut is_over: impl FnMut(&mut Fold) -> bool) {
        let mut over = Vec::new();
        let mut due = None;
        for (_, stream) in self.streams.iter_mut() {
            over.extend(stream.folds.extract_if(.., |fold| fold.repeats.is_some() && is_over(fold)));
            for fold in stream.folds.iter().filter(|fold| fold.repeats.is_some()) {
                let at = later(fold.since, self.within);
                due = Some(due.map_or(at, |known: Time| known.min(at)));
            }
        }
        self.due = due;
        over.sort_by_key(|fold: &Fold| fold.repeats.as_ref().map(|repeats| repeats.last.time()));
        self.end(over, owed);
    }

    fn end(&mut self, over: Vec<Fold>, owed: &mut Vec<SummaryLine>) {
        for fold in over {
            if let Some(repeats) = fold.repeats {
                self.unsaid -= 1;
                owed.push(self.summary(fold.since, *repeats));
            }
        }
        if self.unsaid == 0 {
            self.due = None;
        }
    }

    fn summary(&self, since: Time, repeats: Repeats) -> SummaryLine {
        let Repeats { events, entries, until, last, level, message, .. } = repeats;
        let times = if events == 1 { "time" } else { "times" };
        let text = format!("message repeated {events} {times}: [{message}]");
        let fields = FieldsText::new("dedupe", &self.name).number("repeated", events).number("lines", entries);
        let fields = fields.text("from", &since.to_rfc3339()).text("to", &until.to_rfc3339()).end();
        SummaryLine { place: last, level, text, fields, entries }
    }
}

impl Fold {
    fn repeat(&mut self, event: &Event<'_>, moment: Time) {
        let entries = event.spans.len() as u64;
        if let Some(repeats) = &mut self.repeats {
            repeats.events += 1;
            repeats.entries += entries;
            repeats.until = moment;
            repeats.last = Place::of(event);
            return;
        }
        let message = event.message.plain();
        // One line: what follows is a trace, and was sent with the first.
        let line = message.lines().next().unwrap_or_default();
        let told = cut(line, TOLD);
        let message = if told.len() < message.len() { format!("{told}…") } else { told.to_owned() };
        let (last, level) = (Place::of(event), event.level);
        self.repeats = Some(Box::new(Repeats { events: 1, entries, until: moment, clock: None, last, level, message }));
    }
}

#[cfg(test)]
mod tests;

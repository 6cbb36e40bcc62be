//! So many lines or bytes a second, for each key.
//!
//! ```text
//! moment ──▶ bucket of the key: tokens += rate × passed ──┬─ one or more ─▶ goes on, tokens -= what it costs
//!            (at most the burst)                          └─ less ────────▶ left out ──every so often──▶ summary line
//! ```
//!
//! An event that goes on may cost more than there is: then the next have to wait for longer, so that one that is larger than the
//! burst is neither stuck nor free.
//!
//! **Invariant**: time is that of the lines as the runtime noted it, or of their reading: a backlog is limited as it would have been
//! when it was written. A time that jumps back is taken as it is, so a wrong one shuts nobody out. What was left out is said in a summary
//! line, at most once in `summary_every` for a key, and never forgotten unsaid.

use std::sync::Arc;
use std::time::Duration;

use super::condition::Condition;
use super::key::By;
use super::recent::Recent;
use super::summary::{FieldsText, Place, SummaryLine, later};
use crate::model::event::{Event, Level, Span};
use crate::model::settings::{Key, Section};
use crate::model::time::Time;
use crate::model::units;

/// The keys of `limit`.
pub const KEYS: &[Key] = &[
    Key { name: "lines_per_second", kind: "number", default: "", help: "so many lines go on, as a mean" },
    Key { name: "bytes_per_second", kind: "size", default: "", help: "so many bytes of lines go on, as a mean" },
    Key {
        name: "burst",
        kind: "number or size",
        default: "ten seconds' worth",
        help: "so much goes on at once, where less came before",
    },
    Key {
        name: "by",
        kind: "template, or a list of names",
        default: "each container, or file",
        help: "lines for which this is the same share a limit, such as `[namespace, fields.user]`",
    },
    Key {
        name: "when",
        kind: "condition",
        default: "",
        help: "only lines that this holds of are limited, and counted; all if not set",
    },
    Key {
        name: "summary_every",
        kind: "duration",
        default: "10s",
        help: "so often, at most, a line says how many were left out",
    },
];

/// At least so many keys are remembered.
pub const MOST_KEYS: usize = 1000;
/// Lines of several streams and files come out of order by so much; what is further back is another part of the log.
const DISORDER: i128 = 5 * SECOND;
/// In nanoseconds, and the parts of a token.
const SECOND: i128 = 1_000_000_000;
/// The default burst.
const BURST_SECONDS: u64 = 10;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Lines,
    Bytes,
}

/// A limit and what it remembers.
#[derive(Clone, Debug)]
pub struct Limit {
    name: Arc<str>,
    unit: Unit,
    /// A second.
    rate: u64,
    burst: u64,
    by: By,
    when: Option<Condition>,
    every: Duration,
    keys: Recent<Bucket>,
    /// Keys of which there is something to say.
    unsaid: usize,
    /// When the first of them is to be said, by the lines' time.
    due: Option<Time>,
    /// Whether a key was forgotten that was still to be limited.
    forgets: bool,
    /// For rendering.
    key: String,
}

/// One key's.
#[derive(Clone, Debug)]
struct Bucket {
    /// In parts, of which a token has as many as a second has nanoseconds: so nothing is lost to rounding.
    tokens: i128,
    /// When they were counted.
    at: Time,
    out: Option<Out>,
}

/// What was left out of one key and not said.
#[derive(Clone, Debug)]
struct Out {
    lines: u64,
    bytes: u64,
    /// The first one's moment.
    since: Time,
    /// The last one's.
    until: Time,
    /// When that was noticed by the clock.
    clock: Option<Duration>,
    last: Place,
}

impl Limit {
    /// Reads a map with [`KEYS`], for the transform `name`; `None` if it is wrong, which is noted.
    pub fn read(section: &mut Section<'_>, name: &str) -> Option<Self> {
        let before = section.problems().0.len();
        let positive = |number: u64| if number > 0 { Ok(number) } else { Err("choose 1 or more".to_owned()) };
        let number = |text: &str| text.parse().map_err(|_| "expected a whole number".to_owned()).and_then(positive);
        let size = |text: &str| units::parse_bytes(text).and_then(positive);
        let lines = section.parsed("lines_per_second", number);
        let bytes = section.parsed("bytes_per_second", size);
        let (unit, rate) = match (section.node("lines_per_second"), section.node("bytes_per_second")) {
            (Some(_), None) => (Unit::Lines, lines),
            (None, Some(_)) => (Unit::Bytes, bytes),
            _ => {
                let text = format!("{} needs `lines_per_second` or `bytes_per_second`, one of them", section.what());
                section.problem(text, "write such as `lines_per_second: 100`; two limits are two transforms");
                (Unit::Lines, None)
            }
        };
        let burst = match unit {
            Unit::Lines => section.parsed("burst", number),
            Unit::Bytes => section.parsed("burst", size),
        };
        let by = By::read(section);
        let when = Condition::read(section, name, "when");
        let every = section.parsed("summary_every", |text| match units::parse_duration(text)? {
            every if every >= Duration::from_secs(1) => Ok(every),
            _ => Err("choose `1s` or more".to_owned()),
        });
        if section.problems().0.len() > before {
            return None;
        }
        let rate = rate?;
        let burst = burst.unwrap_or(rate.saturating_mul(BURST_SECONDS));
        let every = every.unwrap_or(Duration::from_secs(10));
        Some(Self::new(name.into(), (unit == Unit::Bytes, rate, burst), by?, when.flatten(), every))
    }

    fn new(
        name: Arc<str>,
        (bytes, rate, burst): (bool, u64, u64),
        by: By,
        when: Option<Condition>,
        every: Duration,
    ) -> Self {
        let unit = if bytes { Unit::Bytes } else { Unit::Lines };
        let (keys, key) = (Recent::new(MOST_KEYS), String::new());
        Self { name, unit, rate, burst, by, when, every, keys, unsaid: 0, due: None, forgets: false, key }
    }

    /// Which lines it limits; `None`: all.
    pub fn when(&self) -> Option<&Condition> {
        self.when.as_ref()
    }

    /// Whether it looks at fields to tell lines apart.
    pub fn wants_fields(&self) -> bool {
        self.by.wants_fields()
    }

    /// Whether the event of `moment` is over the limit. What must be said at once, since its key is forgotten, goes to `owed`.
    pub fn leaves_out(&mut self, event: &Event<'_>, moment: Time, owed: &mut Vec<SummaryLine>) -> bool {
        let mut key = std::mem::take(&mut self.key);
        self.by.render(event, &mut key);
        let (rate, burst) = (i128::from(self.rate), i128::from(self.burst) * SECOND);
        let (lines, bytes) = (event.spans.len() as u64, event.spans.iter().map(|span: &Span| span.len()).sum());
        let mut forgotten = Vec::new();
        let make = || Bucket { tokens: burst, at: moment, out: None };
        let bucket = self.keys.get(&key, make, &mut |key, bucket| forgotten.push((key.to_owned(), bucket)));
        let is_over = bucket.is_some_and(|bucket| {
            bucket.turn_to(moment, rate, burst);
            if bucket.tokens >= SECOND {
                bucket.tokens -= i128::from(if self.unit == Unit::Lines { lines } else { bytes }) * SECOND;
                return false;
            }
            if let Some(out) = &mut bucket.out {
                out.lines += lines;
                out.bytes += bytes;
                out.until = moment;
                out.last = Place::of(event);
            } else {
                let (until, last) = (moment, Place::of(event));
                bucket.out = Some(Out { lines, bytes, since: moment, until, clock: None, last });
                self.unsaid += 1;
                let due = later(moment, self.every);
                self.due = Some(self.due.map_or(due, |known| known.min(due)));
            }
            true
        });
        self.key = key;
        for (key, mut bucket) in forgotten {
            bucket.turn_to(moment, rate, burst);
            self.forgets |= bucket.tokens < burst;
            if let Some(out) = bucket.out {
                self.unsaid -= 1;
                owed.push(self.summary(&key, &out));
            }
        }
        is_over
    }

    /// Lines of `moment` are met: what was to be said before them goes to `owed`.
    #[inline]
    pub fn advance(&mut self, moment: Time, owed: &mut Vec<SummaryLine>) {
        if self.due.is_some_and(|due| due <= moment) {
            let every = self.every;
            self.say(owed, |out| later(out.since, every) <= moment);
        }
    }

    /// The clock shows `clock`: what has waited for its time goes to `owed`, or `all` there is.
    pub fn look(&mut self, clock: Duration, all: bool, owed: &mut Vec<SummaryLine>) {
        if self.unsaid > 0 {
            let every = self.every;
            self.say(owed, |out| all || clock.saturating_sub(*out.clock.get_or_insert(clock)) >= every);
        }
    }

    /// Whether a key was forgotten that was still to be limited, since it was last asked.
    pub fn forgets(&mut self) -> bool {
        std::mem::take(&mut self.forgets)
    }

    #[cold]
    fn say(&mut self, owed: &mut Vec<SummaryLine>, mut is_due: impl FnMut(&mut Out) -> bool) {
        let mut due = None;
        let mut said = Vec::new();
        for (key, bucket) in self.keys.iter_mut() {
            let Some(out) = &mut bucket.out else { continue };
            if is_due(out) {
                said.extend(bucket.out.take().map(|out| (key.to_owned(), out)));
            } else {
                let at = later(out.since, self.every);
                due = Some(due.map_or(at, |known: Time| known.min(at)));
            }
        }
        self.due = due;
        self.unsaid -= said.len();
        // In the order of what was left out last: of one stream they come in the order of their times.
        said.sort_by(|(a, one), (b, other)| one.last.time().cmp(&other.last.time()).then_with(|| a.cmp(b)));
        owed.extend(said.iter().map(|(key, out)| self.summary(key, out)));
    }

    fn summary(&self, key: &str, out: &Out) -> SummaryLine {
        let Out { lines, bytes, since, until, .. } = *out;
        let (what, were) = if lines == 1 { ("line", "was") } else { ("lines", "were") };
        let limit = match self.unit {
            Unit::Lines if self.rate == 1 => "1 line".to_owned(),
            Unit::Lines => format!("{} lines", self.rate),
            Unit::Bytes => units::format_bytes(self.rate),
        };
        let seconds = (until.as_nanos() - since.as_nanos()).unsigned_abs() as f64 / SECOND as f64;
        let text = format!(
            "{lines} {what} ({bytes} bytes) of `{key}` {were} left out within {seconds:.1}s: more than {limit} a second, \
             the limit `{}`",
            self.name
        );
        let fields =
            FieldsText::new("limit", &self.name).text("key", key).number("lines", lines).number("bytes", bytes);
        let fields = fields.text("from", &since.to_rfc3339()).text("to", &until.to_rfc3339()).end();
        SummaryLine { place: out.last.clone(), level: Some(Level::Warn), text, fields, entries: lines }
    }
}

impl Bucket {
    /// Adds what has come by `moment`: `rate` tokens a second, up to `burst` parts.
    fn turn_to(&mut self, moment: Time, rate: i128, burst: i128) {
        let passed = moment.as_nanos() - self.at.as_nanos();
        if passed > 0 {
            self.tokens = self.tokens.saturating_add(passed.saturating_mul(rate)).min(burst);
        }
        if !(-DISORDER..=0).contains(&passed) {
            self.at = moment;
        }
    }
}

#[cfg(test)]
mod tests;

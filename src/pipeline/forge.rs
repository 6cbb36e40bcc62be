//! Entries → items of the open batch: text, level and fields, the time, the sink's encoding.
//!
//! **Invariant**: nothing is encoded without an open batch, and a batch is open only with a permit. An event is
//! made, encoded and gone within one call; no allocation in the usual case.

pub mod header;
mod own;

use std::sync::Arc;
use std::time::Instant;

use super::labels::Labels;
use super::redacted::{self, Redacted};
use super::times::{Times, first_of};
use crate::flow::account::{Flaws, Tally};
use crate::flow::batch;
use crate::flow::pace::Stream;
use crate::frame::group::rules::Rules;
use crate::frame::{cut, text};
use crate::model::batch::Batch;
use crate::model::body::Body;
use crate::model::budget::{Budget, Permit};
use crate::model::event::{Entry, Event, Fields, Flaw, Span};
use crate::model::feed::{ParserName, Reading, Runs};
use crate::model::labels::Demotions;
use crate::model::origin::Origin;
use crate::model::sink::Encoder;
use crate::model::text::Text;
use crate::parse::json;
use crate::parse::moment::Said;
use crate::parse::nested::Nested;
use crate::parse::pairs::Scratch;
use crate::parse::parsed::Parsed;
use crate::parse::recipe::Recipe;
use crate::parse::separated;
use crate::parse::types::Typed;
use crate::transform::condition::Wants;
use crate::transform::redact::Redactor;
use crate::transform::steps::{Run, Steps};
use crate::transform::summary::{self, SummaryLine};

/// What a forge is made of.
pub struct Tools {
    /// The sink's half that writes items.
    pub encoder: Box<dyn Encoder>,
    /// The parsers of the settings; feeds name theirs by index.
    pub parsers: Vec<Recipe>,
    /// Which lines make one event, by the same index; the reader's.
    pub multiline: Vec<Rules>,
    /// How batches are cut.
    pub batch: batch::Settings,
    /// The pipeline's memory.
    pub budget: Budget,
    /// The bytes of one permit.
    pub permit_bytes: usize,
    /// So many batches may be on their way; those under retry do not count. More would not leave earlier.
    pub most_underway: usize,
    /// The longest text of an event in bytes.
    pub max_line: usize,
    /// Replaces secrets before anything else looks at a line, where the settings ask for it.
    pub redactor: Option<Redactor>,
    /// What the settings do with events, such as leaving them out.
    pub steps: Steps,
}

/// Makes items of entries.
pub struct Forge {
    tools: Tools,
    /// The most bytes that one line adds to a body.
    line_bound: usize,
    /// The most bytes that a line of our own adds, such as are written before an event.
    own_bound: usize,
    open: Option<Open>,
    /// A body's memory to be used again; none while nothing is read.
    spare: Option<Vec<u8>>,
    last_id: u64,
    /// Batches that were sealed and are neither ended nor under retry.
    underway: Underway,
    text: String,
    /// The message of an event of several lines whose first one has structure.
    message: String,
    redacted: Redacted,
    pairs: Scratch,
    /// Fields with their types, and the memory for these.
    typed: Typed,
    typed_pairs: Scratch,
    /// How much of a line the encoder, the redactor and the steps look at.
    wants: Wants,
    times: Times,
    labels: Labels,
    nested: Nested,
    /// Lines whose form was not as their file's or parser's, since they were last taken.
    pub flaws: Flaws,
    /// Conditions that asked a value for what it is not, by step, since they were last taken.
    pub wrong: Vec<u64>,
    /// Lines of our own that have found no room yet.
    pub owed: Vec<SummaryLine>,
    /// Those in the open batch.
    pub told: Vec<SummaryLine>,
    /// The header line of the file at hand; empty where its lines have none.
    header: String,
    /// The header lines that were met, where somebody wants to know.
    pub headers: Option<Vec<Span>>,
}

/// Sealed batches.
#[derive(Clone, Copy, Debug, Default)]
struct Underway {
    sealed: usize,
    retrying: usize,
}

struct Open {
    body: Body,
    permit: Permit,
    since: Instant,
}

/// What an entry needs to know of its file.
pub struct Context<'c> {
    /// Whose line it is.
    pub origin: &'c Arc<Origin>,
    /// Which parser.
    pub parser: ParserName,
    /// The runs of equal times so far.
    pub runs: &'c mut Runs,
    /// When the line was first read: the time of lines that have none, or one that is too old for the store.
    pub reading: Option<Reading>,
    /// Whether the line was settled before the last restart: it only moves the runs.
    pub is_settled: bool,
    /// Which labels are stored beside its lines.
    pub demotions: Option<&'c mut Demotions>,
    /// What is known of the bytes that the entry is from.
    pub known: text::Known<'c>,
}

impl Forge {
    /// With no batch open.
    pub fn new(tools: Tools) -> Self {
        let line_bound = tools.encoder.bound(tools.max_line);
        let own_bound = tools.encoder.bound(summary::USUAL.min(tools.max_line));
        let times = Times::new(&*tools.encoder);
        let names_fields = tools.redactor.as_ref().is_some_and(Redactor::wants_fields);
        let wants = if tools.encoder.wants_fields() || names_fields { Wants::All } else { tools.steps.wants() };
        let labels = Labels::of(&*tools.encoder);
        let wrong = vec![0; tools.steps.names().count()];
        Self {
            tools,
            line_bound,
            own_bound,
            open: None,
            spare: None,
            last_id: 0,
            underway: Underway::default(),
            text: String::new(),
            message: String::new(),
            redacted: Redacted::default(),
            pairs: Scratch::default(),
            typed: Typed::default(),
            typed_pairs: Scratch::default(),
            wants,
            times,
            labels,
            nested: Nested::default(),
            flaws: Flaws::default(),
            wrong,
            owed: Vec::new(),
            told: Vec::new(),
            header: String::new(),
            headers: None,
        }
    }

    /// Whether one more event can be taken: a batch is open and not full. Opens one if memory allows, and not enough wait already.
    #[inline]
    pub fn is_ready(&mut self) -> bool {
        match &self.open {
            // A label that is to be demoted is so before the next event.
            _ if self.labels.crowded.is_some() => false,
            Some(_) => !self.is_full(),
            None => self.open_batch(),
        }
    }

    /// The name of a parser.
    pub fn parser_name(&self, parser: ParserName) -> &'static str {
        self.tools.parsers[parser.0].parser.name()
    }

    /// Whether the time of reading matters for lines that have one of their own, too.
    #[inline]
    pub fn restamps(&self) -> bool {
        self.times.restamps()
    }

    /// Whether the open batch is to be sealed before the next event.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|open| {
            open.body.bytes.len() >= self.tools.batch.max_bytes || open.body.spans.len() >= self.tools.batch.max_items()
        })
    }

    fn open_batch(&mut self) -> bool {
        let Underway { sealed, retrying } = self.underway;
        if sealed.saturating_sub(retrying) >= self.tools.most_underway {
            return false;
        }
        let Some(permit) = self.tools.budget.try_acquire(self.tools.permit_bytes) else { return false };
        let capacity = self.tools.batch.body_capacity(self.line_bound);
        let body = match self.spare.take() {
            Some(bytes) => Body { bytes, ..Body::default() },
            None => Body::with_capacity(capacity),
        };
        self.open = Some(Open { body, permit, since: Instant::now() });
        true
    }

    /// Takes back a body that nobody needs any more, to write the next one into: memory that was touched before costs nothing.
    pub fn take_back(&mut self, body: Arc<Body>) {
        if let Ok(mut body) = Arc::try_unwrap(body) {
            body.bytes.clear();
            self.spare = Some(body.bytes);
        }
    }

    /// When the open batch's first event came; `None` where there is no event.
    pub fn waiting_since(&self) -> Option<Instant> {
        self.open.as_ref().filter(|open| !open.body.is_empty()).map(|open| open.since)
    }

    /// Takes the open batch, if it has an event. An open batch without one stays open.
    pub fn seal(&mut self) -> Option<Batch> {
        let open = self.open.take_if(|open| !open.body.is_empty())?;
        self.last_id += 1;
        self.underway.sealed += 1;
        Some(Batch { id: self.last_id, body: Arc::new(open.body), permit: open.permit })
    }

    /// A batch was answered for.
    pub fn ended(&mut self) {
        self.underway.sealed = self.underway.sealed.saturating_sub(1);
    }

    /// So many batches wait for lines of theirs to be sent again.
    pub fn note_retrying(&mut self, batches: usize) {
        self.underway.retrying = batches;
    }

    /// What is in the open batch.
    pub fn open_tally(&self) -> Tally {
        self.open.as_ref().map_or_else(Tally::default, |open| Tally::of(&open.body.spans))
    }

    /// Which stream of the store an origin's lines go to, where the order of their times matters there.
    pub fn stream(&mut self, origin: &Arc<Origin>) -> Option<Stream> {
        self.tools.encoder.stream(origin, self.labels.all())
    }

    /// A label that has taken more values than the settings allow; each is given once.
    pub fn crowded(&mut self) -> Option<String> {
        self.labels.crowded.take().or_else(|| self.tools.encoder.crowded())
    }

    /// Whether the sink stores crowded labels beside the line.
    pub fn demotes(&self) -> bool {
        self.labels.acts()
    }

    /// Has a label stored beside the line from now on; whether that is news.
    pub fn demote(&mut self, label: &Arc<str>) -> bool {
        self.labels.demote(label, &*self.tools.encoder)
    }

    /// Has an origin's marks be of the labels that are demoted now.
    pub fn fit(&self, demotions: &mut Option<Box<Demotions>>) {
        self.labels.fit(demotions);
    }

    /// Gives the memory of an open batch without events back.
    pub fn rest(&mut self) {
        self.open.take_if(|open| open.body.is_empty());
        self.spare = None;
    }

    /// Encodes one event made of the entry (of which `lost` more bytes are not there) and its spans; or gives the place of the
    /// step that leaves it out, and the one behind the last for a header line. [`Forge::is_ready`] was asked before.
    #[inline]
    pub fn push(&mut self, context: Context<'_>, entry: &Entry<'_>, lost: u64, spans: &[Span]) -> Option<usize> {
        // Known in every replay; a time without a year is the one nearest to it.
        let near = entry.time.or(context.reading.map(|reading| reading.time));
        let given = self.times.of(entry, context.runs, context.reading, spans);
        if context.is_settled {
            return None;
        }
        let moment = near.unwrap_or(given.0);
        let spare = if self.tools.steps.remembers() {
            self.tools.steps.advance(moment, &mut self.owed);
            self.spare()
        } else {
            0
        };
        let Some(open) = &mut self.open else {
            debug_assert!(false, "a batch is open when an event is pushed");
            return None;
        };
        let (body, was_cut) = text::text(entry.body, context.known, lost, self.tools.max_line, &mut self.text);
        let (body, was_cut) = match &self.tools.redactor {
            None => (body, was_cut),
            Some(redactor) => self.redacted.line(redactor, body, was_cut, self.tools.max_line),
        };
        let flaw = if was_cut { Some(Flaw::Cut) } else { entry.flaw };
        let mut pairs = self.pairs.lend();
        let Recipe { parser, types, time: field } = &mut self.tools.parsers[context.parser.0];
        let head = first_line(body, spans);
        if let Some(separated) = parser.headed() {
            separated.look_at(entry.stream);
        }
        let knows_json = parser.knows_json();
        // A field that says the time is looked at whatever the sink wants.
        let wants = if field.is_some() { self.wants.max(Wants::Names) } else { self.wants };
        let parsed = match wants {
            Wants::All => parser.parse(head, &mut pairs),
            Wants::Names => parser.outline(head, &mut pairs),
            Wants::Level => {
                let (level, missed) = parser.level(head, &mut pairs);
                Parsed { level, message: Text::Plain(head), fields: Fields::None, missed }
            }
        };
        // A program's own line says a level; what says none may wrap one.
        let may_wrap = parsed.level.is_none()
            && match wants {
                Wants::Level => knows_json && json::begins(head),
                Wants::Names | Wants::All => matches!(parsed.fields, Fields::Json(_)),
            };
        let inner = if may_wrap { self.nested.unfold(head) } else { None };
        let given = match (&inner, context.reading) {
            (Some((_, line)), Some(reading)) => self.times.of_inner(line, given, reading, spans),
            _ => given,
        };
        let parsed = match inner {
            Some((inner, _)) if wants > Wants::Level => inner,
            Some((inner, _)) => Parsed { level: inner.level, ..parsed },
            None if may_wrap => Parsed { level: Nested::level_of_text(head), ..parsed },
            None => parsed,
        };
        let said = field.as_ref().map_or(Said::Nothing, |field| field.read(&parsed.fields, near));
        let (time, time_source, nudge) = match said {
            Said::At(said) => self.times.of_field(said, entry.time, context.reading, spans).unwrap_or(given),
            Said::Nothing | Said::Flawed => given,
        };
        let flaw = flaw
            .or_else(|| parsed.missed.then_some(Flaw::NotParsed))
            .or_else(|| (said == Said::Flawed).then_some(Flaw::NoTime));
        if let Some(flaw) = flaw {
            let is_line = head.len() == body.len();
            if flaw == Flaw::NotParsed && is_line && separated::is_header(head, &self.header) {
                self.headers.iter_mut().for_each(|headers| headers.extend_from_slice(spans));
                return Some(self.wrong.len());
            }
            self.flaws.note(flaw);
        }
        let event = Event {
            origin: context.origin,
            spans,
            time,
            time_source,
            nudge,
            stream: entry.stream,
            level: parsed.level,
            body,
            message: with_rest(parsed.message, head, body, &mut self.message),
            fields: parsed.fields,
            flaw,
            demoted: self.labels.send(context.demotions, spans.first().map_or(0, |span| span.start)),
        };
        let (encoder, steps) = (&mut self.tools.encoder, &mut self.tools.steps);
        let is_first = open.body.is_empty();
        let max_line = self.tools.max_line;
        let mut run = Run {
            moment,
            most: max_line,
            wrong: &mut self.wrong,
            owed: &mut self.owed,
            told: &mut self.told,
            spare,
            demoted: self.labels.all(),
        };
        let mut hand_on = |event: &Event<'_>| {
            if steps.is_empty() {
                encoder.push(event, &mut open.body);
                return None;
            }
            steps.run(event, &mut run, &mut |event| encoder.push(event, &mut open.body))
        };
        // Behind what makes secrets of fields, which looks for their values in the line.
        let (typed, typed_pairs, flaws) = (&mut self.typed, &mut self.typed_pairs, &mut self.flaws);
        let mut push = |event: &Event<'_>| match types {
            Some(types) if event.fields != Fields::None => {
                types.apply(&event.fields, near.unwrap_or_default(), typed);
                let mut pairs = typed_pairs.lend();
                let fields = typed.fields(&event.fields, &mut pairs);
                let flaw = event.flaw.or_else(|| typed.misfits.then_some(Flaw::NotTyped));
                if event.flaw.is_none() && typed.misfits {
                    flaws.note(Flaw::NotTyped);
                }
                hand_on(&Event { fields, flaw, ..event.clone() })
            }
            _ => hand_on(event),
        };
        let left_out = match &self.tools.redactor {
            Some(redactor) if redactor.wants_fields() => redacted::push(redactor, max_line, &event, &mut push),
            _ => push(&event),
        };
        if is_first && left_out.is_none() {
            open.since = Instant::now();
        }
        if self.labels.acts() && self.labels.crowded.is_none() {
            self.labels.crowded = self.tools.encoder.crowded();
        }
        debug_assert!(
            open.body.bytes.len() <= self.tools.batch.body_capacity(self.line_bound),
            "a body stays within its permit"
        );
        left_out
    }
}

/// The part of an event that is parsed: what follows its first line is a trace, which has no structure to look for.
#[inline]
fn first_line<'b>(body: &'b str, spans: &[Span]) -> &'b str {
    if spans.len() == 1 { body } else { &body[..first_of(body.as_bytes(), spans).len()] }
}

/// The message of the first line and the lines behind it: whatever a parser takes for the message, none of these is lost.
#[inline]
fn with_rest<'m>(message: Text<'m>, head: &str, body: &'m str, scratch: &'m mut String) -> Text<'m> {
    if head.len() == body.len() {
        return message;
    }
    if matches!(message, Text::Plain(plain) if plain == head) {
        return Text::Plain(body);
    }
    scratch.clear();
    scratch.push_str(&message.plain());
    scratch.push_str(&body[head.len()..]);
    Text::Plain(scratch)
}

/// A line longer than this is cut before its end is seen: the longest text and the runtime's wrapping around it.
pub fn longest_line(max_line: usize) -> usize {
    max_line + (16 << 10)
}

/// Stands for the bytes of a line that was cut before its end was seen.
pub const UNCOUNTED: u64 = cut::UNCOUNTED;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, message: Option<Text<'_>>, expected: &str) {
        let spans = [Span { start: 0, end: 1 }, Span { start: 1, end: 2 }];
        let head = first_line(body, &spans);
        let mut scratch = "before".to_owned();
        let message = with_rest(message.unwrap_or(Text::Plain(head)), head, body, &mut scratch);
        assert_eq!(message.plain(), expected, "{body}");
    }

    #[test]
    fn no_line_of_an_event_is_lost_to_its_parser() {
        check("failed\n\tat a.B", None, "failed\n\tat a.B");
        check("level=error msg=failed\n\tat a.B", Some(Text::Plain("failed")), "failed\n\tat a.B");
        check("{\"msg\":\"a\\tb\"}\n\tat a.B", Some(Text::Escaped("a\\tb")), "a\tb\n\tat a.B");
        // Of pieces, one line.
        check("failed", Some(Text::Plain("a")), "a");
        assert_eq!(first_line("a\nb", &[Span { start: 0, end: 4 }]), "a\nb", "not several lines");
    }
}

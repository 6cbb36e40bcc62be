//! Sources and sinks: from their maps to what the program needs, by the tables of kinds.
//!
//! **Invariant**: a kind is known by its row in `sources::KINDS` or `sinks::KINDS` alone; nothing here names one,
//! but for what is common to a transport (one writer owns stdout, a pipe can be read once).

use std::sync::Arc;

use super::machine::Machine;
use super::names::{check_name, kind_of};
use crate::deliver::{self, DeadLetter, http};
use crate::flow::batch;
use crate::frame::group::rules::Rules;
use crate::model::feed::ParserName;
use crate::model::settings::{Key, Node, Place, Problems, Section, nearest};
use crate::parse::Parser;
use crate::parse::reader::READERS;
use crate::parse::recipe::Recipe;
use crate::sinks::{Given, Transport};
use crate::sources::spool;
use crate::transform::count::settings as count;
use crate::transform::redact::{self, Redactor};
use crate::transform::settings as transforms;
use crate::transform::steps::Steps;
use crate::{sinks, sources};

/// The keys that every source has.
pub const SOURCE_KEYS: &[Key] = &[
    Key { name: "type", kind: "kind of source", default: "", help: "what it reads" },
    Key {
        name: "parse",
        kind: "parser",
        default: "",
        help: "how its lines are understood; `parse` at the top if not set",
    },
    Key {
        name: "multiline",
        kind: "preset, a list of them or a map",
        default: "",
        help: "which of its lines make one event; `multiline` at the top if not set",
    },
];

/// The keys that every sink has.
pub const SINK_KEYS: &[Key] = &[
    Key { name: "type", kind: "kind of sink", default: "", help: "where it ships to" },
    Key { name: "sources", kind: "list of sources", default: "", help: "whose lines it gets; all if not set" },
    Key {
        name: "was",
        kind: "text",
        default: "",
        help: "what it was called before: under its new name it goes on at the old one's cursors",
    },
    Key { name: "batch", kind: "map", default: "", help: "when a batch is full" },
    Key {
        name: "workers",
        kind: "number",
        default: "1",
        help: "threads that read and encode, each with its own files and its part of the memory; fewer where there are fewer CPUs, or less memory than two batches for each",
    },
    Key {
        name: "redact",
        kind: "map",
        default: "",
        help: "what is replaced in its lines, beside what `redact` at the top says",
    },
    Key {
        name: "transforms",
        kind: "map of transforms",
        default: "",
        help: "what is left out and changed of its lines, behind the `transforms` at the top",
    },
];
/// More are a mistake: each takes a core at a few hundred megabytes a second.
const MOST_WORKERS: usize = 64;

/// Names, their places and what stands under them.
pub(super) type Entries<'a> = Vec<(&'a str, &'a Place, &'a Node)>;

/// Where lines come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name in the settings.
    pub name: Arc<str>,
    /// Where it was typed.
    pub place: Place,
    /// The name of its kind.
    pub kind: &'static str,
    /// Its kind and what that needs.
    pub settings: sources::Settings,
    /// Which of the program's parsers handles its lines.
    pub parser: ParserName,
}

impl Source {
    /// What it says about a spool, where it is a pipe with one.
    pub fn spool(&self) -> Option<spool::Settings> {
        match &self.settings {
            sources::Settings::Stdin(settings) => settings.spool,
            _ => None,
        }
    }

    /// Whether it follows files, which need cursors.
    pub fn has_files(&self) -> bool {
        !matches!(self.settings, sources::Settings::Stdin(_))
    }
}

/// Where events go.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Its name in the settings: the key of its pipeline.
    pub name: Arc<str>,
    /// Where it was typed.
    pub place: Place,
    /// The name of its kind.
    pub kind: &'static str,
    /// Encoder and wire.
    pub sink: sinks::Sink,
    /// What it was called before, where its cursors are to be taken over.
    pub was: Option<Arc<str>>,
    /// Whose lines it gets: indices into the settings' sources, ascending.
    pub sources: Vec<usize>,
    /// When a batch is full.
    pub batch: batch::Settings,
    /// The threads that read and encode for it; at least one.
    pub workers: usize,
    /// The bytes that its pipeline may hold; enough for two batches for each worker.
    pub share: usize,
    /// How its store is reached; where it has one.
    pub store: Option<Store>,
    /// What replaces secrets in its lines, where the settings ask for it.
    pub redactor: Option<Redactor>,
    /// What is done with its events, in order.
    pub steps: Steps,
}

/// How a store behind HTTP is reached.
#[derive(Clone, Debug)]
pub struct Store {
    /// Connections.
    pub http: http::Settings,
    /// When to try again, how much at once, and where refused entries go.
    pub delivery: deliver::Settings,
}

impl Sink {
    /// The bytes that a permit of its pipeline stands for, where lines have `max_line` bytes at most.
    pub fn permit_bytes(&self, max_line: usize) -> usize {
        let line_bound = self.sink.encoder().bound(max_line);
        let wire_bound = self.sink.wire.bound(self.batch.body_capacity(line_bound));
        self.batch.permit_bytes(line_bound, wire_bound)
    }
}

/// How the lines of sources are read: what they refer to by index, and what those get that say nothing.
pub(super) struct Readings {
    pub(super) parsers: Vec<Recipe>,
    pub(super) multiline: Vec<Rules>,
    default: (Recipe, Rules),
}

impl Readings {
    /// With what stands at the top. What is wrong there is reported once, not by every source that falls back to it.
    pub(super) fn new(parse: Option<&Node>, multiline: Option<&Node>, problems: &mut Problems) -> Self {
        let parser = parse.and_then(|node| Recipe::from_settings(node, problems)).unwrap_or(Parser::Auto.into());
        let rules = multiline.and_then(|node| Rules::from_settings(node, problems)).unwrap_or_default();
        Self { parsers: Vec::new(), multiline: Vec::new(), default: (parser, rules) }
    }

    /// Takes what a source says of itself.
    fn take(&mut self, section: &mut Section<'_>) -> ParserName {
        let parse = section.node("parse");
        let parser = parse.map_or(Some(self.default.0.clone()), |node| Recipe::from_settings(node, section.problems()));
        let multiline = section.node("multiline");
        let rules =
            multiline.map_or(Some(self.default.1.clone()), |node| Rules::from_settings(node, section.problems()));
        self.parsers.push(parser.unwrap_or(Parser::Auto.into()));
        self.multiline.push(rules.unwrap_or_default());
        ParserName(self.parsers.len() - 1)
    }
}

/// Reads the sources; `readings` takes how their lines are read.
pub(super) fn sources(entries: Entries<'_>, readings: &mut Readings, problems: &mut Problems) -> Vec<Source> {
    let mut read: Vec<Source> = Vec::new();
    for (name, place, node) in entries {
        check_name("source", name, place, problems);
        let known = sources::KINDS.iter().map(|kind| (kind.name, kind));
        let Some(kind) = kind_of("source", name, place, node, known, problems) else { continue };
        let mut section = Section::new(format!("source `{name}`"), node, &source_tables(kind), problems);
        section.text("type");
        let parser = readings.take(&mut section);
        let settings = (kind.read)(&mut section);
        let is_spooled = matches!(&settings, sources::Settings::Stdin(stdin) if stdin.spool.is_some());
        if is_spooled && readings.parsers.get(parser.0).is_some_and(|recipe| recipe.parser.wants_header()) {
            section.problem(
                "a header line and `spool` do not go together",
                "a pipe has its header in the first of the spool's segments alone, which is removed in time: name the values, as in \
                 `csv: [time, level, message]`, or leave `spool` out",
            );
        }
        section.end();
        let source = Source { name: name.into(), place: place.clone(), kind: kind.name, settings, parser };
        if let (false, Some(first)) = (source.has_files(), read.iter().find(|other| !other.has_files())) {
            problems.add_with_hint(
                place,
                format!("source `{name}` reads stdin, and `{}` does already", first.name),
                "a pipe can be read once: name the first in the `sources` of several sinks instead",
            );
        }
        read.push(source);
    }
    read
}

/// What the settings say for all sinks at once.
pub(super) struct Common<'m> {
    /// What is replaced in all lines.
    pub(super) redact: redact::settings::Settings,
    /// What is done with all events.
    pub(super) transforms: transforms::Settings,
    /// What a file holds that is a secret; why it cannot be had.
    pub(super) secret: &'m dyn Fn(&str) -> Result<String, String>,
}

/// Reads the sinks. `typed_sources` are the names of all sources, the wrong ones too.
pub(super) fn sinks(
    entries: Entries<'_>,
    typed_sources: &[&str],
    sources: &[Source],
    given: &Given,
    common: &Common<'_>,
    problems: &mut Problems,
) -> Vec<Sink> {
    let mut read: Vec<Sink> = Vec::new();
    for (name, place, node) in entries {
        check_name("sink", name, place, problems);
        let known = sinks::KINDS.iter().map(|kind| (kind.name, kind));
        let Some(kind) = kind_of("sink", name, place, node, known, problems) else { continue };
        let mut section = Section::new(format!("sink `{name}`"), node, &sink_tables(kind), problems);
        section.text("type");
        let wanted = section.placed_texts("sources");
        let was = section.text("was");
        let read_redact = |section: &mut Section<'_>| redact::settings::Settings::read(section, common.secret);
        let more = section.section("redact", &[redact::settings::KEYS], read_redact);
        let steps = transforms::Settings::read(&mut section, "transforms", transforms::Of::OneSink, &READERS);
        let steps = common.transforms.with(&steps, section.problems());
        let built = (kind.build)(&mut section, given);
        let sink = Sink {
            name: name.into(),
            place: place.clone(),
            kind: kind.name,
            workers: section.parsed("workers", workers).unwrap_or(1),
            share: 0,
            was: was.map(Into::into),
            store: (kind.transport == Transport::Http).then(|| store(&mut section, &built)),
            sink: built,
            sources: pick(name, place, wanted, typed_sources, sources, section.problems()),
            redactor: Redactor::new(&common.redact.with(more.as_ref())),
            steps,
            batch: section.section("batch", &[batch::Settings::KEYS], batch::Settings::read).unwrap_or_default(),
        };
        let encoder = sink.sink.encoder();
        if sink.workers > 1 && !encoder.demotable().is_empty() && encoder.restamps_after().is_none() {
            section.problem(
                "`demote` with several workers needs `restamp_older_than`",
                "streams that become one may be read by several workers, hours apart, and Loki refuses what is an hour behind: \
                 set it, or leave `workers` out",
            );
        }
        section.end();
        let to_stdout = |sink: &Sink| sink.sink.transport == Transport::Stdout;
        if let (true, Some(first)) = (to_stdout(&sink), read.iter().find(|other| to_stdout(other))) {
            problems.add_with_hint(
                place,
                format!("sink `{name}` writes to stdout, and `{}` does already", first.name),
                "one writer owns stdout: name the sources of both in one sink",
            );
        }
        read.push(sink);
    }
    for sink in &read {
        let other = read.iter().find(|other| sink.was.as_deref() == Some(&*other.name));
        if let Some(other) = other {
            problems.add_with_hint(
                &sink.place,
                format!("sink `{}` was called `{}`, and there is a sink of that name", sink.name, other.name),
                "take `was` out, or give the other one another name",
            );
        }
    }
    let counted = read.iter().map(|sink| (&sink.place, sink.steps.metrics().collect()));
    count::check_same(counted, problems);
    // With a sink left out above, whose sources are not known, nothing can be said.
    if problems.0.is_empty() {
        unused(sources, &read, problems);
    }
    read
}

fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=MOST_WORKERS) => Ok(number),
        _ => Err(format!("expected a whole number from 1 to {MOST_WORKERS}")),
    }
}

/// What sinks are told from outside their own settings.
pub(super) fn given(fields: Vec<(String, String)>, machine: &Machine<'_>) -> Given {
    let no_color = (machine.env)("NO_COLOR").is_some_and(|value| !value.is_empty());
    Given { fields, terminal: machine.stdout_terminal, color: machine.stdout_terminal && !no_color }
}

/// The tables that a source's keys stand in.
pub fn source_tables(kind: &sources::Kind) -> Vec<&'static [Key]> {
    [&[SOURCE_KEYS], kind.keys].concat()
}

/// The tables that a sink's keys stand in.
pub fn sink_tables(kind: &sinks::Kind) -> Vec<&'static [Key]> {
    let mut tables = vec![SINK_KEYS, kind.keys];
    if kind.transport == Transport::Http {
        tables.extend([http::KEYS, deliver::KEYS]);
    }
    tables
}

fn store(section: &mut Section<'_>, sink: &sinks::Sink) -> Store {
    let store = Store { http: http::Settings::read(section), delivery: deliver::Settings::read(section) };
    // Asked as the delivery asks, so that what is taken here has a form there.
    // A sink that could not be built has been complained about already.
    let has_indices =
        |sink: &sinks::Sink| sink.transport != Transport::Http || sink.wire.dead_letter(b"", "", "").is_some();
    if let (DeadLetter::Index(_), false, Some(node)) =
        (&store.delivery.dead_letter, has_indices(sink), section.node("dead_letter"))
    {
        let text = format!("the store of {} has no indices for a `dead_letter`", section.what());
        section.problems().add_with_hint(&node.place, text, "write `dead_letter: { file: PATH }`");
    }
    store
}

/// The indices of the sources that a sink asks for; all if it names none.
fn pick(
    sink: &str,
    place: &Place,
    wanted: Option<Vec<(String, Place)>>,
    typed: &[&str],
    sources: &[Source],
    problems: &mut Problems,
) -> Vec<usize> {
    let Some(wanted) = wanted else { return (0..sources.len()).collect() };
    if wanted.is_empty() {
        let hint = "name some, or leave `sources` out for all";
        problems.add_with_hint(place, format!("sink `{sink}` would get the lines of no source"), hint);
    }
    let mut picked = Vec::new();
    for (name, place) in wanted {
        match sources.iter().position(|source| *source.name == *name) {
            Some(index) => picked.push(index),
            // Something else is wrong with it, and said.
            None if typed.contains(&name.as_str()) => {}
            None => {
                let list = format!("known: {}", typed.join(", "));
                let hint = match nearest(&name, typed.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`? {list}"),
                    None => list,
                };
                problems.add_with_hint(&place, format!("sink `{sink}` asks for an unknown source `{name}`"), hint);
            }
        }
    }
    picked.sort_unstable();
    picked.dedup();
    picked
}

/// A source that no sink asks for is a mistake: its lines would be lost without a word.
fn unused(sources: &[Source], sinks: &[Sink], problems: &mut Problems) {
    for (index, source) in sources.iter().enumerate() {
        if !sinks.iter().any(|sink| sink.sources.contains(&index)) {
            problems.add_with_hint(
                &source.place,
                format!("source `{}` goes to no sink", source.name),
                "add it to the `sources` of a sink, or remove it",
            );
        }
    }
}

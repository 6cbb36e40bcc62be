//! Events into entries, each in the group of its stream.
//!
//! **Invariant**: entries of equal labels and tenant are in one group of a body (which may stand twice in bodies that
//! are filled in turns, at the cost of its bytes). Labels, tenant and metadata are
//! rendered once per origin (and stream, level and flaw, where a template wants them) and then copied; what a template
//! takes from the application's fields is rendered for each line.
//!
//! Only the last origin's renderings are kept: lines come in turns of one origin, and a turn begins with a read that
//! costs more than rendering does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use crate::model::body::{Body, Group};
use crate::model::event::{Event, Fields, Flaw, Stream, TimeSource};
use crate::model::origin::Origin;
use crate::model::sink::Encoder;
use crate::model::text::Text;
use crate::model::time::Time;

use super::entry;
use super::guard::{Guard, Shared};
use super::labels;
use super::settings::{Label, Settings};

/// A time found in a line may lie so far before the time of reading.
const LINE_TIMES_BEFORE: Duration = Duration::from_secs(30 * 60);
/// A time found in a line may lie so far behind the time of reading.
const LINE_TIMES_BEHIND: Duration = Duration::from_secs(5 * 60);

/// Streams (and none), levels (and none), flaws (and none): so many renderings an origin can have.
const KINDS: usize = 3 * 7 * (Flaw::ALL.len() + 1);

/// The encoder of one worker.
pub(super) struct LokiEncoder {
    settings: Arc<Settings>,
    /// Counts labels' values.
    guard: Guard,
    /// Whose renderings `slots` holds.
    last: Option<Arc<Origin>>,
    /// Labels that the renderings in `slots` have in the metadata.
    demoted: u64,
    /// Counts changes of `last` and `demoted`; a slot of an older turn is not valid.
    turn: u64,
    /// By [`kind`].
    slots: Vec<Slot>,
    /// Groups of the body at hand by the hash of tenant and labels.
    known: HashMap<u64, u32>,
    /// For rendering.
    text: String,
    /// For rendering.
    value: String,
    /// Whether a slot's labels serve only the line they were rendered for.
    head_per_line: bool,
    /// Whether a slot's metadata serves only the line it was rendered for.
    metadata_per_line: bool,
    /// Whether lines of one origin differ by stream, level or flaw.
    by_kind: bool,
}

/// One rendering.
#[derive(Default)]
struct Slot {
    /// The turn it belongs to.
    turn: u64,
    /// Where the group was found last.
    group: u32,
    /// Tenant and labels.
    head: Option<Group>,
    /// The metadata as it goes into an entry.
    metadata: Vec<u8>,
}

impl LokiEncoder {
    pub(super) fn new(settings: Arc<Settings>, guard: &Arc<Shared>) -> Self {
        let (head, metadata) = settings.depends(0);
        Self {
            last: None,
            demoted: 0,
            turn: 0,
            slots: std::iter::repeat_with(Slot::default).take(KINDS).collect(),
            known: HashMap::new(),
            text: String::new(),
            value: String::new(),
            head_per_line: head.content,
            metadata_per_line: metadata.content,
            by_kind: head.kind || metadata.kind,
            guard: Guard::new(guard),
            settings,
        }
    }

    fn turn_to(&mut self, origin: &Arc<Origin>, demoted: u64) {
        if !self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, origin)) {
            self.last = Some(Arc::clone(origin));
            self.turn += 1;
        }
        if self.demoted != demoted {
            self.demoted = demoted;
            self.turn += 1;
            let (head, metadata) = self.settings.depends(demoted);
            (self.head_per_line, self.metadata_per_line) = (head.content, metadata.content);
        }
    }

    /// Renders what the slot does not hold for this event.
    fn prepare(&mut self, at: usize, event: &Event<'_>) {
        let stale = self.slots[at].turn != self.turn;
        if stale || self.head_per_line {
            self.slots[at].head = Some(self.render_head(event));
        }
        if stale || self.metadata_per_line {
            let mut metadata = std::mem::take(&mut self.slots[at].metadata);
            metadata.clear();
            self.render_metadata(event, &mut metadata);
            self.slots[at].metadata = metadata;
        }
        self.slots[at].turn = self.turn;
    }

    fn render_head(&mut self, event: &Event<'_>) -> Group {
        let settings = Arc::clone(&self.settings);
        self.text.clear();
        self.text.push('{');
        for Label { name, template, place } in
            settings.labels.of(event).iter().filter(|label| !label.is_in(event.demoted))
        {
            self.value.clear();
            template.render(event, &mut self.value);
            if !self.value.is_empty() {
                labels::put(name, &self.value, &mut self.text);
                self.guard.see(*place, &self.value);
            }
        }
        if self.text.len() == 1 {
            // A stream needs a label.
            let source = if event.origin.source.is_empty() { "tailwater" } else { &event.origin.source };
            labels::put("source", source, &mut self.text);
        }
        self.text.push('}');
        let route = settings.tenant.as_ref().map(|tenant| {
            self.value.clear();
            tenant.render(event, &mut self.value);
            Arc::from(legal_tenant(&mut self.value))
        });
        Group { route, head: Arc::from(self.text.as_str()) }
    }

    fn render_metadata(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        let mut left = entry::METADATA_MAX - entry::OWN_TIME_MAX;
        for (name, template) in &self.settings.metadata {
            self.value.clear();
            template.render(event, &mut self.value);
            entry::put_metadata(self.settings.encoding, name, &self.value, &mut left, out);
        }
        if event.demoted == 0 {
            return;
        }
        let settings = Arc::clone(&self.settings);
        for label in settings.labels.of(event).iter().filter(|label| label.is_in(event.demoted)) {
            // One that stands there anyway has the same value.
            if settings.metadata.iter().all(|(known, _)| *known != label.name) {
                self.value.clear();
                label.template.render(event, &mut self.value);
                entry::put_metadata(settings.encoding, &label.name, &self.value, &mut left, out);
            }
        }
    }

    /// The slot's metadata and the line's own time.
    fn with_own_time(&self, at: usize, own: Time) -> Vec<u8> {
        let mut metadata = self.slots[at].metadata.clone();
        let mut left = entry::OWN_TIME_MAX;
        entry::put_metadata(self.settings.encoding, entry::OWN_TIME, &own.to_rfc3339(), &mut left, &mut metadata);
        metadata
    }

    /// The slot's group in this body, and whether it is new there.
    fn group(&mut self, at: usize, body: &mut Body) -> (u32, bool) {
        let slot = &mut self.slots[at];
        let Some(head) = &mut slot.head else { return (0, false) };
        if body.groups.get(slot.group as usize).is_some_and(|group| Arc::ptr_eq(&group.head, &head.head)) {
            return (slot.group, false);
        }
        if self.known.len() != body.groups.len() {
            // Another body than the last time.
            self.known.clear();
            self.known.extend(body.groups.iter().zip(0..).map(|(group, index)| (hash(group), index)));
        }
        let key = hash(head);
        let found = self.known.get(&key).copied();
        let same = found.and_then(|index| body.groups.get(index as usize)).filter(|group| *group == head);
        let (index, new) = match (found, same) {
            (Some(index), Some(group)) => {
                *head = group.clone();
                (index, false)
            }
            _ => {
                let index = body.groups.len() as u32;
                body.groups.push(head.clone());
                self.known.insert(key, index);
                (index, true)
            }
        };
        slot.group = index;
        (index, new)
    }
}

impl Encoder for LokiEncoder {
    fn push(&mut self, event: &Event<'_>, body: &mut Body) {
        self.turn_to(event.origin, event.demoted);
        let at = if self.by_kind { kind(event) } else { 0 };
        if self.slots[at].turn != self.turn || self.head_per_line || self.metadata_per_line {
            self.prepare(at, event);
        }
        let (group, new) = self.group(at, body);
        let encoding = self.settings.encoding;
        if new {
            entry::put_room(encoding, &body.groups[group as usize].head, &mut body.bytes);
        }
        match event.time_source {
            TimeSource::Restamped { own } => {
                let metadata = self.with_own_time(at, own);
                entry::put(encoding, event, self.settings.max_line, &metadata, &mut body.bytes);
            }
            TimeSource::Runtime | TimeSource::Line | TimeSource::Field | TimeSource::Reading => {
                entry::put(encoding, event, self.settings.max_line, &self.slots[at].metadata, &mut body.bytes);
            }
        }
        body.close_item(event.origin, event.spans, group);
    }

    /// By what the labels and the tenant take from the origin: streams that differ by more than that (by level, by a
    /// field) are taken for one, which only means that they are kept in step for nothing.
    fn stream(&mut self, origin: &Arc<Origin>, demoted: u64) -> Option<u64> {
        if self.settings.restamps_after.is_some() {
            // Nothing is far behind then.
            return None;
        }
        let event = Event {
            origin,
            spans: &[],
            time: Time::default(),
            time_source: TimeSource::Runtime,
            nudge: 0,
            stream: None,
            level: None,
            body: "",
            message: Text::Plain(""),
            fields: Fields::None,
            flaw: None,
            demoted,
        };
        Some(hash(&self.render_head(&event)))
    }

    fn crowded(&mut self) -> Option<String> {
        self.guard.take().and_then(|place| self.settings.labels.names.get(place).cloned())
    }

    fn demotable(&self) -> &[String] {
        if self.settings.demote { &self.settings.labels.names } else { &[] }
    }

    fn wants_fields(&self) -> bool {
        let (head, metadata) = self.settings.depends(0);
        head.content || metadata.content
    }

    fn restamps_after(&self) -> Option<Duration> {
        self.settings.restamps_after
    }

    /// Loki refuses what is an hour behind the newest of its stream and what is ten minutes in the future: a guess must not
    /// cost a line, so no two lines that are read at the same time may lie further apart than half of that.
    fn trusts_line_times(&self) -> Option<(Duration, Duration)> {
        Some((LINE_TIMES_BEFORE, LINE_TIMES_BEHIND))
    }

    fn bound(&self, line: usize) -> usize {
        let settings = &self.settings;
        let head = |labels: &[Label]| -> usize {
            labels.iter().map(|label| labels::put_bound(&label.name, label.template.bound(line))).sum()
        };
        let demoted = |labels: &[Label]| -> usize {
            labels.iter().map(|label| label.name.len() + label.template.bound(line)).sum()
        };
        let demoted = settings.labels.lists().into_iter().map(demoted).max().filter(|_| settings.demote).unwrap_or(0);
        let demotable = self.demotable().len();
        let source = labels::put_bound("source", labels::VALUE_MAX);
        let head = settings.labels.lists().into_iter().map(head).fold(source, usize::max) + 2;
        let metadata: usize = settings.metadata.iter().map(|(name, template)| name.len() + template.bound(line)).sum();
        let text = match settings.encoding {
            super::settings::Encoding::Protobuf => line.min(settings.max_line),
            super::settings::Encoding::Json => line.min(settings.max_line) * crate::sinks::json::ESCAPED,
        };
        text + entry::ENTRY_MAX
            + entry::metadata_bound(
                settings.encoding,
                settings.metadata.len() + demotable + 1,
                metadata + demoted + entry::OWN_TIME_MAX,
            )
            + entry::room_bound(settings.encoding, head)
    }
}

/// Which of the origin's renderings is the event's.
fn kind(event: &Event<'_>) -> usize {
    let stream = match event.stream {
        None => 0,
        Some(Stream::Stdout) => 1,
        Some(Stream::Stderr) => 2,
    };
    let level = event.level.map_or(0, |level| level as usize + 1);
    let flaw = event.flaw.map_or(0, |flaw| flaw as usize + 1);
    (stream * 7 + level) * (Flaw::ALL.len() + 1) + flaw
}

fn hash(group: &Group) -> u64 {
    let mut hash = Xxh3::new();
    if let Some(route) = &group.route {
        hash.update(route.as_bytes());
        hash.update(&[0]);
    }
    hash.update(group.head.as_bytes());
    hash.digest()
}

/// The most bytes of a tenant that Loki takes.
const TENANT_MAX: usize = 150;

/// Makes a rendered tenant one that can stand in a header: other characters than visible ones of ASCII, and those that
/// part tenants or folders, become `_`; an empty one is `default`.
fn legal_tenant(tenant: &mut String) -> &str {
    if tenant.is_empty() {
        tenant.push_str("default");
    }
    if !tenant.bytes().all(is_tenant_byte) {
        *tenant = tenant.chars().map(|c| if c.is_ascii() && is_tenant_byte(c as u8) { c } else { '_' }).collect();
    }
    if matches!(tenant.as_str(), "." | "..") {
        tenant.insert(0, '_');
    }
    &tenant[..tenant.len().min(TENANT_MAX)]
}

fn is_tenant_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'|' | b'/' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_fit_a_header() {
        for (rendered, expected) in
            [("team-a", "team-a"), ("12:0", "12:0"), ("", "default"), ("a/b|c d\né", "a_b_c_d__"), ("..", "_..")]
        {
            assert_eq!(legal_tenant(&mut rendered.to_owned()), expected, "{rendered}");
        }
        assert_eq!(legal_tenant(&mut "é".repeat(400)).len(), TENANT_MAX);
    }
}

//! Events into bulk actions: an action line and a document.
//!
//! ```text
//! {"create":{"_index":"logs-app-default","_id":"0f5Gh2…"}}
//! {"@timestamp":"…","log":{"level":"warn","offset":81},"message":"…","stream":"stderr","kubernetes":{…},"host":{…},"fields":{…}}
//! ```
//!
//! **Invariant**: an item is two lines, each one JSON object. `fields` is the document's last key, and the first place
//! where `,"fields":{` stands is where it begins: inside a string every quote has a backslash before it.

use std::sync::Arc;

use crate::model::body::{Body, Group};
use crate::model::event::{Event, Level, Stream};
use crate::model::origin::Origin;
use crate::model::sink::Encoder;
use crate::model::template::{NAME_MAX as ORIGIN_NAME_MAX, PATH_MAX, cut, path};
use crate::sinks::json::{self, Clock, ESCAPED, TIME_MAX};

use super::id::{ID_LEN, id};
use super::names::NAME_MAX;
use super::settings::Settings;

/// What stands before the application's fields.
pub(super) const BEFORE_FIELDS: &[u8] = b",\"fields\":";

/// The encoder of one worker.
pub(super) struct BulkEncoder {
    settings: Arc<Settings>,
    /// Whose renderings are held.
    last: Option<Arc<Origin>>,
    /// What the name was rendered for, beside the origin; `None` before the first.
    named_for: Option<NamedFor>,
    /// `{"create":{"_index":"…"`, with `,"_id":"` where there are ids.
    action: Vec<u8>,
    /// What follows the offset: `}` or `,"file":{"path":"…"}}`.
    log_end: Vec<u8>,
    /// The origin's part of the document, and the fields that all events get.
    origin_part: Vec<u8>,
    /// `origin_part`'s end that is the same for all origins.
    labels: Vec<u8>,
    clock: Clock,
    /// For rendering.
    name: String,
    /// The one head of all groups.
    head: Arc<str>,
}

/// What a name may depend on, beside its origin and the fields.
#[derive(Clone, Copy, PartialEq, Eq)]
struct NamedFor {
    /// Hours since the epoch, where the name has a date.
    hour: i64,
    stream: Option<Stream>,
    level: Option<Level>,
    flaw: Option<crate::model::event::Flaw>,
}

impl BulkEncoder {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self {
            last: None,
            named_for: None,
            action: Vec::new(),
            log_end: Vec::new(),
            origin_part: Vec::new(),
            labels: json::labels(&settings.fields),
            clock: Clock::new(),
            name: String::new(),
            head: Arc::from(""),
            settings,
        }
    }

    fn turn_to(&mut self, origin: &Arc<Origin>) {
        if self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, origin)) {
            return;
        }
        self.last = Some(Arc::clone(origin));
        self.named_for = None;
        self.log_end.clear();
        self.origin_part.clear();
        if origin.workload.is_none() && !origin.path.as_os_str().is_empty() {
            self.log_end.extend_from_slice(b",\"file\":{\"path\":");
            json::string(&path(origin), &mut self.log_end);
            self.log_end.push(b'}');
        }
        self.log_end.push(b'}');
        put_origin(origin, &mut self.origin_part);
        self.origin_part.extend_from_slice(&self.labels);
    }

    fn name(&mut self, event: &Event<'_>) {
        let depends = self.settings.name.depends();
        let named_for = NamedFor {
            hour: if depends.date { event.time.secs.div_euclid(3600) } else { 0 },
            stream: event.stream.filter(|_| depends.kind),
            level: event.level.filter(|_| depends.kind),
            flaw: event.flaw.filter(|_| depends.kind),
        };
        if !depends.content && self.named_for == Some(named_for) {
            return;
        }
        self.named_for = Some(named_for);
        self.settings.name.render(event, &mut self.name);
        self.action.clear();
        self.action.extend_from_slice(b"{\"create\":{\"_index\":");
        json::string(&self.name, &mut self.action);
        self.action.extend_from_slice(if self.settings.ids { b",\"_id\":\"" } else { b"}}\n" });
    }
}

impl Encoder for BulkEncoder {
    fn push(&mut self, event: &Event<'_>, body: &mut Body) {
        self.turn_to(event.origin);
        self.name(event);
        if body.groups.is_empty() {
            body.groups.push(Group { route: None, head: Arc::clone(&self.head) });
        }
        let out = &mut body.bytes;
        out.extend_from_slice(&self.action);
        if self.settings.ids {
            out.extend_from_slice(&id(event));
            out.extend_from_slice(b"\"}}\n");
        }
        out.extend_from_slice(b"{\"@timestamp\":\"");
        self.clock.write(event.time, out);
        out.extend_from_slice(b"\",\"log\":{");
        if let Some(level) = event.level {
            out.extend_from_slice(b"\"level\":\"");
            out.extend_from_slice(level.name().as_bytes());
            out.extend_from_slice(b"\",");
        }
        out.extend_from_slice(b"\"offset\":");
        json::number(event.spans.first().map_or(0, |span| span.start), out);
        out.extend_from_slice(&self.log_end);
        out.extend_from_slice(b",\"message\":\"");
        event.message.write_json(out);
        out.push(b'"');
        if let Some(stream) = event.stream {
            out.extend_from_slice(b",\"stream\":\"");
            out.extend_from_slice(stream.name().as_bytes());
            out.push(b'"');
        }
        out.extend_from_slice(&self.origin_part);
        if let Some(flaw) = event.flaw {
            out.extend_from_slice(b",\"flaw\":\"");
            out.extend_from_slice(flaw.name().as_bytes());
            out.push(b'"');
        }
        json::object(&event.fields, event.body.len(), BEFORE_FIELDS, out);
        out.extend_from_slice(b"}\n");
        body.close_item(event.origin, event.spans, 0);
    }

    fn bound(&self, line: usize) -> usize {
        let action = NAME_MAX * ESCAPED + ID_LEN + 64;
        let origin = ESCAPED * (PATH_MAX + 5 * ORIGIN_NAME_MAX);
        // Keys, punctuation, time, level, stream, offset, flaw.
        let rest = TIME_MAX + 512;
        action + origin + self.labels.len() + rest + json::text_bound(line)
    }
}

/// `,"kubernetes":{…},"host":{"name":"…"}`; what is empty is left out.
fn put_origin(origin: &Origin, out: &mut Vec<u8>) {
    if let Some(workload) = &origin.workload {
        let mut part = Vec::new();
        json::member("namespace", cut(workload.namespace(), ORIGIN_NAME_MAX), &mut part);
        let mut pod = Vec::new();
        json::member("name", cut(workload.pod(), ORIGIN_NAME_MAX), &mut pod);
        json::member("uid", cut(workload.uid(), ORIGIN_NAME_MAX), &mut pod);
        put_inner("pod", &pod, &mut part);
        let mut container = Vec::new();
        json::member("name", cut(workload.container(), ORIGIN_NAME_MAX), &mut container);
        put_inner("container", &container, &mut part);
        put_inner("kubernetes", &part, out);
    }
    let mut host = Vec::new();
    json::member("name", cut(&origin.host, ORIGIN_NAME_MAX), &mut host);
    put_inner("host", &host, out);
}

/// `,"key":{…}` around members that begin with a comma each; nothing around none.
fn put_inner(key: &str, members: &[u8], out: &mut Vec<u8>) {
    if let Some((_comma, members)) = members.split_first() {
        out.push(b',');
        json::string(key, out);
        out.extend_from_slice(b":{");
        out.extend_from_slice(members);
        out.push(b'}');
    }
}

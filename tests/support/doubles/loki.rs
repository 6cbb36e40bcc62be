//! Loki's push endpoint as Loki 3.7 behaves: what it takes, what it refuses and in which words, what it stores of a
//! push it refuses, and what it recognises as a repeat.
//!
//! ```text
//! push ─▶ labels, ages, sizes, metadata ─▶ streams ─▶ order ─▶ repeats ─▶ 204
//!              │ 400, the rest goes on        │ 429      │ 400, the rest goes on
//! ```
//! Invariant: an entry equal in (tenant, stream, time, line, structured metadata) is stored once; how often it came is
//! counted beside it.
//!
//! Absent: rates by the clock (a rate limit is a step of the script), chunks, queries.

mod labels;
mod limits;
mod push;

pub use limits::Limits;
pub use push::{Format, PushedEntry, PushedStream};

use super::server::{self, Double, Observer, Store};
use super::wire::{Answer, Request};
use limits::Refusal;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// A running Loki double.
pub type Loki = Double<LokiStore>;
/// How it treats one push.
pub type Step = server::Step<Special>;
/// How it treats all pushes.
pub type Mode = server::Mode<Special>;

/// What only Loki does.
#[derive(Clone, Debug)]
pub enum Special {
    /// 260: the tenant is blocked; nothing is stored.
    Blocked,
    /// 429: the tenant's rate; nothing is stored.
    IngestionRate,
    /// 429: the rate of every stream whose labels contain this text; the others are stored.
    StreamRate(String),
    /// 429: streams that are not there yet are refused; the others are stored.
    StreamLimit,
}

/// What the double keeps.
#[derive(Default)]
pub struct LokiStore {
    pub limits: Limits,
    /// The time that ages are measured against, in nanoseconds; the clock's where there is none.
    pub now: Option<i64>,
    /// Answer 401 to a push without a tenant, instead of taking it as `fake`'s.
    pub tenant_required: bool,
    /// By tenant, then by canonical labels.
    pub tenants: BTreeMap<String, BTreeMap<String, Stream>>,
    /// Every push that could be decoded, in order.
    pub pushes: Vec<Push>,
    /// What came over the wire and should not have: `hash`, `parsed`, unknown fields, text that is not UTF-8.
    pub surprises: Vec<String>,
    /// Told of every line that is new, in the order in which they come.
    pub observer: Option<Observer>,
}

/// What is stored of one stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub labels: BTreeMap<String, String>,
    /// By time, in nanoseconds.
    pub entries: BTreeMap<i64, Vec<StoredEntry>>,
}

/// One stored entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    pub line: String,
    /// In the order in which it came, which counts when entries are compared.
    pub metadata: Vec<(String, String)>,
    /// How often it was received; more than once is a repeat that was recognised.
    pub received: u32,
}

/// What became of one push.
#[derive(Clone, Debug)]
pub struct Push {
    pub tenant: String,
    pub format: Format,
    pub streams: usize,
    pub entries: usize,
    /// New ones.
    pub stored: usize,
    /// Ones that were there.
    pub repeats: usize,
    pub refused: usize,
    pub status: u16,
}

impl Loki {
    /// On a free port of 127.0.0.1, with Loki's default limits and the clock's time.
    pub fn start() -> Loki {
        Loki::start_with(LokiStore::default())
    }

    /// As `start`, with the time that ages are measured against.
    pub fn start_at(now: i64) -> Loki {
        Loki::start_with(LokiStore { now: Some(now), ..LokiStore::default() })
    }
}

impl LokiStore {
    /// Everything stored: tenant, stream, time, entry; by stream in order of time.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Stream, i64, &StoredEntry)> {
        self.tenants.iter().flat_map(|(tenant, streams)| {
            streams.values().flat_map(move |stream| {
                let entries = stream.entries.iter();
                entries
                    .flat_map(move |(&time, same)| same.iter().map(move |entry| (tenant.as_str(), stream, time, entry)))
            })
        })
    }

    /// How many entries are stored.
    pub fn stored(&self) -> u64 {
        self.pushes.iter().map(|push| push.stored as u64).sum()
    }

    /// How many entries came that were stored already.
    pub fn repeats(&self) -> u64 {
        self.pushes.iter().map(|push| push.repeats as u64).sum()
    }

    /// How many entries came and were taken, new or not.
    pub fn received(&self) -> u64 {
        self.stored() + self.repeats()
    }

    fn now(&self) -> i64 {
        self.now.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
            i64::try_from(since.as_nanos()).expect("the clock is before 2262")
        })
    }

    fn push(&mut self, tenant: &str, format: Format, pushed: Vec<PushedStream>, special: Option<&Special>) -> Answer {
        let (streams, entries) = (pushed.len(), pushed.iter().map(|stream| stream.entries.len()).sum());
        let mut push = Push {
            tenant: tenant.to_owned(),
            format,
            streams,
            entries,
            stored: 0,
            repeats: 0,
            refused: 0,
            status: 204,
        };
        let refusal = self.store_push(&mut push, pushed, special);
        let answer = refusal.map_or_else(|| Answer::new(204, ""), |refusal| refusal.into_answer());
        push.refused = push.entries - push.stored - push.repeats;
        push.status = answer.status;
        self.pushes.push(push);
        answer
    }

    /// The last refusal, if there was any.
    fn store_push(&mut self, push: &mut Push, pushed: Vec<PushedStream>, special: Option<&Special>) -> Option<Refusal> {
        let tenant = push.tenant.clone();
        if let Some(Special::Blocked) = special {
            return Some(Refusal::blocked(&tenant));
        }
        if pushed.is_empty() {
            return Some(Refusal::no_streams());
        }
        let now = self.now();
        let mut invalid = None;
        let mut valid = Vec::new();
        for stream in pushed {
            let (stream, refusal) = self.limits.check_stream(stream, now);
            valid.extend(stream);
            invalid = refusal.or(invalid);
        }
        if let Some(Special::IngestionRate) = special {
            return Some(Refusal::ingestion_rate(&tenant, &valid));
        }

        let mut refused_late = None;
        let streams = self.tenants.entry(tenant.clone()).or_default();
        for stream in valid {
            let name = labels::canonical(&stream.labels);
            match special {
                Some(Special::StreamRate(text)) if name.contains(text.as_str()) => {
                    refused_late = Some(Refusal::stream_rate(&tenant, &name, &stream));
                    continue;
                }
                Some(Special::StreamLimit) if !streams.contains_key(&name) => {
                    refused_late = Some(Refusal::stream_limit(&tenant, &name));
                    continue;
                }
                _ => {}
            }
            let stored = streams.entry(name.clone()).or_default();
            stored.labels = stream.labels;
            let total = stream.entries.len();
            let mut behind = Vec::new();
            for entry in stream.entries {
                let oldest = stored.newest().map_or(i64::MIN, |newest| newest - self.limits.out_of_order);
                if entry.time < oldest {
                    behind.push((entry.time, oldest));
                    continue;
                }
                let line = self.observer.is_some().then(|| entry.line.clone());
                if stored.add(entry) {
                    push.stored += 1;
                    if let (Some(observer), Some(line)) = (&mut self.observer, line) {
                        observer(&line);
                    }
                } else {
                    push.repeats += 1;
                }
            }
            if !behind.is_empty() {
                refused_late = Some(Refusal::too_far_behind(&tenant, &name, &behind, total));
            }
        }
        // What the ingester refuses comes back before what the distributor had found.
        refused_late.or(invalid)
    }
}

impl Stream {
    fn newest(&self) -> Option<i64> {
        self.entries.last_key_value().map(|(&time, _)| time)
    }

    /// Whether it is new.
    fn add(&mut self, entry: PushedEntry) -> bool {
        let same_time = self.entries.entry(entry.time).or_default();
        let known = same_time.iter_mut().find(|known| known.line == entry.line && known.metadata == entry.metadata);
        match known {
            Some(known) => {
                known.received += 1;
                false
            }
            None => {
                same_time.push(StoredEntry { line: entry.line, metadata: entry.metadata, received: 1 });
                true
            }
        }
    }
}

impl Store for LokiStore {
    type Special = Special;
    type Decoded = Result<push::Decoded, Answer>;

    fn is_push(head: &Request) -> bool {
        head.method == "POST" && head.path.ends_with("/loki/api/v1/push")
    }

    fn decode(request: &Request) -> Self::Decoded {
        push::decode(request)
    }

    fn answer(&mut self, request: &Request, decoded: Self::Decoded, special: Option<&Special>) -> Option<Answer> {
        if !request.path.ends_with("/loki/api/v1/push") {
            return Some(match request.path.as_str() {
                "/ready" => Answer::new(200, "ready\n"),
                _ => Answer::new(404, "404 page not found\n"),
            });
        }
        if request.method != "POST" {
            return Some(Answer::new(405, "").header("Allow", "POST"));
        }
        if request.body.len() > self.limits.max_body {
            let words = "error: request body too large\n";
            return Some(Answer::new(413, words));
        }
        let tenant = match request.header("x-scope-orgid") {
            Some(tenant) if !tenant.is_empty() => tenant.to_owned(),
            _ if self.tenant_required => return Some(Answer::new(401, "no org id\n")),
            _ => "fake".to_owned(),
        };
        match decoded {
            Ok(decoded) => {
                self.surprises.extend(decoded.surprises);
                Some(self.push(&tenant, decoded.format, decoded.streams, special))
            }
            Err(refused) => Some(refused),
        }
    }
}

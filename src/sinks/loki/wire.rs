//! Items into one push request: entries gathered by stream, streams in the order first seen.
//!
//! **Invariant**: a request holds each of its items once, and the items of a stream in their order.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::model::body::{Body, Group};
use crate::model::sink::{Answer, Request, Verdict, Wire};
use crate::sinks::{json, pack};

use super::entry;
use super::labels;
use super::settings::{Encoding, Settings};
use super::verdict::verdict;

/// The wire half of the sink.
pub(super) struct LokiWire {
    settings: Arc<Settings>,
}

impl LokiWire {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self { settings }
    }
}

impl Wire for LokiWire {
    fn request(&self, body: &Arc<Body>, items: &[u32]) -> Request {
        let mut headers = Vec::with_capacity(3);
        let route = items.first().and_then(|&item| group(body, item).route.as_ref());
        debug_assert!(items.iter().all(|&item| group(body, item).route.as_ref() == route), "one tenant to a request");
        if let Some(tenant) = route {
            headers.push(("X-Scope-OrgID", tenant.to_string()));
        }
        let streams = streams(body, items);
        let packed = match self.settings.encoding {
            Encoding::Protobuf => {
                headers.push(("Content-Type", "application/x-protobuf".to_owned()));
                snappy_protobuf(body, &streams)
            }
            Encoding::Json => {
                headers.push(("Content-Type", "application/json".to_owned()));
                headers.push(("Content-Encoding", "gzip".to_owned()));
                gzipped_json(body, &streams)
            }
        };
        Request { path: Cow::Borrowed("/loki/api/v1/push"), headers, body: Bytes::from(packed) }
    }

    fn verdict(&self, answer: &Answer<'_>, _items: usize) -> Verdict {
        verdict(answer)
    }

    fn letter(&self, body: &Body, index: usize) -> Vec<u8> {
        let encoding = self.settings.encoding;
        let Group { route, head } = group(body, index as u32);
        let read = entry::read(encoding, entry::of_item(encoding, body.item(index), head));
        let mut out = b"{".to_vec();
        if let Some(tenant) = route {
            out.extend_from_slice(b"\"tenant\":");
            json::string(tenant, &mut out);
            out.push(b',');
        }
        out.extend_from_slice(b"\"labels\":");
        out.extend_from_slice(&labels::to_json(head));
        out.extend_from_slice(b",\"time\":\"");
        read.time.write_rfc3339(&mut out);
        out.extend_from_slice(b"\",\"line\":");
        json::string(&read.line, &mut out);
        out.extend_from_slice(b",\"metadata\":{");
        for (at, (name, value)) in read.metadata.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json::string(name, &mut out);
            out.push(b':');
            json::string(value, &mut out);
        }
        out.extend_from_slice(b"}}");
        out
    }

    fn bound(&self, body: usize) -> usize {
        // An item has at least 12 bytes and needs four here; a group has at least as many.
        let order = body / 2;
        let len = body + entry::FRAME;
        order
            + match self.settings.encoding {
                // The body once more is never held. It is asked for all the same, so that few batches wait for a slow store: more of
                // them would make nothing faster, and are memory.
                Encoding::Protobuf => len + pack::snappy_bound(len),
                Encoding::Json => pack::gzip_bound(len),
            }
    }
}

fn group(body: &Body, item: u32) -> &Group {
    &body.groups[body.items[item as usize].group as usize]
}

/// The items of a request by stream.
struct Streams {
    /// The items, those of a stream together.
    items: Vec<u32>,
    /// Group and end in `items` of each stream, in the order first seen.
    ends: Vec<(u32, u32)>,
}

impl Streams {
    fn each(&self) -> impl Iterator<Item = (u32, &[u32])> {
        let mut start = 0;
        self.ends.iter().map(move |&(group, end)| {
            let items = &self.items[start..end as usize];
            start = end as usize;
            (group, items)
        })
    }
}

/// Sorts by counting, which keeps the order within a stream.
fn streams(body: &Body, items: &[u32]) -> Streams {
    const UNSEEN: u32 = u32::MAX;
    let mut ranks = vec![UNSEEN; body.groups.len()];
    // Group and, first, the number of its items; then where its next item goes, which ends behind its last.
    let mut ends: Vec<(u32, u32)> = Vec::new();
    for &item in items {
        let group = body.items[item as usize].group;
        let rank = &mut ranks[group as usize];
        if *rank == UNSEEN {
            *rank = ends.len() as u32;
            ends.push((group, 0));
        }
        ends[*rank as usize].1 += 1;
    }
    let mut start = 0;
    for (_, count) in &mut ends {
        let count = std::mem::replace(count, start);
        start += count;
    }
    let mut sorted = vec![0; items.len()];
    for &item in items {
        let next = &mut ends[ranks[body.items[item as usize].group as usize] as usize].1;
        sorted[*next as usize] = item;
        *next += 1;
    }
    Streams { items: sorted, ends }
}

/// Protobuf in snappy, a stream at a time: what is sent is never held plain beside the items.
fn snappy_protobuf(body: &Body, streams: &Streams) -> Vec<u8> {
    let entry_of = |item: u32, head: &str| entry::of_item(Encoding::Protobuf, body.item(item as usize), head);
    let head_of = |group: u32| &*body.groups[group as usize].head;
    // What is within each stream, and of all with what stands before it.
    let mut lengths = Vec::with_capacity(streams.ends.len());
    let mut total = 0;
    for (group, items) in streams.each() {
        let head = head_of(group);
        let entries: usize = items.iter().map(|&item| entry_of(item, head).len()).sum();
        let length = 1 + entry::varint_len(head.len() as u64) + head.len() + entries;
        lengths.push(length);
        total += 1 + entry::varint_len(length as u64) + length;
    }
    debug_assert!(total <= body.bytes.len(), "the items had room for their streams");
    pack::snappy(total, |snappy| {
        let mut front = Vec::new();
        for ((group, items), length) in streams.each().zip(&lengths) {
            let head = head_of(group);
            front.clear();
            front.push(0x0a);
            entry::put_varint(*length as u64, &mut front);
            entry::put_text(0x0a, head.as_bytes(), &mut front);
            snappy.put(&front);
            for &item in items {
                snappy.put(entry_of(item, head));
            }
        }
    })
}

fn gzipped_json(body: &Body, streams: &Streams) -> Vec<u8> {
    let heads: Vec<Vec<u8>> =
        streams.each().map(|(group, _)| labels::to_json(&body.groups[group as usize].head)).collect();
    let last_stream = streams.ends.len().saturating_sub(1);
    let pieces = streams.each().zip(&heads).enumerate().flat_map(|(at, ((group, items), head))| {
        let last = items.len() - 1;
        let entries = items.iter().enumerate().map(move |(at, &item)| {
            let entry = entry::of_item(Encoding::Json, body.item(item as usize), &body.groups[group as usize].head);
            // Each entry has its comma; behind the last there is none.
            if at == last { &entry[..entry.len().saturating_sub(1)] } else { entry }
        });
        let close: &[u8] = if at == last_stream { b"]}" } else { b"]}," };
        [&b"{\"stream\":"[..], head, b",\"values\":["].into_iter().chain(entries).chain([close])
    });
    let framed = std::iter::once(&b"{\"streams\":["[..]).chain(pieces).chain([&b"]}"[..]]);
    pack::gzip(framed, body.bytes.len() + entry::FRAME)
}

//! The sink that throws away: lines are read, parsed and counted, nothing is written. For measuring.
//!
//! **Invariant**: an item has no bytes, and settles its spans all the same.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::kind::{Given, Kind, Sink, Transport};
use crate::model::body::{Body, Group};
use crate::model::event::Event;
use crate::model::settings::Section;
use crate::model::sink::{Answer, Encoder, Request, Verdict, Wire};

/// The row in the table of sinks.
pub const KIND: Kind = Kind {
    name: "null",
    help: "parses, counts and throws away: for measuring",
    urls: &["null:"],
    keys: &[],
    transport: Transport::Null,
    build,
};

fn build(_section: &mut Section<'_>, _given: &Given) -> Sink {
    Sink::new(|| Null, Null, Transport::Null)
}

struct Null;

impl Encoder for Null {
    fn push(&mut self, event: &Event<'_>, body: &mut Body) {
        if body.groups.is_empty() {
            body.groups.push(Group { route: None, head: Arc::from("") });
        }
        body.close_item(event.origin, event.spans, 0);
    }

    fn wants_fields(&self) -> bool {
        false
    }

    fn bound(&self, _line: usize) -> usize {
        0
    }
}

impl Wire for Null {
    fn request(&self, _body: &Arc<Body>, _items: &[u32]) -> Request {
        Request { path: Cow::Borrowed(""), headers: Vec::new(), body: Bytes::new() }
    }

    fn verdict(&self, _answer: &Answer<'_>, _items: usize) -> Verdict {
        Verdict::Delivered
    }

    fn letter(&self, _body: &Body, _index: usize) -> Vec<u8> {
        b"{}".to_vec()
    }

    fn bound(&self, _body: usize) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::samples::golden;

    #[test]
    fn items_without_bytes_settle_their_spans() {
        let mut body = Body::default();
        let samples = golden();
        for (_, sample) in &samples {
            sample.with(|event| Null.push(event, &mut body));
        }
        assert_eq!((body.bytes.len(), body.items.len()), (0, samples.len()));
        assert_eq!(body.spans.len(), samples.iter().map(|(_, sample)| sample.spans.len()).sum::<usize>());
        assert_eq!(body.item_spans(2), samples[2].1.spans);
    }
}

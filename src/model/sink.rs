//! The two pure halves of a sink, and what an answer means.
//!
//! A sink is an [`Encoder`] (event → item, on the pipeline's thread) and a [`Wire`] (items → request, answer →
//! verdict, on the delivery's thread). Neither touches the network, the clock or a metric.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::body::Body;
use super::event::Event;
use super::origin::Origin;

/// The half that writes events straight into the next request's body.
pub trait Encoder: Send {
    /// Appends `event` to `body` as one item and closes it ([`Body::close_item`]).
    ///
    /// What an item becomes depends on the event and the settings alone.
    fn push(&mut self, event: &Event<'_>, body: &mut Body);

    /// Whether it looks at events' messages and fields. To others these are not given: the message is the body.
    fn wants_fields(&self) -> bool {
        true
    }

    /// Which stream of the store the origin's lines go to, where the store minds how their times follow each other;
    /// origins whose lines may meet in one stream have the same. `demoted` as in [`Event::demoted`].
    fn stream(&mut self, origin: &Arc<Origin>, demoted: u64) -> Option<u64> {
        let _does_not_mind = (origin, demoted);
        None
    }

    /// Lines whose own time lies further before the time of reading than this get the time of reading; `None`: none does.
    fn restamps_after(&self) -> Option<Duration> {
        None
    }

    /// How far before and behind the time of reading a time that was found in a line may lie to be the event's; others get
    /// the time of reading. `None`: as far as it likes.
    fn trusts_line_times(&self) -> Option<(Duration, Duration)> {
        None
    }

    /// A label that has taken more values than the settings allow, since it was last asked; each is given once.
    fn crowded(&mut self) -> Option<String> {
        None
    }

    /// The labels that are stored beside the line once they are crowded: at most 64, in an order that lasts. Which of them are,
    /// [`Event::demoted`] says event by event. Empty where the sink does no such thing.
    fn demotable(&self) -> &[String] {
        &[]
    }

    /// The most bytes that one event with a body of `line` bytes can add to a [`Body::bytes`].
    fn bound(&self, line: usize) -> usize;
}

/// The half that makes requests and reads answers.
pub trait Wire: Send + Sync {
    /// The request that carries `items` of `body` (indices, ascending, all of one route). Where that is a part of the body as it
    /// is, the request may share it.
    fn request(&self, body: &Arc<Body>, items: &[u32]) -> Request;

    /// What the store's answer to a request with `items` items means.
    fn verdict(&self, answer: &Answer<'_>, items: usize) -> Verdict;

    /// A second form of an item that was refused for its fields, such that the line is not lost; `None` where
    /// there is none or the item has that form already.
    fn fold(&self, item: &[u8]) -> Option<Vec<u8>> {
        let _none_by_default = item;
        None
    }

    /// The form in which an item that was refused goes to the index `index` instead, with the server's `words`;
    /// `None` where the sink has no such place.
    fn dead_letter(&self, item: &[u8], index: &str, words: &str) -> Option<Vec<u8>> {
        let _none_by_default = (item, index, words);
        None
    }

    /// A form of item `index` that a person can read and a program can replay (one JSON object, no line break), for
    /// the dead-letter file.
    fn letter(&self, body: &Body, index: usize) -> Vec<u8>;

    /// The most bytes that [`Wire::request`] needs beside a body of `body` encoded bytes.
    fn bound(&self, body: usize) -> usize;
}

/// What goes on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path and query to add to the sink's base URL, such as `/loki/api/v1/push`.
    pub path: Cow<'static, str>,
    /// Headers of this request, beside those of the settings. Values are valid header values.
    pub headers: Vec<(&'static str, String)>,
    /// The body, compressed already where the sink compresses.
    pub body: Bytes,
}

/// What came back: an HTTP status and (the beginning of) the answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The HTTP status, such as 204.
    pub status: u16,
    /// The answer's body; cut by the reader at a bound that per-item answers to a full batch fit in.
    pub body: &'a [u8],
}

/// What an answer means for the items of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All items are stored.
    Delivered,
    /// One verdict per item, in the order of the request; as many as the request has items.
    Items(Vec<ItemVerdict>),
    /// Not stored, or not known to be: the whole request again, later. The server's words.
    Retry(String),
    /// Some streams were refused for now and the rest stored: each group again by itself, later. The server's words.
    RetryByGroup(String),
    /// Nothing will be stored until a person changes something (credentials, URL, a block): kept, said loudly and
    /// tried again slowly. The server's words.
    Hold(String),
    /// Too large: the halves, at once. A single item that is too large is refused.
    Split(String),
    /// Some items were refused for good, the answer cannot say which: halves, until the refused ones stand alone. The server's words.
    Bisect(String),
}

/// What an answer means for one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemVerdict {
    /// Stored, now or before.
    Delivered,
    /// This item again, later. The server's words.
    Retry(String),
    /// Refused for its fields: once more in the form that [`Wire::fold`] gives, else as `Refused`. The server's words.
    RefusedFields(String),
    /// Refused for good. The server's words.
    Refused(String),
}

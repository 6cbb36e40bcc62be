//! The encoded items of one batch, one behind the other, and the spans they settle.
//!
//! ```text
//! bytes   [ item 0 ........ ][ item 1 .. ][ item 2 ............. ]
//! items     end ─────────────┘ end ───────┘ end ─────────────────┘
//! spans   [ s0 ][ s1a s1b ][ s2 ]          an item joined of two pieces owns two spans
//! ```
//!
//! **Invariant**: `items[i].end` and `items[i].spans_end` never decrease; an item owns at least one span, but for a line of our own,
//! which settles nothing and owns none.

use std::ops::Range;
use std::sync::Arc;

use super::event::Span;
use super::origin::Origin;

/// One encoded event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Offset in [`Body::bytes`] behind its last byte.
    pub end: u32,
    /// Offset in [`Body::spans`] behind its last span.
    pub spans_end: u32,
    /// Index into [`Body::groups`].
    pub group: u32,
    /// Index into [`Body::origins`].
    pub origin: u32,
}

/// What several items of a body have in common on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What must not share a request with others: a Loki tenant. `None` where the sink has no such thing.
    pub route: Option<Arc<str>>,
    /// What the sink writes once for all items of the group: a Loki label set. Empty where it has none.
    pub head: Arc<str>,
}

/// The encoded items of one batch.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The items in the sink's own form, back to back.
    pub bytes: Vec<u8>,
    /// Where each item ends and whose it is.
    pub items: Vec<Item>,
    /// The spans of input, in the order of the items.
    pub spans: Vec<Span>,
    /// What items have in common; a sink without groups has one.
    pub groups: Vec<Group>,
    /// The origins met in this body.
    pub origins: Vec<Arc<Origin>>,
}

impl Body {
    /// An empty body with room for `bytes` encoded bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Ends the item whose encoded bytes were just appended to `bytes`. `spans` are ascending, and none of them is
    /// empty; a line of our own has none, or one that is empty.
    pub fn close_item(&mut self, origin: &Arc<Origin>, spans: &[Span], group: u32) {
        debug_assert!(spans.len() < 2 || spans.iter().all(|span| !span.is_empty()), "every entry has bytes");
        debug_assert!((group as usize) < self.groups.len(), "the group was added before its item");
        // Lines come in turns of one origin, so the last one is nearly always the right one.
        let origin = match self.origins.last() {
            Some(last) if Arc::ptr_eq(last, origin) => self.origins.len() - 1,
            _ => self.origin_index(origin),
        };
        if spans.first().is_some_and(|span| !span.is_empty()) {
            self.spans.extend_from_slice(spans);
        }
        self.items.push(Item {
            end: self.bytes.len() as u32,
            spans_end: self.spans.len() as u32,
            group,
            origin: origin as u32,
        });
    }

    fn origin_index(&mut self, origin: &Arc<Origin>) -> usize {
        self.origins.iter().rposition(|known| Arc::ptr_eq(known, origin)).unwrap_or_else(|| {
            self.origins.push(Arc::clone(origin));
            self.origins.len() - 1
        })
    }

    /// Where item `index` lies in `bytes`.
    pub fn range(&self, index: usize) -> Range<usize> {
        let start = if index == 0 { 0 } else { self.items[index - 1].end as usize };
        start..self.items[index].end as usize
    }

    /// The encoded bytes of item `index`.
    pub fn item(&self, index: usize) -> &[u8] {
        &self.bytes[self.range(index)]
    }

    /// The spans that item `index` settles; their number is the number of its entries.
    pub fn item_spans(&self, index: usize) -> &[Span] {
        let start = if index == 0 { 0 } else { self.items[index - 1].spans_end as usize };
        &self.spans[start..self.items[index].spans_end as usize]
    }
}

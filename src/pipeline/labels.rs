//! The labels of a sink that are stored beside the line since they took too many values, as its forge needs them.
//!
//! **Invariant**: which labels stand beside an event, its origin's marks say; while one is to be demoted and is not yet, nothing is
//! handed on.

use std::sync::Arc;

use crate::model::labels::Demotions;
use crate::model::sink::Encoder;

/// The sink's demoted labels, as its forge needs them.
#[derive(Debug, Default)]
pub struct Labels {
    /// Whether the sink demotes labels at all.
    acts: bool,
    /// Those that are demoted; all of them are the encoder's.
    names: Vec<Arc<str>>,
    /// The bit of each in [`Event::demoted`](crate::model::event::Event::demoted).
    bits: Vec<u64>,
    /// One that is to be, and is not yet: nothing is handed on meanwhile.
    pub(super) crowded: Option<String>,
}

impl Labels {
    /// For a sink, with none demoted.
    pub(super) fn of(encoder: &dyn Encoder) -> Self {
        Self { acts: !encoder.demotable().is_empty(), ..Self::default() }
    }

    /// Whether the sink demotes labels at all.
    #[inline]
    pub(super) fn acts(&self) -> bool {
        self.acts
    }

    /// A label is demoted from now on; whether that is news. One that the encoder does not know is none of its labels any more.
    pub(super) fn demote(&mut self, label: &Arc<str>, encoder: &dyn Encoder) -> bool {
        let place = encoder.demotable().iter().position(|known| **known == **label);
        let Some(place) = place.filter(|place| *place < 64 && !self.names.contains(label)) else { return false };
        self.names.push(Arc::clone(label));
        self.bits.push(1 << place);
        true
    }

    /// All that are demoted.
    pub(super) fn all(&self) -> u64 {
        self.bits.iter().fold(0, |all, bit| all | bit)
    }

    /// Has an origin's marks be of the labels that are demoted now.
    pub(super) fn fit(&self, demotions: &mut Option<Box<Demotions>>) {
        if self.acts {
            demotions.get_or_insert_default().fit(&self.names);
        } else {
            *demotions = None;
        }
    }

    /// An event that begins at `start` is about to be sent: which labels stand beside it.
    #[inline]
    pub(super) fn send(&self, demotions: Option<&mut Demotions>, start: u64) -> u64 {
        let Some(demotions) = demotions else { return 0 };
        debug_assert_eq!(demotions.labels.len(), self.bits.len(), "an origin knows what is demoted");
        demotions.send(start).filter_map(|place| self.bits.get(place)).fold(0, |all, bit| all | bit)
    }
}

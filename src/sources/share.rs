//! Which worker of a sink reads an origin.
//!
//! **Invariant**: of the workers of one sink exactly one has an origin, the same for all files of a chain and for all origins
//! whose lines may meet in one stream of the store: what has to be kept in step is kept by one thread.

use std::sync::Arc;

use crate::model::origin::Origin;
use crate::model::sink::Encoder;

/// One worker's part of the origins.
pub struct Share {
    number: u64,
    of: u64,
    /// Tells streams apart, as the worker's own does.
    encoder: Box<dyn Encoder>,
}

impl Share {
    /// That of worker `number` (from 0) of `of` (at least one).
    pub fn new(number: usize, of: usize, encoder: Box<dyn Encoder>) -> Self {
        debug_assert!(number < of);
        Self { number: number as u64, of: of.max(1) as u64, encoder }
    }

    /// Whether it speaks for its sink where that is to be told once.
    pub fn is_first(&self) -> bool {
        self.number == 0
    }

    /// Whether an origin is this worker's. `chain` is that of its files.
    pub fn has(&mut self, origin: &Arc<Origin>, chain: u64) -> bool {
        self.of == 1 || self.encoder.stream(origin, 0).unwrap_or(chain) % self.of == self.number
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::body::Body;
    use crate::model::event::Event;
    use crate::model::origin::{Format, OriginId};

    /// Origins of an even id share a stream.
    struct Even;

    impl Encoder for Even {
        fn push(&mut self, _: &Event<'_>, _: &mut Body) {}

        fn bound(&self, line: usize) -> usize {
            line
        }

        fn stream(&mut self, origin: &Arc<Origin>, _: u64) -> Option<u64> {
            origin.id.0.is_multiple_of(2).then_some(7)
        }
    }

    fn origin(id: u128) -> Arc<Origin> {
        Arc::new(Origin {
            id: OriginId(id),
            source: "s".into(),
            path: Path::new("/f").into(),
            format: Format::Plain,
            workload: None,
            host: "h".into(),
        })
    }

    #[test]
    fn each_origin_has_one_worker_and_a_stream_has_one() {
        let mut shares: Vec<Share> = (0..3).map(|number| Share::new(number, 3, Box::new(Even))).collect();
        for id in 0..100 {
            let origin = origin(id);
            let chain = (id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let whose: Vec<usize> = (0..3).filter(|number| shares[*number].has(&origin, chain)).collect();
            assert_eq!(whose.len(), 1, "origin {id}");
            if id.is_multiple_of(2) {
                assert_eq!(whose, [1], "7 of 3");
            }
        }
        assert!(Share::new(0, 1, Box::new(Even)).has(&origin(1), 99));
    }
}

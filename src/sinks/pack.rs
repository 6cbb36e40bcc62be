//! Items into one body: compressed as the store takes it.
//!
//! **Invariant**: the memory used beside the items is within the bound that stands beside each function. Compressing
//! the same items gives the same bytes.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::model::body::Body;

/// The runs of neighbouring items as slices of the body: all of it at once where nothing is left out.
pub(crate) fn runs<'a>(body: &'a Body, items: &'a [u32]) -> impl Iterator<Item = &'a [u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let first = *items.get(at)? as usize;
        let mut last = first;
        at += 1;
        while items.get(at).is_some_and(|&next| next as usize == last + 1) {
            last += 1;
            at += 1;
        }
        Some(&body.bytes[body.range(first).start..body.range(last).end])
    })
}

/// The items as they are: shared where they lie side by side, else behind one another.
pub(crate) fn plain(body: &Arc<Body>, items: &[u32]) -> Bytes {
    let mut all = runs(body, items);
    match (all.next(), all.next()) {
        (Some(run), None) => {
            let start = items.first().map_or(0, |&first| body.range(first as usize).start);
            Bytes::from_owner(Shared(Arc::clone(body))).slice(start..start + run.len())
        }
        _ => Bytes::from(runs(body, items).collect::<Vec<_>>().concat()),
    }
}

/// A body as the owner of its bytes.
struct Shared(Arc<Body>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

/// What a compressor's own tables take.
const GZIP_STATE: usize = 384 * 1024;
const SNAPPY_STATE: usize = 256 * 1024;

/// The pieces behind one another, gzipped at the fastest level. `total` is their length.
pub(crate) fn gzip<'a>(pieces: impl Iterator<Item = &'a [u8]>, total: usize) -> Vec<u8> {
    // Room for the worst case at once: untouched pages cost nothing, growing would copy.
    let mut gzip = GzEncoder::new(Vec::with_capacity(gzip_len(total)), Compression::fast());
    let mut whole = Ok(());
    for piece in pieces {
        whole = whole.and_then(|()| gzip.write_all(piece));
    }
    // Writing into memory cannot fail; were it to, the store refuses a broken body and nothing is settled.
    let mut out = whole.and_then(|()| gzip.finish()).unwrap_or_default();
    out.shrink_to_fit();
    out
}

/// The most bytes that `len` bytes have gzipped: the fastest level writes at most nine bits for a byte.
const fn gzip_len(len: usize) -> usize {
    len + len / 8 + 64
}

/// The most memory that [`gzip`] needs for `len` bytes.
pub(crate) const fn gzip_bound(len: usize) -> usize {
    gzip_len(len) + GZIP_STATE
}

/// What a block of snappy holds at most: matches do not reach back beyond it, so blocks can be made one after the other.
const SNAPPY_BLOCK: usize = 64 << 10;

thread_local! {
    /// The compressor's table, the block that is being filled, and the room for one in the worst case; used again, since touching
    /// memory anew costs more than compressing into it.
    static SNAPPY: RefCell<(snap::raw::Encoder, Vec<u8>, Vec<u8>)> =
        RefCell::new((snap::raw::Encoder::new(), Vec::new(), Vec::new()));
}

/// A raw block of snappy while it is made of pieces.
pub(crate) struct Snappy<'s> {
    encoder: &'s mut snap::raw::Encoder,
    block: &'s mut Vec<u8>,
    room: &'s mut Vec<u8>,
    out: Vec<u8>,
}

impl Snappy<'_> {
    /// Appends a piece.
    #[inline]
    pub(crate) fn put(&mut self, mut piece: &[u8]) {
        while self.block.len() + piece.len() >= SNAPPY_BLOCK {
            let (now, later) = piece.split_at(SNAPPY_BLOCK - self.block.len());
            self.block.extend_from_slice(now);
            self.close();
            piece = later;
        }
        self.block.extend_from_slice(piece);
    }

    fn close(&mut self) {
        // Fails only beyond 4 GiB, or where there is less room than it asks for.
        let len = self.encoder.compress(self.block, self.room).unwrap_or(0);
        // Each begins with its own length, and the whole has said that of all.
        let header = self.room.iter().position(|byte| byte & 0x80 == 0).map_or(0, |at| at + 1);
        self.out.extend_from_slice(self.room.get(header..len).unwrap_or_default());
        self.block.clear();
    }
}

/// A raw block of snappy, of the `total` bytes that `pieces` puts: byte for byte what compressing them at once gives, without
/// ever holding them at once.
pub(crate) fn snappy(total: usize, pieces: impl FnOnce(&mut Snappy<'_>)) -> Vec<u8> {
    SNAPPY.with_borrow_mut(|(encoder, block, room)| {
        block.clear();
        block.reserve_exact(SNAPPY_BLOCK);
        room.resize(snap::raw::max_compress_len(SNAPPY_BLOCK), 0);
        // Room for the worst case at once: untouched pages cost nothing, growing would copy.
        let mut out = Vec::with_capacity(snap::raw::max_compress_len(total));
        let mut rest = total;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
        let mut snappy = Snappy { encoder, block, room, out };
        pieces(&mut snappy);
        if !snappy.block.is_empty() {
            snappy.close();
        }
        snappy.out.shrink_to_fit();
        snappy.out
    })
}

/// The most memory that [`snappy`] needs for `len` bytes.
pub(crate) const fn snappy_bound(len: usize) -> usize {
    32 + len + len / 6 + SNAPPY_STATE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    #[test]
    fn the_bounds_hold_for_what_does_not_compress() {
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..2_000_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // High bytes cost nine bits in fixed Huffman codes.
                (state >> 56) as u8 | 0x90
            })
            .collect();
        for len in [0, 1, 100, 70_000, noise.len()] {
            let plain = &noise[..len];
            assert!(gzip(std::iter::once(plain), len).len() <= gzip_len(len), "{len}");
            assert!(snappy(len, |snappy| snappy.put(plain)).len() <= snappy_bound(len), "{len}");
        }
    }

    #[test]
    fn snappy_of_pieces_is_snappy_of_the_whole() {
        let text = |len: usize| -> Vec<u8> {
            let lines = (0..).flat_map(|number: u32| {
                format!("{{\"n\":{number},\"msg\":\"served in {} ms\"}}\n", number % 7).into_bytes()
            });
            lines.take(len).collect()
        };
        for len in [0, 1, 400, SNAPPY_BLOCK - 1, SNAPPY_BLOCK, SNAPPY_BLOCK + 1, 2 * SNAPPY_BLOCK, 300_000] {
            let whole = text(len);
            let expected = snap::raw::Encoder::new().compress_vec(&whole).expect("not too long");
            for cut in [1 << 20, 100_000, 397] {
                let packed = snappy(len, |snappy| whole.chunks(cut).for_each(|piece| snappy.put(piece)));
                assert!(packed == expected, "{len} bytes in pieces of {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn compressed_pieces_read_back(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..10)) {
            let plain = pieces.concat();
            let packed = gzip(pieces.iter().map(Vec::as_slice), plain.len());
            let mut back = Vec::new();
            flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut back).expect("valid gzip");
            prop_assert_eq!(&back, &plain);
            let packed = snappy(plain.len(), |snappy| pieces.iter().for_each(|piece| snappy.put(piece)));
            prop_assert_eq!(snap::raw::Decoder::new().decompress_vec(&packed).expect("valid snappy"), plain);
        }
    }
}

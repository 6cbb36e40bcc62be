//! The bytes of one of the checkpoint's two slots.
//!
//! ```text
//! slot    [ magic 8 ][ version u16 ][ generation u64 ][ check u32 ] record record … SnapshotEnd record record …
//!                                                                   └── the snapshot ─────────┘ └── the moves ─
//! ```
//!
//! Of two slots the one with the higher generation and a whole snapshot counts. **Invariant**: a reader takes the
//! longest run of whole records and never what lies behind a damaged one, so a cursor can only be too old, never
//! too new.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::checkpoint::{Record, State};
use super::record::{Reader, decode, encode};

const MAGIC: &[u8; 8] = b"TAILWTR\n";
/// The version of a slot without a word of demoted labels and header lines: older programs read it.
const PLAIN: u16 = 1;
/// Of one that speaks of demoted labels only.
const DEMOTED: u16 = 2;
/// The newest version, of one with header lines. This program reads all up to it.
pub const VERSION: u16 = 3;
const HEADER: usize = 22;

/// What a slot's bytes say.
#[derive(Debug, PartialEq, Eq)]
pub enum Slot {
    /// No bytes at all.
    Empty,
    /// Written by another version of the program; the number.
    OtherVersion(u16),
    /// Not a checkpoint, or its snapshot is not whole.
    Unreadable,
    /// Usable.
    Read(Box<ReadSlot>),
}

/// A usable slot.
#[derive(Debug, PartialEq, Eq)]
pub struct ReadSlot {
    /// Counts the snapshots.
    pub generation: u64,
    /// What the whole records say.
    pub state: State,
    /// Bytes up to the end of the last whole record; what is behind is damaged.
    pub whole: u64,
    /// Bytes behind it.
    pub damaged: u64,
}

/// Reads a slot. Total: any bytes give a [`Slot`].
pub fn decode_slot(bytes: &[u8]) -> Slot {
    if bytes.is_empty() {
        return Slot::Empty;
    }
    let mut reader = Reader(bytes);
    let header = (|| {
        let magic: [u8; 8] = reader.array()?;
        let version = u16::from_le_bytes(reader.array()?);
        let generation = reader.u64()?;
        let check = reader.u32()?;
        (&magic == MAGIC && check == xxh3_64(&bytes[..HEADER - 4]) as u32).then_some((version, generation))
    })();
    let Some((version, generation)) = header else { return Slot::Unreadable };
    if !(PLAIN..=VERSION).contains(&version) {
        return Slot::OtherVersion(version);
    }
    let mut state = State::default();
    let mut snapshot = false;
    let mut whole = HEADER;
    while let Some((record, length)) = decode(&bytes[whole..]) {
        snapshot |= record == Record::SnapshotEnd;
        state.apply(record);
        whole += length;
    }
    if !snapshot {
        return Slot::Unreadable;
    }
    let damaged = (bytes.len() - whole) as u64;
    Slot::Read(Box::new(ReadSlot { generation, state, whole: whole as u64, damaged }))
}

/// The whole slot: header and snapshot.
pub fn encode_slot(state: &State, generation: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + 256 * (state.origins.len() + state.cursors.len()));
    out.extend_from_slice(MAGIC);
    let is_plain = state.demoted.is_empty() && state.cursors.values().all(|cursor| cursor.resume.demotions.is_none());
    let version = match (state.headers.is_empty(), is_plain) {
        (true, true) => PLAIN,
        (true, false) => DEMOTED,
        (false, _) => VERSION,
    };
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&generation.to_le_bytes());
    let check = xxh3_64(&out) as u32;
    out.extend_from_slice(&check.to_le_bytes());
    for origin in state.origins.values() {
        encode(&Record::Origin(origin.clone()), &mut out);
    }
    for (id, line) in &state.headers {
        encode(&Record::Header(*id, Arc::clone(line)), &mut out);
    }
    for ((id, pipeline), cursor) in &state.cursors {
        encode(&Record::Cursor(Arc::clone(pipeline), *id, (**cursor).clone()), &mut out);
    }
    for (pipeline, labels) in &state.demoted {
        for label in labels {
            encode(&Record::Demoted(Arc::clone(pipeline), Arc::clone(label)), &mut out);
        }
    }
    encode(&Record::SnapshotEnd, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::path::Path;

    use super::*;
    use crate::flow::checkpoint::{Check, Cursor, OriginRecord};
    use crate::model::event::Span;
    use crate::model::feed::{Reading, Resume, Run};
    use crate::model::labels::{Demotion, Demotions};
    use crate::model::origin::{Format, OriginId};
    use crate::model::time::Time;

    fn sample() -> State {
        let time = Time { secs: 1_795_423_848, nanos: 7 };
        let mut state = State::default();
        for count in 0..3_u32 {
            let id = OriginId::new(b"/var/log/a", b"first\n", count);
            state.apply(Record::Origin(OriginRecord {
                id,
                source: "pods".into(),
                path: Path::new("/var/log/a").into(),
                format: Format::Cri,
                head_len: 6,
                head_hash: 42,
                count,
                inode: (1, 2),
                order: u64::from(count),
            }));
            let resume = Resume {
                offset: 100,
                from: 90,
                runs: [Run::between(time, time.plus_nanos(3)).expect("in order"); 3],
                ahead: vec![Span { start: 120, end: 130 }],
                readings: vec![Reading { start: 5, end: 90, time }],
                demotions: None,
            };
            let cursor = Cursor { resume, check: Check::new(100, b"hello"), size: 1000 };
            state.apply(Record::Cursor("loki".into(), id, cursor));
        }
        state
    }

    #[test]
    fn a_slot_reads_back_with_its_moves() {
        let mut state = sample();
        let mut bytes = encode_slot(&state, 7);
        let id = OriginId::new(b"/var/log/a", b"first\n", 1);
        let kept = OriginId::new(b"/var/log/a", b"first\n", 2);
        for record in [Record::Forget(id), Record::Cursor("es".into(), kept, Cursor::default())] {
            encode(&record, &mut bytes);
            state.apply(record);
        }
        let whole = bytes.len() as u64;
        let read = ReadSlot { generation: 7, state, whole, damaged: 0 };
        assert_eq!(decode_slot(&bytes), Slot::Read(Box::new(read)));
    }

    /// Header lines need the newest version, and go with their origins.
    #[test]
    fn only_header_lines_need_the_newest_version() {
        let version = |bytes: &[u8]| u16::from_le_bytes([bytes[8], bytes[9]]);
        let mut state = sample();
        let id = |count| OriginId::new(b"/var/log/a", b"first\n", count);
        state.apply(Record::Header(id(1), "time,level".into()));
        state.apply(Record::Header(id(1), "another,line".into()));
        state.apply(Record::Header(OriginId(5), "of nobody".into()));
        let bytes = encode_slot(&state, 1);
        assert_eq!(version(&bytes), 3);
        let Slot::Read(read) = decode_slot(&bytes) else { panic!("not read") };
        assert_eq!(read.state, state);
        assert_eq!((&*state.headers[&id(1)], state.headers.len()), ("time,level", 1), "the first one counts");
        // The next in its path has it from there, the one before has not.
        assert_eq!(state.header_before(id(2)).as_deref(), Some("time,level"));
        assert_eq!(state.header_before(id(1)), None);
        state.apply(Record::Forget(id(1)));
        assert_eq!(version(&encode_slot(&state, 2)), 1, "an older program reads it again");
    }

    /// A program that knows no demoted labels goes on where none are; one that knows them reads both.
    #[test]
    fn only_demoted_labels_need_the_newer_version() {
        let version = |bytes: &[u8]| u16::from_le_bytes([bytes[8], bytes[9]]);
        let mut state = sample();
        assert_eq!(version(&encode_slot(&state, 1)), 1);
        state.apply(Record::Demoted("loki".into(), "request".into()));
        state.apply(Record::Demoted("loki".into(), "pod".into()));
        let mut cursor = Cursor::default();
        let labels = vec![Demotion { label: "request".into(), from: 30 }, Demotion { label: "pod".into(), from: 0 }];
        cursor.resume.demotions = Some(Box::new(Demotions { sent: 40, labels }));
        let id = OriginId::new(b"/var/log/a", b"first\n", 1);
        state.apply(Record::Cursor("loki".into(), id, cursor));
        let mut bytes = encode_slot(&state, 1);
        assert_eq!(version(&bytes), 2);
        let read = |bytes: &[u8]| match decode_slot(bytes) {
            Slot::Read(read) => read.state,
            other => panic!("{other:?}"),
        };
        assert_eq!(read(&bytes), state);
        state.apply(Record::Promoted("loki".into()));
        encode(&Record::Promoted("loki".into()), &mut bytes);
        assert!(read(&bytes) == state && state.demoted.is_empty());
        assert_eq!(version(&encode_slot(&state, 2)), 1, "an older program reads it again");
    }

    #[test]
    fn a_cut_slot_gives_its_whole_records() {
        let state = sample();
        let snapshot = encode_slot(&state, 1);
        let mut bytes = snapshot.clone();
        encode(&Record::Forget(OriginId(1)), &mut bytes);
        for cut in snapshot.len()..bytes.len() {
            let Slot::Read(read) = decode_slot(&bytes[..cut]) else { panic!("cut at {cut}") };
            assert_eq!((read.state, read.whole as usize), (state.clone(), snapshot.len()));
        }
        for cut in 1..snapshot.len() {
            assert_eq!(decode_slot(&snapshot[..cut]), Slot::Unreadable, "cut at {cut}");
        }
        assert_eq!(decode_slot(&[]), Slot::Empty);
        assert_eq!(decode_slot(&[0; 4096]), Slot::Unreadable);
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = encode_slot(&State::default(), 1);
        bytes[8] = 9;
        let check = xxh3_64(&bytes[..HEADER - 4]) as u32;
        bytes[HEADER - 4..HEADER].copy_from_slice(&check.to_le_bytes());
        assert_eq!(decode_slot(&bytes), Slot::OtherVersion(9));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_never_gives_what_was_not_written(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let state = sample();
            let mut bytes = encode_slot(&state, 3);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(decode_slot(&bytes), Slot::Unreadable);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _total = decode_slot(&bytes);
            let _total = decode(&bytes);
        }
    }
}

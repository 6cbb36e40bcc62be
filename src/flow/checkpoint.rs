//! The bytes of the checkpoint.
//!
//! ```text
//! slot    [ magic 8 ][ version u16 ][ generation u64 ][ check u32 ] record record … SnapshotEnd record record …
//!                                                                   └── the snapshot ─────────┘ └── the moves ─
//! record  [ length u32 ][ check u32 ][ kind u8 ][ payload ]           integers are little-endian
//! ```
//!
//! Of two slots the one with the higher generation and a whole snapshot counts. **Invariant**: a reader takes the
//! longest run of whole records and never what lies behind a damaged one, so a cursor can only be too old, never
//! too new.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::model::event::Span;
use crate::model::feed::{Reading, Resume, Run, Runs};
use crate::model::origin::{Format, OriginId};
use crate::model::time::Time;

const MAGIC: &[u8; 8] = b"TAILWTR\n";
/// The version this program writes. It reads no other.
pub const VERSION: u16 = 1;
const HEADER: usize = 22;
/// No record is longer; a length beyond it is damage.
const MAX_RECORD: usize = 1 << 20;

/// What is known of an origin's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRecord {
    /// The identity, fixed at first sight.
    pub id: OriginId,
    /// The source that found it.
    pub source: Arc<str>,
    /// Folder and name without a rotation's suffix, as bytes of the file system.
    pub path: PathBuf,
    /// How its lines are wrapped.
    pub format: Format,
    /// Bytes of the first line that took part in the identity.
    pub head_len: u16,
    /// Their hash.
    pub head_hash: u64,
    /// How many origins of the same path and head came before.
    pub count: u32,
    /// Where it was last seen: device and inode. A hint, never an identity.
    pub inode: (u64, u64),
    /// Its place among the origins of one path; later ones are greater.
    pub order: u64,
}

/// Where a pipeline is in an origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// What going on needs.
    pub resume: Resume,
    /// The bytes before `check_at` are hashed, so that a file is known again.
    pub check: Check,
    /// The size that the origin was last seen with.
    pub size: u64,
}

/// A hash over the (at most 1,024) bytes before an offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// The offset.
    pub at: u64,
    /// How many bytes before it are hashed.
    pub len: u16,
    /// Their hash; of no bytes where `len` is 0.
    pub hash: u64,
}

impl Check {
    /// The most bytes that are hashed.
    pub const MAX: usize = 1024;

    /// Where the bytes that were hashed begin.
    pub fn start(&self) -> u64 {
        self.at - u64::from(self.len)
    }

    /// Over `bytes`, which end at `at`.
    pub fn new(at: u64, bytes: &[u8]) -> Self {
        debug_assert!(bytes.len() <= Self::MAX && bytes.len() as u64 <= at);
        Self { at, len: bytes.len() as u16, hash: xxh3_64(bytes) }
    }

    /// Whether `bytes`, read from [`Check::start`], are the same.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.len == 0 || (bytes.len() == usize::from(self.len) && xxh3_64(bytes) == self.hash)
    }
}

/// One thing to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A new origin, or a new place where it was seen.
    Origin(OriginRecord),
    /// A pipeline has moved in an origin.
    Cursor(Arc<str>, OriginId, Cursor),
    /// An origin is gone for good.
    Forget(OriginId),
    /// The snapshot is whole.
    SnapshotEnd,
}

/// All that a checkpoint says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The origins known.
    pub origins: BTreeMap<OriginId, OriginRecord>,
    /// Per origin and pipeline: where reading goes on.
    pub cursors: BTreeMap<(OriginId, Arc<str>), Cursor>,
}

impl State {
    /// Takes a record in.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Origin(origin) => {
                self.origins.insert(origin.id, origin);
            }
            // A late answer may move a cursor of an origin that was forgotten meanwhile.
            Record::Cursor(_, id, _) if !self.origins.contains_key(&id) => {}
            Record::Cursor(pipeline, id, cursor) => {
                self.cursors.insert((id, pipeline), cursor);
            }
            Record::Forget(id) => {
                self.origins.remove(&id);
                self.cursors.retain(|(of, _), _| *of != id);
            }
            Record::SnapshotEnd => {}
        }
    }

    /// The whole slot: header and snapshot.
    pub fn encode_slot(&self, generation: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + 256 * (self.origins.len() + self.cursors.len()));
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&generation.to_le_bytes());
        let check = xxh3_64(&out) as u32;
        out.extend_from_slice(&check.to_le_bytes());
        for origin in self.origins.values() {
            encode(&Record::Origin(origin.clone()), &mut out);
        }
        for ((id, pipeline), cursor) in &self.cursors {
            encode(&Record::Cursor(Arc::clone(pipeline), *id, cursor.clone()), &mut out);
        }
        encode(&Record::SnapshotEnd, &mut out);
        out
    }
}

/// Where checkpoints are kept: in memory, or on disk too.
pub trait Book: Send + Sync {
    /// Looks at what is known; keep it short.
    fn look(&self, look: &mut dyn FnMut(&State));

    /// Remembers; a record of now on is there after a crash.
    fn append(&self, records: Vec<Record>);
}

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
    if version != VERSION {
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

/// Appends a record.
pub fn encode(record: &Record, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    match record {
        Record::Origin(origin) => {
            out.push(1);
            put_u128(out, origin.id.0);
            put_bytes(out, origin.source.as_bytes());
            put_bytes(out, path_bytes(&origin.path));
            out.push(match origin.format {
                Format::Cri => 0,
                Format::Docker => 1,
                Format::Plain => 2,
            });
            out.extend_from_slice(&origin.head_len.to_le_bytes());
            put_u64(out, origin.head_hash);
            out.extend_from_slice(&origin.count.to_le_bytes());
            put_u64(out, origin.inode.0);
            put_u64(out, origin.inode.1);
            put_u64(out, origin.order);
        }
        Record::Cursor(pipeline, id, cursor) => {
            out.push(2);
            put_bytes(out, pipeline.as_bytes());
            put_u128(out, id.0);
            put_cursor(out, cursor);
        }
        Record::Forget(id) => {
            out.push(3);
            put_u128(out, id.0);
        }
        Record::SnapshotEnd => out.push(4),
    }
    let length = (out.len() - start - 8) as u32;
    let check = xxh3_64(&out[start + 8..]) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + 8].copy_from_slice(&check.to_le_bytes());
}

/// Reads the first record; with its length in bytes. `None` where there is no whole one.
pub fn decode(bytes: &[u8]) -> Option<(Record, usize)> {
    let mut reader = Reader(bytes);
    let length = reader.u32()? as usize;
    let check = reader.u32()?;
    if length == 0 || length > MAX_RECORD {
        return None;
    }
    let payload = reader.take(length)?;
    if xxh3_64(payload) as u32 != check {
        return None;
    }
    let mut reader = Reader(payload);
    let record = match reader.u8()? {
        1 => Record::Origin(OriginRecord {
            id: OriginId(reader.u128()?),
            source: reader.text()?,
            path: bytes_path(reader.bytes()?),
            format: match reader.u8()? {
                0 => Format::Cri,
                1 => Format::Docker,
                2 => Format::Plain,
                _ => return None,
            },
            head_len: u16::from_le_bytes(reader.array()?),
            head_hash: reader.u64()?,
            count: reader.u32()?,
            inode: (reader.u64()?, reader.u64()?),
            order: reader.u64()?,
        }),
        2 => Record::Cursor(reader.text()?, OriginId(reader.u128()?), get_cursor(&mut reader)?),
        3 => Record::Forget(OriginId(reader.u128()?)),
        4 => Record::SnapshotEnd,
        _ => return None,
    };
    reader.0.is_empty().then_some((record, length + 8))
}

fn put_cursor(out: &mut Vec<u8>, cursor: &Cursor) {
    let resume = &cursor.resume;
    put_u64(out, resume.offset);
    put_u64(out, resume.from);
    for run in &resume.runs {
        put_time(out, run.first);
        put_time(out, run.last);
    }
    out.extend_from_slice(&(resume.ahead.len() as u32).to_le_bytes());
    for span in &resume.ahead {
        put_u64(out, span.start);
        put_u64(out, span.end);
    }
    out.extend_from_slice(&(resume.readings.len() as u32).to_le_bytes());
    for reading in &resume.readings {
        put_u64(out, reading.start);
        put_u64(out, reading.end);
        put_time(out, reading.time);
    }
    put_u64(out, cursor.check.at);
    out.extend_from_slice(&cursor.check.len.to_le_bytes());
    put_u64(out, cursor.check.hash);
    put_u64(out, cursor.size);
}

fn get_cursor(reader: &mut Reader<'_>) -> Option<Cursor> {
    let offset = reader.u64()?;
    let from = reader.u64()?;
    let mut runs = Runs::default();
    for run in &mut runs {
        *run = Run { first: reader.time()?, last: reader.time()? };
    }
    let count = reader.u32()? as usize;
    let mut ahead = Vec::with_capacity(count.min(MAX_RECORD / 16));
    for _ in 0..count {
        ahead.push(Span { start: reader.u64()?, end: reader.u64()? });
    }
    let count = reader.u32()? as usize;
    let mut readings = Vec::with_capacity(count.min(MAX_RECORD / 28));
    for _ in 0..count {
        readings.push(Reading { start: reader.u64()?, end: reader.u64()?, time: reader.time()? });
    }
    let check = Check { at: reader.u64()?, len: u16::from_le_bytes(reader.array()?), hash: reader.u64()? };
    let size = reader.u64()?;
    let sound = from <= offset && u64::from(check.len) <= check.at;
    sound.then_some(Cursor { resume: Resume { offset, from, runs, ahead, readings }, check, size })
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_u128(out: &mut Vec<u8>, value: u128) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_time(out: &mut Vec<u8>, time: Time) {
    out.extend_from_slice(&time.secs.to_le_bytes());
    out.extend_from_slice(&time.nanos.to_le_bytes());
}

/// Length and bytes. Names and paths of the file system are at most 4,096 bytes.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    debug_assert!(bytes.len() <= usize::from(u16::MAX));
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn path_bytes(path: &std::path::Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes()
}

fn bytes_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// Takes bytes off the front; `None` once they run out.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.array()?))
    }

    fn u128(&mut self) -> Option<u128> {
        Some(u128::from_le_bytes(self.array()?))
    }

    fn time(&mut self) -> Option<Time> {
        let time = Time { secs: i64::from_le_bytes(self.array()?), nanos: self.u32()? };
        (time.nanos < 1_000_000_000).then_some(time)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_le_bytes(self.array()?);
        self.take(usize::from(length))
    }

    fn text(&mut self) -> Option<Arc<str>> {
        std::str::from_utf8(self.bytes()?).ok().map(Arc::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> State {
        let time = Time { secs: 1_795_423_848, nanos: 7 };
        let mut state = State::default();
        for count in 0..3_u32 {
            let id = OriginId::new(b"/var/log/a", b"first\n", count);
            state.apply(Record::Origin(OriginRecord {
                id,
                source: "pods".into(),
                path: "/var/log/a".into(),
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
                runs: [Run { first: time, last: time.plus_nanos(3) }; 3],
                ahead: vec![Span { start: 120, end: 130 }],
                readings: vec![Reading { start: 5, end: 90, time }],
            };
            let cursor = Cursor { resume, check: Check::new(100, b"hello"), size: 1000 };
            state.apply(Record::Cursor("loki".into(), id, cursor));
        }
        state
    }

    #[test]
    fn a_slot_reads_back_with_its_moves() {
        let mut state = sample();
        let mut bytes = state.encode_slot(7);
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

    #[test]
    fn a_cut_slot_gives_its_whole_records() {
        let state = sample();
        let snapshot = state.encode_slot(1);
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
        let mut bytes = State::default().encode_slot(1);
        bytes[8] = 9;
        let check = xxh3_64(&bytes[..HEADER - 4]) as u32;
        bytes[HEADER - 4..HEADER].copy_from_slice(&check.to_le_bytes());
        assert_eq!(decode_slot(&bytes), Slot::OtherVersion(9));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_never_gives_what_was_not_written(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let state = sample();
            let mut bytes = state.encode_slot(3);
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

//! The bytes of a checkpoint's records.
//!
//! ```text
//! record  [ length u32 ][ check u32 ][ kind u8 ][ payload ]           integers are little-endian
//!
//! kind    1 origin   2 cursor   3 forget   4 the snapshot's end
//!         of version 2: 5 label demoted   6 cursor with demotions   7 labels promoted
//!         of version 3: 8 header line
//! ```
//!
//! **Invariant**: [`decode`] gives back what [`encode`] wrote, and nothing of bytes that are not whole.

use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::checkpoint::{Check, Cursor, OriginRecord, Record};
use crate::model::event::Span;
use crate::model::feed::{Reading, Resume, Run, Runs};
use crate::model::labels::{Demotion, Demotions};
use crate::model::origin::{Format, OriginId};
use crate::model::time::Time;

/// No record is longer; a length beyond it is damage.
const MAX_RECORD: usize = 1 << 20;

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
            let demotions = cursor.resume.demotions.as_deref();
            out.push(if demotions.is_none() { 2 } else { 6 });
            put_bytes(out, pipeline.as_bytes());
            put_u128(out, id.0);
            put_cursor(out, cursor);
            if let Some(demotions) = demotions {
                put_demotions(out, demotions);
            }
        }
        Record::Header(id, line) => {
            out.push(8);
            put_u128(out, id.0);
            put_bytes(out, line.as_bytes());
        }
        Record::Forget(id) => {
            out.push(3);
            put_u128(out, id.0);
        }
        Record::SnapshotEnd => out.push(4),
        Record::Demoted(pipeline, label) => {
            out.push(5);
            put_bytes(out, pipeline.as_bytes());
            put_bytes(out, label.as_bytes());
        }
        Record::Promoted(pipeline) => {
            out.push(7);
            put_bytes(out, pipeline.as_bytes());
        }
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
        5 => Record::Demoted(reader.text()?, reader.text()?),
        6 => {
            let (pipeline, id) = (reader.text()?, OriginId(reader.u128()?));
            let mut cursor = get_cursor(&mut reader)?;
            cursor.resume.demotions = Some(Box::new(get_demotions(&mut reader)?));
            Record::Cursor(pipeline, id, cursor)
        }
        7 => Record::Promoted(reader.text()?),
        8 => Record::Header(OriginId(reader.u128()?), reader.text()?),
        _ => return None,
    };
    reader.0.is_empty().then_some((record, length + 8))
}

fn put_cursor(out: &mut Vec<u8>, cursor: &Cursor) {
    let resume = &cursor.resume;
    put_u64(out, resume.offset);
    put_u64(out, resume.from);
    for run in &resume.runs {
        put_time(out, run.first());
        put_time(out, run.last());
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
        *run = Run::between(reader.time()?, reader.time()?)?;
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
    sound.then_some(Cursor { resume: Resume { offset, from, runs, ahead, readings, demotions: None }, check, size })
}

fn put_demotions(out: &mut Vec<u8>, demotions: &Demotions) {
    put_u64(out, demotions.sent);
    out.extend_from_slice(&(demotions.labels.len() as u32).to_le_bytes());
    for mark in &demotions.labels {
        put_bytes(out, mark.label.as_bytes());
        put_u64(out, mark.from);
    }
}

fn get_demotions(reader: &mut Reader<'_>) -> Option<Demotions> {
    let sent = reader.u64()?;
    let count = reader.u32()? as usize;
    let mut labels = Vec::with_capacity(count.min(MAX_RECORD / 10));
    for _ in 0..count {
        labels.push(Demotion { label: reader.text()?, from: reader.u64()? });
    }
    Some(Demotions { sent, labels })
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

/// Length and bytes. Names and paths of the file system are at most 4,096 bytes, header lines 48 KiB.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    debug_assert!(bytes.len() <= usize::from(u16::MAX));
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn path_bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes()
}

fn bytes_path(bytes: &[u8]) -> Arc<Path> {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes)).into()
}

/// Takes bytes off the front; `None` once they run out.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
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

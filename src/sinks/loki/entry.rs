//! One entry as it goes on the wire, and back.
//!
//! ```text
//! protobuf   0x12 len { 0x0a len { 0x08 secs 0x10 nanos } 0x12 len line (0x1a len { 0x0a len name 0x12 len value })* }
//! JSON       ["<ns>","<line>",{"name":"value"}],
//! ```
//!
//! The first item of a group carries room for what its stream adds to a request (labels, tags, lengths), so that the
//! size of a body is the size of its request also where streams are many:
//!
//! ```text
//! protobuf   0x0a len labels 0×6 entry               JSON   {"stream":{…},"values":[]},entry
//! ```
//!
//! **Invariant**: a request's uncompressed form is never longer than the body (and [`FRAME`]).

use crate::model::event::Event;
use crate::model::template::cut;
use crate::model::text::escape;
use crate::model::time::Time;
use crate::sinks::json::number;

use super::labels;
use super::settings::Encoding;

/// The most bytes of a request beside its streams: `{"streams":[]}`.
pub(super) const FRAME: usize = 14;
/// What stands at the end of a line that was cut here.
const MARKER: &str = " …[cut by tailwater]";
/// The tag and the length of a stream.
const STREAM_HEAD: [u8; 6] = [0; 6];
/// The most bytes of the names and values of a line's metadata that Loki takes by default.
pub(super) const METADATA_MAX: usize = 64 * 1024;
/// The name under which a restamped line's own time is stored.
pub(super) const OWN_TIME: &str = "original_time";
/// The most bytes of that name and a time as of RFC 3339.
pub(super) const OWN_TIME_MAX: usize = OWN_TIME.len() + 40;
/// The most bytes of an entry beside its line and its metadata.
pub(super) const ENTRY_MAX: usize = 64;

/// The part of a line that is sent, and the marker behind it.
pub(super) fn limited(line: &str, max: usize) -> (&str, &'static str) {
    if line.len() <= max { (line, "") } else { (cut(line, max.saturating_sub(MARKER.len())), MARKER) }
}

/// Appends the room for a stream's part of a request.
pub(super) fn put_room(encoding: Encoding, head: &str, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Protobuf => {
            put_text(0x0a, head.as_bytes(), out);
            out.extend_from_slice(&STREAM_HEAD);
        }
        Encoding::Json => {
            out.extend_from_slice(b"{\"stream\":");
            out.extend_from_slice(&labels::to_json(head));
            out.extend_from_slice(b",\"values\":[]},");
        }
    }
}

/// The most bytes of the room for labels of at most `head` bytes.
pub(super) fn room_bound(encoding: Encoding, head: usize) -> usize {
    match encoding {
        Encoding::Protobuf => head + 16,
        // Six bytes where the quoted form has four at most.
        Encoding::Json => head * 2 + 32,
    }
}

/// Appends an entry; `metadata` is what [`put_metadata`] wrote.
#[inline]
pub(super) fn put(encoding: Encoding, event: &Event<'_>, max_line: usize, metadata: &[u8], out: &mut Vec<u8>) {
    let time = event.time.plus_nanos(event.nudge);
    let (line, marker) = limited(event.body, max_line);
    match encoding {
        Encoding::Protobuf => put_protobuf(time, line, marker, metadata, out),
        Encoding::Json => put_json(time, line, marker, metadata, out),
    }
}

fn put_protobuf(time: Time, line: &str, marker: &str, metadata: &[u8], out: &mut Vec<u8>) {
    let line_len = line.len() + marker.len();
    let secs = time.secs as u64;
    let nanos = u64::from(time.nanos);
    let time_len = 2 + varint_len(secs) + varint_len(nanos);
    let len = 2 + time_len + 1 + varint_len(line_len as u64) + line_len + metadata.len();
    out.push(0x12);
    put_varint(len as u64, out);
    out.extend_from_slice(&[0x0a, time_len as u8, 0x08]);
    put_varint(secs, out);
    out.push(0x10);
    put_varint(nanos, out);
    out.push(0x12);
    put_varint(line_len as u64, out);
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(marker.as_bytes());
    out.extend_from_slice(metadata);
}

fn put_json(time: Time, line: &str, marker: &str, metadata: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"[\"");
    let nanos = time.as_nanos();
    match u64::try_from(nanos) {
        Ok(nanos) => number(nanos, out),
        Err(_) => out.extend_from_slice(nanos.to_string().as_bytes()),
    }
    out.extend_from_slice(b"\",\"");
    escape(line, out);
    out.extend_from_slice(marker.as_bytes());
    out.push(b'"');
    if !metadata.is_empty() {
        out.extend_from_slice(b",{");
        // Each member begins with a comma.
        out.extend_from_slice(&metadata[1..]);
        out.push(b'}');
    }
    out.extend_from_slice(b"],");
}

/// Appends one entry of metadata; `left` is how many bytes of names and values Loki still takes for the line.
pub(super) fn put_metadata(encoding: Encoding, name: &str, value: &str, left: &mut usize, out: &mut Vec<u8>) {
    let value = cut(value, left.saturating_sub(name.len()));
    if value.is_empty() {
        return;
    }
    *left -= name.len() + value.len();
    match encoding {
        Encoding::Protobuf => {
            let len = 2 + varint_len(name.len() as u64) + varint_len(value.len() as u64) + name.len() + value.len();
            out.push(0x1a);
            put_varint(len as u64, out);
            put_text(0x0a, name.as_bytes(), out);
            put_text(0x12, value.as_bytes(), out);
        }
        Encoding::Json => {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":\"");
            escape(value, out);
            out.push(b'"');
        }
    }
}

/// The most bytes of metadata with `entries` entries, their names and values of `text` bytes.
pub(super) fn metadata_bound(encoding: Encoding, entries: usize, text: usize) -> usize {
    let text = text.min(METADATA_MAX);
    match encoding {
        Encoding::Protobuf => text + entries * 16,
        Encoding::Json => text * 6 + entries * 8,
    }
}

/// An item's entry, without the room before it.
pub(super) fn of_item<'a>(encoding: Encoding, item: &'a [u8], head: &str) -> &'a [u8] {
    let room = match (encoding, item.first()) {
        (Encoding::Protobuf, Some(0x0a)) => 1 + varint_len(head.len() as u64) + head.len() + STREAM_HEAD.len(),
        (Encoding::Json, Some(b'{')) => labels::to_json(head).len() + b"{\"stream\":,\"values\":[]},".len(),
        _ => 0,
    };
    item.get(room..).unwrap_or_default()
}

/// An entry, read back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// Its time.
    pub(super) time: Time,
    /// Its line.
    pub(super) line: String,
    /// Its structured metadata.
    pub(super) metadata: Vec<(String, String)>,
}

/// Reads an entry that [`put`] wrote.
pub(super) fn read(encoding: Encoding, entry: &[u8]) -> Read {
    match encoding {
        Encoding::Protobuf => read_protobuf(entry),
        Encoding::Json => read_json(entry),
    }
}

fn read_protobuf(entry: &[u8]) -> Read {
    let mut read = Read::default();
    let inside = fields(entry).next().map_or(&[][..], |(_, _, inside)| inside);
    for (field, _, inside) in fields(inside) {
        match field {
            1 => {
                for (part, value, _) in fields(inside) {
                    match part {
                        1 => read.time.secs = value as i64,
                        _ => read.time.nanos = value as u32,
                    }
                }
            }
            2 => read.line = String::from_utf8_lossy(inside).into_owned(),
            _ => {
                let mut texts = fields(inside).map(|(_, _, text)| String::from_utf8_lossy(text).into_owned());
                read.metadata.push((texts.next().unwrap_or_default(), texts.next().unwrap_or_default()));
            }
        }
    }
    read
}

fn read_json(entry: &[u8]) -> Read {
    let entry = entry.strip_suffix(b",").unwrap_or(entry);
    // Written by `put_json`, so it reads back; were it not to, the letter would be empty, and the item is lost anyway.
    let value: serde_json::Value = serde_json::from_slice(entry).unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = value[2].as_object().into_iter().flatten();
    Read {
        time: Time::from_nanos(text(&value[0]).parse().unwrap_or_default()),
        line: text(&value[1]),
        metadata: metadata.map(|(name, value)| (name.clone(), text(value))).collect(),
    }
}

/// The fields of a protobuf message: number, value of a varint, bytes of a length-delimited field.
fn fields(message: &[u8]) -> impl Iterator<Item = (u64, u64, &[u8])> {
    let mut rest = message;
    std::iter::from_fn(move || {
        let tag = take_varint(&mut rest)?;
        let value = take_varint(&mut rest)?;
        if tag & 7 == 0 {
            return Some((tag >> 3, value, &[][..]));
        }
        let (inside, after) = rest.split_at_checked(usize::try_from(value).ok()?)?;
        rest = after;
        Some((tag >> 3, value, inside))
    })
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Appends a length-delimited field.
pub(super) fn put_text(tag: u8, text: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    put_varint(text.len() as u64, out);
    out.extend_from_slice(text);
}

/// Appends a number, seven bits to a byte, the lowest first.
#[inline]
pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The bytes that [`put_varint`] appends.
#[inline]
pub(super) fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::samples::golden;
    use proptest::prelude::*;

    #[test]
    fn entries_read_back() {
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            for (name, sample) in golden() {
                let mut metadata = Vec::new();
                let mut left = METADATA_MAX;
                put_metadata(encoding, "level", "warn", &mut left, &mut metadata);
                put_metadata(encoding, "none", "", &mut left, &mut metadata);
                put_metadata(encoding, "trace", "\"é\n", &mut left, &mut metadata);
                let mut out = Vec::new();
                sample.with(|event| put(encoding, event, usize::MAX, &metadata, &mut out));
                let expected = Read {
                    time: sample.time.plus_nanos(sample.nudge),
                    line: sample.body.clone(),
                    metadata: vec![("level".into(), "warn".into()), ("trace".into(), "\"é\n".into())],
                };
                assert_eq!(read(encoding, &out), expected, "{name}");
            }
        }
    }

    #[test]
    fn a_line_at_the_limit_passes_and_one_over_it_is_cut() {
        let line = "x".repeat(1000);
        assert_eq!(limited(&line, 1000), (line.as_str(), ""));
        let (kept, marker) = limited(&line, 999);
        assert_eq!(kept.len() + marker.len(), 999);
        let wide = "é".repeat(500);
        let (kept, marker) = limited(&wide, 999);
        assert!(kept.len() + marker.len() <= 999 && wide.starts_with(kept) && marker == MARKER);
    }

    #[test]
    fn metadata_stays_within_what_loki_takes() {
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            let mut left = METADATA_MAX;
            let mut out = Vec::new();
            for name in ["a", "b", "c"] {
                put_metadata(encoding, name, &"\u{1}".repeat(40_000), &mut left, &mut out);
            }
            assert!(left <= 1, "the third does not fit");
            assert!(out.len() <= metadata_bound(encoding, 3, 120_003));
        }
    }

    proptest! {
        #[test]
        fn a_number_has_the_length_said(shift in 0..64_u32, value in any::<u64>()) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_varint(value, &mut out);
            prop_assert_eq!(out.len(), varint_len(value));
            prop_assert_eq!(take_varint(&mut out.as_slice()), Some(value));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(read(Encoding::Protobuf, &bytes).line.len() <= 3 * bytes.len());
            prop_assert!(read(Encoding::Json, &bytes).line.len() <= 3 * bytes.len());
        }
    }
}

//! Whose content a file holds.
//!
//! A file seen for the first time is held against the origins known: same logical path, same first line, and for
//! every pipeline's cursor the same bytes before it. **Invariant**: an origin is given to one file at a time; a file
//! that fits none becomes a new origin, with a count where path and first line were there before.

use std::io;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::flow::checkpoint::{Check, Cursor, OriginRecord, State};
use crate::model::feed::{Content, Landmark, read_full};
use crate::model::origin::HEAD_MAX;

/// The first line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its bytes that take part in the identity.
    pub len: u16,
    /// Their hash.
    pub hash: u64,
}

impl Head {
    /// The same as bytes before an offset.
    pub fn landmark(&self) -> Landmark {
        Landmark { at: u64::from(self.len), len: self.len, hash: self.hash }
    }

    /// Whether a file that begins with `bytes` begins with this. A whole first line does so as a whole; one that was taken before
    /// its end came (nothing more was to be expected) may have got it since.
    pub fn begins(&self, bytes: &[u8]) -> bool {
        bytes.get(..usize::from(self.len)).is_some_and(|bytes| xxh3_64(bytes) == self.hash)
    }
}

/// What the start of a file says.
#[derive(Debug, PartialEq, Eq)]
pub enum Start {
    /// No byte yet.
    Empty,
    /// The first line has no end yet: what there is of it, twice as below.
    Unfinished(Head, Vec<u8>),
    /// The first line, and the bytes that were read for it.
    Head(Head, Vec<u8>),
}

/// Reads the first line. With `all`, an unfinished one is taken as it stands: nothing more will come.
pub fn read_start(content: &dyn Content, all: bool) -> io::Result<Start> {
    let mut bytes = vec![0; HEAD_MAX];
    let length = read_full(content, 0, &mut bytes)?;
    bytes.truncate(length);
    if length == 0 {
        return Ok(Start::Empty);
    }
    let end = memchr::memchr(b'\n', &bytes);
    let len = end.map_or(length, |at| at + 1);
    let head = Head { len: len as u16, hash: xxh3_64(&bytes[..len]) };
    match end.is_some() || length == HEAD_MAX || all {
        true => Ok(Start::Head(head, bytes)),
        false => Ok(Start::Unfinished(head, bytes)),
    }
}

/// The first `len` bytes, as a head.
pub fn head_of(content: &dyn Content, len: usize) -> io::Result<Head> {
    let mut bytes = vec![0; len];
    let length = read_full(content, 0, &mut bytes)?;
    Ok(Head { len: length as u16, hash: xxh3_64(&bytes[..length]) })
}

/// An origin that a file could be.
#[derive(Clone, Debug)]
pub struct Known {
    /// The origin.
    pub record: OriginRecord,
    /// The pipelines' cursors in it.
    pub cursors: Vec<Cursor>,
}

impl Known {
    /// Whether something was hashed, by which it can be told from others with the same first line.
    pub fn is_proven(&self) -> bool {
        self.cursors.iter().any(|cursor| cursor.check.len > 0)
    }

    /// Whether every pipeline has settled `length` bytes, and those are all (a length is known modulo 2³²).
    pub fn is_settled_to(&self, length: u32) -> bool {
        !self.cursors.is_empty() && self.cursors.iter().all(|cursor| is_settled_to(cursor, length))
    }

    /// Whether `content` holds what every pipeline has read.
    pub fn fits(&self, content: &dyn Content) -> io::Result<bool> {
        for cursor in &self.cursors {
            if !check_matches(&cursor.check, content)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether a pipeline has settled `length` bytes (modulo 2³²), and those are all that it has seen.
pub fn is_settled_to(cursor: &Cursor, length: u32) -> bool {
    cursor.resume.offset as u32 == length && cursor.size <= cursor.resume.offset && cursor.resume.offset > 0
}

/// The origins that a file could be: of its logical path, or of its inode, and of its first line. The best hint
/// first: bytes that were hashed, then the inode, then the newest.
pub fn candidates(state: &State, logical: &Path, inode: (u64, u64), start: &[u8]) -> Vec<Known> {
    let mut found: Vec<Known> = state
        .origins
        .values()
        .filter(|origin| *origin.path == *logical || origin.inode == inode)
        .filter(|origin| Head { len: origin.head_len, hash: origin.head_hash }.begins(start))
        .map(|origin| {
            let of_origin = state.cursors.range((origin.id, "".into())..).take_while(|((id, _), _)| *id == origin.id);
            Known { record: origin.clone(), cursors: of_origin.map(|(_, cursor)| (**cursor).clone()).collect() }
        })
        // A file that has another name now is known by its bytes only.
        .filter(|known| *known.record.path == *logical || known.is_proven())
        .collect();
    found.sort_by_key(|known| {
        let record = &known.record;
        (!known.is_proven(), *record.path != *logical, record.inode != inode, std::cmp::Reverse(record.count))
    });
    found
}

/// Whether the bytes before a check's offset are the ones that were hashed.
pub fn check_matches(check: &Check, content: &dyn Content) -> io::Result<bool> {
    let mut bytes = vec![0; usize::from(check.len)];
    let length = read_full(content, check.start(), &mut bytes)?;
    bytes.truncate(length);
    Ok(check.matches(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(Vec<u8>);

    impl Content for Bytes {
        fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
            let from = (offset as usize).min(self.0.len());
            // One byte at a time: nobody may rely on a full read.
            let count = into.len().min(self.0.len() - from).min(1);
            into[..count].copy_from_slice(&self.0[from..from + count]);
            Ok(count)
        }
    }

    fn start(bytes: &[u8], all: bool) -> Option<u16> {
        match read_start(&Bytes(bytes.to_vec()), all).expect("readable") {
            Start::Head(head, _) => Some(head.len),
            Start::Empty | Start::Unfinished(..) => None,
        }
    }

    #[test]
    fn the_head_is_the_first_line_to_its_end_or_1024_bytes() {
        assert_eq!(start(b"", true), None);
        assert_eq!(start(b"abc", false), None);
        assert_eq!(start(b"abc", true), Some(3));
        assert_eq!(start(b"abc\ndef", false), Some(4));
        assert_eq!(start(&[b'x'; 1024], false), Some(1024));
        assert_eq!(start(&[b'x'; 5000], false), Some(1024));
    }

    #[test]
    fn a_check_needs_the_same_bytes_at_the_same_place() {
        let bytes = b"0123456789".to_vec();
        let check = Check::new(8, &bytes[4..8]);
        assert!(check_matches(&check, &Bytes(bytes.clone())).expect("readable"));
        assert!(!check_matches(&check, &Bytes(bytes[..7].to_vec())).expect("readable"));
        assert!(!check_matches(&check, &Bytes(b"x0123456789".to_vec())).expect("readable"));
        assert!(check_matches(&Check::default(), &Bytes(Vec::new())).expect("readable"));
    }
}

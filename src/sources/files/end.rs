//! Where reading begins that wants only what comes: at the last line's start at or before a file's end.
//!
//! **Invariant**: an end that was found holds the hash of the bytes before it, so that a cursor there goes on only in the
//! same content.

use std::path::Path;

use super::found::Stat;
use super::gzip;
use super::slot::FileContent;
use crate::flow::checkpoint::{Check, Cursor};
use crate::model::feed::{Resume, read_full};

/// How far a line's beginning is looked for.
const LINE_BACK: usize = 64 << 10;

/// The cursor at the end of the file with `inode` in `folder`, whatever its name is by now; `seen` bytes of its content are
/// known of. `None` where it is not there or cannot be read.
pub fn cursor_at_end(folder: &Path, inode: (u64, u64), seen: u64) -> Option<Cursor> {
    let entries = std::fs::read_dir(folder).ok()?;
    let path = entries.flatten().map(|entry| entry.path()).find(|path| {
        // What cannot be looked at is not it.
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && Stat::of(&meta).inode == inode)
    })?;
    // As if it were not there: what was last seen of it must do.
    let (file, stat) = FileContent::open(&path).ok()?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        let size = u64::from(gzip::trailer(&file).ok()??).max(seen);
        return Some(at(size, size, Check::default()));
    }
    let offset = line_start(&file, stat.size);
    let start = offset.saturating_sub(Check::MAX as u64);
    let mut bytes = vec![0; (offset - start) as usize];
    let count = read_full(&file, start, &mut bytes).ok()?;
    let check = if count == bytes.len() { Check::new(offset, &bytes) } else { Check::default() };
    Some(at(offset, stat.size, check))
}

/// The cursor behind all `seen` bytes of a file that is not there.
pub fn cursor_behind(seen: u64) -> Cursor {
    at(seen, seen, Check::default())
}

fn at(offset: u64, size: u64, check: Check) -> Cursor {
    Cursor { resume: Resume { offset, from: offset, ..Resume::default() }, check, size }
}

/// The last line's start at or before `size`, where it is near.
pub(super) fn line_start(file: &FileContent, size: u64) -> u64 {
    let start = size.saturating_sub(LINE_BACK as u64);
    let mut bytes = vec![0; (size - start) as usize];
    // Where it cannot be read, the size must do: the rest of a line is a line then.
    let count = read_full(file, start, &mut bytes).unwrap_or(0);
    memchr::memrchr(b'\n', &bytes[..count]).map_or(size, |at| start + at as u64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::checkpoint::Check;

    #[test]
    fn the_end_is_a_lines_start() {
        let check = |content: &str, expected: u64| {
            let dir = tempfile::tempdir().expect("a folder");
            let path = dir.path().join("a.log");
            std::fs::write(&path, content).expect("written");
            let inode = Stat::of(&std::fs::metadata(&path).expect("it is there")).inode;
            let cursor = cursor_at_end(dir.path(), inode, 0).expect("an end");
            assert_eq!((cursor.resume.offset, cursor.size), (expected, content.len() as u64), "{content:?}");
            assert_eq!(cursor.check, Check::new(expected, &content.as_bytes()[..expected as usize]));
        };
        check("one\ntwo\n", 8);
        check("one\ntwo", 4);
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(cursor_at_end(dir.path(), (1, 1), 5), None);
        assert_eq!(cursor_behind(5).resume.from, 5);
    }
}

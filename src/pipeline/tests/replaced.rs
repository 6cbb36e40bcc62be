//! Content that becomes another's while it is read.

use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::model::feed::Landmark;

/// Truncated and written anew just before the given read.
struct Replaced {
    before: &'static [u8],
    after: &'static [u8],
    at_read: usize,
    reads: Mutex<usize>,
}

impl Content for Replaced {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut reads = self.reads.lock().expect("not poisoned");
        let bytes = if *reads < self.at_read { self.before } else { self.after };
        *reads += 1;
        let rest = &bytes[bytes.len().min(offset as usize)..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

const BEFORE: &[u8] = b"before 1\nbefore 2\n";
const AFTER: &[u8] = b"after, and longer 1\nafter, and longer 2\n";

/// The texts that are handed on of content that is replaced before a read; whether that was noticed.
fn read(at_read: usize) -> (String, bool) {
    let mut world = World::new(BEFORE, Format::Plain);
    let state = world.pipeline.feeds.get_mut(&world.origin.id).expect("the feed is there");
    state.feed.content = Arc::new(Replaced { before: BEFORE, after: AFTER, at_read, reads: Mutex::new(0) });
    state.feed.head = Some(Landmark { at: 9, len: 9, hash: xxh3_64(&BEFORE[..9]) });
    world.pass();
    world.pass();
    world.pipeline.seal();
    let sent = world.sent.lock().expect("not poisoned");
    let text: String = sent.iter().map(|batch| String::from_utf8_lossy(&batch.body.bytes).into_owned()).collect();
    (text, world.pipeline.feeds[&world.origin.id].feed.marks.overtaken())
}

/// Read as one origin's and again as the other's, its lines would be there twice.
#[test]
fn another_files_lines_are_never_handed_on_as_this_ones() {
    for at_read in 0..5 {
        let (text, noticed) = read(at_read);
        assert!(noticed, "replaced before read {at_read}: nobody noticed");
        assert!(!text.contains("after"), "replaced before read {at_read}: {text}");
    }
}

#[test]
fn content_that_stays_the_same_is_read() {
    let (text, noticed) = read(usize::MAX);
    assert!(text.contains("before 1") && text.contains("before 2"), "{text}");
    assert!(!noticed);
}

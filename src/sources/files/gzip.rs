//! A compressed file, read as if it were not.
//!
//! ```text
//!              window (bytes at hand)
//! content ─────[·············]at──────────────▶ end
//!                ▲ read again   ▲ inflated next
//! ```
//!
//! It is a stream: skipped once to where reading goes on, read forwards, and what lies within the window can be read
//! again. **Invariant**: an offset behind `at` is reached by inflating, one before the window by inflating from the
//! beginning, and the window grows then, so that this is rare. Each pipeline has a content of its own, and only so
//! many of a pipeline's inflate at one time ([`Inflaters`]). A read to the end gives the memory back.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flate2::bufread::MultiGzDecoder;
use tracing::warn;
use xxhash_rust::xxh3::xxh3_64;

use super::slot::FileContent;
use crate::model::feed::{Content, Landmark, Ready, read_full};

/// How many files a pipeline inflates at one time. Each costs about 100 KiB: the inflater's own 40, input, window.
const AT_ONCE: usize = 2;
/// Compressed bytes read at once.
const INPUT: usize = 8 << 10;
/// Bytes given at once, so that little is read again where a batch is full.
const CHUNK: usize = 16 << 10;
/// Bytes kept to be read again: a chunk, an unfinished line, and what is hashed before a position.
const WINDOW: usize = 32 << 10;
/// The most that a window grows to, where lines are long: more than a piece of a line may stay open for.
const LONGEST_WINDOW: usize = 2 << 20;
/// Bytes inflated in one go to get to a position: live files are not to wait for it.
const SKIP: u64 = 4 << 20;
/// How far a landmark is from the next, and how many are kept: more than what is on its way to a store.
const LANDMARK_EVERY: u64 = 256 << 10;
const LANDMARKS: usize = 256;
/// Bytes hashed for a landmark.
const LANDMARK_LEN: usize = 1024;
/// Bytes before a position that a reader looks at.
const BEFORE: u64 = 64;
/// Deflate makes no byte out of less than a thousandth: a size that says more is not one.
const MOST_RATIO: u64 = 1032;

/// How many more files a pipeline may inflate at one time.
#[derive(Debug)]
pub struct Inflaters(AtomicUsize);

impl Default for Inflaters {
    fn default() -> Self {
        Self(AtomicUsize::new(AT_ONCE))
    }
}

impl Inflaters {
    fn take(self: &Arc<Self>) -> Option<Turn> {
        let taken = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1));
        taken.ok().map(|_| Turn(Arc::clone(self)))
    }
}

/// The right to inflate a file.
struct Turn(Arc<Inflaters>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Told once, when a file ends before its content does: the bytes that cannot be read.
pub type OnDamage = Arc<dyn Fn(u64) + Send + Sync>;

/// What a compressed file is to its reader from the start.
pub struct Reading {
    /// Where reading takes turns with other compressed files; `None` where it need not.
    pub inflaters: Option<Arc<Inflaters>>,
    /// What is known of the content before reading begins.
    pub landmark: Option<Landmark>,
    /// A size that the content was known to have; 0 where none was.
    pub size: u64,
    /// Where it is said to end.
    pub length: u64,
    /// Its first bytes, so that a look at its first line inflates nothing.
    pub head: Vec<u8>,
    /// Hears of damage.
    pub on_damage: Option<OnDamage>,
}

/// The uncompressed content of a file, for one reader.
pub struct GzipContent {
    file: Arc<FileContent>,
    path: PathBuf,
    reading: Reading,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Inflates at `at`; `None` before the first read, at the end, and after an error.
    stream: Option<Stream>,
    /// The bytes before `at`.
    window: VecDeque<u8>,
    /// How many of them are kept.
    longest: usize,
    /// How much was inflated.
    at: u64,
    /// The content's size, once its end was seen.
    end: Option<u64>,
    /// The right to inflate.
    turn: Option<Turn>,
    /// Ascending.
    landmarks: VecDeque<Landmark>,
    /// The last landmark that was asked for, or the one from before.
    base: Option<Landmark>,
    /// Whether damage was told.
    told: bool,
}

type Stream = MultiGzDecoder<BufReader<Compressed>>;

/// The file's own bytes, one after the other.
struct Compressed {
    file: Arc<FileContent>,
    at: u64,
}

impl Read for Compressed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.at, into)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl GzipContent {
    /// Of an open compressed file; inflates nothing yet.
    pub fn new(file: Arc<FileContent>, path: PathBuf, reading: Reading) -> Self {
        let state = State { longest: WINDOW, base: reading.landmark, ..State::default() };
        Self { file, path, reading, state: Mutex::new(state) }
    }

    /// For a look: nobody else waits, and damage is not told.
    pub fn to_look(file: Arc<FileContent>, path: &Path) -> Self {
        let reading =
            Reading { inflaters: None, landmark: None, size: 0, length: 0, head: Vec::new(), on_damage: None };
        Self::new(file, path.to_owned(), reading)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What a panic leaves behind is a position and bytes before it, which are true or are inflated anew.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Inflates on; 0 at the end.
    fn inflate(&self, state: &mut State, into: &mut [u8]) -> io::Result<usize> {
        if state.end.is_some() || into.is_empty() {
            return Ok(0);
        }
        let stream = state.stream.get_or_insert_with(|| {
            state.at = 0;
            state.window.clear();
            MultiGzDecoder::new(BufReader::with_capacity(INPUT, Compressed { file: Arc::clone(&self.file), at: 0 }))
        });
        let length = into.len().min(CHUNK);
        let count = match stream.read(&mut into[..length]) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return self.inflate(state, into),
            Err(error) if is_damage(&error) => {
                self.tell(state, &error);
                0
            }
            Err(error) => {
                // The disk's trouble, not the content's: another time, from the beginning.
                state.restart();
                return Err(error);
            }
        };
        if count == 0 {
            state.finish();
        } else {
            state.take(&into[..count]);
        }
        Ok(count)
    }

    fn tell(&self, state: &mut State, error: &io::Error) {
        if std::mem::replace(&mut state.told, true) {
            return;
        }
        let Some(on_damage) = &self.reading.on_damage else { return };
        let lost = self.lost(state.at, error);
        warn!(
            path = %self.path.display(),
            %error,
            readable_bytes = state.at,
            unreachable_bytes = lost,
            "a compressed file is damaged; it is read to where the damage begins, the rest is counted as unreachable (as one \
             byte where nobody knows its size). Normal after a crash or a full disk while it was compressed"
        );
        on_damage(lost);
    }

    /// How many bytes lie behind `at`, as far as anybody knows.
    fn lost(&self, at: u64, error: &io::Error) -> u64 {
        if self.reading.size > at {
            return self.reading.size - at;
        }
        let is_cut_off = error.kind() == io::ErrorKind::UnexpectedEof;
        let (size, compressed) = match (trailer(&self.file), self.file.stat()) {
            (Ok(Some(size)), Ok((stat, _))) if !is_cut_off => (u64::from(size), stat.size),
            _ => return 1,
        };
        if size < at || size > compressed.saturating_mul(MOST_RATIO) { 1 } else { size - at }
    }
}

/// Whether the content is to blame, not the reading of it.
fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

impl State {
    /// The offset of the window's first byte.
    fn start(&self) -> u64 {
        self.at - self.window.len() as u64
    }

    fn take(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        self.window.extend(bytes);
        let surplus = self.window.len().saturating_sub(self.longest);
        self.window.drain(..surplus);
        let next = self.landmarks.back().or(self.base.as_ref()).map_or(0, |last| last.at) + LANDMARK_EVERY;
        if self.at >= next {
            self.set_landmark();
        }
    }

    fn set_landmark(&mut self) {
        let len = self.window.len().min(LANDMARK_LEN);
        let bytes: Vec<u8> = self.window.range(self.window.len() - len..).copied().collect();
        self.landmarks.push_back(Landmark { at: self.at, len: len as u16, hash: xxh3_64(&bytes) });
        if self.landmarks.len() > LANDMARKS {
            self.landmarks.pop_front();
        }
    }

    /// The end was seen: only the bytes at hand are kept.
    fn finish(&mut self) {
        self.end = Some(self.at);
        self.stream = None;
        self.turn = None;
        if self.landmarks.back().is_none_or(|last| last.at < self.at) {
            self.set_landmark();
        }
    }

    /// Everything from the beginning again; what was learned stays.
    fn restart(&mut self) {
        self.stream = None;
        self.end = None;
        self.at = 0;
        self.window = VecDeque::new();
    }

    /// Makes `offset` reachable by going forwards.
    fn go_back_to(&mut self, offset: u64) {
        if offset >= self.start() {
            return;
        }
        let wanted = (self.at - offset) as usize + CHUNK;
        self.longest = self.longest.max(wanted.next_power_of_two()).min(LONGEST_WINDOW);
        self.restart();
    }

    fn copy(&self, offset: u64, into: &mut [u8]) -> usize {
        let from = (offset - self.start()) as usize;
        let count = into.len().min(self.window.len() - from);
        for (to, byte) in into.iter_mut().zip(self.window.range(from..from + count)) {
            *to = *byte;
        }
        count
    }
}

impl Content for GzipContent {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.lock();
        if state.end.is_some_and(|end| offset >= end) {
            return Ok(0);
        }
        let head = &self.reading.head;
        if state.at == 0 && state.turn.is_none() && offset < head.len() as u64 {
            let head = &head[offset as usize..];
            let count = head.len().min(into.len());
            into[..count].copy_from_slice(&head[..count]);
            return Ok(count);
        }
        state.go_back_to(offset);
        let mut skipped = [0; CHUNK];
        while state.at < offset {
            let length = (offset - state.at).min(CHUNK as u64) as usize;
            if self.inflate(&mut state, &mut skipped[..length])? == 0 {
                return Ok(0);
            }
        }
        if offset < state.at {
            return Ok(state.copy(offset, into));
        }
        self.inflate(&mut state, into)
    }

    fn prepare(&self, offset: u64) -> Ready {
        let mut state = self.lock();
        let start = offset.saturating_sub(BEFORE);
        if state.end.is_some_and(|end| offset >= end) || (start >= state.start() && offset <= state.at && state.at > 0)
        {
            return Ready::Now;
        }
        if state.turn.is_none()
            && let Some(inflaters) = &self.reading.inflaters
        {
            match inflaters.take() {
                Some(turn) => state.turn = Some(turn),
                None => return Ready::Later,
            }
        }
        state.go_back_to(start);
        let mut skipped = [0; CHUNK];
        let stop = state.at + SKIP;
        while state.at < offset {
            if state.at >= stop {
                return Ready::Soon;
            }
            let length = (offset - state.at).min(CHUNK as u64) as usize;
            match self.inflate(&mut state, &mut skipped[..length]) {
                Ok(0) => break,
                Ok(_) => {}
                // The read that follows says so.
                Err(_) => break,
            }
        }
        Ready::Now
    }

    fn is_near(&self, offset: u64) -> bool {
        let state = self.lock();
        let is_at_hand = offset >= state.start() && offset < state.at + CHUNK as u64;
        match state.at {
            0 => offset < self.reading.head.len() as u64,
            _ => is_at_hand || state.end.is_some_and(|end| offset >= end),
        }
    }

    fn size(&self) -> Option<u64> {
        Some(self.lock().end.unwrap_or(self.reading.length))
    }

    fn landmark(&self, offset: u64) -> Option<Landmark> {
        let mut state = self.lock();
        while state.landmarks.front().is_some_and(|first| first.at <= offset) {
            state.base = state.landmarks.pop_front();
        }
        Some(state.base.unwrap_or_default())
    }

    fn release(&self, _pipeline: usize, offset: u64) {
        let mut state = self.lock();
        if offset == u64::MAX {
            state.restart();
            state.turn = None;
        } else if state.end.is_some_and(|end| offset >= end) && state.window.len() > LANDMARK_LEN {
            let surplus = state.window.len() - LANDMARK_LEN;
            state.window.drain(..surplus);
            state.window.shrink_to_fit();
        }
    }
}

/// What a compressed file says of its content's size: modulo 2³², and of its last part only. `None` where the file is
/// too short to be whole.
pub fn trailer(file: &FileContent) -> io::Result<Option<u32>> {
    let size = file.stat()?.0.size;
    // The shortest whole one: ten bytes of header, two of content, eight of trailer.
    if size < 20 {
        return Ok(None);
    }
    let mut bytes = [0; 4];
    let count = read_full(file, size - 4, &mut bytes)?;
    Ok((count == 4).then(|| u32::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::atomic::AtomicU64;

    fn lines(count: usize) -> Vec<u8> {
        let mut seed = 7_u64;
        (0..count)
            .flat_map(|number| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                format!("line {number} {seed:x}\n").into_bytes()
            })
            .collect()
    }

    fn compress(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).expect("compressed");
        out.finish().expect("compressed")
    }

    fn content(compressed: &[u8], reading: Reading) -> (tempfile::TempDir, GzipContent) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("x.gz");
        std::fs::write(&path, compressed).expect("written");
        let (file, _) = FileContent::open(&path).expect("opened");
        (dir, GzipContent::new(Arc::new(file), path, reading))
    }

    fn nothing_known() -> Reading {
        Reading { inflaters: None, landmark: None, size: 0, length: 0, head: Vec::new(), on_damage: None }
    }

    fn read(content: &GzipContent, offset: u64, length: usize) -> Vec<u8> {
        let mut into = vec![0; length];
        let count = read_full(content, offset, &mut into).expect("readable");
        into.truncate(count);
        into
    }

    #[test]
    fn any_offset_gives_what_the_uncompressed_file_would() {
        let plain = lines(100_000);
        let (_dir, content) = content(&compress(&plain), nothing_known());
        let mut seed = 3_u64;
        for round in 0..200 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Mostly forwards, as pipelines read; now and then anywhere.
            let offset = match round % 20 {
                0 => seed >> 33,
                _ => (round as u64 * 15_000).saturating_sub((seed >> 33) % 40_000),
            } % (plain.len() as u64 + 1000);
            let length = ((seed >> 20) % 100_000) as usize;
            let from = (offset as usize).min(plain.len());
            let to = (from + length).min(plain.len());
            assert!(read(&content, offset, length) == plain[from..to], "{length} bytes from {offset} on");
        }
    }

    #[test]
    fn parts_put_together_are_one_content() {
        let mut both = compress(b"one\n");
        both.extend(compress(b"two\n"));
        let (_dir, content) = content(&both, nothing_known());
        assert_eq!(read(&content, 0, 100), b"one\ntwo\n");
        assert_eq!(read(&content, 6, 100), b"o\n");
        assert_eq!(trailer(&content.file).expect("readable"), Some(4), "of the last part only");
    }

    #[test]
    fn only_so_many_inflate_at_one_time_and_the_end_makes_room() {
        let plain = lines(1000);
        let inflaters = Arc::new(Inflaters::default());
        let reading = || Reading { inflaters: Some(Arc::clone(&inflaters)), ..nothing_known() };
        let made: Vec<_> = (0..=AT_ONCE).map(|_| content(&compress(&plain), reading())).collect();
        for (_, content) in &made[..AT_ONCE] {
            assert_eq!(content.prepare(100), Ready::Now);
        }
        let last = &made[AT_ONCE].1;
        assert_eq!(last.prepare(0), Ready::Later);
        assert_eq!(read(&made[0].1, 0, plain.len() + 1), plain);
        assert_eq!(last.prepare(0), Ready::Now);
        assert_eq!(made[0].1.prepare(plain.len() as u64), Ready::Now, "at its end it inflates nothing");
        made[1].1.release(0, u64::MAX);
        assert_eq!(inflaters.0.load(Ordering::Relaxed), AT_ONCE - 1);
    }

    #[test]
    fn a_far_position_is_reached_in_several_goes() {
        let plain = lines(600_000);
        let (_dir, content) = content(&compress(&plain), nothing_known());
        let offset = plain.len() as u64 - 10;
        let mut goes = 1;
        while content.prepare(offset) == Ready::Soon {
            goes += 1;
        }
        assert_eq!(goes, offset.div_ceil(SKIP));
        assert_eq!(read(&content, offset - BEFORE, 100), plain[plain.len() - 74..]);
    }

    #[test]
    fn landmarks_hash_the_bytes_before_them_and_never_lie_behind_the_offset() {
        let plain = lines(60_000);
        let known = Landmark { at: 5, len: 5, hash: xxh3_64(&plain[..5]) };
        let (_dir, content) = content(&compress(&plain), Reading { landmark: Some(known), ..nothing_known() });
        assert_eq!(content.landmark(100), Some(known));
        read(&content, 0, plain.len() + 1);
        for offset in [10, 300_000, 700_000, plain.len() as u64] {
            let found = content.landmark(offset).expect("one");
            assert!(found.at <= offset && found.at + 2 * LANDMARK_EVERY > offset, "{found:?} for {offset}");
            let bytes = &plain[found.at as usize - usize::from(found.len)..found.at as usize];
            assert_eq!(found.hash, xxh3_64(bytes));
        }
    }

    #[test]
    fn damage_is_told_once_and_what_is_before_it_is_read() {
        let plain = lines(50_000);
        let whole = compress(&plain);
        let check = |compressed: &[u8], size: u64, lost: &dyn Fn(u64) -> u64| {
            let told = Arc::new(AtomicU64::new(u64::MAX));
            let tell = Arc::clone(&told);
            let on_damage: OnDamage = Arc::new(move |bytes| {
                assert_eq!(tell.swap(bytes, Ordering::Relaxed), u64::MAX, "told once");
            });
            let (_dir, content) = content(compressed, Reading { size, on_damage: Some(on_damage), ..nothing_known() });
            let readable = read(&content, 0, plain.len() + 1);
            // Damaged bytes may become other bytes before they become none.
            let sound = readable.len().min(plain.len() / 3);
            assert!(readable[..sound] == plain[..sound]);
            read(&content, 0, 10);
            assert_eq!(read(&content, readable.len() as u64, 10), b"");
            assert_eq!(told.load(Ordering::Relaxed), lost(readable.len() as u64));
        };
        check(&whole, 0, &|_| u64::MAX);
        check(&whole[..whole.len() / 2], 0, &|_| 1);
        check(&whole[..whole.len() / 2], plain.len() as u64, &|readable| plain.len() as u64 - readable);
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0xff;
        flipped[whole.len() / 2 + 1] ^= 0xff;
        check(&flipped, 0, &|readable| plain.len() as u64 - readable);
        check(b"", 0, &|_| 1);
        check(&[0; 1000], 0, &|_| 0);
    }
}

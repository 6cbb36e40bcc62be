//! Realistic container logs by seed: what a runtime writes for N pods, and the lines a collector must make of it.
//!
//! ```text
//! <root>/<namespace>_<pod>_<uid>/<container>/0.log
//! 2026-11-23T08:50:48.70393181Z stdout P <16,384 bytes>     ─┐
//! 2026-11-23T08:50:48.703934Z stderr F <another line>        ├─▶ one expected line: the pieces joined, CR and LF
//! 2026-11-23T08:50:48.703951Z stdout F <the rest>           ─┘   gone, invalid UTF-8 as U+FFFD, the first piece's time
//! ```
//! Invariants: the same seed and options give the same bytes and the same expectations, so neither need be kept.
//! Every line that is not empty carries one tag `seq=<pod>-<n>`; a pod's `n` counts from 0 without gaps, and grows
//! within each of its streams.
//!
//! Absent: rotation, compression, a writer's speed. A test takes the items and does with them what it is about.
//!
//! - `pods`   their names, as controllers and runtimes give them     - `lines`  what applications say
//! - `random` SplitMix64                                              - `cri`    the runtime's wrapping

mod cri;
mod lines;
mod pods;
mod random;

pub use lines::Kind;
pub use pods::{Pod, Runtime};
pub use random::Random;

use cri::{Clock, OpenLine};
use lines::Line;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// What is generated.
#[derive(Clone, Debug)]
pub struct Options {
    pub pods: usize,
    /// About so many bytes over all files; what is open then is still completed.
    pub bytes: u64,
    /// The time of the first lines, in nanoseconds since 1970.
    pub start: i64,
    /// The mean time between two lines of one file, in nanoseconds.
    pub step: i64,
    pub times: Times,
    /// Empty lines, `\r\n`, invalid UTF-8.
    pub ugly: bool,
    /// The longest application line; over 16,384 bytes it comes in pieces. 0 for none but short ones.
    pub longest: usize,
}

/// How the times within one file relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Each is later than the one before.
    Increasing,
    /// Some are equal to the one before, to the nanosecond.
    Repeating,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            pods: 100,
            bytes: 1 << 20,
            start: 1_795_423_848_000_000_000,
            step: 2_000_000,
            times: Times::Increasing,
            ugly: true,
            longest: 100_000,
        }
    }
}

/// The next bytes of one pod's file: one CRI line.
#[derive(Clone, Debug)]
pub struct Item {
    /// Whose file; an index into `Generator::pods`.
    pub pod: usize,
    /// To be appended.
    pub raw: Vec<u8>,
    /// The application line that these bytes complete.
    pub expected: Option<ExpectedLine>,
}

/// One application line as a collector must deliver it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedLine {
    pub pod: usize,
    pub stream: Stream,
    /// Nanoseconds since 1970, of the first piece.
    pub time: i64,
    pub text: String,
    /// The `n` of its tag; none for an empty line.
    pub sequence: Option<u64>,
    pub kind: Kind,
    /// The level, normalised, where the application says one in a JSON or logfmt key.
    pub level: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// The stream of items; an iterator.
pub struct Generator {
    pods: Vec<Pod>,
    files: Vec<PodFile>,
    random: Random,
    options: Options,
    written: u64,
    /// The line under construction; its memory is used again.
    line: Line,
}

/// How far one pod's file has come.
struct PodFile {
    clock: Clock,
    next_sequence: u64,
    /// Lines of which pieces are still to come, by stream.
    open: [Option<OpenLine>; 2],
    /// Frames of a stack trace still to come, on stderr.
    frames: u32,
}

impl Generator {
    pub fn new(seed: u64, options: Options) -> Generator {
        let mut random = Random::new(seed);
        let pods: Vec<Pod> = (0..options.pods).map(|number| Pod::new(number, &mut random)).collect();
        let file = |pod: &Pod| PodFile {
            clock: Clock::new(options.start, pod.runtime),
            next_sequence: 0,
            open: [None, None],
            frames: 0,
        };
        let files = pods.iter().map(file).collect();
        Generator { pods, files, random, options, written: 0, line: Line::default() }
    }

    pub fn pods(&self) -> &[Pod] {
        &self.pods
    }

    /// A few pods write most of it.
    fn choose_pod(&mut self) -> usize {
        let place = self.random.unit() * self.random.unit() * self.pods.len() as f64;
        (place as usize).min(self.pods.len() - 1)
    }

    fn item(&mut self, pod: usize, stream: Stream) -> Item {
        let file = &mut self.files[pod];
        let time = file.clock.next(&mut self.random, &self.options);
        let place = stream as usize;
        let mut open = file.open[place].take().unwrap_or_else(|| {
            let expected = new_line(&mut self.line, &mut self.random, &self.options, &self.pods[pod], file, stream);
            OpenLine::new(&self.line.bytes, ExpectedLine { pod, time, ..expected })
        });
        let (raw, done) = open.next_piece(&mut file.clock, self.pods[pod].runtime, time);
        self.written += raw.len() as u64;
        if done {
            return Item { pod, raw, expected: Some(open.expected) };
        }
        file.open[place] = Some(open);
        Item { pod, raw, expected: None }
    }
}

/// Writes a new application line into `line` and says what is expected of it.
fn new_line(
    line: &mut Line,
    random: &mut Random,
    options: &Options,
    pod: &Pod,
    file: &mut PodFile,
    stream: Stream,
) -> ExpectedLine {
    line.clear();
    if stream == Stream::Stderr && file.frames == 0 && random.one_in(25) {
        file.frames = 4 + random.below(20) as u32;
    }
    if stream == Stream::Stderr && file.frames > 0 {
        file.frames -= 1;
        line.frame(random, pod, file.next_sequence);
    } else if options.ugly && random.one_in(300) {
        line.kind = Kind::Empty;
    } else if options.longest > 0 && random.one_in(2_000) {
        line.long(random, pod, file.next_sequence, options.longest);
    } else {
        line.ordinary(random, pod, file.next_sequence, options.ugly, file.clock.now());
    }
    let text = match std::str::from_utf8(&line.bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(&line.bytes).into_owned(),
    };
    if options.ugly && random.one_in(200) {
        line.bytes.push(b'\r');
    }
    let sequence = (line.kind != Kind::Empty).then_some(file.next_sequence);
    file.next_sequence += u64::from(sequence.is_some());
    ExpectedLine { pod: 0, stream, time: 0, text, sequence, kind: line.kind, level: line.level }
}

impl Iterator for Generator {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if self.written < self.options.bytes {
            let pod = self.choose_pod();
            // Another line may come between the pieces of one; most often its next piece does.
            let stream = match self.files[pod].open {
                [Some(_), None] if !self.random.one_in(3) => Stream::Stdout,
                [None, Some(_)] if !self.random.one_in(3) => Stream::Stderr,
                _ if self.random.one_in(8) => Stream::Stderr,
                _ => Stream::Stdout,
            };
            return Some(self.item(pod, stream));
        }
        let pod = self.files.iter().position(|file| file.open.iter().any(Option::is_some))?;
        let stream = if self.files[pod].open[0].is_some() { Stream::Stdout } else { Stream::Stderr };
        Some(self.item(pod, stream))
    }
}

/// What `write_tree` wrote.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written {
    pub bytes: u64,
    /// Application lines, the empty ones too.
    pub lines: u64,
    pub empty_lines: u64,
}

/// Writes everything below `root`, laid out as the kubelet does.
pub fn write_tree(root: &Path, seed: u64, options: &Options) -> io::Result<Written> {
    let generator = Generator::new(seed, options.clone());
    let mut files = Vec::new();
    for pod in generator.pods() {
        let path = root.join(pod.log_path());
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        files.push(BufWriter::with_capacity(64 * 1024, File::create(path)?));
    }
    let mut written = Written::default();
    for item in generator {
        files[item.pod].write_all(&item.raw)?;
        written.bytes += item.raw.len() as u64;
        written.lines += u64::from(item.expected.is_some());
        written.empty_lines += u64::from(item.expected.is_some_and(|line| line.text.is_empty()));
    }
    files.iter_mut().try_for_each(Write::flush)?;
    Ok(written)
}

/// The tag in a line, as (pod, n).
pub fn tag(text: &str) -> Option<(usize, u64)> {
    let number = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.split_once("seq=")?.1;
    let (pod, rest) = rest.split_at(number(rest));
    let rest = rest.strip_prefix('-')?;
    Some((pod.parse().ok()?, rest[..number(rest)].parse().ok()?))
}

//! The input: CRI files of many pods, generated once and kept under `target/`, and read once so that it lies in the
//! page cache.
//!
//! **Invariant**: what is found under a name was written whole: the manifest is written last.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::options::Options;
use crate::support::generate::{self, Generator, Kind};

const SEED: u64 = 0x7461_696c;
const KINDS: [(Kind, &str); 6] = [
    (Kind::Json, "JSON"),
    (Kind::Logfmt, "logfmt"),
    (Kind::Plain, "plain"),
    (Kind::Access, "access log"),
    (Kind::Trace, "stack trace"),
    (Kind::Empty, "empty"),
];

/// The files and what is in them.
pub struct Input {
    /// Laid out as the kubelet's pods directory.
    pub pods: PathBuf,
    /// The files in it, in the order of their names.
    pub files: Vec<PathBuf>,
    /// What was counted while they were written.
    pub counted: Counted,
}

/// What a collector must make of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Bytes in the files.
    pub bytes: u64,
    /// Lines in the files: pieces count by themselves.
    pub entries: u64,
    /// Application lines.
    pub lines: u64,
    /// Bytes of their text.
    pub text_bytes: u64,
    /// Application lines by kind, as in `KINDS`.
    pub kinds: [u64; 6],
}

impl Input {
    /// Finds or writes what the options ask for.
    pub fn generate(options: &Options) -> Result<Input, String> {
        let root = folder().join(format!("{SEED:x}-{}-{}", options.size, options.pods));
        let manifest = root.join("manifest");
        let counted = match fs::read_to_string(&manifest).ok().and_then(|text| Counted::parse(&text)) {
            Some(counted) => counted,
            None => {
                eprintln!("generating {} MiB into {}", options.size >> 20, root.display());
                write(&root, &manifest, options).map_err(|error| format!("{}: {error}", root.display()))?
            }
        };
        let pods = root.join("pods");
        let mut files = Vec::new();
        find(&pods, &mut files).map_err(|error| format!("{}: {error}", pods.display()))?;
        files.sort();
        let mut input = Input { pods, files, counted };
        input.warm()?;
        Ok(input)
    }

    /// Brings all of it into the page cache.
    fn warm(&mut self) -> Result<(), String> {
        let mut bytes = 0;
        for path in &self.files {
            let copied = File::open(path).and_then(|mut file| io::copy(&mut file, &mut io::sink()));
            bytes += copied.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        if bytes == self.counted.bytes {
            return Ok(());
        }
        Err(format!("{} holds {bytes} bytes and not {}: remove it", self.pods.display(), self.counted.bytes))
    }

    pub fn describe(&self) -> String {
        let Counted { bytes, entries, lines, kinds, .. } = &self.counted;
        let share = |(&count, (_, name)): (&u64, &(Kind, &str))| {
            format!("{:.1} % {name}", 100.0 * count as f64 / *lines as f64)
        };
        let shares: Vec<_> = kinds.iter().zip(&KINDS).map(share).collect();
        format!(
            "{:.2} GiB of CRI in {} files: {lines} lines of {} bytes on average ({} pieces more), {}",
            *bytes as f64 / GIB,
            self.files.len(),
            bytes / lines,
            entries - lines,
            shares.join(", "),
        )
    }
}

/// Bytes of a GiB.
pub const GIB: f64 = (1_u64 << 30) as f64;

/// Where inputs and scratch files lie, from the checkout's root: beside the build, and as long a name in every checkout.
pub fn folder() -> PathBuf {
    PathBuf::from("target/bench-input")
}

fn write(root: &Path, manifest: &Path, options: &Options) -> io::Result<Counted> {
    let wanted = generate::Options { pods: options.pods, bytes: options.size, ..generate::Options::default() };
    let generator = Generator::new(SEED, wanted);
    let mut files = Vec::new();
    for pod in generator.pods() {
        let path = root.join("pods").join(pod.log_path());
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        files.push(BufWriter::with_capacity(64 << 10, File::create(path)?));
    }
    let mut counted = Counted::default();
    for item in generator {
        files[item.pod].write_all(&item.raw)?;
        counted.bytes += item.raw.len() as u64;
        counted.entries += 1;
        if let Some(line) = item.expected {
            counted.lines += 1;
            counted.text_bytes += line.text.len() as u64;
            let place = KINDS.iter().position(|(kind, _)| *kind == line.kind).unwrap_or(0);
            counted.kinds[place] += 1;
        }
    }
    files.iter_mut().try_for_each(Write::flush)?;
    fs::write(manifest, counted.to_text())?;
    Ok(counted)
}

impl Counted {
    fn to_text(&self) -> String {
        let mut numbers = vec![self.bytes, self.entries, self.lines, self.text_bytes];
        numbers.extend(self.kinds);
        numbers.iter().map(|number| format!("{number}\n")).collect()
    }

    fn parse(text: &str) -> Option<Counted> {
        let mut numbers = text.lines().map(|line| line.parse().ok());
        let mut next = || numbers.next().flatten();
        let (bytes, entries, lines, text_bytes) = (next()?, next()?, next()?, next()?);
        let kinds = [next()?, next()?, next()?, next()?, next()?, next()?];
        Some(Counted { bytes, entries, lines, text_bytes, kinds })
    }
}

fn find(dir: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}

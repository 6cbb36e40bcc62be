//! The file of refused entries: one JSON object a line, for a person to read and a program to replay.
//!
//! ```text
//! {"time":"…","sink":"search","reason":"…","path":"/var/log/x.log","offset":81,"end":162,"entry":{…}}
//! ```
//!
//! **Invariant**: lines are written whole or not at all: what a failed write left behind is cut off again. `write`
//! answers only when the kernel has the lines; the disk has them at most a second later. The file is opened when it
//! is needed and closed when it rests, so it may be moved away at any time.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::notices::harmless;
use crate::model::body::Body;
use crate::model::text::escape;
use crate::model::time::Time;

/// The file is synchronised with the disk at most once in this time, and closed if nothing else came.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// One line of the file.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// When it was refused.
    pub time: Time,
    /// The sink that refused it.
    pub sink: &'a str,
    /// The store's own words.
    pub reason: &'a str,
    /// The batch it stood in.
    pub body: &'a Body,
    /// Which item of the batch.
    pub index: usize,
    /// The entry as one JSON object.
    pub entry: &'a [u8],
}

impl Letter<'_> {
    /// Appends the line.
    pub fn write(&self, out: &mut Vec<u8>) {
        let spans = self.body.item_spans(self.index);
        let origin = &self.body.origins[self.body.items[self.index].origin as usize];
        out.extend_from_slice(b"{\"time\":\"");
        self.time.write_rfc3339(out);
        out.extend_from_slice(b"\",\"sink\":\"");
        escape(self.sink, out);
        out.extend_from_slice(b"\",\"reason\":\"");
        escape(&harmless(self.reason), out);
        out.extend_from_slice(b"\",\"path\":\"");
        escape(&origin.path.to_string_lossy(), out);
        let (offset, end) = (spans.first().map_or(0, |span| span.start), spans.last().map_or(0, |span| span.end));
        out.extend_from_slice(format!("\",\"offset\":{offset},\"end\":{end},\"entry\":").as_bytes());
        out.extend_from_slice(self.entry);
        out.extend_from_slice(b"}\n");
    }
}

/// Some lines to write, and who waits for them.
struct Job {
    lines: Vec<u8>,
    done: oneshot::Sender<io::Result<()>>,
}

/// The writer of one dead-letter file. Its thread ends when this is dropped and all is written.
pub struct DeadLetterFile {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl DeadLetterFile {
    /// A writer for `path`. The file is opened once to see that it can be.
    pub fn new(path: PathBuf) -> Result<Self, String> {
        open(&path).map_err(|error| format!("cannot write the dead-letter file `{}`: {error}", path.display()))?;
        let (jobs, received) = mpsc::channel();
        let thread = thread::Builder::new().name("dead-letter".to_owned()).spawn(move || run(&path, &received));
        let thread = thread.map_err(|error| format!("cannot start the thread of the dead-letter file: {error}"))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Writes whole lines; answers when the kernel has all of them, or why it has none.
    pub fn write(&self, lines: Vec<u8>) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Job { lines, done }).is_ok());
        async move {
            let ended = || io::Error::other("the writer of the dead-letter file has ended");
            if sent { answer.await.unwrap_or_else(|_| Err(ended())) } else { Err(ended()) }
        }
    }
}

impl Drop for DeadLetterFile {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It ends with nothing of interest; a panic in it was already printed.
            let _ended = thread.join();
        }
    }
}

fn run(path: &Path, jobs: &mpsc::Receiver<Job>) {
    let mut file: Option<File> = None;
    let mut synced = Instant::now();
    loop {
        // While a file is open it has something that is not on the disk yet.
        let left = SYNC_EVERY.saturating_sub(synced.elapsed());
        let job = match file {
            Some(_) if left.is_zero() => Err(RecvTimeoutError::Timeout),
            Some(_) => jobs.recv_timeout(left),
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match job {
            Ok(job) => {
                if file.is_none() {
                    synced = Instant::now();
                }
                let written = append(path, &mut file, &job.lines);
                // Who no longer waits has been told to stop; the lines stay.
                let _nobody_waits = job.done.send(written);
            }
            Err(end) => {
                if let Some(Err(error)) = file.take().map(|file| file.sync_data()) {
                    tracing::warn!("the dead-letter file `{}` may not be on the disk: {error}", path.display());
                }
                if end == RecvTimeoutError::Disconnected {
                    return;
                }
            }
        }
    }
}

fn append(path: &Path, file: &mut Option<File>, lines: &[u8]) -> io::Result<()> {
    let open = match file.take() {
        Some(open) => open,
        None => open(path)?,
    };
    let before = open.metadata()?.len();
    let written = (&open).write_all(lines);
    if written.is_err() {
        // Half a line would spoil the next one. If even this fails, the reader of the file has to skip one line.
        let _best_effort = open.set_len(before);
    }
    *file = Some(open);
    written
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use super::*;
    use crate::model::body::Group;
    use crate::model::event::Span;
    use crate::model::origin::{Format, Origin, OriginId};

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn a_line() {
        let origin = Arc::new(Origin {
            id: OriginId(1),
            source: "s".into(),
            path: Path::new("/var/log/\"a\".log").into(),
            format: Format::Plain,
            workload: None,
            host: "h".into(),
        });
        let mut body = Body { groups: vec![Group { route: None, head: "".into() }], ..Body::default() };
        body.close_item(&origin, &[Span { start: 5, end: 9 }, Span { start: 20, end: 31 }], 0);
        let mut out = Vec::new();
        let time = Time::from_nanos(1_763_887_848_703_931_810);
        let letter = Letter { time, sink: "search", reason: "no\n\"way\"", body: &body, index: 0, entry: b"{\"a\":1}" };
        letter.write(&mut out);
        let line = String::from_utf8(out).expect("UTF-8");
        let expected = concat!(
            r#"{"time":"2025-11-23T08:50:48.70393181Z","sink":"search","reason":"no \"way\"","#,
            r#""path":"/var/log/\"a\".log","offset":5,"end":31,"entry":{"a":1}}"#,
            "\n"
        );
        assert_eq!(line, expected);
        serde_json::from_str::<serde_json::Value>(&line).expect("valid JSON");
    }

    #[test]
    fn lines_are_appended_for_the_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dead");
        let file = DeadLetterFile::new(path.clone()).expect("a writer");
        assert!(block_on(file.write(b"one\n".to_vec())).is_ok());
        assert!(block_on(file.write(b"two\n".to_vec())).is_ok());
        drop(file);
        assert_eq!(std::fs::read(&path).expect("the file"), b"one\ntwo\n");
        assert_eq!(std::fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_opened_is_said_at_once_and_later() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sub");
        std::fs::create_dir(&path).expect("a folder");
        let error = DeadLetterFile::new(path.clone()).map(drop).expect_err("a folder is no file");
        assert!(error.starts_with("cannot write the dead-letter file `/"), "{error}");
        let file = path.join("dead");
        let writer = DeadLetterFile::new(file.clone()).expect("a writer");
        std::fs::remove_file(&file).expect("remove");
        std::fs::remove_dir(&path).expect("remove");
        assert!(block_on(writer.write(b"one\n".to_vec())).is_err());
        std::fs::create_dir(&path).expect("a folder");
        assert!(block_on(writer.write(b"two\n".to_vec())).is_ok(), "it is opened when it is needed");
    }

    #[test]
    fn half_a_line_is_cut_off_again() {
        // A device that is always full takes nothing.
        let mut file = None;
        assert!(append(Path::new("/dev/full"), &mut file, b"one\n").is_err());
    }
}

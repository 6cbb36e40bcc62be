//! The one writer of stdout: a plain thread, since a pipe blocks its writer and a runtime must not be blocked.
//!
//! **Invariant**: bodies are written one behind the other, each item whole, whichever sinks they come from; a batch
//! is reported when the kernel has all of it. A closed output pipe is a success: the reader has what it wanted.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, write};

use super::notices::Notices;
use super::progress::Progress;
use super::run::Abandoned;
use crate::flow::retry_gate::Recovery;
use crate::flow::worklist::{Notice, Trouble};
use crate::model::batch::{Batch, Report};

/// While it waits, it looks this often whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The first and the longest pause after a failure, such as a full disk behind a redirection.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// A batch to write and whom to tell.
pub struct Job {
    /// The batch.
    pub batch: Batch,
    /// Gets its report.
    pub report: Arc<dyn Fn(Report) + Send + Sync>,
}

/// How the writer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All jobs are written, and no more can come.
    Finished,
    /// The reader closed the pipe.
    Closed,
    /// It was told to stop; so much was not written, or not wholly. No report speaks of it.
    Stopped(Abandoned),
}

/// What one body came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Wholly,
    Closed,
    Stopped,
}

/// Writes `jobs` to `out` until no more can come, the reader has gone, or `stop` is set.
pub fn run(out: impl AsFd, jobs: &mpsc::Receiver<Job>, progress: &Progress, stop: &AtomicBool) -> Ended {
    let mut writer =
        Writer { out, stop, start: Instant::now(), notices: Notices::new("stdout".into(), ""), failures: 0 };
    for Job { batch, report } in jobs {
        match writer.write(&batch.body.bytes, batch.body.items.len()) {
            Written::Wholly => {
                progress.made(batch.body.spans.len() as u64);
                report(Report::Delivered(batch));
            }
            Written::Closed => return Ended::Closed,
            Written::Stopped => {
                let mut left = Abandoned { batches: 1, entries: batch.body.spans.len() as u64 };
                for Job { batch, .. } in jobs.try_iter() {
                    left.batches += 1;
                    left.entries += batch.body.spans.len() as u64;
                }
                return Ended::Stopped(left);
            }
        }
    }
    Ended::Finished
}

struct Writer<'a, F> {
    out: F,
    stop: &'a AtomicBool,
    start: Instant,
    notices: Notices,
    /// Failures in a row.
    failures: u32,
}

impl<F: AsFd> Writer<'_, F> {
    fn write(&mut self, mut bytes: &[u8], items: usize) -> Written {
        let mut failing_since = self.start.elapsed();
        while !bytes.is_empty() {
            if self.stop.load(Ordering::Relaxed) {
                return Written::Stopped;
            }
            match write(&self.out, bytes) {
                Ok(count) => {
                    bytes = &bytes[count..];
                    let failures = std::mem::take(&mut self.failures);
                    if failures > 0 {
                        let after = self.start.elapsed().saturating_sub(failing_since);
                        self.notices.recovered(Recovery { failures, after });
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait_until_writable(),
                // A socket may stand where a pipe does.
                Err(Errno::PIPE | Errno::CONNRESET) => return Written::Closed,
                Err(error) => {
                    let now = self.start.elapsed();
                    if self.failures == 0 {
                        failing_since = now;
                    }
                    self.failures = self.failures.saturating_add(1);
                    let words = std::io::Error::from(error).to_string();
                    self.notices.trouble(
                        &Notice { trouble: Trouble::Failing, items, words: words.clone(), origin: None },
                        &words,
                        now,
                    );
                    self.pause();
                }
            }
        }
        Written::Wholly
    }

    /// For an output that does not block, which whoever started us may have made it.
    fn wait_until_writable(&self) {
        let look_every = Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY.as_nanos() as i64 };
        // What is wrong with the output, the next write says; an interrupted wait is over early.
        let _next_write_tells = poll(&mut [PollFd::new(&self.out, PollFlags::OUT)], Some(&look_every));
    }

    /// Waits a little longer after each failure, but not after `stop` is set.
    fn pause(&self) {
        let (first, longest) = PAUSES;
        let doubled = 1_u32.checked_shl(self.failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let end = Instant::now() + first.saturating_mul(doubled).min(longest);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stop.load(Ordering::Relaxed) {
                return;
            }
            thread::park_timeout(left.min(LOOK_EVERY));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Read as _;
    use std::sync::Mutex;

    use rustix::pipe::{PipeFlags, pipe_with};

    use std::path::Path;

    use super::*;
    use crate::model::body::{Body, Group};
    use crate::model::budget::Budget;
    use crate::model::event::Span;
    use crate::model::origin::{Format, Origin, OriginId};

    fn batch(id: u64, text: &str) -> Batch {
        let origin = Arc::new(Origin {
            id: OriginId(1),
            source: "s".into(),
            path: Path::new("/x").into(),
            format: Format::Plain,
            workload: None,
            host: "h".into(),
        });
        let mut body = Body { groups: vec![Group { route: None, head: "".into() }], ..Body::default() };
        body.bytes.extend_from_slice(text.as_bytes());
        body.close_item(&origin, &[Span { start: 0, end: 1 }], 0);
        Batch { id, body: Arc::new(body), permit: Budget::new(1).try_acquire(1).expect("one byte") }
    }

    /// Sends `texts` as batches to `out`; the ids reported as delivered, and how it ended.
    fn check(out: impl AsFd, texts: &[&str], stop: bool) -> (Vec<u64>, Ended) {
        let (send, jobs) = mpsc::channel();
        let reported = Arc::new(Mutex::new(Vec::new()));
        for (id, text) in texts.iter().enumerate() {
            let reported = Arc::clone(&reported);
            let report: Arc<dyn Fn(Report) + Send + Sync> = Arc::new(move |report| {
                if let Report::Delivered(batch) = report {
                    reported.lock().expect("not poisoned").push(batch.id);
                }
            });
            send.send(Job { batch: batch(id as u64, text), report }).expect("a receiver");
        }
        drop(send);
        let ended = run(out, &jobs, &Progress::default(), &AtomicBool::new(stop));
        let reported = reported.lock().expect("not poisoned").clone();
        (reported, ended)
    }

    #[test]
    fn bodies_are_written_in_order() {
        let mut file = tempfile::tempfile().expect("a file");
        assert_eq!(check(&file, &["one\n", "two\n", ""], false), (vec![0, 1, 2], Ended::Finished));
        let mut text = String::new();
        std::io::Seek::rewind(&mut file).expect("rewind");
        file.read_to_string(&mut text).expect("read");
        assert_eq!(text, "one\ntwo\n");
    }

    #[test]
    fn an_output_that_does_not_block_is_waited_for() {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK).expect("a pipe");
        let long = "x".repeat(1 << 20);
        let reader = thread::spawn(move || {
            let mut total = 0;
            let mut buffer = [0; 5000];
            loop {
                match rustix::io::read(&read, &mut buffer) {
                    Ok(0) => return total,
                    Ok(count) => total += count,
                    Err(_) => thread::yield_now(),
                }
            }
        });
        assert_eq!(check(&write, &[&long, "y"], false), (vec![0, 1], Ended::Finished));
        drop(write);
        assert_eq!(reader.join().expect("no panic"), (1 << 20) + 1);
    }

    #[test]
    fn a_closed_pipe_is_a_success() {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        drop(read);
        assert_eq!(check(&write, &["one\n", "two\n"], false), (vec![], Ended::Closed));
    }

    #[test]
    fn what_is_not_written_is_given_back() {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let left = Ended::Stopped(Abandoned { batches: 3, entries: 3 });
        assert_eq!(check(&full, &["one\n", "two\n", "three\n"], true), (vec![], left));
    }

    #[test]
    fn a_full_disk_is_tried_again_until_it_is_told_to_stop() {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let (send, jobs) = mpsc::channel();
        send.send(Job { batch: batch(1, "one\n"), report: Arc::new(|_| panic!("it is not written")) }).expect("sent");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let writer = thread::spawn(move || run(full, &jobs, &Progress::default(), &stopped));
        assert!(!writer.is_finished());
        stop.store(true, Ordering::Relaxed);
        assert_eq!(writer.join().expect("no panic"), Ended::Stopped(Abandoned { batches: 1, entries: 1 }));
    }
}

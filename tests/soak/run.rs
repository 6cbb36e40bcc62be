//! The course of a soak, and its account.
//!
//! ```text
//!  writer ──▶ logs ──┐                    ┌──▶ search  ◀─┐
//!  lossy  ──▶ logs ──┼──▶ tailwater, ─────┼──▶ loki    ◀─┴─ misbehave
//!  pipe   ──▶ stdin ─┘    killed, stopped └──▶ out
//! ```
//! Invariant: a process is not ended between a change that loses lines and its being counted (`gate`), nor with lines on
//! their way that may get lost, since what a process counts and knows goes with it; in every other moment it may be.

use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::chance::{Chance, number};
use crate::logs::{LINE, Log, plain};
use crate::scenario::figures::{self, Figures};
use crate::scenario::process::{Metrics, wait_until_ready};
use crate::scenario::{PATIENCE, Place, Tailwater, wait_until};
use crate::sinks::{NAMES, Sinks, locked, pause};
use crate::support::http;

/// Lines a second, over all logs.
const RATE: u64 = 500;
/// As scarce as descriptors are: with all that is rotated there are more files than that.
const DESCRIPTORS: u64 = 96;
/// Logs that are written to now and then.
const QUIET: usize = 100;
/// What a process may use: its limit, and what it needs beside it.
const MEMORY: u64 = (64 + 24) << 20;

/// The plain logs whose files are changed under their reader, by what is done to them.
const COPIED: usize = 0;
const TRUNCATED: usize = 1;
const DELETED: usize = 2;
const LOSSY: usize = 3;

struct Soak {
    place: Place,
    sinks: Sinks,
    /// The lossy ones first.
    logs: Vec<Mutex<Log>>,
    stop: AtomicBool,
    /// Held while a process ends and the next one starts, and while a change that loses lines is not yet counted.
    gate: Mutex<()>,
    /// Where the running process answers.
    admin: Mutex<String>,
    /// Unreachable bytes that processes had counted when they ended, by sink.
    unreachable: Mutex<[u64; 3]>,
    /// How often what was done.
    done: [AtomicU64; LOSSY],
}

/// Lines that are written into a process's pipe.
struct Pipe {
    name: String,
    /// Told to end it.
    stop: Arc<AtomicBool>,
    /// Another handle on the pipe, to see what was never read.
    handle: Option<OwnedFd>,
    /// Gives how many lines were written.
    writer: Option<JoinHandle<u64>>,
}

#[test]
fn everything_at_once() {
    let seconds = number("TAILWATER_TEST_SOAK").unwrap_or(20);
    let place = Place::new();
    let sinks = Sinks::new(&place);
    let plain = ["copied", "truncated", "deleted"].map(str::to_owned).into_iter();
    let plain = plain.chain((0..QUIET).map(|number| format!("quiet{number}")));
    let logs = plain.map(|name| Log::plain(&place, &name));
    let logs = logs.chain(["a", "b", "c", "d"].map(|name| Log::container(&place, name)));
    let logs = logs.map(Mutex::new).collect();
    let soak = Soak {
        place,
        sinks,
        logs,
        stop: AtomicBool::new(false),
        gate: Mutex::default(),
        admin: Mutex::default(),
        unreachable: Mutex::default(),
        done: Default::default(),
    };
    let began = Instant::now();
    let course = thread::scope(|scope| {
        let guard = Guard(&soak.stop);
        let (process, pipe) = soak.begin(0);
        let soak = &soak;
        let beside = |of: u64, run: fn(&Soak, &mut Chance)| {
            scope.spawn(move || {
                let _guard = Guard(&soak.stop);
                run(soak, &mut Chance::new(of));
            });
        };
        beside(21, Soak::write);
        beside(22, |soak, chance| soak.sinks.misbehave(chance, &soak.stop));
        beside(23, Soak::change);
        let course = soak.play(process, pipe, &mut Chance::new(24), Duration::from_secs(seconds));
        drop(guard);
        course
    });
    soak.close(course, began.elapsed());
}

/// What the processes came to.
struct Course {
    process: Tailwater,
    pipe: Pipe,
    kills: u64,
    stops: u64,
    /// Lines that were written into pipes.
    piped: u64,
    /// Pipes whose process was killed, and how many lines were written into each.
    gone: Vec<(String, u64)>,
    /// How many of these no process had read.
    never_read: u64,
    /// The most memory that a process used, in bytes.
    peak: u64,
}

/// Whoever ends, or fails, ends the others.
struct Guard<'s>(&'s AtomicBool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Soak {
    /// Starts a process and the writer of its pipe, and waits until every file was looked at.
    fn begin(&self, run: u64) -> (Tailwater, Pipe) {
        let file = self.place.settings(&format!(
            "memory_limit: 64MiB\nadmin: {{ listen: '127.0.0.1:0' }}\nshutdown_grace: 30s\nsources:\n  \
             pods: {{ type: kubernetes, path: {} }}\n  plain: {{ type: file, include: '{}', parse: plain }}\n  pipe: {{ type: stdin, parse: plain }}\n\
             sinks: {{ {} }}\n",
            self.place.pods(),
            self.place.text("plain/*.log"),
            self.sinks.settings()
        ));
        let file = file.display().to_string();
        let limit = format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}");
        let start = Tailwater::with(&self.place, ["run", "--config", &file]).through(["prlimit", &limit, "--"]);
        let mut process = start.piped().start();
        let pipe = Pipe::begin(format!("pipe{run}"), process.stdin());
        assert!(wait_until_ready(&mut process));
        *locked(&self.admin) = process.admin();
        (process, pipe)
    }

    /// Writes all logs at their pace.
    fn write(&self, chance: &mut Chance) {
        let (began, mut lines) = (Instant::now(), 0);
        while !self.stop.load(Ordering::Acquire) {
            let due = began.elapsed().as_millis() as u64 * RATE / 1_000;
            while lines < due {
                let at = match chance.below(10) {
                    0..6 => LOSSY + QUIET + chance.below(4) as usize,
                    6..9 => chance.below(LOSSY as u64) as usize,
                    _ => LOSSY + chance.below(QUIET as u64) as usize,
                };
                // A log that is being changed is not written meanwhile.
                if let Ok(mut log) = self.logs[at].try_lock() {
                    log.write();
                    if at >= LOSSY + QUIET {
                        let name = log.name.clone();
                        log.rotate_if_due(|| self.sinks.has(&name));
                    }
                }
                lines += 1;
            }
            pause(&self.stop, 20);
        }
    }

    /// Copies and truncates, truncates, deletes.
    fn change(&self, chance: &mut Chance) {
        while !self.stop.load(Ordering::Acquire) {
            pause(&self.stop, 300 + chance.below(3_000));
            let _gate = locked(&self.gate);
            let mut logs: Vec<_> = self.logs[..LOSSY].iter().map(locked).collect();
            let what = chance.below(LOSSY as u64) as usize;
            if what == TRUNCATED {
                // While a store fails, so that lines are lost, if not all of them can be read by then.
                wait_until("a store fails", PATIENCE, || {
                    self.sinks.failing.load(Ordering::Acquire) || self.stop.load(Ordering::Acquire)
                });
                (0..500).for_each(|_| logs[what].write());
            }
            if what != COPIED {
                // What was never seen cannot be counted: one sink has all of it, and there is time for many looks.
                let (name, last) = (logs[what].name.clone(), logs[what].count);
                wait_until("a file is seen", PATIENCE, || last == 0 || self.sinks.tally(2).has(&name, last - 1));
                pause(&self.stop, 1_000);
            }
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            match what {
                COPIED => logs[what].copy_and_truncate(|| self.sinks.has("copied")),
                TRUNCATED => logs[what].truncate(),
                _ => {
                    debug_assert_eq!(what, DELETED);
                    logs[what].remove();
                }
            }
            self.done[what].fetch_add(1, Ordering::Relaxed);
            logs[what].write();
            self.wait_until_accounted(&logs);
        }
    }

    /// Waits until every line of these logs is in every sink or counted, and none is on its way.
    fn wait_until_accounted(&self, logs: &[MutexGuard<'_, Log>]) {
        let wanted: Vec<_> = logs.iter().map(|log| (log.name.clone(), log.count)).collect();
        let admin = locked(&self.admin).clone();
        let mut missing = Vec::new();
        let counted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_until("the lossy logs are accounted for in every sink", PATIENCE, || {
                missing = self.missing(&wanted, &admin);
                missing.iter().all(|(lines, counted)| lines * LINE == *counted) && self.is_settled(&admin)
            });
        }));
        if counted.is_err() {
            let log = self.place.read("log");
            let of_it = log.lines().filter(|line| line.contains("unreachable") || line.contains("\"started\""));
            let said: Vec<_> = of_it.collect();
            let said = said[said.len().saturating_sub(20)..].join("\n");
            let status = http::request("GET", &admin, "/status", &[], b"").and_then(http::Response::text);
            let (examples, status) = (self.examples(&wanted), status.expect("/status answers"));
            panic!("lines missing and bytes unreachable by sink: {missing:?}; {examples}\n{said}\n{status}");
        }
    }

    /// By sink: how many lines of these logs are not there, and how many bytes were ever counted as unreachable.
    fn missing(&self, wanted: &[(String, u64)], admin: &str) -> Vec<(u64, u64)> {
        let (metrics, before) = (Metrics::of(admin), *locked(&self.unreachable));
        let of = |sink: usize| {
            let tally = self.sinks.tally(sink);
            let lines = wanted.iter().map(|(log, count)| count - tally.distinct(log)).sum();
            (lines, before[sink] + metrics.of_pipeline("unreachable_bytes_total", NAMES[sink]))
        };
        (0..NAMES.len()).map(of).collect()
    }

    /// Whether no line of the lossy logs is on its way.
    fn is_settled(&self, admin: &str) -> bool {
        let answer = http::request("GET", admin, "/status", &[], b"").and_then(http::Response::json);
        let status = answer.expect("/status answers");
        let pipelines = status["pipelines"].as_array().expect("pipelines").iter();
        let mut origins = pipelines.flat_map(|pipeline| pipeline["origins"].as_array().expect("origins"));
        let paths = ["copied", "truncated", "deleted"].map(|name| self.place.text(&format!("plain/{name}.log")));
        origins.all(|origin| {
            let is_lossy = paths.iter().any(|path| origin["path"] == path.as_str());
            !is_lossy || (origin["lag"]["bytes"] == 0 && origin["lines_in_flight"] == 0)
        })
    }

    /// Ends processes and starts others.
    fn play(&self, process: Tailwater, pipe: Pipe, chance: &mut Chance, long: Duration) -> Course {
        let (gone, began) = (Vec::new(), Instant::now());
        let mut course = Course { process, pipe, kills: 0, stops: 0, piped: 0, gone, never_read: 0, peak: 0 };
        while began.elapsed() < long && !self.stop.load(Ordering::Acquire) {
            pause(&self.stop, 100 + chance.below(6_000));
            let _gate = locked(&self.gate);
            // What was stored and not answered when a process ends is not known to the next one, which would count it if it
            // could not read it again. So lines that may get lost are not on their way then; all others are.
            let lossy: Vec<_> = self.logs[..LOSSY].iter().map(locked).collect();
            self.wait_until_accounted(&lossy);
            self.look(&mut course);
            if chance.below(4) == 0 {
                self.end(&mut course);
            } else {
                course.process.kill();
                course.kills += 1;
                self.sinks.cut_stdout();
                let (name, written, unread) = course.pipe.end();
                course.piped += written;
                course.never_read += unread / LINE;
                course.gone.push((name, written));
            }
            let (process, pipe) = self.begin(course.kills + course.stops);
            (course.process, course.pipe) = (process, pipe);
        }
        course
    }

    /// Keeps what a process has counted; its books balance at any moment.
    fn look(&self, course: &mut Course) {
        let metrics = course.process.metrics();
        let mut unreachable = locked(&self.unreachable);
        for (sink, name) in NAMES.iter().enumerate() {
            metrics.assert_accounted(name);
            assert_eq!(metrics.of_pipeline("lines_dropped_total", name), 0, "{name} drops nothing");
            unreachable[sink] += metrics.of_pipeline("unreachable_bytes_total", name);
        }
        let peak = course.process.peak_memory();
        assert!(peak <= MEMORY, "{peak} bytes of memory were used");
        course.peak = course.peak.max(peak);
    }

    /// Ends a process as a service manager does: what was written into its pipe is delivered.
    fn end(&self, course: &mut Course) {
        course.process.signal(rustix::process::Signal::TERM);
        let (name, written, _) = course.pipe.end();
        assert_eq!(course.process.wait(PATIENCE), 0);
        course.stops += 1;
        course.piped += written;
        for (sink, named) in NAMES.iter().enumerate() {
            assert_eq!(self.sinks.tally(sink).distinct(&name), written, "{named} has all of the pipe {name}");
        }
    }

    /// Has everything delivered, and balances the account.
    fn close(self, mut course: Course, took: Duration) {
        self.sinks.search.recover();
        self.sinks.loki.recover();
        let of = |log: &Log| (log.name.clone(), log.count);
        let logs: Vec<_> = self.logs.iter().map(|log| of(&locked(log))).collect();
        let admin = course.process.admin();
        let mut missing = Vec::new();
        let came = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            course.process.wait_until("everything is delivered or counted", PATIENCE * 3, || {
                missing = self.missing(&logs, &admin);
                missing.iter().all(|(lines, counted)| lines * LINE == *counted)
            });
        }));
        assert!(came.is_ok(), "lines missing and bytes unreachable by sink: {missing:?}; {}", self.examples(&logs));
        self.look(&mut course);
        self.end(&mut course);
        let of_logs: u64 = logs.iter().map(|(_, count)| count).sum();
        let written = of_logs + course.piped;
        println!(
            "soak: {} s, {} kills, {} stops, {} copied and truncated, {} truncated, {} deleted, peak memory {:.1} MiB",
            took.as_secs(),
            course.kills,
            course.stops,
            self.done[COPIED].load(Ordering::Relaxed),
            self.done[TRUNCATED].load(Ordering::Relaxed),
            self.done[DELETED].load(Ordering::Relaxed),
            course.peak as f64 / 1048576.0
        );
        println!("soak: {of_logs} lines in {} logs and {} in pipes", logs.len(), course.piped);
        for (sink, name) in NAMES.iter().enumerate() {
            let repeats = self.sinks.repeats(sink);
            let tally = self.sinks.tally(sink);
            let with_a_process: u64 = course.gone.iter().map(|(pipe, written)| written - tally.distinct(pipe)).sum();
            let unreachable = locked(&self.unreachable)[sink];
            let delivered = logs.iter().chain(&course.gone).map(|(log, _)| tally.distinct(log)).sum::<u64>()
                + (course.piped - course.gone.iter().map(|(_, written)| written).sum::<u64>());
            println!(
                "soak: {name}: {written} lines written = {delivered} delivered + {} unreachable + {with_a_process} of pipes gone \
                 with a killed process ({} never read); {repeats} sent again",
                unreachable / LINE,
                course.never_read
            );
            assert_eq!(written, delivered + unreachable / LINE + with_a_process, "{name}: the account balances");
            // Once where the store can tell.
            assert!(sink == 2 || tally.again().0 == 0, "{name}: {} lines are there more than once", tally.again().0);
            drop(tally);
            let lost = with_a_process;
            figures::note(name, Figures { written, delivered, repeated: repeats, lost });
        }
        let unreachable = locked(&self.unreachable).iter().sum();
        figures::note_unreachable(course.process.id(), unreachable);
    }

    /// Logs of which lines are missing.
    fn examples(&self, logs: &[(String, u64)]) -> String {
        let of = |sink: usize| {
            let tally = self.sinks.tally(sink);
            let short = logs.iter().filter(|(log, count)| tally.distinct(log) < *count).take(4);
            short.map(|(log, count)| format!("{}: {log} {} of {count}", NAMES[sink], tally.distinct(log))).collect()
        };
        (0..NAMES.len()).flat_map(|sink| -> Vec<String> { of(sink) }).collect::<Vec<_>>().join(", ")
    }
}

impl Pipe {
    fn begin(name: String, mut stdin: ChildStdin) -> Pipe {
        let handle = stdin.as_fd().try_clone_to_owned().expect("a second handle");
        let stop = Arc::new(AtomicBool::new(false));
        let (told, of) = (Arc::clone(&stop), name.clone());
        let writer = thread::spawn(move || {
            let mut written = 0;
            while !told.load(Ordering::Acquire) {
                // The process may be gone.
                if stdin.write_all(plain(&of, written).as_bytes()).is_err() {
                    break;
                }
                written += 1;
                pause(&told, 10);
            }
            written
        });
        Pipe { name, stop, handle: Some(handle), writer: Some(writer) }
    }

    /// Ends it: its name, how many lines were written, and how many bytes of them nobody has read yet.
    fn end(&mut self) -> (String, u64, u64) {
        self.stop.store(true, Ordering::Release);
        let writer = self.writer.take().expect("it is ended once");
        let written = writer.join().expect("the writer did not fail");
        let handle = self.handle.take().expect("it is ended once");
        let unread = rustix::io::ioctl_fionread(&handle).expect("a pipe");
        (self.name.clone(), written, unread)
    }
}

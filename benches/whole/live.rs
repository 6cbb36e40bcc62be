//! The program as a daemon, beside logs that are written while it runs, or are not: what it takes of a core and of memory, and
//! how late a line is.
//!
//! ```text
//! writer (this process): lines with their time, rotation ─▶ files ─▶ tailwater ─▶ serve: notes when a push came
//!                                                            │ CPU clock of its process, resident memory
//! ```
//! **Invariant**: only a window is measured, behind the start and all that it brings; a window in which the store did not get
//! what was written is no figure.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use tailwater::model::time::Time;

use crate::input::folder;
use crate::options::Options;
use crate::server::Server;
use crate::table::Table;

/// How long a window is, and how long it takes until files that do nothing are watched only.
const WINDOW: Duration = Duration::from_secs(10);
const SETTLED: Duration = Duration::from_secs(8);
/// What does not come within this time does not come.
const PATIENCE: Duration = Duration::from_secs(60);
/// The steady writer: bytes a second over so many files, written so often; files are rotated at this size, and so many rotations
/// are left.
const RATE: u64 = 10 << 20;
const FILES: usize = 100;
const TICKS: u64 = 100;
const ROTATED_AT: u64 = 1 << 20;
const ROTATIONS: usize = 3;
/// The writer of some active files among many.
const ACTIVE_RATE: u64 = 1 << 20;
const MANY: usize = 10_000;

/// Measures everything once.
pub fn round(server: &Server, options: &Options, table: &mut Table) -> Result<(), String> {
    let mut add = |name: &'static str, unit: &'static str, goal: &'static str, value: f64| {
        eprintln!("  {name}: {value:.2} {unit}");
        table.live(name, unit, goal).push(value);
    };
    add("start to the first line at the store", "ms", "≤ 30", first_line(server, options)?);
    let (cpu, resident) = idle(server, options, FILES)?;
    add("100 idle files", "% of a core", "", 100.0 * cpu);
    add("100 idle files, resident", "MiB", "≤ 8", resident);
    let (cpu, resident) = idle(server, options, 1_000)?;
    add("1,000 idle files", "% of a core", "≤ 0.3", 100.0 * cpu);
    add("1,000 idle files, resident", "MiB", "", resident);
    let (alone, _) = active(server, options, FILES)?;
    let (among, resident) = active(server, options, MANY)?;
    add("100 active files, 1 MiB/s", "% of a core", "", 100.0 * alone);
    add("the same among 10,000 files", "% of a core", "", 100.0 * among);
    add("the same, times of those alone", "×", "≤ 2", among / alone);
    add("10,000 files, resident", "MiB", "≤ 40", resident);
    let steady = steady(server, options, "")?;
    add("steady 10 MiB/s over 100 files, rotated", "% of a core", "≤ 4", 100.0 * steady.cpu);
    add("the same, resident", "MiB", "≤ 24", steady.resident);
    add("the same, from write to store, median", "ms", "", steady.median);
    add("the same, from write to store, p99", "ms", "≤ 1,100", steady.p99);
    let quick = self::steady(server, options, "batch: { max_age: 50ms }, ")?;
    add("with `max_age: 50ms`", "% of a core", "", 100.0 * quick.cpu);
    add("the same, from write to store, median ", "ms", "", quick.median);
    add("the same, from write to store, p99 ", "ms", "≤ 100", quick.p99);
    let size = fs::metadata(&options.binary).map_err(|error| format!("{}: {error}", options.binary.display()))?.len();
    add("the program's file", "MB", "≤ 12", size as f64 / 1e6);
    Ok(())
}

/// A daemon, its logs and its state.
struct Daemon {
    child: Child,
    root: PathBuf,
}

impl Daemon {
    fn start(server: &Server, options: &Options, root: PathBuf, sink: &str) -> Result<Daemon, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", options.binary.display());
        let settings = root.join("tailwater.yaml");
        let text = format!(
            "state_dir: {}\nmultiline: none\nsources: {{ pods: {{ type: kubernetes, path: {} }} }}\n\
             sinks: {{ store: {{ type: loki, {sink}url: 'http://127.0.0.1:{}' }} }}\n",
            root.join("state").display(),
            root.join("pods").display(),
            server.port
        );
        fs::write(&settings, text).map_err(failed)?;
        let mut command = Command::new(&options.binary);
        command.args(["run", "--log-level", "warn", "--config"]).arg(settings).stdin(Stdio::null());
        Ok(Daemon { child: command.spawn().map_err(failed)?, root })
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0))
    }

    /// CPU seconds of all its threads so far.
    fn cpu(&self) -> Result<f64, String> {
        let clock = ClockId::pid_cpu_clock_id(self.pid()).and_then(clock_gettime);
        let time = clock.map_err(|error| format!("the program's clock: {error}"))?;
        Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
    }

    fn resident_mib(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let file = File::open(&path).map_err(|error| format!("{path}: {error}"))?;
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        let kib =
            lines.filter_map(|line| line.strip_prefix("VmRSS:")?.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.last().map(|kib| kib / 1024.0).ok_or_else(|| format!("{path} does not tell"))
    }

    /// The share of a core that it takes while `run` does, and its memory at the end.
    fn window(&self, mut run: impl FnMut() -> Result<(), String>) -> Result<(f64, f64), String> {
        let (began, before) = (Instant::now(), self.cpu()?);
        run()?;
        Ok(((self.cpu()? - before) / began.elapsed().as_secs_f64(), self.resident_mib()?))
    }

    fn end(mut self) -> Result<(), String> {
        kill(self.pid(), Signal::SIGTERM).map_err(|error| format!("it cannot be stopped: {error}"))?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        let removed = fs::remove_dir_all(&self.root);
        removed.map_err(|error| format!("{}: {error}", self.root.display()))?;
        if status.success() { Ok(()) } else { Err(format!("the program ended with {status}")) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Where a measurement failed; else it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An empty folder, absolute: a daemon's sources are.
fn root() -> Result<PathBuf, String> {
    let root = folder().join(format!("live-{}", std::process::id()));
    let made = fs::create_dir_all(root.join("pods")).and_then(|()| root.canonicalize());
    made.map_err(|error| format!("{}: {error}", root.display()))
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(0))
}

fn wait_for(server: &Server, lines: u64) -> Result<(), String> {
    let began = Instant::now();
    let mut found = 0;
    while found < lines {
        if began.elapsed() > PATIENCE {
            return Err(format!("{lines} lines were written, {found} came"));
        }
        std::thread::sleep(Duration::from_millis(20));
        found += server.found()?.lines;
    }
    Ok(())
}

/// Milliseconds from a process's start to the moment at which the store has got its first push.
fn first_line(server: &Server, options: &Options) -> Result<f64, String> {
    let root = root()?;
    let mut log = Log::new(&root.join("pods"), 0)?;
    log.write(1)?;
    server.found()?;
    let began = now();
    let daemon = Daemon::start(server, options, root, "")?;
    let began_to_wait = Instant::now();
    while Server::requests_at(server.port)? == 0 {
        if began_to_wait.elapsed() > PATIENCE {
            return Err("no line came".to_owned());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let late = server.late(began)?;
    daemon.end()?;
    late.first().copied().ok_or_else(|| "no line came".to_owned())
}

/// The share of a core, and the memory, that files take of which nothing comes.
fn idle(server: &Server, options: &Options, files: usize) -> Result<(f64, f64), String> {
    let root = root()?;
    for number in 0..files {
        Log::new(&root.join("pods"), number)?.write(10)?;
    }
    server.found()?;
    let daemon = Daemon::start(server, options, root, "")?;
    wait_for(server, 10 * files as u64)?;
    std::thread::sleep(SETTLED);
    let figures = daemon.window(|| {
        std::thread::sleep(WINDOW);
        Ok(())
    })?;
    daemon.end()?;
    Ok(figures)
}

/// The same where a hundred of the files are written to.
fn active(server: &Server, options: &Options, files: usize) -> Result<(f64, f64), String> {
    let root = root()?;
    let pods = root.join("pods");
    let mut logs = (0..files).map(|number| Log::new(&pods, number)).collect::<Result<Vec<_>, _>>()?;
    logs.iter_mut().try_for_each(|log| log.write(10).map(drop))?;
    server.found()?;
    let daemon = Daemon::start(server, options, root, "")?;
    wait_for(server, 10 * files as u64)?;
    // They are spread over all.
    let mut logs: Vec<Log> = logs.into_iter().step_by(files / FILES).collect();
    std::thread::sleep(SETTLED);
    let mut lines = 0;
    let figures = daemon.window(|| {
        lines = write_steadily(&mut logs, ACTIVE_RATE, WINDOW)?;
        Ok(())
    })?;
    wait_for(server, lines)?;
    daemon.end()?;
    Ok(figures)
}

struct Steady {
    cpu: f64,
    resident: f64,
    median: f64,
    p99: f64,
}

/// Logs that are written all the time, and rotated as the kubelet does it.
fn steady(server: &Server, options: &Options, sink: &str) -> Result<Steady, String> {
    let root = root()?;
    let pods = root.join("pods");
    let mut logs = (0..FILES).map(|number| Log::new(&pods, number)).collect::<Result<Vec<_>, _>>()?;
    server.found()?;
    let daemon = Daemon::start(server, options, root, sink)?;
    let lines = write_steadily(&mut logs, RATE, Duration::from_secs(3))?;
    wait_for(server, lines)?;
    let mut lines = 0;
    let (cpu, resident) = daemon.window(|| {
        lines = write_steadily(&mut logs, RATE, WINDOW)?;
        Ok(())
    })?;
    let began = Instant::now();
    let mut late = Vec::new();
    while (late.len() as u64) < lines {
        if began.elapsed() > PATIENCE {
            return Err(format!("{lines} lines were written, {} came", late.len()));
        }
        std::thread::sleep(Duration::from_millis(20));
        late.extend(server.late(0)?);
    }
    daemon.end()?;
    late.sort_by(f64::total_cmp);
    let at = |share: f64| late.get((late.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    Ok(Steady { cpu, resident, median: at(0.5), p99: at(0.99) })
}

/// Writes lines of the time of writing, to each log in turn; gives how many.
fn write_steadily(logs: &mut [Log], rate: u64, long: Duration) -> Result<u64, String> {
    let began = Instant::now();
    let (mut bytes, mut lines, mut turn) = (0, 0, 0);
    let ticks = long.as_millis() as u64 * TICKS / 1_000;
    for tick in 1..=ticks {
        let due = tick * rate / TICKS;
        while bytes < due {
            let count = logs.len();
            let log = &mut logs[turn % count];
            turn += 1;
            bytes += log.write(5)?;
            lines += 5;
            log.rotate_if_due()?;
        }
        let next = began + long * tick as u32 / ticks as u32;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(lines)
}

/// A container's log, and who writes and rotates it.
struct Log {
    path: PathBuf,
    file: File,
    size: u64,
    written: u64,
    rotated: Vec<PathBuf>,
}

impl Log {
    fn new(pods: &Path, number: usize) -> Result<Log, String> {
        let folder = pods.join(format!("shop_pod-{number}_uid-{number}/app"));
        let path = folder.join("0.log");
        let made = fs::create_dir_all(&folder).and_then(|()| File::create_new(&path));
        let file = made.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Log { path, file, size: 0, written: 0, rotated: Vec::new() })
    }

    /// Writes so many lines of 400 bytes; gives their bytes.
    fn write(&mut self, lines: u64) -> Result<u64, String> {
        let mut text = String::new();
        for _ in 0..lines {
            self.written += 1;
            let time = Time::from_nanos(i128::from(now())).to_rfc3339();
            let line = format!(
                "{time} stdout F {{\"level\":\"info\",\"msg\":\"request served\",\"path\":\"/cart/{0}\",\"status\":200,\"took_ms\":{0},\"note\":\"{1:300}\"}}\n",
                self.written, "all of it is well"
            );
            text += &line;
        }
        self.file.write_all(text.as_bytes()).map_err(|error| format!("{}: {error}", self.path.display()))?;
        self.size += text.len() as u64;
        Ok(text.len() as u64)
    }

    fn rotate_if_due(&mut self) -> Result<(), String> {
        if self.size < ROTATED_AT {
            return Ok(());
        }
        let rotated = self.path.with_extension(format!("log.20261127-{:06}", self.written));
        let oldest = (self.rotated.len() >= ROTATIONS).then(|| self.rotated.remove(0));
        let done = oldest
            .map_or(Ok(()), fs::remove_file)
            .and_then(|()| fs::rename(&self.path, &rotated))
            .and_then(|()| File::create_new(&self.path));
        self.file = done.map_err(|error| format!("{}: {error}", self.path.display()))?;
        self.rotated.push(rotated);
        self.size = 0;
        Ok(())
    }
}

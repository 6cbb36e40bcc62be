//! One run of a program, measured by the kernel.
//!
//! ```text
//! bench ─▶ measure: small, has one child ─▶ tailwater
//!   ▲                    │ getrusage(RUSAGE_CHILDREN) when it has ended
//!   └── wall, CPU, peak ─┘
//! ```
//! **Invariant**: what is measured is one process alone: its helper has no other child. The helper is there for the peak
//! as well: until it runs its own program a child counts its parent's memory as its own, and the bench is large.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::clock::Used;

/// What one run took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// Seconds from its start to its end.
    pub wall: f64,
    /// CPU and memory.
    pub used: Used,
}

/// What the child's stdin is.
pub enum Stdin {
    /// Nothing.
    Null,
    /// A pipe into which another process writes these files, one after the other.
    Files(Vec<PathBuf>),
    /// Nothing; it is told to stop (SIGTERM) once the given condition holds.
    StopWhen(Box<dyn Fn() -> Result<bool, String>>),
}

/// A run that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs a program with its stdout to /dev/null, or to `stdout`.
pub fn run(program: &Path, arguments: &[String], stdin: Stdin, stdout: Stdio, scratch: &Path) -> Result<Run, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", program.display());
    let report = scratch.join("report");
    let is_stopped = matches!(stdin, Stdin::StopWhen(_));
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.arg("measure").arg(&report).arg(if is_stopped { "stop" } else { "end" }).arg(program).args(arguments);
    command.stdout(stdout);
    let mut writer = None;
    let mut helper = match &stdin {
        Stdin::Null => command.stdin(Stdio::null()).spawn(),
        Stdin::StopWhen(_) => command.stdin(Stdio::piped()).spawn(),
        Stdin::Files(files) => {
            let cat = writer.insert(Command::new("cat").args(files).stdout(Stdio::piped()).spawn().map_err(failed)?);
            command.stdin(cat.stdout.take().ok_or("no pipe")?).spawn()
        }
    }
    .map_err(failed)?;
    let began = Instant::now();
    if let Stdin::StopWhen(condition) = stdin {
        while !condition()? {
            if began.elapsed() > PATIENCE || helper.try_wait().map_err(failed)?.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // Its stdin ends: that is what the helper waits for.
        drop(helper.stdin.take());
    }
    let status = wait(&mut helper, began)?;
    if let Some(mut writer) = writer {
        writer.wait().map_err(failed)?;
    }
    if !status.success() {
        return Err(format!("{} {}: {status}", program.display(), arguments.join(" ")));
    }
    let text = std::fs::read_to_string(&report).map_err(failed)?;
    let numbers: Vec<f64> = text.split_whitespace().map_while(|number| number.parse().ok()).collect();
    let [wall, user, system, peak_kib] = numbers[..] else { return Err(format!("the helper said `{text}`")) };
    Ok(Run { wall, used: Used { user, system, peak_kib: peak_kib as u64 } })
}

fn wait(helper: &mut Child, began: Instant) -> Result<ExitStatus, String> {
    loop {
        match helper.try_wait().map_err(|error| error.to_string())? {
            Some(status) => return Ok(status),
            None if began.elapsed() > PATIENCE => {
                drop(helper.kill());
                return Err(format!("a run did not end within {} s", PATIENCE.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Lines are counted, so a trace is to be as many events as it has lines, as it was in all earlier results.
pub const LINES_ALONE: (&str, &str) = ("TAILWATER__MULTILINE", "none");

/// The helper's process: `measure REPORT stop|end PROGRAM ARGUMENTS…`.
pub fn measure(arguments: &[String]) -> Result<(), String> {
    let [report, how, program, arguments @ ..] = arguments else { return Err("measure: nothing to run".to_owned()) };
    let failed = |error: std::io::Error| format!("{program}: {error}");
    let began = Instant::now();
    let mut command = Command::new(program);
    command.env(LINES_ALONE.0, LINES_ALONE.1);
    let status = if how == "stop" {
        let mut child = command.args(arguments).stdin(Stdio::null()).spawn().map_err(failed)?;
        std::io::stdin().read_to_end(&mut Vec::new()).map_err(failed)?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
        // Where it has ended already, its status says why.
        let _ended_already = kill_process(pid, Signal::TERM);
        child.wait()
    } else {
        command.args(arguments).status()
    };
    let status = status.map_err(failed)?;
    let wall = began.elapsed().as_secs_f64();
    let used = Used::by_children()?;
    let mut text = format!("{wall} {} {} {}", used.user, used.system, used.peak_kib);
    if !status.success() {
        text = status.to_string();
    }
    File::create(report).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())).map_err(failed)?;
    if status.success() { Ok(()) } else { Err(format!("{program}: {status}")) }
}

//! The jobs: the release binary as a process, from files or a pipe to each sink.
//!
//! **Invariant**: a run counts only if it ended well and its store found every line once.

use std::fs;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::child::{self, Run, Stdin};
use crate::floors::{
    COPY_BULK, COPY_JSON, COPY_LOKI, CUT, GZIP, LEVEL, READ, SEND_BULK, SEND_GZIP, SEND_LOKI, SNAPPY, TIME, WALK,
};
use crate::input::{GIB, Input, folder};
use crate::options::Options;
use crate::server::Server;
use crate::table::{Layer, Table};

/// Where the events go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sink {
    Null,
    Stdout,
    Loki,
    Bulk,
    BulkGzip,
    LokiAndBulkGzip,
}

/// One way through the program.
struct Job {
    name: &'static str,
    is_pipe: bool,
    sink: Sink,
    workers: usize,
    /// A condition that leaves lines out, none of those that are there.
    drop: Option<&'static str>,
    /// The steps that it cannot avoid.
    floor: &'static [&'static str],
}

const JOBS: [Job; 10] = [
    Job {
        name: "pipe → stdout json",
        is_pipe: true,
        sink: Sink::Stdout,
        workers: 1,
        drop: None,
        floor: &[READ, CUT, TIME, WALK, COPY_JSON],
    },
    Job {
        name: "files → stdout json",
        is_pipe: false,
        sink: Sink::Stdout,
        workers: 1,
        drop: None,
        floor: &[READ, CUT, TIME, WALK, COPY_JSON],
    },
    Job {
        name: "files → null",
        is_pipe: false,
        sink: Sink::Null,
        workers: 1,
        drop: None,
        floor: &[READ, CUT, TIME, LEVEL],
    },
    Job {
        name: "files → null, but for a condition",
        is_pipe: false,
        sink: Sink::Null,
        workers: 1,
        drop: Some("fields.path == '/health'"),
        floor: &[READ, CUT, TIME, LEVEL],
    },
    Job {
        name: "files → loki",
        is_pipe: false,
        sink: Sink::Loki,
        workers: 1,
        drop: None,
        floor: &[READ, CUT, TIME, LEVEL, COPY_LOKI, SNAPPY, SEND_LOKI],
    },
    Job {
        name: "files → elasticsearch",
        is_pipe: false,
        sink: Sink::Bulk,
        workers: 1,
        drop: None,
        floor: &[READ, CUT, TIME, WALK, COPY_BULK, SEND_BULK],
    },
    Job {
        name: "files → elasticsearch gzip",
        is_pipe: false,
        sink: Sink::BulkGzip,
        workers: 1,
        drop: None,
        floor: &[READ, CUT, TIME, WALK, COPY_BULK, GZIP, SEND_GZIP],
    },
    Job {
        name: "files → loki and elasticsearch gzip",
        is_pipe: false,
        sink: Sink::LokiAndBulkGzip,
        workers: 1,
        drop: None,
        floor: &[
            READ, CUT, TIME, LEVEL, COPY_LOKI, SNAPPY, SEND_LOKI, READ, CUT, TIME, WALK, COPY_BULK, GZIP, SEND_GZIP,
        ],
    },
    Job {
        name: "files → null, 2 workers",
        is_pipe: false,
        sink: Sink::Null,
        workers: 2,
        drop: None,
        floor: &[READ, CUT, TIME, LEVEL],
    },
    Job {
        name: "files → loki, 2 workers",
        is_pipe: false,
        sink: Sink::Loki,
        workers: 2,
        drop: None,
        floor: &[READ, CUT, TIME, LEVEL, COPY_LOKI, SNAPPY, SEND_LOKI],
    },
];

/// Runs every job that is wanted once.
pub fn round(input: &Input, server: &Server, options: &Options, table: &mut Table) -> Result<(), String> {
    for job in JOBS.iter().filter(|job| job.name.contains(&options.job)) {
        let gib = input.counted.bytes as f64 / GIB;
        let (run, handled) = run(job, input, server, options).map_err(|problem| format!("{}: {problem}", job.name))?;
        eprintln!("  {}: {:.2} CPU s/GiB, {:.2} s", job.name, run.used.cpu() / gib, run.wall / gib);
        let row = table.row(Layer::Whole, job.name, job.floor);
        row.handled = handled;
        row.cpu.push(run.used.cpu() / gib);
        row.system.push(run.used.system / gib);
        row.wall.push(run.wall / gib);
        row.peak_kib.push(run.used.peak_kib as f64);
    }
    Ok(())
}

/// One run, and the bytes that left the program as a share of those that came.
fn run(job: &Job, input: &Input, server: &Server, options: &Options) -> Result<(Run, f64), String> {
    let scratch = folder().join(format!("scratch-{}", std::process::id()));
    let failed = |error: std::io::Error| format!("{}: {error}", scratch.display());
    fs::create_dir_all(&scratch).map_err(failed)?;
    let done = run_in(job, input, server, options, &scratch);
    fs::remove_dir_all(&scratch).map_err(failed)?;
    let (run, lines, text, bytes) = done?;
    let counted = &input.counted;
    let stores = if job.sink == Sink::LokiAndBulkGzip { 2 } else { 1 };
    if lines.is_some_and(|lines| lines != counted.lines * stores) || text.is_some_and(|text| text != counted.text_bytes)
    {
        return Err(format!(
            "{} lines of {} bytes of text were written for each of {stores}, the store found {lines:?} of {text:?}",
            counted.lines, counted.text_bytes
        ));
    }
    Ok((run, bytes as f64 / counted.bytes as f64))
}

type Counts = (Run, Option<u64>, Option<u64>, u64);

fn run_in(job: &Job, input: &Input, server: &Server, options: &Options, scratch: &Path) -> Result<Counts, String> {
    let url = format!("http://127.0.0.1:{}", server.port);
    let from = if job.is_pipe { "-".to_owned() } else { input.pods.display().to_string() };
    let mut arguments: Vec<String> = ["--log-level", "warn", "--from", &from].map(str::to_owned).to_vec();
    let mut add = |more: &[&str]| arguments.extend(more.iter().map(|&one| one.to_owned()));
    let files = || Stdin::Files(input.files.clone());
    let mut stdin = if job.is_pipe { files() } else { Stdin::Null };
    let state = scratch.join("state").display().to_string();
    match job.sink {
        Sink::Null => add(&["--once", "--to", "null:", "--state-dir", &state]),
        Sink::Stdout if job.is_pipe => {}
        Sink::Stdout => add(&["--once", "--to", "stdout:", "--format", "json", "--state-dir", &state]),
        Sink::Loki => add(&["--once", "--to", &format!("loki+{url}"), "--state-dir", &state]),
        Sink::BulkGzip => add(&["--once", "--to", &format!("es+{url}"), "--state-dir", &state]),
        Sink::LokiAndBulkGzip => {
            add(&["--once", "--to", &format!("loki+{url}"), "--to", &format!("es+{url}"), "--state-dir", &state]);
        }
        Sink::Bulk => {
            // Without gzip: settings that only a file can say, of a daemon that reads to the end when it is stopped.
            let text = format!(
                "state_dir: {state}\nshutdown: drain\nshutdown_grace: 10m\nsources: {{ pods: {{ type: kubernetes, path: {from} }} }}\n\
                 sinks: {{ search: {{ type: elasticsearch, url: '{url}', compression: none }} }}\n"
            );
            let file = scratch.join("settings.yaml");
            fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
            arguments = ["run", "--log-level", "warn", "--config"].map(str::to_owned).to_vec();
            arguments.push(file.display().to_string());
            let port = server.port;
            stdin = Stdin::StopWhen(Box::new(move || Server::requests_at(port).map(|requests| requests > 0)));
        }
    }
    let mut variables = Vec::new();
    if job.workers > 1 {
        let sink = if job.sink == Sink::Null { "NULL" } else { "LOKI" };
        variables.push(format!("TAILWATER__SINKS__{sink}__WORKERS={}", job.workers));
    }
    variables.extend(job.drop.map(|condition| format!("TAILWATER__TRANSFORMS__IT__DROP={condition}")));
    let mut program = options.binary.clone();
    if !variables.is_empty() {
        // `env` becomes the program.
        variables.push(program.display().to_string());
        arguments.splice(0..0, variables);
        program = PathBuf::from("/usr/bin/env");
    }
    let run = child::run(&program, &arguments, stdin, Stdio::null(), scratch)?;
    if matches!(job.sink, Sink::Null | Sink::Stdout) {
        // What stdout gets is counted in a run of its own: reading it would cost, and be measured.
        return Ok((run, None, None, 0));
    }
    let found = server.found()?;
    let text = matches!(job.sink, Sink::Loki | Sink::LokiAndBulkGzip).then_some(found.text_bytes);
    Ok((run, Some(found.lines), text, found.body_bytes))
}

/// Whether what comes out of stdout is every line once; nothing is measured.
pub fn check_stdout(input: &Input, options: &Options) -> Result<(), String> {
    for job in JOBS.iter().filter(|job| job.sink == Sink::Stdout && job.name.contains(&options.job)) {
        let files: &[PathBuf] = if job.is_pipe { &input.files } else { &[] };
        let from = if job.is_pipe { Path::new("-") } else { &input.pods };
        let lines = lines_of_stdout(options, from, files)?;
        if lines != input.counted.lines {
            return Err(format!("{}: {} lines were written, {lines} came out", job.name, input.counted.lines));
        }
    }
    Ok(())
}

fn lines_of_stdout(options: &Options, from: &Path, files: &[PathBuf]) -> Result<u64, String> {
    use std::process::Command;
    let failed = |error: std::io::Error| format!("{}: {error}", options.binary.display());
    let mut command = Command::new(&options.binary);
    command.env(child::LINES_ALONE.0, child::LINES_ALONE.1);
    command.args(["--log-level", "warn", "--once", "--format", "json", "--from"]).arg(from);
    let mut cat =
        Command::new("cat").args(files).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let pipe = cat.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let mut child = command.stdin(pipe).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let stdout = child.stdout.take().ok_or("no stdout")?;
    let mut lines = 0;
    let mut reader = std::io::BufReader::with_capacity(1 << 20, stdout);
    loop {
        let bytes = reader.fill_buf().map_err(failed)?;
        if bytes.is_empty() {
            break;
        }
        lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        let length = bytes.len();
        reader.consume(length);
    }
    cat.wait().map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    if status.success() { Ok(lines) } else { Err(format!("{}: {status}", options.binary.display())) }
}

//! The process: parse, configure, run, exit code.
#![expect(clippy::disallowed_methods, reason = "the process reads its settings file")]

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use tailwater::app;
use tailwater::app::cursors::{Change, Wanted};
use tailwater::app::explain::Asked;
use tailwater::app::explain::whose::Wanted as Whose;
use tailwater::app::reload::Loader;
use tailwater::cli::{self, Cli, Command, CursorAction, Cursors};
use tailwater::config::flags::{LogTyped, Typed};
use tailwater::config::machine::Machine;
use tailwater::config::settings::Settings;
use tailwater::config::{environment, report, schema, show};
use tailwater::exit::Exit;
use tailwater::log;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // Help and version go to stdout and are a success; where they cannot be written nobody wants them.
            let is_wrong = message.use_stderr();
            drop(message.print());
            return if is_wrong { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let machine = Machine::real();
    let log = cli.log_typed();
    let exit = match &cli.command {
        None => match Settings::from_flags(&cli.typed(), &machine) {
            Ok(settings) => run(settings, &machine, None),
            Err(problems) => refuse(&report::render(&problems, "", "")),
        },
        Some(Command::Run(config)) => {
            let path = settings_file(config.config.as_deref(), &machine);
            let hash = || hash(path.as_deref()?);
            // Before they are loaded: a file that changes meanwhile is seen to have changed.
            let first = hash();
            let settings = match load(config.config.as_deref(), &log, &machine) {
                Ok(settings) => settings,
                Err(exit) => return exit.into(),
            };
            let Some(path) = path.as_deref() else { return run(settings, &machine, None).into() };
            let load = || read(path, &log, &machine);
            run(settings, &machine, Some(&Loader { load: &load, hash: &hash, first }))
        }
        Some(Command::Check(config)) => match load(config.config.as_deref(), &log, &machine) {
            Ok(settings) => {
                eprint!("{}", report::notices(&settings.notices));
                print(show::render(&settings).as_bytes())
            }
            Err(exit) => exit,
        },
        Some(Command::Explain(which)) => explain(which, &log, &machine),
        Some(Command::Test(config)) => match load(config.config.as_deref(), &log, &machine) {
            Ok(settings) => {
                let (shown, exit) = app::explain::cases::run(&settings);
                match print(shown.as_bytes()) {
                    Exit::Done => exit,
                    other => other,
                }
            }
            Err(exit) => exit,
        },
        Some(Command::Schema) => print(schema::render().as_bytes()),
        Some(Command::Completions(which)) => print(&cli::completions(which.shell)),
        Some(Command::Man) => print(&cli::man()),
        Some(Command::Checkpoints(which)) => {
            match state_dir(which.state_dir.as_deref(), which.config.as_deref(), &log, &machine) {
                Ok(dir) => match &which.action {
                    None => app::checkpoints::list(&dir, which.json),
                    Some(CursorAction::Skip(cursors)) => {
                        app::cursors::change(&dir, &wanted(cursors), Change::Skip, which.json)
                    }
                    Some(CursorAction::Reset(cursors)) => {
                        app::cursors::change(&dir, &wanted(cursors), Change::Reset, which.json)
                    }
                },
                Err(exit) => exit,
            }
        }
    };
    exit.into()
}

fn explain(which: &cli::Explain, log: &LogTyped, machine: &Machine<'_>) -> Exit {
    let settings = match settings_file(which.config.as_deref(), machine) {
        Some(_) => load(which.config.as_deref(), log, machine),
        None => Settings::from_flags(&Typed::default(), machine)
            .map_err(|problems| refuse(&report::render(&problems, "", ""))),
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let no_color = (machine.env)("NO_COLOR").is_some_and(|value| !value.is_empty());
    let asked = Asked {
        file: which.file.as_deref().filter(|file| *file != Path::new("-")),
        wanted: Whose { path: which.path.as_deref(), source: which.source.as_deref() },
        sink: which.sink.as_deref(),
        json: which.json,
        color: machine.stdout_terminal && !no_color,
    };
    match app::explain::run(&settings, &asked) {
        Ok(exit) => exit,
        Err(text) => refuse(&format!("tailwater: {text}\n")),
    }
}

fn wanted(cursors: &Cursors) -> Wanted<'_> {
    Wanted { pipeline: cursors.pipeline.as_deref(), file: cursors.file.as_deref() }
}

fn run(settings: Settings, machine: &Machine<'_>, loader: Option<&Loader<'_>>) -> Exit {
    if let Err(error) = log::start(settings.log, machine.stderr_terminal) {
        eprintln!("tailwater: the log cannot be started: {error}");
        return Exit::Internal;
    }
    app::run(settings, loader)
}

/// Prints what was asked for; who stops reading it has seen enough.
fn print(text: &[u8]) -> Exit {
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("tailwater: stdout cannot be written: {error}");
            Exit::Io
        }
        _ => Exit::Done,
    }
}

fn refuse(text: &str) -> Exit {
    eprint!("{text}");
    Exit::Usage
}

/// Loads a settings file; says what is wrong with it.
fn load(typed: Option<&Path>, log: &LogTyped, machine: &Machine<'_>) -> Result<Settings, Exit> {
    let Some(path) = settings_file(typed, machine) else {
        if environment::has_any(&(machine.variables)()) {
            let settings = Settings::from_environment(log, machine);
            return settings.map_err(|problems| refuse(&report::render(&problems, "", "")));
        }
        return Err(refuse(
            "tailwater: no settings file was named\nhint: give `--config FILE`, or set TAILWATER_CONFIG, or write settings into \
             variables such as TAILWATER__SINKS__LOKI__URL\n",
        ));
    };
    read(&path, log, machine).map_err(|text| refuse(&text))
}

fn settings_file(typed: Option<&Path>, machine: &Machine<'_>) -> Option<PathBuf> {
    typed.map(Path::to_owned).or_else(|| (machine.env)("TAILWATER_CONFIG").map(PathBuf::from))
}

/// A hash of a file's bytes; none of a pipe, which can be read once only.
fn hash(path: &Path) -> Option<u64> {
    let is_file = std::fs::metadata(path).ok()?.is_file();
    is_file.then(|| std::fs::read(path).ok())?.map(|bytes| xxhash_rust::xxh3::xxh3_64(&bytes))
}

/// Reads a settings file; what is wrong with it, for people.
fn read(path: &Path, log: &LogTyped, machine: &Machine<'_>) -> Result<Settings, String> {
    let name = path.display().to_string();
    let bytes =
        std::fs::read(path).map_err(|error| format!("tailwater: settings file `{name}` cannot be read: {error}\n"))?;
    Settings::from_file(&bytes, &name, log, machine)
        .map_err(|problems| report::render(&problems, &name, &String::from_utf8_lossy(&bytes)))
}

fn state_dir(
    dir: Option<&Path>,
    config: Option<&Path>,
    log: &LogTyped,
    machine: &Machine<'_>,
) -> Result<PathBuf, Exit> {
    let variable = || (machine.env)("TAILWATER_STATE_DIR").map(PathBuf::from);
    if config.is_none()
        && let Some(dir) = dir.map(Path::to_owned).or_else(variable)
    {
        return Ok(dir);
    }
    if config.is_none() && (machine.env)("TAILWATER_CONFIG").is_none() {
        return Err(refuse(
            "tailwater: no state directory was named\nhint: give `--state-dir DIR`, or `--config FILE` with the settings that \
             name it\n",
        ));
    }
    let settings = load(config, log, machine)?;
    settings.state_dir.ok_or_else(|| refuse("tailwater: the settings name no `state_dir`, so there are no cursors\n"))
}

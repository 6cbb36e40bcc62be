//! What the program needs, from a settings file or from flags.
//!
//! **Invariant**: a [`Settings`] can be acted on as it is: names refer to something, there is memory enough for every
//! sink, and what needs a state directory has one. Whatever is wrong is found in one go, and then there are no
//! settings at all.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::cases::{self, Case};
use super::flags::{self, LogTyped, Typed};
use super::machine::Machine;
use super::parts::{self, Common, Entries, Sink, Source};
use super::share::{self, Scarce};
use super::{environment, renamed, vars, yaml};
use crate::admin;
use crate::frame::cut::SHORTEST_MAX_LINE;
use crate::frame::group::rules::Rules;
use crate::log;
use crate::model::settings::{Key, Node, Place, Problem, Problems, Section, Value};
use crate::model::units;
use crate::parse::reader::READERS;
use crate::parse::recipe::Recipe;
use crate::transform::redact::settings as redact;
use crate::transform::settings as transforms;

/// The keys at the top of a settings file.
pub const KEYS: &[Key] = &[
    Key {
        name: "state_dir",
        kind: "path",
        default: "",
        help: "where cursors are kept, such as `/var/lib/tailwater`; needed to follow files",
    },
    Key {
        name: "memory_limit",
        kind: "size",
        default: "",
        help: "everything in flight, over all sinks; 64MiB, or 40 % of the cgroup's limit where that is less",
    },
    Key {
        name: "hold_deleted",
        kind: "duration",
        default: "5m",
        help: "how long a deleted file is held open until every sink has read it",
    },
    Key {
        name: "hold_deleted_bytes",
        kind: "size",
        default: "1GiB",
        help: "the most bytes of deleted files that are held so; the oldest go first",
    },
    Key {
        name: "admin",
        kind: "map",
        default: "",
        help: "where `/metrics`, `/livez` and `/readyz` answer; nowhere if not set",
    },
    Key { name: "log", kind: "map", default: "", help: "how the agent's own log is written" },
    Key {
        name: "shutdown",
        kind: "stop | drain",
        default: "stop",
        help: "what SIGTERM does to files: `stop` reading (the rest is read at the next start), or `drain` them to their end",
    },
    Key {
        name: "shutdown_grace",
        kind: "duration",
        default: "10s",
        help: "how long to go on delivering after SIGTERM",
    },
    Key {
        name: "reload_on_change",
        kind: "true or false",
        default: "false",
        help: "whether a settings file that has changed is loaded by itself, as SIGHUP has it loaded",
    },
    Key { name: "max_line", kind: "size", default: "256KiB", help: "longer lines are cut to this size, and counted" },
    Key { name: "fields", kind: "map of texts", default: "", help: "added to every event" },
    Key {
        name: "parse",
        kind: "parser",
        default: "auto",
        help: "how lines are understood, where a source does not say",
    },
    Key {
        name: "multiline",
        kind: "preset, a list of them or a map",
        default: "auto",
        help: "which lines make one event, where a source does not say",
    },
    Key {
        name: "redact",
        kind: "map",
        default: "",
        help: "what is replaced in all lines before anything else looks at them; nothing if not set",
    },
    Key {
        name: "transforms",
        kind: "map of transforms",
        default: "",
        help: "what is left out and changed of the lines for all sinks, by name, in this order",
    },
    Key { name: "sources", kind: "map of sources", default: "", help: "where lines come from, by name" },
    Key { name: "sinks", kind: "map of sinks", default: "", help: "where events go, by name" },
    Key {
        name: "tests",
        kind: "list of cases",
        default: "",
        help: "lines and what is to become of them: `tailwater test` tries them",
    },
];

/// The memory limit where nothing asks for less.
const MEMORY_LIMIT: u64 = 64 << 20;
/// How much of the cgroup's limit is for events in flight, in percent.
const MEMORY_SHARE: u64 = 40;
/// The most bytes that are held of a pipe, and the least: more than a piece of a line may stay open for.
const PIPE_BYTES: (u64, u64) = (4 << 20, 2 << 20);
/// How long, and how many bytes of, deleted and unread files are held open: they pin the node's disk.
const HOLD_DELETED: (Duration, u64) = (Duration::from_secs(300), 1 << 30);
/// The longest `max_line`: a line is held in memory whole.
const LONGEST_LINE: u64 = 16 << 20;

/// What the program needs.
#[derive(Debug)]
pub struct Settings {
    /// Where cursors are kept; `None` only without a settings file or without files to follow.
    pub state_dir: Option<PathBuf>,
    /// Bytes of everything in flight, over all sinks.
    pub memory_limit: u64,
    /// The part of it that holds a pipe's content; zero where no source is a pipe.
    pub pipe_bytes: usize,
    /// A deleted file that is not read by then is let go of.
    pub hold_deleted: Duration,
    /// No more bytes of deleted, unread files are held.
    pub hold_deleted_bytes: u64,
    /// The admin port, if there is to be one.
    pub admin: Option<admin::Settings>,
    /// The agent's own log.
    pub log: log::Settings,
    /// What SIGTERM does to files.
    pub shutdown: Shutdown,
    /// How long to go on delivering after SIGTERM.
    pub shutdown_grace: Duration,
    /// Whether a changed settings file is loaded by itself.
    pub reload_on_change: bool,
    /// Longer lines are cut to this many bytes; at least [`SHORTEST_MAX_LINE`].
    pub max_line: usize,
    /// Read what is there, deliver it, and exit.
    pub once: bool,
    /// The parsers that sources refer to by index.
    pub parsers: Vec<Recipe>,
    /// Which of their lines make one event, by the same index.
    pub multiline: Vec<Rules>,
    /// Where lines come from; at least one.
    pub sources: Vec<Source>,
    /// Where events go; at least one.
    pub sinks: Vec<Sink>,
    /// Lines, and what is to become of them.
    pub tests: Vec<Case>,
    /// What was typed, variables put in: to be shown.
    pub tree: Node,
    /// What is to be said of it at the start, though it works.
    pub notices: Vec<Problem>,
}

/// What SIGTERM does to files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Reading stops; the rest is read at the next start.
    Stop,
    /// They are read to their end.
    Drain,
}

impl Settings {
    /// From the bytes of a settings file called `name`. Variables go before what the file says, `log` and its variables
    /// before these.
    pub fn from_file(bytes: &[u8], name: &str, log: &LogTyped, machine: &Machine<'_>) -> Result<Self, Problems> {
        let file: Arc<str> = Arc::from(name);
        let mut problems = Problems::default();
        let Some(text) = utf8(bytes, &file, &mut problems) else { return Err(problems) };
        let mut put_in =
            |scalar: yaml::Scalar<'_>, problems: &mut Problems| vars::put_in(&scalar, machine.env, problems);
        let Some(yaml::Tree { mut root, spoiled }) = yaml::parse(text, &file, &mut put_in, &mut problems) else {
            return Err(problems);
        };
        environment::put_over(&mut root, KEYS, &(machine.variables)(), &mut problems);
        flags::put_log(&mut root, log, machine.env);
        let (hushed, first) = (hushed(&root, &spoiled), problems.0.len());
        Self::read(root, machine, false, State::Needed, problems).map_err(|mut problems| {
            let late = problems.0.split_off(first);
            problems.0.extend(late.into_iter().filter(|problem| !hushed.contains(&problem.place)));
            problems
        })
    }

    /// From variables alone, without a settings file.
    pub fn from_environment(log: &LogTyped, machine: &Machine<'_>) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let place = Place { file: Arc::from("environment"), line: 0, column: 0 };
        let mut root = Node { place, value: Value::Map(Vec::new()) };
        environment::put_over(&mut root, KEYS, &(machine.variables)(), &mut problems);
        flags::put_log(&mut root, log, machine.env);
        Self::read(root, machine, false, State::Needed, problems)
    }

    /// From flags and their variables, and variables that stand for keys where no flag says otherwise.
    pub fn from_flags(typed: &Typed, machine: &Machine<'_>) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut tree = flags::tree(typed, machine, &mut problems);
        environment::put_over(&mut tree, KEYS, &(machine.variables)(), &mut problems);
        let once = flags::once(typed, machine.env, &mut problems);
        if !problems.0.is_empty() {
            return Err(problems);
        }
        Self::read(tree, machine, once, State::Optional, problems)
    }

    fn read(
        mut tree: Node,
        machine: &Machine<'_>,
        once: bool,
        state: State,
        mut problems: Problems,
    ) -> Result<Self, Problems> {
        let mut notices = renamed::apply(&mut tree, renamed::RENAMED, &mut problems);
        let mut root = Section::new("the settings", &tree, &[KEYS], &mut problems);
        let state_dir = root.parsed("state_dir", |text| match text {
            "" => Err("expected a directory that outlives the process, such as `/var/lib/tailwater`".to_owned()),
            path => Ok(PathBuf::from(path)),
        });
        let memory_limit = root.bytes("memory_limit").unwrap_or_else(|| memory_limit(machine.memory));
        let hold_deleted = root.duration("hold_deleted").unwrap_or(HOLD_DELETED.0);
        let hold_deleted_bytes = root.bytes("hold_deleted_bytes").unwrap_or(HOLD_DELETED.1);
        let admin = root.section("admin", &[admin::KEYS], admin::Settings::read);
        let log_default = match state {
            State::Needed => log::Settings::daemon(machine.stderr_terminal),
            State::Optional => log::Settings::command(machine.stderr_terminal),
        };
        let log = root.section("log", &[log::KEYS], |section| log::Settings::read(section, log_default));
        let shutdown = root.choice("shutdown", &[("stop", Shutdown::Stop), ("drain", Shutdown::Drain)]);
        let shutdown_grace = root.duration("shutdown_grace").unwrap_or(Duration::from_secs(10));
        let reload_on_change = root.truth("reload_on_change").unwrap_or(false);
        let max_line = root.parsed("max_line", max_line).unwrap_or(256 << 10);
        let fields = root.text_map("fields").unwrap_or_default();
        let fields: Vec<_> = fields.into_iter().map(|(key, value, _)| (key, value)).collect();
        let (parse, multiline) = (root.node("parse"), root.node("multiline"));
        let redact = root.section("redact", &[redact::KEYS], |section| redact::Settings::read(section, machine.secret));
        let redact = redact.unwrap_or_default();
        let transforms = transforms::Settings::read(&mut root, "transforms", transforms::Of::AllSinks, &READERS);
        let common = Common { redact, transforms, secret: machine.secret };
        let (sources, sinks, tests) = (root.node("sources"), root.node("sinks"), root.node("tests"));
        let found = root.problems();
        let mut readings = parts::Readings::new(parse, multiline, found);
        let sources = entries(&tree, sources, "sources", found);
        let typed_sources: Vec<&str> = sources.iter().map(|(name, ..)| *name).collect();
        let sources = parts::sources(sources, &mut readings, found);
        let sinks = entries(&tree, sinks, "sinks", found);
        let given = parts::given(fields, machine);
        let mut sinks = parts::sinks(sinks, &typed_sources, &sources, &given, &common, found);
        if let (State::Needed, None) = (state, &state_dir) {
            ask_for_state_dir(&tree, &sources, found);
        }
        check_spool(&sources, state_dir.is_some(), once, found);
        let tests = cases::read(tests, found);
        root.end();
        let has_pipe = sources.iter().any(|source| !source.has_files() && source.spool().is_none());
        let pipe_bytes = if has_pipe { (memory_limit / 4).clamp(PIPE_BYTES.1, PIPE_BYTES.0) } else { 0 };
        if let Err(scarce) = share::share(&mut sinks, memory_limit.saturating_sub(pipe_bytes), max_line)
            && problems.0.is_empty()
        {
            ask_for_memory(&tree, memory_limit, has_pipe, &scarce, &mut problems);
        }
        share::limit_workers(&mut sinks, machine.cpus, max_line, &mut notices);
        if !problems.0.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            state_dir,
            memory_limit,
            pipe_bytes: pipe_bytes as usize,
            hold_deleted,
            hold_deleted_bytes,
            admin,
            log: log.unwrap_or(log_default),
            shutdown: shutdown.unwrap_or(Shutdown::Stop),
            shutdown_grace,
            reload_on_change,
            max_line,
            once,
            parsers: readings.parsers,
            multiline: readings.multiline,
            sources,
            sinks,
            tests,
            tree,
            notices,
        })
    }
}

/// Whether files can be followed without a state directory.
#[derive(Clone, Copy)]
enum State {
    Needed,
    Optional,
}

/// The parts of one kind; there must be one at least.
fn entries<'a>(root: &'a Node, node: Option<&'a Node>, key: &str, problems: &mut Problems) -> Entries<'a> {
    let hint = match key {
        "sources" => "such as `sources: { pods: { type: kubernetes } }`",
        _ => "such as `sinks: { out: { type: stdout } }`",
    };
    match node.map(|node| (&node.place, &node.value)) {
        Some((_, Value::Map(entries))) if !entries.is_empty() => {
            entries.iter().map(|(name, place, node)| (name.as_str(), place, node)).collect()
        }
        Some((place, _)) => {
            problems.add_with_hint(place, format!("`{key}` must be a map of names"), hint);
            Vec::new()
        }
        None => {
            // With a root that is a text or a list, this would be the second complaint about the same mistake.
            if matches!(root.value, Value::Map(_) | Value::Null) {
                problems.add_with_hint(&root.place, format!("the settings need `{key}`"), hint);
            }
            Vec::new()
        }
    }
}

/// Where nothing more is to be said, since a value there could not be read: its own place, and that of the map it
/// stands in, which would be told that it lacks the key.
fn hushed(node: &Node, spoiled: &[Place]) -> Vec<Place> {
    let children: Vec<&Node> = match &node.value {
        Value::Null | Value::Scalar(_) => Vec::new(),
        Value::List(items) => items.iter().collect(),
        Value::Map(entries) => entries.iter().map(|(.., node)| node).collect(),
    };
    let mut places: Vec<Place> = children.iter().flat_map(|child| hushed(child, spoiled)).collect();
    let (mine, is_map) = (&node.place, matches!(node.value, Value::Map(_)));
    if spoiled.contains(mine) || (is_map && children.iter().any(|child| spoiled.contains(&child.place))) {
        places.push(mine.clone());
    }
    places
}

/// A spool's segments and cursors must outlive the process, or it is none.
fn check_spool(sources: &[Source], has_state_dir: bool, once: bool, problems: &mut Problems) {
    let Some(spooled) = sources.iter().find(|source| source.spool().is_some()) else { return };
    if !has_state_dir {
        problems.add_with_hint(
            &spooled.place,
            format!("source `{}` has a `spool`, and there is no `state_dir` to keep it in", spooled.name),
            "add `state_dir: /var/lib/tailwater`, a directory that outlives the process",
        );
    } else if once {
        problems.add_with_hint(
            &spooled.place,
            format!("source `{}` has a `spool`, which `--once` does not go with", spooled.name),
            "leave one of them out: a pipe is read to its end in any case",
        );
    }
}

fn ask_for_state_dir(root: &Node, sources: &[Source], problems: &mut Problems) {
    let Some(files) = sources.iter().find(|source| source.has_files()) else { return };
    if root.get("state_dir").is_some() && !problems.0.is_empty() {
        // Most likely its variable is missing, which is said already.
        return;
    }
    problems.add_with_hint(
        &files.place,
        format!("source `{}` follows files, and there is no `state_dir` to keep its cursors in", files.name),
        "add `state_dir: /var/lib/tailwater`, a directory that outlives the process",
    );
}

fn ask_for_memory(root: &Node, limit: u64, has_pipe: bool, scarce: &Scarce, problems: &mut Problems) {
    let typed = |key: &str| root.get(key).map(|node| &node.place);
    let place = typed("memory_limit").or_else(|| typed("sinks")).unwrap_or(&root.place);
    let pipe = if has_pipe { PIPE_BYTES.0 } else { 0 };
    let enough = (scarce.total + pipe).div_ceil(1 << 20) << 20;
    problems.add_with_hint(
        place,
        format!(
            "the sinks need {} for two batches each ({}), and `memory_limit` is {}",
            share::megabytes(scarce.total),
            scarce.each,
            share::megabytes(limit)
        ),
        format!("set `memory_limit: {}`, or less of `batch.max_bytes` or `max_line`", units::format_bytes(enough)),
    );
}

fn utf8<'a>(bytes: &'a [u8], file: &Arc<str>, problems: &mut Problems) -> Option<&'a str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let count = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
            let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
            let place =
                Place { file: Arc::clone(file), line: count(before.matches('\n').count()), column: count(column) };
            problems.add_with_hint(&place, "a byte that is not UTF-8", "save the file as UTF-8");
            None
        }
    }
}

/// 64 MiB, or the cgroup's share where that is less.
fn memory_limit(cgroup: Option<u64>) -> u64 {
    cgroup.map_or(MEMORY_LIMIT, |limit| MEMORY_LIMIT.min(limit / 100 * MEMORY_SHARE))
}

fn max_line(text: &str) -> Result<usize, String> {
    let shortest = SHORTEST_MAX_LINE as u64;
    match units::parse_bytes(text)? {
        bytes if (shortest..=LONGEST_LINE).contains(&bytes) => Ok(bytes as usize),
        _ => Err(format!(
            "expected `{}` to `{}`; stores take 256KiB or less",
            units::format_bytes(shortest),
            units::format_bytes(LONGEST_LINE)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_limits() {
        assert_eq!(memory_limit(None), 64 << 20);
        assert_eq!(memory_limit(Some(1 << 40)), 64 << 20);
        assert_eq!(memory_limit(Some(100_000_000)), 40_000_000);
    }

    #[test]
    fn longest_lines() {
        assert_eq!(max_line("256KiB"), Ok(256 << 10));
        for wrong in ["0", "1B", "17MiB", "x"] {
            assert!(max_line(wrong).is_err(), "{wrong}");
        }
    }
}

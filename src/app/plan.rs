//! What other settings mean for a program that runs.
//!
//! **Invariant**: settings are taken as a whole or not at all, and what they do not change is not touched.

use std::sync::Arc;

use super::parts::Started;
use crate::config::parts::{Sink, Source};
use crate::config::settings::Settings;
use crate::model::settings::{Node, Value};
use crate::sources::files::change::SPARE;

/// Keys at the top that are read at the start only.
const FIXED: [&str; 3] = ["state_dir", "admin", "log"];
/// Keys at the top that change what every sink does with a line.
const COMMON: [&str; 6] = ["max_line", "fields", "parse", "multiline", "redact", "transforms"];
/// The keys of a source that say how its lines are read, and nothing of where they are.
const READ: [&str; 2] = ["parse", "multiline"];
/// Keys at the top that say what is held of deleted files.
const HELD: [&str; 2] = ["hold_deleted", "hold_deleted_bytes"];

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Pipelines that go on by other settings: index, and the sink's place in the new settings.
    pub refit: Vec<(usize, usize)>,
    /// Pipelines that end.
    pub leave: Vec<usize>,
    /// Workers that begin: the sink's place in the new settings, and which of its workers.
    pub join: Vec<(usize, usize)>,
    /// Pipelines that are not touched.
    pub stay: Vec<(usize, usize)>,
    /// Whether sources, or what is held of deleted files, are others.
    pub sources: bool,
    /// Sources that are what they were, but for their parser.
    pub kept: Vec<Arc<str>>,
}

/// What leads from the settings in effect to `new`; or why that takes a restart. `most` is how many pipelines there may be.
pub fn plan(old: &Settings, new: &Settings, pipelines: &[Started], most: usize) -> Result<Plan, String> {
    if let Some(key) = FIXED.iter().find(|key| !is_same(old, new, key)) {
        return Err(format!("`{key}` takes a restart"));
    }
    let kept = kept_sources(old, new)?;
    let is_common_same = COMMON.iter().all(|key| is_same(old, new, key));
    let is_held_same = HELD.iter().all(|key| is_same(old, new, key));
    let sources = !is_held_same || kept.len() < old.sources.len().max(new.sources.len());
    let mut plan = Plan { sources, kept, ..Plan::default() };
    let running = || pipelines.iter().enumerate().filter(|(_, pipeline)| pipeline.thread.is_some());
    for (at, sink) in new.sinks.iter().enumerate() {
        let known = old.sinks.iter().find(|known| known.name == sink.name);
        let goes_on = known.filter(|known| known.workers == sink.workers);
        let Some(known) = goes_on else {
            plan.join.extend((0..sink.workers).map(|worker| (at, worker)));
            continue;
        };
        let is_parsed_same = sink.sources.iter().all(|source| is_parsed_same(old, new, &new.sources[*source]));
        let (before, now) = (names(old, known), names(new, sink));
        // Parsers are known by their place: those of sources behind one that comes or goes have another.
        let has_place = |source: &Arc<str>| {
            let place = |settings: &Settings| settings.sources.iter().find(|of| of.name == *source).map(|of| of.parser);
            place(old) == place(new)
        };
        let is_fed_same = before == now && now.iter().all(|source| plan.kept.contains(source) && has_place(source));
        let is_same = is_common_same
            && is_parsed_same
            && is_fed_same
            && is_sink_same(old, new, known)
            && hashes_same(known, sink);
        let of_sink = running().filter(|(_, pipeline)| pipeline.name == sink.name).map(|(index, _)| (index, at));
        if is_same { plan.stay.extend(of_sink) } else { plan.refit.extend(of_sink) }
    }
    let goes_on = |index: usize| plan.refit.iter().chain(&plan.stay).any(|(known, _)| *known == index);
    plan.leave = running().map(|(index, _)| index).filter(|index| !goes_on(*index)).collect();
    check_pipes(old, new, pipelines, &plan)?;
    if plan.refit.len() + plan.stay.len() + plan.join.len() > most {
        return Err(format!("more than {SPARE} sinks (or workers of them) beyond those of the start take a restart"));
    }
    Ok(plan)
}

fn is_same(old: &Settings, new: &Settings, key: &str) -> bool {
    same(old.tree.get(key), new.tree.get(key))
}

fn same(old: Option<&Node>, new: Option<&Node>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => old.says_same(new),
        (None, None) => true,
        _ => false,
    }
}

fn is_sink_same(old: &Settings, new: &Settings, sink: &Sink) -> bool {
    let of = |settings: &Settings| settings.tree.get("sinks").and_then(|sinks| sinks.get(&sink.name)).cloned();
    same(of(old).as_ref(), of(new).as_ref())
}

/// The file with a secret may hold another one under settings that read the same.
fn hashes_same(old: &Sink, new: &Sink) -> bool {
    old.redactor.iter().zip(&new.redactor).all(|(old, new)| old.hashes_as(new))
}

fn source<'s>(settings: &'s Settings, name: &str) -> Option<&'s Node> {
    settings.tree.get("sources").and_then(|sources| sources.get(name))
}

fn is_parsed_same(old: &Settings, new: &Settings, of: &Source) -> bool {
    let read = |settings, key| source(settings, &of.name).and_then(|source| source.get(key));
    READ.iter().all(|key| same(read(old, key), read(new, key)))
}

/// The sources that are what they were, but for how their lines are read. A pipe cannot be another.
fn kept_sources(old: &Settings, new: &Settings) -> Result<Vec<Arc<str>>, String> {
    let bare = |node: Option<&Node>| -> Option<Node> {
        let mut node = node?.clone();
        if let Value::Map(entries) = &mut node.value {
            entries.retain(|(key, ..)| !READ.contains(&key.as_str()));
        }
        Some(node)
    };
    let mut kept = Vec::new();
    for of in old.sources.iter().chain(&new.sources) {
        let is_kept = same(bare(source(old, &of.name)).as_ref(), bare(source(new, &of.name)).as_ref());
        if !is_kept && !of.has_files() {
            return Err(format!("a change of source `{}` takes a restart, since a pipe cannot be read again", of.name));
        }
        if is_kept && !kept.contains(&of.name) {
            kept.push(Arc::clone(&of.name));
        }
    }
    let has_files = |settings: &Settings| settings.sources.iter().any(Source::has_files);
    if has_files(old) != has_files(new) {
        return Err("the first source of files, or the end of the last, takes a restart".to_owned());
    }
    Ok(kept)
}

/// The names of a sink's sources.
fn names(settings: &Settings, sink: &Sink) -> Vec<Arc<str>> {
    let mut names: Vec<_> = sink.sources.iter().map(|source| Arc::clone(&settings.sources[*source].name)).collect();
    names.sort_unstable();
    names
}

/// What was read of a pipe cannot be read again, nor its beginning by who comes late.
fn check_pipes(old: &Settings, new: &Settings, pipelines: &[Started], plan: &Plan) -> Result<(), String> {
    // The pipe that a sink reads, and whether it is written to a spool first.
    let pipe = |settings: &Settings, name: &str| -> Option<(Arc<str>, bool)> {
        let sink = settings.sinks.iter().find(|sink| *sink.name == *name)?;
        let mut sources = sink.sources.iter().map(|source| &settings.sources[*source]);
        let source = sources.find(|source| !source.has_files())?;
        Some((Arc::clone(&source.name), source.spool().is_some()))
    };
    let named = |index: &usize| Arc::clone(&pipelines[*index].name);
    let refit = plan.refit.iter().map(|(index, _)| named(index));
    let refit = refit.filter(|name| {
        let (before, now) = (pipe(old, name), pipe(new, name));
        before != now || now.is_some_and(|(_, is_spooled)| !is_spooled)
    });
    let join = plan.join.iter().map(|(at, _)| Arc::clone(&new.sinks[*at].name));
    let others = plan.leave.iter().map(named).chain(join);
    let others = others.filter(|name| pipe(old, name).or_else(|| pipe(new, name)).is_some());
    match refit.chain(others).next() {
        Some(sink) => Err(format!(
            "a change of sink `{sink}` takes a restart, since it gets the lines of a pipe, which cannot be read again"
        )),
        None => Ok(()),
    }
}

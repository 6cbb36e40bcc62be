//! The commands that move cursors by hand: `checkpoints skip` and `checkpoints reset`.
//!
//! **Invariant**: nothing is moved while a process holds the state directory: its next move would undo it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::start::open_dir;
use crate::exit::Exit;
use crate::flow::checkpoint::{Cursor, State};
use crate::model::origin::OriginId;
use crate::model::settings::nearest;
use crate::sources::files::end;
use crate::store::Store;

/// What to do with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// To the end of their files.
    Skip,
    /// Away with them.
    Reset,
}

/// Which ones; one of both is there at least.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// Those of this pipeline.
    pub pipeline: Option<&'w str>,
    /// Those in this file and its rotations.
    pub file: Option<&'w Path>,
}

/// One move.
struct Move {
    key: (OriginId, Arc<str>),
    file: String,
    from: u64,
    /// `None`: the cursor goes.
    to: Option<Cursor>,
}

/// Moves the cursors kept in `dir`, and prints the moves.
pub fn change(dir: &Path, wanted: &Wanted<'_>, change: Change, as_json: bool) -> Exit {
    // A directory that is not there must not be made.
    let found = Store::read(dir).map_err(|error| {
        eprintln!("tailwater: state directory `{}` cannot be read: {error}", dir.display());
        eprintln!("hint: name the `state_dir` of the settings, or give --config with them");
        Exit::Io
    });
    if let Err(exit) = found {
        return exit;
    }
    let store = match open_dir(dir, Duration::ZERO) {
        Ok(store) => store,
        Err(refused) => {
            eprintln!("tailwater: {}", refused.message);
            return refused.exit;
        }
    };
    let moves = match store.with_state(|state| moves(state, wanted, change)) {
        Ok(moves) => moves,
        Err(message) => {
            eprintln!("tailwater: {message}");
            return Exit::Usage;
        }
    };
    let text: String = moves.iter().map(|one| said(one, as_json)).collect();
    let edited = store.edit(|state| {
        for Move { key, to, .. } in moves {
            match to {
                Some(cursor) => drop(state.cursors.insert(key, Box::new(cursor))),
                None => drop(state.cursors.remove(&key)),
            }
        }
    });
    if let Err(error) = edited {
        eprintln!("tailwater: cursors in `{}` cannot be moved: {error}", dir.display());
        return Exit::Io;
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::Done,
        // A closed output pipe is a success: the moves are made.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done,
        Err(_) => Exit::Io,
    }
}

/// What is to be moved; why not, where nothing is.
fn moves(state: &State, wanted: &Wanted<'_>, change: Change) -> Result<Vec<Move>, String> {
    let pipelines: BTreeSet<&Arc<str>> = state.cursors.keys().map(|(_, pipeline)| pipeline).collect();
    let list = || pipelines.iter().map(|name| &***name).collect::<Vec<_>>().join(", ");
    if let Some(name) = wanted.pipeline
        && !pipelines.iter().any(|known| &***known == name)
    {
        let near = nearest(name, pipelines.iter().map(|known| &***known));
        let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        return Err(format!("no cursor is of a pipeline `{name}`\nhint: {near}known: {}", list()));
    }
    let mut moves = Vec::new();
    for (id, origin) in &state.origins {
        // An origin without an inode is kept for its name only.
        if origin.inode == (0, 0) || wanted.file.is_some_and(|file| *file != *origin.path) {
            continue;
        }
        for pipeline in pipelines.iter().filter(|known| wanted.pipeline.is_none_or(|name| *name == ****known)) {
            let key = (*id, Arc::clone(pipeline));
            let known = state.cursors.get(&key);
            let (from, seen) = known.map_or((0, 0), |cursor| (cursor.resume.offset, cursor.size));
            let to = match change {
                Change::Reset if known.is_none() => continue,
                Change::Reset => None,
                // Where no pipeline is named, only one that has been here is meant.
                Change::Skip if known.is_none() && wanted.pipeline.is_none() => continue,
                Change::Skip => {
                    let folder = origin.path.parent().unwrap_or(Path::new("/"));
                    let end = end::cursor_at_end(folder, origin.inode, seen);
                    let end = end.unwrap_or_else(|| end::cursor_behind(seen.max(from)));
                    // Only ahead: what is settled behind an end that was found shorter stays settled.
                    if end.resume.offset <= from {
                        continue;
                    }
                    Some(end)
                }
            };
            moves.push(Move { key, file: origin.path.display().to_string(), from, to });
        }
    }
    if moves.is_empty() && !state.origins.values().any(|origin| wanted.file.is_none_or(|file| *file == *origin.path)) {
        let file = wanted.file.unwrap_or(Path::new("")).display();
        return Err(format!(
            "no cursor is in a file `{file}`\nhint: `tailwater checkpoints` lists the files; links are resolved there"
        ));
    }
    Ok(moves)
}

fn said(one: &Move, as_json: bool) -> String {
    let (pipeline, to) = (&one.key.1, one.to.as_ref().map_or(0, |cursor| cursor.resume.offset));
    if as_json {
        let row = json!({ "pipeline": **pipeline, "file": one.file, "origin": one.key.0.to_string(), "from": one.from, "to": to });
        return row.to_string() + "\n";
    }
    format!("{pipeline}  {} -> {to}  {}\n", one.from, one.file)
}

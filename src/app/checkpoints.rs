//! The command that lists cursors: pipeline, file, offset, size, lag.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use crate::exit::Exit;
use crate::flow::checkpoint::State;
use crate::model::labels::Demotion;
use crate::store::Store;

/// One cursor, as it is shown.
struct Row {
    pipeline: String,
    file: String,
    origin: String,
    offset: u64,
    size: u64,
    /// From where on which labels are stored beside the line.
    demoted: Vec<Demotion>,
}

/// Prints the cursors kept in `dir`.
pub fn list(dir: &Path, as_json: bool) -> Exit {
    let state = match Store::read(dir) {
        Ok(state) => state,
        Err(error) => {
            eprintln!("tailwater: state directory `{}` cannot be read: {error}", dir.display());
            eprintln!("hint: name the `state_dir` of the settings, or give --config with them");
            return Exit::Io;
        }
    };
    let rows = rows(&state);
    let text = if as_json { as_json_lines(&rows) } else { as_table(&rows) };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::Done,
        // A closed output pipe is a success: its reader has what it wanted.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done,
        Err(_) => Exit::Io,
    }
}

fn rows(state: &State) -> Vec<Row> {
    let mut rows: Vec<Row> = state
        .cursors
        .iter()
        .map(|((id, pipeline), cursor)| {
            let origin = state.origins.get(id);
            Row {
                pipeline: pipeline.to_string(),
                file: origin.map(|origin| origin.path.display().to_string()).unwrap_or_default(),
                origin: id.to_string(),
                offset: cursor.resume.offset,
                // What it was when last looked at: the file may have grown or gone since.
                size: cursor.size.max(cursor.resume.offset),
                demoted: cursor.resume.demotions.as_ref().map(|known| known.labels.clone()).unwrap_or_default(),
            }
        })
        .collect();
    rows.sort_by(|a, b| (&a.pipeline, &a.file, &a.origin).cmp(&(&b.pipeline, &b.file, &b.origin)));
    rows
}

fn as_json_lines(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let lag = row.size - row.offset;
        let mut line = json!({
            "pipeline": row.pipeline, "file": row.file, "origin": row.origin, "offset": row.offset, "size": row.size, "lag": lag,
        });
        if !row.demoted.is_empty() {
            let labels = row.demoted.iter().map(|mark| (mark.label.to_string(), json!(mark.from)));
            line["demoted"] = labels.collect::<serde_json::Map<_, _>>().into();
        }
        line.to_string() + "\n"
    };
    rows.iter().map(line).collect()
}

fn as_table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no cursors\n".to_owned();
    }
    let wide = rows.iter().map(|row| row.pipeline.len()).max().unwrap_or(0).max("PIPELINE".len());
    let mut text = format!("{:<wide$}  {:>12}  {:>12}  {:>12}  FILE\n", "PIPELINE", "OFFSET", "SIZE", "LAG");
    for row in rows {
        let lag = row.size - row.offset;
        text += &format!("{:<wide$}  {:>12}  {:>12}  {lag:>12}  {}\n", row.pipeline, row.offset, row.size, row.file);
        for mark in &row.demoted {
            text += &format!(
                "{:<wide$}  {:>12}  label `{}` is structured metadata from here on\n",
                "", mark.from, mark.label
            );
        }
    }
    text
}

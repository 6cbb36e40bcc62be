//! `tailwater explain`: what becomes of lines, step by step, and what each sink would send.
//!
//! - [`trial`]: lines through a sink's own way, up to where they would be sent
//! - [`whose`]: whose lines they are taken to be
//! - [`page`]: what is shown
//! - [`cases`]: `tailwater test`: the cases that stand in the settings

pub mod cases;
pub mod page;
pub mod trial;
pub mod whose;

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use crate::config::settings::Settings;
use crate::exit::Exit;
use page::Style;
use whose::Wanted;

/// More of an input is not read: it is for a look at some lines.
const MOST: u64 = 64 << 20;

/// What is to be explained, and how.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The file with the lines; `None` for stdin.
    pub file: Option<&'a Path>,
    /// Whose lines they are.
    pub wanted: Wanted<'a>,
    /// Only what this sink makes of them.
    pub sink: Option<&'a str>,
    /// One JSON object for each event, for programs.
    pub json: bool,
    /// Whether the terminal shows colours.
    pub color: bool,
}

/// Explains lines on stdout. What is wrong is for people.
pub fn run(settings: &Settings, asked: &Asked<'_>) -> Result<Exit, String> {
    let bytes: Arc<[u8]> = read(asked.file)?.into();
    let whose = whose::find(settings, &asked.wanted, &bytes)?;
    let sinks: Vec<_> =
        settings.sinks.iter().filter(|sink| asked.sink.is_none_or(|name| *sink.name == *name)).collect();
    if sinks.is_empty() {
        let names: Vec<_> = settings.sinks.iter().map(|sink| &*sink.name).collect();
        return Err(format!("there is no sink `{}`; known: {}", asked.sink.unwrap_or_default(), names.join(", ")));
    }
    let mut trials = Vec::new();
    for sink in sinks.into_iter().filter(|sink| sink.sources.contains(&whose.source)) {
        let trial::Trial { seen, said, counted, headers } =
            trial::run(settings, sink, &whose.origin, whose.parser, &bytes);
        // The text before anything was replaced in it, to show what was.
        let plain = sink.redactor.as_ref().map(|_| {
            let mut bare = sink.clone();
            bare.redactor = None;
            trial::run(settings, &bare, &whose.origin, whose.parser, &bytes).seen
        });
        trials.push(page::Trial { sink: Arc::clone(&sink.name), seen, said, counted, plain, headers });
    }
    let page = match asked.json {
        true => page::json(&whose, &trials, &bytes),
        false => page::text(&whose, &trials, &bytes, Style { color: asked.color }),
    };
    match std::io::stdout().write_all(page.as_bytes()) {
        // Who stops reading it has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("stdout cannot be written: {error}")),
        _ => Ok(Exit::Done),
    }
}

fn read(file: Option<&Path>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = match file {
        Some(path) => std::fs::File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes)),
        None => std::io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes),
    };
    let name = file.map_or_else(|| "stdin".to_owned(), |path| format!("`{}`", path.display()));
    match read {
        Err(error) => Err(format!("{name} cannot be read: {error}")),
        Ok(count) if count as u64 > MOST => {
            Err(format!("{name} has more than {} MiB; give it some lines, such as those of `head`", MOST >> 20))
        }
        Ok(_) => Ok(bytes),
    }
}

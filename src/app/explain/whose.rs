//! Whose lines they are taken to be: a source of the settings, and a file that it would read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::machine;
use crate::config::parts::Source;
use crate::config::settings::Settings;
use crate::flow::rotation;
use crate::frame;
use crate::model::feed::ParserName;
use crate::model::origin::{Format, HEAD_MAX, Origin, OriginId, Workload};
use crate::sources::{self, kubernetes};

/// What is said of the lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// The file that they are to be taken from.
    pub path: Option<&'a Path>,
    /// The source that is to have read them.
    pub source: Option<&'a str>,
}

/// Whose lines they are.
pub struct Whose {
    /// The source's place in the settings.
    pub source: usize,
    /// Which parser.
    pub parser: ParserName,
    /// The file, as a source makes it.
    pub origin: Arc<Origin>,
}

/// Finds the source that would read a file of this path, and what it knows of it. The error is for people.
pub fn find(settings: &Settings, wanted: &Wanted<'_>, bytes: &[u8]) -> Result<Whose, String> {
    let all = settings.sources.iter().enumerate();
    let path = wanted.path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    let workload = path.as_deref().and_then(workload);
    let names = || settings.sources.iter().map(|source| &*source.name).collect::<Vec<_>>().join(", ");
    let found = match (wanted.source, &path) {
        (Some(name), _) => all.clone().find(|(_, source)| *source.name == *name),
        (None, Some(path)) => all.clone().find(|(_, source)| reads(source, path, workload.as_ref())),
        // Whoever gives no path most likely has a pipe, or one source.
        (None, None) => all.clone().find(|(_, source)| !source.has_files()).or_else(|| all.clone().next()),
    };
    let Some((at, source)) = found else {
        return Err(match (wanted.source, &path) {
            (Some(name), _) => format!("there is no source `{name}`; known: {}", names()),
            (None, Some(path)) => {
                format!("no source of the settings reads `{}`; name one by `--source`, of: {}", path.display(), names())
            }
            (None, None) => "the settings have no source".to_owned(),
        });
    };
    let head = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1).min(HEAD_MAX);
    let path = path.unwrap_or_else(|| match source.has_files() {
        true => PathBuf::from("/explained.log"),
        false => PathBuf::new(),
    });
    let format = form_of(source).unwrap_or_else(|| frame::detect_at_end(bytes));
    Ok(Whose {
        source: at,
        parser: source.parser,
        origin: Arc::new(Origin {
            id: OriginId::new(path.as_os_str().as_encoded_bytes(), &bytes[..head], 0),
            source: Arc::clone(&source.name),
            path: path.into(),
            format,
            workload: workload.filter(|_| matches!(source.settings, sources::Settings::Kubernetes(_))),
            host: machine::host(),
        }),
    })
}

fn form_of(source: &Source) -> Option<Format> {
    match &source.settings {
        sources::Settings::Kubernetes(settings) => settings.common.format,
        sources::Settings::File(settings) => settings.common.format,
        sources::Settings::Stdin(_) => None,
    }
}

fn reads(source: &Source, path: &Path, workload: Option<&Workload>) -> bool {
    match &source.settings {
        sources::Settings::Kubernetes(settings) => {
            path.starts_with(&settings.path) && workload.is_some_and(|workload| settings.names.wants(workload))
        }
        sources::Settings::File(settings) => {
            settings.roots.iter().any(|root| root.wants(path, path)) && !settings.exclude.is_match(path)
        }
        sources::Settings::Stdin(_) => false,
    }
}

/// The Kubernetes names in a path as the kubelet makes it.
fn workload(path: &Path) -> Option<Workload> {
    let name = path.file_name()?.to_str()?;
    let base = rotation::parse(name.as_bytes()).base;
    let container = path.parent()?;
    let pod = container.parent()?.file_name()?.to_str()?;
    let restart = kubernetes::parse_restart(std::str::from_utf8(base).ok()?)?;
    kubernetes::workload(pod, container.file_name()?.to_str()?, restart)
}

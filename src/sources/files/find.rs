//! A source of files.

use std::path::PathBuf;
use std::sync::Arc;

use super::walk::Places;
use crate::model::feed::ParserName;
use crate::sources::{Common, Settings};

/// A source of files and how it looks for them.
pub struct Finder {
    /// The source's name.
    pub source: Arc<str>,
    /// Which parser its lines go to.
    pub parser: ParserName,
    /// What sources of files share.
    pub common: Common,
    /// Which pipelines want it.
    pub wanted_by: Vec<bool>,
    /// Whether its files are a pipe's segments: their first line is no line of the pipe's, their names nobody's.
    pub is_spool: bool,
    /// How many walks there were when it came.
    pub since: u64,
    /// Where it looks for files.
    pub places: Arc<Places>,
}

impl Finder {
    /// For a source of files; `None` for a pipe. `own_uid` is the uid of Tailwater's own pod, where it runs in one.
    pub fn new(
        source: Arc<str>,
        settings: &Settings,
        parser: ParserName,
        wanted_by: Vec<bool>,
        own_uid: Option<&str>,
    ) -> Option<Self> {
        let common = match settings {
            Settings::Kubernetes(settings) => settings.common.clone(),
            Settings::File(settings) => settings.common.clone(),
            Settings::Stdin(_) => return None,
        };
        let places = Arc::new(Places::new(settings, own_uid)?);
        Some(Self { source, parser, common, wanted_by, is_spool: false, since: 0, places })
    }

    /// For the segments of a pipe in `folder`.
    pub fn of_spool(source: Arc<str>, folder: PathBuf, parser: ParserName, wanted_by: Vec<bool>) -> Self {
        let (common, places) = (Common::default(), Arc::new(Places::Spool(folder)));
        Self { source, parser, common, wanted_by, is_spool: true, since: 0, places }
    }
}

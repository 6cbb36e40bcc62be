//! Files by globs.
//!
//! A glob names files as they are called while they are written; their rotations come with them. Exclude globs
//! without a `/` are held against the name, others against the whole path.

use std::path::{Component, Path, PathBuf};

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::common::Common;
use super::globs;
use crate::model::settings::{Key, Section};

/// The settings of a `file` source.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to look, and for what.
    pub roots: Vec<Root>,
    /// What is left out.
    pub exclude: GlobSet,
    /// What sources of files share.
    pub common: Common,
}

/// One include glob.
#[derive(Clone, Debug)]
pub struct Root {
    /// The folder that the glob's first wildcard stands in.
    pub dir: PathBuf,
    /// How many folders below `dir` a match can lie: 0 for `dir/*.log`, `None` for `**`.
    pub depth: Option<usize>,
    /// Held against whole paths.
    pub glob: GlobSet,
    /// The one file that is named, where there is no wildcard.
    pub literal: Option<PathBuf>,
}

impl Settings {
    /// The keys of a `file` source.
    pub const KEYS: &'static [Key] = &[
        Key {
            name: "include",
            kind: "list of globs",
            default: "",
            help: "the files to follow, such as `/var/log/nginx/*.log`; `**` is any depth",
        },
        Key {
            name: "exclude",
            kind: "list of globs",
            default: "",
            help: "files to leave out; without a `/` held against the name",
        },
    ];

    /// For one glob or file given on the command line.
    pub fn for_glob(glob: &str) -> Result<Self, String> {
        let root = Root::new(glob)?;
        Ok(Self { roots: vec![root], exclude: GlobSet::empty(), common: Common::default() })
    }

    /// Reads the settings.
    pub fn read(section: &mut Section<'_>) -> Self {
        let mut roots = Vec::new();
        for (text, place) in section.placed_texts("include").unwrap_or_default() {
            match Root::new(&text) {
                Ok(root) => roots.push(root),
                Err(expected) => {
                    section.problems().add_with_hint(
                        &place,
                        format!("`include` has a glob that cannot be read: `{text}`"),
                        expected,
                    );
                }
            }
        }
        if roots.is_empty() && section.problems().0.is_empty() {
            let text = format!("{} needs `include`", section.what());
            section.problem(text, "name the files to follow: `include: [/var/log/app/*.log]`");
        }
        let mut builder = GlobSetBuilder::new();
        for (text, place) in section.placed_texts("exclude").unwrap_or_default() {
            match exclude_glob(&text) {
                Ok(glob) => {
                    builder.add(glob);
                }
                Err(error) => {
                    section.problems().add_with_hint(
                        &place,
                        format!("`exclude` has a glob that cannot be read: `{text}`"),
                        globs::way_out(&error),
                    );
                }
            }
        }
        let exclude = match builder.build() {
            Ok(set) => set,
            Err(error) => {
                section.problem("`exclude` cannot be used", error.to_string());
                GlobSet::empty()
            }
        };
        Self { roots, exclude, common: Common::read(section) }
    }
}

fn exclude_glob(text: &str) -> Result<Glob, globset::Error> {
    if text.contains('/') {
        GlobBuilder::new(text).literal_separator(true).build()
    } else {
        GlobBuilder::new(&format!("**/{text}")).literal_separator(true).build()
    }
}

impl Root {
    /// Reads a glob; a relative one starts at the working directory. The error says what is wrong.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("expected a path such as `/var/log/app/*.log`".to_owned());
        }
        let path =
            std::path::absolute(text).map_err(|error| format!("the working directory cannot be found: {error}"))?;
        let text = path.to_string_lossy().into_owned();
        let glob = GlobBuilder::new(&text).literal_separator(true).build().map_err(|error| globs::way_out(&error))?;
        let glob = GlobSetBuilder::new().add(glob).build().map_err(|error| error.to_string())?;
        let parts: Vec<Component<'_>> = path.components().collect();
        let is_wild = |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{', '\\']);
        let folders = parts.len().saturating_sub(1);
        let first = parts.iter().take(folders).position(is_wild).unwrap_or(folders);
        let wild = &parts[first..folders];
        let any_depth = parts[first..].iter().any(|part| part.as_os_str().to_string_lossy().contains("**"));
        let literal = (!parts.iter().any(is_wild)).then(|| path.to_owned());
        Ok(Self { dir: parts[..first].iter().collect(), depth: (!any_depth).then_some(wild.len()), glob, literal })
    }

    /// Whether a file belongs: by its own path, or by the path of the file that it is a rotation of.
    pub fn wants(&self, path: &Path, logical: &Path) -> bool {
        self.glob.is_match(logical) || self.glob.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(glob: &str, dir: &str, depth: Option<usize>, path: &str, wanted: bool) {
        let root = Root::new(glob).expect("a glob");
        assert_eq!((root.dir.as_path(), root.depth), (Path::new(dir), depth), "{glob}");
        assert_eq!(root.wants(Path::new(path), Path::new(path)), wanted, "{glob} {path}");
    }

    #[test]
    fn globs_and_where_they_start() {
        check("/var/log/nginx/*.log", "/var/log/nginx", Some(0), "/var/log/nginx/access.log", true);
        check("/var/log/nginx/*.log", "/var/log/nginx", Some(0), "/var/log/nginx/old/access.log", false);
        check("/var/log/app.log", "/var/log", Some(0), "/var/log/app.log", true);
        check("/var/log/*/x.log", "/var/log", Some(1), "/var/log/a/x.log", true);
        check("/var/log/**/*.log", "/var/log", None, "/var/log/a/b/c.log", true);
        check("/var/log/**/*.log", "/var/log", None, "/var/log/c.log", true);
        check("/v/{a,b}.log", "/v", Some(0), "/v/b.log", true);
        assert!(Root::new("").is_err());
        assert!(Root::new("/a/[").is_err());
    }

    #[test]
    fn an_exclude_without_a_slash_is_held_against_the_name() {
        let set = GlobSetBuilder::new().add(exclude_glob("*.gz").expect("a glob")).build().expect("a set");
        assert!(set.is_match("/var/log/a.log.1.gz"));
        assert!(!set.is_match("/var/log/a.log.1"));
    }
}

//! Walks folders and says which files a source wants.
//!
//! It looks at names and kinds only: it opens no file. What is no regular file is left out and said once by the
//! follower.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobSet;
use xxhash_rust::xxh3::xxh3_64;

use crate::flow::rotation;
use crate::model::feed::ParserName;
use crate::model::origin::Workload;
use crate::sources::file::Root;
use crate::sources::kubernetes::{self, Names};
use crate::sources::{Common, Settings, file};

/// The deepest folder below a root that is looked into: a bound for loops that symlinks do not show.
const MAX_DEPTH: usize = 32;

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
    how: How,
}

enum How {
    Kubernetes { path: PathBuf, names: Names, own_uid: Option<String> },
    Globs(file::Settings),
    Spool(PathBuf),
}

/// A file that a source wants.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is, symlinks resolved.
    pub path: PathBuf,
    /// Folder and name without a rotation's suffix, symlinks resolved.
    pub logical: PathBuf,
    /// Whether the name has a rotation's suffix.
    pub rotated: bool,
    /// Whether the content is compressed.
    pub gzip: bool,
    /// Files that are to be read one after the other share a chain.
    pub chain: u64,
    /// The Kubernetes names, where the path gives them.
    pub workload: Option<Workload>,
    /// What the system says of the file.
    pub stat: Stat,
}

/// What the system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Device and inode.
    pub inode: (u64, u64),
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since the epoch when it was last written.
    pub modified: i64,
}

impl Stat {
    /// What the system says.
    pub fn of(meta: &fs::Metadata) -> Self {
        let modified = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
        Self { inode: (meta.dev(), meta.ino()), size: meta.size(), modified }
    }
}

/// What one walk came upon.
#[derive(Debug, Default)]
pub struct Walk {
    /// The files, oldest first within a chain.
    pub found: Vec<Found>,
    /// The folders looked into: to be watched.
    pub folders: BTreeSet<PathBuf>,
    /// What was left out and why, for the log.
    pub left_out: Vec<(PathBuf, String)>,
    /// What is wanted and cannot be had, and why.
    pub unreadable: Vec<(PathBuf, String)>,
    /// The paths in `found`: two names may lead to one file.
    seen: HashSet<PathBuf>,
}

impl Walk {
    /// Oldest first within a chain.
    fn sort(&mut self) {
        self.found.sort_by(|a, b| {
            let order = |found: &Found| (found.chain, found.workload.as_ref().map(|workload| workload.restart));
            order(a).cmp(&order(b)).then_with(|| {
                let name =
                    |found: &Found| found.path.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
                let (a, b) = (name(a), name(b));
                rotation::age_order(&rotation::parse(&a), &rotation::parse(&b)).then_with(|| a.cmp(&b))
            })
        });
    }
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
        let (how, common) = match settings {
            Settings::Kubernetes(settings) => {
                let own_uid = own_uid.filter(|_| !settings.include_self).map(str::to_owned);
                (
                    How::Kubernetes { path: settings.path.clone(), names: settings.names.clone(), own_uid },
                    settings.common.clone(),
                )
            }
            Settings::File(settings) => (How::Globs(settings.clone()), settings.common.clone()),
            Settings::Stdin(_) => return None,
        };
        Some(Self { source, parser, common, wanted_by, is_spool: false, since: 0, how })
    }

    /// For the segments of a pipe in `folder`.
    pub fn of_spool(source: Arc<str>, folder: PathBuf, parser: ParserName, wanted_by: Vec<bool>) -> Self {
        let common = Common::default();
        Self { source, parser, common, wanted_by, is_spool: true, since: 0, how: How::Spool(folder) }
    }

    /// Walks everything. A folder that does not exist (yet) is no error.
    pub fn walk(&self) -> Walk {
        let mut walk = Walk::default();
        match &self.how {
            How::Kubernetes { path, names, own_uid } => {
                await_folder(path, &mut walk);
                for pod in list(path, &mut walk) {
                    self.walk_pod(&pod, None, names, own_uid.as_deref(), &mut walk);
                }
            }
            How::Spool(folder) => {
                await_folder(folder, &mut walk);
                let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
                // All of them are one pipe's, one after the other.
                let chain = xxh3_64(folder.as_os_str().as_bytes());
                for path in list(&folder, &mut walk) {
                    self.add_file(&path, chain, None, &mut walk);
                }
            }
            How::Globs(settings) => {
                for root in &settings.roots {
                    await_folder(&root.dir, &mut walk);
                    if let Some(file) = root.literal.as_ref().filter(|file| is_nowhere(file)) {
                        walk.unreadable.push((file.clone(), "nothing is there".to_owned()));
                    }
                    let mut seen = HashSet::new();
                    self.walk_root(settings, root, &root.dir, 0, &mut seen, &mut walk);
                }
            }
        }
        walk.sort();
        walk
    }

    /// What is to be walked where something changed at `place`: a folder, whose files are all found by
    /// [`Finder::walk_in`]. `None` where `place` is not below what this source looks into, or is all of it.
    pub fn folder_of(&self, place: &Path) -> Option<PathBuf> {
        match &self.how {
            How::Kubernetes { path, .. } => {
                // A pod's folder, or a container's, in which all else lies.
                let names = place.strip_prefix(path).ok()?.components().take(2);
                let folder: PathBuf = names.collect();
                (!folder.as_os_str().is_empty()).then(|| path.join(folder))
            }
            How::Spool(folder) => place.starts_with(folder).then(|| folder.clone()),
            How::Globs(settings) => {
                // The folder that it lies in, since it may be a folder where a file was; or it is all of what is looked into.
                let is_inside = |folder: &&Path| settings.roots.iter().any(|root| folder.starts_with(&root.dir));
                place.parent().filter(is_inside).or(Some(place).filter(is_inside)).map(Path::to_owned)
            }
        }
    }

    /// Walks one folder that [`Finder::folder_of`] gave, and those below it.
    pub fn walk_in(&self, folder: &Path) -> Walk {
        let mut walk = Walk::default();
        match &self.how {
            How::Kubernetes { path, names, own_uid } => {
                let is_pod = folder.parent() == Some(path);
                let (pod, container) =
                    if is_pod { (folder, None) } else { (folder.parent().unwrap_or(folder), Some(folder)) };
                self.walk_pod(pod, container, names, own_uid.as_deref(), &mut walk);
            }
            How::Spool(_) => return self.walk(),
            How::Globs(settings) => {
                for root in &settings.roots {
                    let Ok(below) = folder.strip_prefix(&root.dir) else { continue };
                    let depth = below.components().count();
                    if depth <= root.depth.unwrap_or(MAX_DEPTH).min(MAX_DEPTH) {
                        self.walk_root(settings, root, folder, depth, &mut HashSet::new(), &mut walk);
                    }
                }
            }
        }
        walk.sort();
        walk
    }

    /// Walks a pod's folder, or only that of one container in it.
    fn walk_pod(&self, pod: &Path, only: Option<&Path>, names: &Names, own_uid: Option<&str>, walk: &mut Walk) {
        let Some(pod_name) = pod.file_name().and_then(|name| name.to_str()) else { return };
        let Some((_, _, uid)) = kubernetes::parse_pod(pod_name) else { return };
        if own_uid == Some(uid) {
            return;
        }
        let containers = only.map_or_else(|| list(pod, walk), |container| vec![container.to_owned()]);
        for container in containers {
            let Some(container_name) = container.file_name().and_then(|name| name.to_str()) else { continue };
            let wanted =
                kubernetes::workload(pod_name, container_name, 0).is_some_and(|workload| names.wants(&workload));
            if !wanted {
                continue;
            }
            let chain = xxh3_64(container.as_os_str().as_bytes());
            for path in list(&container, walk) {
                let name = path.file_name().unwrap_or_default().as_bytes();
                let parsed = rotation::parse(name);
                let restart = std::str::from_utf8(parsed.base).ok().and_then(kubernetes::parse_restart);
                let Some(restart) = restart else { continue };
                let workload = kubernetes::workload(pod_name, container_name, restart);
                self.add(&path, chain, workload, &GlobSet::empty(), walk);
            }
        }
    }

    fn walk_root(
        &self,
        settings: &file::Settings,
        root: &Root,
        dir: &Path,
        depth: usize,
        seen: &mut HashSet<(u64, u64)>,
        walk: &mut Walk,
    ) {
        // Symlinks may lead to one folder twice, or round in a circle.
        match fs::metadata(dir) {
            Ok(meta) if seen.insert((meta.dev(), meta.ino())) => {}
            _ => return,
        }
        for path in list(dir, walk) {
            let name = path.file_name().unwrap_or_default().as_bytes();
            let logical = logical_path(dir, name);
            let excluded = settings.exclude.is_match(&path) || settings.exclude.is_match(&logical);
            if excluded {
                continue;
            }
            if root.wants(&path, &logical) {
                self.add(&path, xxh3_64(logical.as_os_str().as_bytes()), None, &settings.exclude, walk);
            } else if depth < root.depth.unwrap_or(MAX_DEPTH).min(MAX_DEPTH) && path.is_dir() {
                self.walk_root(settings, root, &path, depth + 1, seen, walk);
            }
        }
    }

    /// Adds a file; behind a symlink also the rotations of its target, which lie in the target's folder.
    fn add(&self, path: &Path, chain: u64, workload: Option<Workload>, exclude: &GlobSet, walk: &mut Walk) {
        let is_link = match fs::symlink_metadata(path) {
            Ok(meta) => meta.file_type().is_symlink(),
            // Gone since the folder was listed.
            Err(_) => return,
        };
        if !is_link {
            self.add_file(path, chain, workload, walk);
            return;
        }
        let target = match fs::canonicalize(path) {
            Ok(target) => target,
            Err(error) => {
                walk.left_out.push((path.to_owned(), format!("the link leads nowhere: {error}")));
                return;
            }
        };
        let (Some(dir), Some(name)) = (target.parent(), target.file_name()) else { return };
        let base = rotation::parse(name.as_bytes()).base.to_vec();
        for sibling in list(dir, walk) {
            let sibling_name = sibling.file_name().unwrap_or_default().as_bytes();
            if rotation::parse(sibling_name).base == base && !exclude.is_match(&sibling) {
                self.add_file(&sibling, chain, workload.clone(), walk);
            }
        }
    }

    fn add_file(&self, path: &Path, chain: u64, workload: Option<Workload>, walk: &mut Walk) {
        let meta = match fs::metadata(path) {
            Ok(meta) => meta,
            // Gone since the folder was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                walk.unreadable.push((path.to_owned(), error.to_string()));
                return;
            }
        };
        if !meta.is_file() {
            walk.left_out.push((path.to_owned(), "not a regular file".to_owned()));
            return;
        }
        let name = path.file_name().unwrap_or_default().as_bytes();
        let parsed = rotation::parse(name);
        if !walk.seen.insert(path.to_owned()) {
            return;
        }
        walk.found.push(Found {
            path: path.to_owned(),
            logical: logical_path(path.parent().unwrap_or(Path::new("/")), name),
            rotated: parsed.suffix.is_some(),
            gzip: parsed.gzip,
            chain,
            workload,
            stat: Stat::of(&meta),
        });
    }
}

fn logical_path(dir: &Path, name: &[u8]) -> PathBuf {
    dir.join(std::ffi::OsStr::from_bytes(rotation::parse(name).base))
}

fn is_nowhere(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Has the nearest folder above watched where `dir` does not exist yet, so that it is found when it is made.
fn await_folder(dir: &Path, walk: &mut Walk) {
    if is_nowhere(dir) {
        walk.folders.extend(dir.ancestors().skip(1).find(|above| !is_nowhere(above)).map(Path::to_owned));
    }
}

/// The entries of a folder, which is noted as looked into; none where it cannot be read.
fn list(dir: &Path, walk: &mut Walk) -> Vec<PathBuf> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Vec::new();
        }
        Err(error) => {
            walk.unreadable.push((dir.to_owned(), error.to_string()));
            return Vec::new();
        }
    };
    walk.folders.insert(dir.to_owned());
    // An entry that cannot be read is seen by the next walk.
    entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn finder(settings: &Settings) -> Finder {
        Finder::new("s".into(), settings, ParserName(0), vec![true], Some("own")).expect("a source of files")
    }

    fn names(walk: &Walk, root: &Path) -> Vec<String> {
        walk.found
            .iter()
            .map(|found| found.path.strip_prefix(root).unwrap_or(&found.path).display().to_string())
            .collect()
    }

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, b"x\n").expect("written");
    }

    #[test]
    fn pod_logs_with_their_rotations_oldest_first() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path();
        for name in [
            "shop_cart-0_u1/app/1.log",
            "shop_cart-0_u1/app/0.log.20261123-085035.gz",
            "shop_cart-0_u1/app/0.log",
            "shop_cart-0_u1/app/0.log.20261123-085045",
            "shop_cart-0_u1/app/0.log.tmp",
            "shop_me_own/app/0.log",
            "not-a-pod/app/0.log",
        ] {
            touch(&root.join(name));
        }
        let walk = finder(&Settings::Kubernetes(kubernetes::Settings::at(root.to_owned()))).walk();
        let app = "shop_cart-0_u1/app";
        let expected =
            ["0.log.20261123-085035.gz", "0.log.20261123-085045", "0.log", "1.log"].map(|name| format!("{app}/{name}"));
        assert_eq!(names(&walk, root), expected);
        assert_eq!(walk.found[1].logical, root.join(app).join("0.log"));
        assert!(walk.folders.contains(&root.join(app)) && walk.folders.contains(root));
    }

    #[test]
    fn globs_with_rotations_links_and_loops() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("a path");
        touch(&root.join("a.log"));
        touch(&root.join("a.log.1"));
        touch(&root.join("b.txt"));
        touch(&root.join("elsewhere/real.log"));
        touch(&root.join("elsewhere/real.log.1"));
        symlink(root.join("elsewhere/real.log"), root.join("link.log")).expect("a link");
        symlink(root.join("nowhere"), root.join("dangling.log")).expect("a link");
        symlink(&root, root.join("loop")).expect("a link");
        fs::create_dir(root.join("folder.log")).expect("a folder");
        let settings = file::Settings::for_glob(&format!("{}/*.log", root.display())).expect("a glob");
        let walk = finder(&Settings::File(settings)).walk();
        let mut found = names(&walk, &root);
        found.sort();
        assert_eq!(found, ["a.log", "a.log.1", "elsewhere/real.log", "elsewhere/real.log.1"]);
        assert_eq!(walk.left_out.len(), 2, "{:?}", walk.left_out);
        let settings = file::Settings::for_glob(&format!("{}/**/*.txt", root.display())).expect("a glob");
        assert_eq!(names(&finder(&Settings::File(settings)).walk(), &root), ["b.txt"]);
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for_in_the_folder_above() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("a path");
        let glob = |text: &str| {
            let settings = file::Settings::for_glob(&format!("{}/{text}", root.display())).expect("a glob");
            finder(&Settings::File(settings)).walk()
        };
        let walk = glob("a/b/**/*.log");
        assert!(walk.folders.contains(&root) && walk.unreadable.is_empty(), "{walk:?}");
        let walk = glob("a/b/one.log");
        assert!(walk.folders.contains(&root));
        assert_eq!(walk.unreadable, [(root.join("a/b/one.log"), "nothing is there".to_owned())]);
        let walk = finder(&Settings::Kubernetes(kubernetes::Settings::at(root.join("pods")))).walk();
        assert!(walk.folders.contains(&root));
    }
}

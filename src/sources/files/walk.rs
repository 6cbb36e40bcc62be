//! Where a source looks for files, and the walk through these places.
//!
//! **Invariant**: what is found is told folder by folder and not gathered, so a walk of many folders takes no more memory than
//! the fullest one; a folder is told of before it is read, so that whoever has it watched then misses nothing.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobSet;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::found::{Found, Stat};
use crate::flow::rotation;
use crate::model::origin::Workload;
use crate::sources::Settings;
use crate::sources::file::{self, Root};
use crate::sources::kubernetes::{self, Names};

/// The deepest folder below a root that is looked into: a bound for loops that symlinks do not show.
const MAX_DEPTH: usize = 32;

/// Who is told what a walk comes upon, as it does.
pub trait Walker {
    /// A folder is about to be read.
    fn enter(&mut self, folder: &Path);

    /// The files of a folder, oldest first within a chain.
    fn found(&mut self, files: Vec<Found>);

    /// Something is left out, and why, for the log.
    fn left_out(&mut self, path: PathBuf, why: String);

    /// Something is wanted and cannot be had, and why.
    fn unreadable(&mut self, path: PathBuf, why: String);
}

/// Where files are looked for.
pub enum Places {
    /// A tree as the kubelet lays it out. `own_uid` is the uid of the pod whose logs are left out.
    Kubernetes {
        /// Its root.
        path: PathBuf,
        /// Whose logs are wanted.
        names: Names,
        /// The uid of Tailwater's own pod.
        own_uid: Option<String>,
    },
    /// What globs say.
    Globs(file::Settings),
    /// The segments of a pipe.
    Spool(PathBuf),
}

/// One walk.
struct Walk<'w> {
    to: &'w mut dyn Walker,
    /// Hashes of the paths that were found: two names may lead to one file.
    seen: HashSet<u128>,
}

impl Places {
    /// Those of a source of files; `None` for a pipe. `own_uid` is the uid of Tailwater's own pod, where it runs in one.
    pub fn new(settings: &Settings, own_uid: Option<&str>) -> Option<Self> {
        match settings {
            Settings::Kubernetes(settings) => Some(Self::Kubernetes {
                path: settings.path.clone(),
                names: settings.names.clone(),
                own_uid: own_uid.filter(|_| !settings.include_self).map(str::to_owned),
            }),
            Settings::File(settings) => Some(Self::Globs(settings.clone())),
            Settings::Stdin(_) => None,
        }
    }

    /// Walks everything. A folder that does not exist (yet) is no error.
    pub fn walk(&self, to: &mut dyn Walker) {
        let mut walk = Walk { to, seen: HashSet::new() };
        match self {
            Self::Kubernetes { path, names, own_uid } => {
                walk.await_folder(path);
                // One by one: there may be many.
                for pod in walk.entries(path) {
                    walk.pod(&pod, None, names, own_uid.as_deref());
                }
            }
            Self::Spool(folder) => {
                walk.await_folder(folder);
                let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
                // All of them are one pipe's, one after the other.
                let chain = xxh3_64(folder.as_os_str().as_bytes());
                let mut found = Vec::new();
                for path in walk.list(&folder) {
                    walk.file(&path, chain, None, &mut found);
                }
                walk.tell(found);
            }
            Self::Globs(settings) => {
                for root in &settings.roots {
                    walk.await_folder(&root.dir);
                    if let Some(file) = root.literal.as_ref().filter(|file| is_nowhere(file)) {
                        walk.to.unreadable(file.clone(), "nothing is there".to_owned());
                    }
                    walk.root(settings, root, &root.dir, 0, &mut HashSet::new());
                }
            }
        }
    }

    /// What is to be walked where something changed at `place`: a folder, whose files are all found by
    /// [`Places::walk_in`]. `None` where `place` is not below what this source looks into, or is all of it.
    pub fn folder_of(&self, place: &Path) -> Option<PathBuf> {
        match self {
            Self::Kubernetes { path, .. } => {
                // A pod's folder, or a container's, in which all else lies.
                let names = place.strip_prefix(path).ok()?.components().take(2);
                let folder: PathBuf = names.collect();
                (!folder.as_os_str().is_empty()).then(|| path.join(folder))
            }
            Self::Spool(folder) => place.starts_with(folder).then(|| folder.clone()),
            Self::Globs(settings) => {
                // The folder that it lies in, since it may be a folder where a file was; or it is all of what is looked into.
                let is_inside = |folder: &&Path| settings.roots.iter().any(|root| folder.starts_with(&root.dir));
                place.parent().filter(is_inside).or(Some(place).filter(is_inside)).map(Path::to_owned)
            }
        }
    }

    /// Walks one folder that [`Places::folder_of`] gave, and those below it.
    pub fn walk_in(&self, folder: &Path, to: &mut dyn Walker) {
        match self {
            Self::Kubernetes { path, names, own_uid } => {
                let is_pod = folder.parent() == Some(path);
                let (pod, container) =
                    if is_pod { (folder, None) } else { (folder.parent().unwrap_or(folder), Some(folder)) };
                Walk { to, seen: HashSet::new() }.pod(pod, container, names, own_uid.as_deref());
            }
            Self::Spool(_) => self.walk(to),
            Self::Globs(settings) => {
                let mut walk = Walk { to, seen: HashSet::new() };
                for root in &settings.roots {
                    let Ok(below) = folder.strip_prefix(&root.dir) else { continue };
                    let depth = below.components().count();
                    if depth <= root.depth.unwrap_or(MAX_DEPTH).min(MAX_DEPTH) {
                        walk.root(settings, root, folder, depth, &mut HashSet::new());
                    }
                }
            }
        }
    }
}

impl Walk<'_> {
    /// Walks a pod's folder, or only that of one container in it.
    fn pod(&mut self, pod: &Path, only: Option<&Path>, names: &Names, own_uid: Option<&str>) {
        let Some(pod_name) = pod.file_name().and_then(|name| name.to_str()) else { return };
        let Some((_, _, uid)) = kubernetes::parse_pod(pod_name) else { return };
        if own_uid == Some(uid) {
            return;
        }
        let containers = only.map_or_else(|| self.list(pod), |container| vec![container.to_owned()]);
        for container in containers {
            let Some(container_name) = container.file_name().and_then(|name| name.to_str()) else { continue };
            let workload = kubernetes::workload(pod_name, container_name, 0);
            let Some(workload) = workload.filter(|workload| names.wants(workload)) else { continue };
            let chain = xxh3_64(container.as_os_str().as_bytes());
            let mut found = Vec::new();
            for path in self.list(&container) {
                let name = path.file_name().unwrap_or_default().as_bytes();
                let parsed = rotation::parse(name);
                let restart = std::str::from_utf8(parsed.base).ok().and_then(kubernetes::parse_restart);
                let Some(restart) = restart else { continue };
                let workload = workload.at_restart(restart);
                self.path(&path, chain, Some(&workload), &GlobSet::empty(), &mut found);
            }
            self.tell(found);
        }
    }

    fn root(
        &mut self,
        settings: &file::Settings,
        root: &Root,
        dir: &Path,
        depth: usize,
        seen: &mut HashSet<(u64, u64)>,
    ) {
        // Symlinks may lead to one folder twice, or round in a circle.
        match fs::metadata(dir) {
            Ok(meta) if seen.insert((meta.dev(), meta.ino())) => {}
            _ => return,
        }
        let mut found = Vec::new();
        let mut folders = Vec::new();
        for path in self.list(dir) {
            let name = path.file_name().unwrap_or_default().as_bytes();
            let logical = logical_path(dir, name);
            let excluded = settings.exclude.is_match(&path) || settings.exclude.is_match(&logical);
            if excluded {
                continue;
            }
            if root.wants(&path, &logical) {
                self.path(&path, xxh3_64(logical.as_os_str().as_bytes()), None, &settings.exclude, &mut found);
            } else if depth < root.depth.unwrap_or(MAX_DEPTH).min(MAX_DEPTH) && path.is_dir() {
                folders.push(path);
            }
        }
        self.tell(found);
        for folder in folders {
            self.root(settings, root, &folder, depth + 1, seen);
        }
    }

    /// Takes in a path that is wanted; behind a symlink also the rotations of its target, which lie in the target's folder.
    fn path(
        &mut self,
        path: &Path,
        chain: u64,
        workload: Option<&Workload>,
        exclude: &GlobSet,
        found: &mut Vec<Found>,
    ) {
        let is_link = match fs::symlink_metadata(path) {
            Ok(meta) => meta.file_type().is_symlink(),
            // Gone since the folder was listed.
            Err(_) => return,
        };
        if !is_link {
            self.file(path, chain, workload, found);
            return;
        }
        let target = match fs::canonicalize(path) {
            Ok(target) => target,
            Err(error) => {
                self.to.left_out(path.to_owned(), format!("the link leads nowhere: {error}"));
                return;
            }
        };
        let (Some(dir), Some(name)) = (target.parent(), target.file_name()) else { return };
        let base = rotation::parse(name.as_bytes()).base.to_vec();
        for sibling in self.list(dir) {
            let sibling_name = sibling.file_name().unwrap_or_default().as_bytes();
            if rotation::parse(sibling_name).base == base && !exclude.is_match(&sibling) {
                self.file(&sibling, chain, workload, found);
            }
        }
    }

    fn file(&mut self, path: &Path, chain: u64, workload: Option<&Workload>, found: &mut Vec<Found>) {
        let meta = match fs::metadata(path) {
            Ok(meta) => meta,
            // Gone since the folder was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                self.to.unreadable(path.to_owned(), error.to_string());
                return;
            }
        };
        if !meta.is_file() {
            self.to.left_out(path.to_owned(), "not a regular file".to_owned());
            return;
        }
        let name = path.file_name().unwrap_or_default().as_bytes();
        let parsed = rotation::parse(name);
        if !self.seen.insert(xxh3_128(path.as_os_str().as_bytes())) {
            return;
        }
        let logical = logical_path(path.parent().unwrap_or(Path::new("/")), name);
        let path: Arc<Path> = path.into();
        found.push(Found {
            // Most have one name only, which is held once then.
            logical: if *logical == *path { Arc::clone(&path) } else { logical.into() },
            path,
            rotated: parsed.suffix.is_some(),
            gzip: parsed.gzip,
            chain,
            workload: workload.cloned(),
            stat: Stat::of(&meta),
        });
    }

    fn tell(&mut self, mut found: Vec<Found>) {
        if !found.is_empty() {
            sort(&mut found);
            self.to.found(found);
        }
    }

    /// Has the nearest folder above watched where `dir` does not exist yet, so that it is found when it is made.
    fn await_folder(&mut self, dir: &Path) {
        if is_nowhere(dir)
            && let Some(above) = dir.ancestors().skip(1).find(|above| !is_nowhere(above))
        {
            self.to.enter(above);
        }
    }

    /// The entries of a folder; none where it cannot be read.
    fn list(&mut self, dir: &Path) -> Vec<PathBuf> {
        self.entries(dir).collect()
    }

    /// The same as they are asked for; it has a descriptor meanwhile.
    fn entries(&mut self, dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
        self.to.enter(dir);
        let entries = match fs::read_dir(dir) {
            Ok(entries) => Some(entries),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
            Err(error) => {
                self.to.unreadable(dir.to_owned(), error.to_string());
                None
            }
        };
        // An entry that cannot be read is seen by the next walk.
        entries.into_iter().flatten().filter_map(|entry| entry.ok().map(|entry| entry.path()))
    }
}

/// Oldest first within a chain.
fn sort(found: &mut [Found]) {
    found.sort_by(|a, b| {
        let order = |found: &Found| (found.chain, found.workload.as_ref().map(|workload| workload.restart));
        order(a).cmp(&order(b)).then_with(|| {
            let name = |found: &Found| found.path.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
            let (a, b) = (name(a), name(b));
            rotation::age_order(&rotation::parse(&a), &rotation::parse(&b)).then_with(|| a.cmp(&b))
        })
    });
}

fn logical_path(dir: &Path, name: &[u8]) -> PathBuf {
    dir.join(std::ffi::OsStr::from_bytes(rotation::parse(name).base))
}

fn is_nowhere(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests;

//! Walks through folders as they are found on nodes.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use super::*;
use crate::sources::Settings;

/// Everything that a walk came upon.
#[derive(Debug, Default)]
struct All {
    found: Vec<Found>,
    folders: BTreeSet<PathBuf>,
    left_out: Vec<(PathBuf, String)>,
    unreadable: Vec<(PathBuf, String)>,
    most: usize,
}

impl Walker for All {
    fn enter(&mut self, folder: &Path) {
        self.folders.insert(folder.to_owned());
    }

    fn found(&mut self, files: Vec<Found>) {
        self.most = self.most.max(files.len());
        self.found.extend(files);
    }

    fn left_out(&mut self, path: PathBuf, why: String) {
        self.left_out.push((path, why));
    }

    fn unreadable(&mut self, path: PathBuf, why: String) {
        self.unreadable.push((path, why));
    }
}

fn walk(settings: &Settings) -> All {
    let mut all = All::default();
    Places::new(settings, Some("own")).expect("a source of files").walk(&mut all);
    all
}

fn names(walk: &All, root: &Path) -> Vec<String> {
    walk.found.iter().map(|found| found.path.strip_prefix(root).unwrap_or(&found.path).display().to_string()).collect()
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
    let walk = walk(&Settings::Kubernetes(kubernetes::Settings::at(root.to_owned())));
    let app = "shop_cart-0_u1/app";
    let expected =
        ["0.log.20261123-085035.gz", "0.log.20261123-085045", "0.log", "1.log"].map(|name| format!("{app}/{name}"));
    assert_eq!(names(&walk, root), expected);
    assert_eq!(*walk.found[1].logical, *root.join(app).join("0.log"));
    assert!(walk.folders.contains(&root.join(app)) && walk.folders.contains(root));
}

#[test]
fn what_is_found_is_told_folder_by_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    for pod in 0..20 {
        touch(&dir.path().join(format!("shop_cart-{pod}_u{pod}/app/0.log")));
        touch(&dir.path().join(format!("shop_cart-{pod}_u{pod}/app/1.log")));
    }
    let all = walk(&Settings::Kubernetes(kubernetes::Settings::at(dir.path().to_owned())));
    assert_eq!((all.found.len(), all.most, all.folders.len()), (40, 2, 41));
    assert!(all.found.iter().all(|found| Arc::ptr_eq(&found.path, &found.logical)), "a name is held once");
    let settings = file::Settings::for_glob(&format!("{}/**/*.log", dir.path().display())).expect("a glob");
    let all = walk(&Settings::File(settings));
    assert_eq!((all.found.len(), all.most), (40, 2));
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
    let all = walk(&Settings::File(settings));
    let mut found = names(&all, &root);
    found.sort();
    assert_eq!(found, ["a.log", "a.log.1", "elsewhere/real.log", "elsewhere/real.log.1"]);
    assert_eq!(all.left_out.len(), 2, "{:?}", all.left_out);
    let settings = file::Settings::for_glob(&format!("{}/**/*.txt", root.display())).expect("a glob");
    assert_eq!(names(&walk(&Settings::File(settings)), &root), ["b.txt"]);
}

#[test]
fn what_is_not_there_yet_is_waited_for_in_the_folder_above() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = dir.path().canonicalize().expect("a path");
    let glob = |text: &str| {
        let settings = file::Settings::for_glob(&format!("{}/{text}", root.display())).expect("a glob");
        walk(&Settings::File(settings))
    };
    let all = glob("a/b/**/*.log");
    assert!(all.folders.contains(&root) && all.unreadable.is_empty(), "{all:?}");
    let all = glob("a/b/one.log");
    assert!(all.folders.contains(&root));
    assert_eq!(all.unreadable, [(root.join("a/b/one.log"), "nothing is there".to_owned())]);
    let all = walk(&Settings::Kubernetes(kubernetes::Settings::at(root.join("pods"))));
    assert!(all.folders.contains(&root));
}

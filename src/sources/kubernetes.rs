//! Pod logs under a path, with the names from the path.
//!
//! `<path>/<namespace>_<pod>_<uid>/<container>/<restart>.log`, as the kubelet lays it out; none of the three parts
//! contains `_`. The links under `/var/log/containers` are cut at 255 bytes and are not used.

use std::path::PathBuf;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::common::Common;
use super::globs;
use crate::model::origin::{self, Workload};
use crate::model::settings::{Key, Section};

/// The settings of a `kubernetes` source.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The pods directory, such as `/var/log/pods`.
    pub path: PathBuf,
    /// Which pods are read.
    pub names: Names,
    /// Whether Tailwater's own pod is read too.
    pub include_self: bool,
    /// What sources of files share.
    pub common: Common,
}

/// Which namespaces, pods and containers are read: all that an include names (or all), less what an exclude names.
#[derive(Clone, Debug, Default)]
pub struct Names {
    include: [Option<GlobSet>; 3],
    exclude: [Option<GlobSet>; 3],
}

const INCLUDE: [&str; 3] = ["include_namespaces", "include_pods", "include_containers"];
const EXCLUDE: [&str; 3] = ["exclude_namespaces", "exclude_pods", "exclude_containers"];

impl Settings {
    /// The keys of a `kubernetes` source.
    pub const KEYS: &'static [Key] = &[
        Key { name: "path", kind: "path", default: "/var/log/pods", help: "the kubelet's pods directory" },
        Key { name: INCLUDE[0], kind: "list of globs", default: "", help: "namespaces to read; all where not given" },
        Key { name: EXCLUDE[0], kind: "list of globs", default: "", help: "namespaces to leave out" },
        Key { name: INCLUDE[1], kind: "list of globs", default: "", help: "pods to read; all where not given" },
        Key { name: EXCLUDE[1], kind: "list of globs", default: "", help: "pods to leave out" },
        Key { name: INCLUDE[2], kind: "list of globs", default: "", help: "containers to read; all where not given" },
        Key { name: EXCLUDE[2], kind: "list of globs", default: "", help: "containers to leave out" },
        Key {
            name: "include_self",
            kind: "true | false",
            default: "false",
            help: "read Tailwater's own pod too; it would feed on what it says of itself",
        },
    ];

    /// For a directory given on the command line.
    pub fn at(path: PathBuf) -> Self {
        Self { path, names: Names::default(), include_self: false, common: Common::default() }
    }

    /// Reads the settings.
    pub fn read(section: &mut Section<'_>) -> Self {
        Self {
            path: section.text("path").map_or_else(|| PathBuf::from("/var/log/pods"), PathBuf::from),
            names: Names {
                include: INCLUDE.map(|key| read_globs(section, key)),
                exclude: EXCLUDE.map(|key| read_globs(section, key)),
            },
            include_self: section.truth("include_self").unwrap_or(false),
            common: Common::read(section),
        }
    }
}

impl Names {
    /// Whether a workload is read.
    pub fn wants(&self, workload: &Workload) -> bool {
        let names = [workload.namespace(), workload.pod(), workload.container()];
        let included =
            self.include.iter().zip(names).all(|(set, name)| set.as_ref().is_none_or(|set| set.is_match(name)));
        let excluded =
            self.exclude.iter().zip(names).any(|(set, name)| set.as_ref().is_some_and(|set| set.is_match(name)));
        included && !excluded
    }
}

fn read_globs(section: &mut Section<'_>, key: &str) -> Option<GlobSet> {
    let texts = section.placed_texts(key)?;
    let mut builder = GlobSetBuilder::new();
    for (text, place) in texts {
        match GlobBuilder::new(&text).build() {
            Ok(glob) => {
                builder.add(glob);
            }
            Err(error) => section.problems().add_with_hint(
                &place,
                format!("`{key}` has a glob that cannot be read: `{text}`"),
                globs::way_out(&error),
            ),
        }
    }
    match builder.build() {
        Ok(set) => Some(set),
        Err(error) => {
            section.problem(format!("`{key}` cannot be used"), error.to_string());
            None
        }
    }
}

/// Takes a pod directory's name apart: namespace, pod, uid.
pub fn parse_pod(name: &str) -> Option<(&str, &str, &str)> {
    let (namespace, rest) = name.split_once('_')?;
    let (pod, uid) = rest.split_once('_')?;
    let whole = !namespace.is_empty() && !pod.is_empty() && !uid.is_empty() && !uid.contains('_');
    whole.then_some((namespace, pod, uid))
}

/// The restart count of a log file's base name: `3.log` → 3.
pub fn parse_restart(base: &str) -> Option<u32> {
    let digits = base.strip_suffix(".log")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The workload of a container directory `<namespace>_<pod>_<uid>/<container>`.
pub fn workload(pod_dir: &str, container: &str, restart: u32) -> Option<Workload> {
    let (namespace, pod, uid) = parse_pod(pod_dir)?;
    Some(Workload::new(origin::Names { namespace, pod, uid, container, app: app(pod) }, restart))
}

/// The characters of names that Kubernetes makes up: no vowels, no digits that look like letters
/// (`k8s.io/apimachinery/pkg/util/rand`).
const MADE_UP: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// What a pod is a copy of, from its name, as controllers name pods:
///
/// | controller | pod name | app |
/// |---|---|---|
/// | Deployment | `cart-7c9d8f6b5-x2x4k` | `cart` |
/// | ReplicaSet, DaemonSet, Job | `cart-x2x4k` | `cart` |
/// | StatefulSet | `cart-0` | `cart` |
/// | CronJob | `cart-28612345-x2x4k` | `cart` |
/// | indexed Job | `cart-3-x2x4k` | `cart` |
///
/// A name that fits none is the app itself. A made-up part without a digit of five letters (`nginx-proxy`) cannot be
/// told from a word: `proxy` has vowels, which made-up parts never have.
pub fn app(pod: &str) -> &str {
    let is_made_up = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| MADE_UP.contains(&byte))
    };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some((rest, last)) = pod.rsplit_once('-') else { return pod };
    if rest.is_empty() {
        return pod;
    }
    if !is_made_up(last, 5..=5) {
        return if is_number(last) { rest } else { pod };
    }
    match rest.rsplit_once('-') {
        Some((app, part)) if !app.is_empty() && (is_made_up(part, 6..=10) || is_number(part)) => app,
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_the_kubelet_lays_them_out() {
        let found = workload("shop_cart-7c9d8f6b5-x2x4k_0a1b-22", "app", 3).expect("a pod directory");
        assert_eq!((found.namespace(), found.pod()), ("shop", "cart-7c9d8f6b5-x2x4k"));
        assert_eq!((found.uid(), found.app(), found.restart), ("0a1b-22", "cart", 3));
        for wrong in ["", "shop", "shop_cart", "shop_cart_", "_cart_1", "a_b_c_d"] {
            assert_eq!(parse_pod(wrong), None, "{wrong}");
        }
        assert_eq!(parse_restart("0.log"), Some(0));
        assert_eq!(parse_restart("12.log"), Some(12));
        for wrong in [".log", "a.log", "0.txt", "99999999999.log", "+1.log"] {
            assert_eq!(parse_restart(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn apps_as_controllers_name_pods() {
        for (pod, expected) in [
            ("cart-7c9d8f6b5-x2x4k", "cart"),
            ("web-front-5d4f8c7b9d-zqk2v", "web-front"),
            ("cart-x2x4k", "cart"),
            ("fluentd-zqk2v", "fluentd"),
            ("db-0", "db"),
            ("db-main-12", "db-main"),
            ("backup-28612345-x2x4k", "backup"),
            ("index-3-zqk2v", "index"),
            ("nginx", "nginx"),
            ("nginx-proxy", "nginx-proxy"),
            ("kube-apiserver-node1", "kube-apiserver-node1"),
            ("etcd-control-plane", "etcd-control-plane"),
            ("-x2x4k", "-x2x4k"),
            ("", ""),
        ] {
            assert_eq!(app(pod), expected, "{pod}");
        }
    }
}

//! What is asked of the machine at the start.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

/// Raises the soft limit of open files to the hard one: every followed file holds a descriptor.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        debug!(%error, "the limit of open files stays as it is");
    }
}

/// How many files may be open at a time: what the limit leaves when connections, folders and the rest have theirs.
pub fn descriptors_for_files() -> usize {
    let limit =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    for_files(limit)
}

/// A quarter is kept for the rest, but no less than 40 and no more than 256; and some files are open in any case.
fn for_files(limit: usize) -> usize {
    limit.saturating_sub((limit / 4).clamp(40, 256)).max(8)
}

/// The variable that names the machine, as the downward API knows it.
pub const NODE_NAME: &str = "NODE_NAME";

/// The machine's name: `NODE_NAME` where it is set, else the host's own.
pub fn host() -> Arc<str> {
    let named = std::env::var(NODE_NAME).ok().filter(|name| !name.is_empty());
    let own = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    Arc::from(named.unwrap_or_else(own))
}

/// The uid of the pod that this process runs in: the kubelet's mounts name it.
pub fn own_pod_uid() -> Option<String> {
    // Without /proc there is no telling, and most likely no pod.
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    pod_uid(&mounts).map(str::to_owned)
}

/// Finds `…/pods/<uid>/…` in a mount table; the uid of a pod is a UUID.
fn pod_uid(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|line| {
        let (_, rest) = line.split_once("/pods/")?;
        let uid = rest.split('/').next()?;
        let is_uuid = uid.len() == 36 && uid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        is_uuid.then_some(uid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_kept_for_the_rest() {
        let cases = [(16, 8), (64, 24), (256, 192), (1024, 768), (1 << 20, (1 << 20) - 256)];
        assert_eq!(cases.map(|(limit, _)| for_files(limit)), cases.map(|(_, files)| files));
    }

    #[test]
    fn the_pod_is_known_by_the_kubelets_mounts() {
        let line = "1234 1200 8:1 /var/lib/kubelet/pods/0c4b3f5e-1111-4222-8333-444455556666/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw";
        assert_eq!(pod_uid(&format!("1 2 0:1 / / rw\n{line}\n")), Some("0c4b3f5e-1111-4222-8333-444455556666"));
        assert_eq!(pod_uid("1 2 0:1 /srv/pods/mine /mnt rw\n"), None);
    }
}

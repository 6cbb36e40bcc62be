//! Pods and their names, as controllers, the kubelet and the runtimes make them.

use super::random::Random;
use std::path::PathBuf;

/// One pod with one container.
#[derive(Clone, Debug)]
pub struct Pod {
    pub number: usize,
    pub namespace: &'static str,
    pub name: String,
    pub uid: String,
    pub container: &'static str,
    /// What its controller is called: the name without what the controller adds.
    pub app: &'static str,
    pub runtime: Runtime,
}

/// Who writes the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Pieces of 16,384 bytes, fractions trimmed, `Z`.
    Containerd,
    /// Pieces of 8,192 bytes and an empty last one for a multiple, nine digits, `+00:00`.
    Conmon,
}

const APPS: [&str; 12] = [
    "cart", "checkout", "payments", "search-api", "inventory", "web", "mailer", "ledger", "gateway", "reports", "images",
    "auth",
];
/// What Kubernetes draws its random suffixes from: no vowels, nothing that looks like another.
const SUFFIX: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Pod {
    pub(super) fn new(number: usize, random: &mut Random) -> Pod {
        let app = APPS[number % APPS.len()];
        let mut suffix = |length: usize| -> String {
            (0..length).map(|_| char::from(SUFFIX[random.below(SUFFIX.len())])).collect()
        };
        let name = match number % 6 {
            0..=2 => format!("{app}-{}-{}", suffix(10), suffix(5)),
            3 => format!("{app}-{}", number / 6),
            4 => format!("{app}-{}", suffix(5)),
            _ => format!("{app}-{}-{}", 29_000_000 + number, suffix(5)),
        };
        let (high, low) = (random.bits(), random.bits());
        let uid = format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        );
        Pod {
            number,
            namespace: ["shop", "shop", "billing", "platform", "web-eu"][number % 5],
            name,
            uid,
            container: ["app", "app", "server", "proxy"][number % 4],
            app,
            runtime: if number % 5 == 4 { Runtime::Conmon } else { Runtime::Containerd },
        }
    }

    /// Where its file lies below the pods directory.
    pub fn log_path(&self) -> PathBuf {
        PathBuf::from(format!("{}_{}_{}/{}/0.log", self.namespace, self.name, self.uid, self.container))
    }
}

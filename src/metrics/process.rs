//! What the kernel knows of this process, read from `/proc/self` when the page is asked for.
//!
//! **Invariant**: where `/proc` is missing or says something else, a series keeps its last value and nothing fails.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Counter, Gauge};

use super::maker::Maker;

/// Clock ticks per second in `/proc/self/stat`: a constant of Linux' interface to programs (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// What the kernel knows of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessLook {
    /// Time spent on a CPU.
    pub cpu_seconds: f64,
    /// Time kept from running by the control group's CPU limit.
    pub throttled_seconds: f64,
    /// Memory in use.
    pub resident_bytes: f64,
    /// Descriptors that are open.
    pub open_fds: f64,
    /// Descriptors that may be.
    pub max_fds: f64,
}

/// The series of the process itself; their names are the same in all programs.
pub(super) struct Process {
    cpu: Counter,
    resident: Gauge,
    descriptors: Gauge,
    descriptors_max: Gauge,
    throttled: Counter,
    throttled_periods: Counter,
}

impl Process {
    pub(super) fn new(new: &Maker) -> Self {
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        new.float_gauge("process_start_time_seconds", "When the process began, in seconds since 1970.")
            .set(start.as_secs_f64());
        Self {
            cpu: new.float_counter("process_cpu_seconds_total", "Time the process has spent on a CPU."),
            resident: new.float_gauge("process_resident_memory_bytes", "Memory of the process that is in use."),
            descriptors: new.float_gauge("process_open_fds", "File descriptors that are open."),
            descriptors_max: new.float_gauge("process_max_fds", "File descriptors that may be open."),
            throttled: new.float_counter(
                "tailwater_cpu_throttled_seconds_total",
                "Time the process's control group was kept from running by its CPU limit.",
            ),
            throttled_periods: new.float_counter(
                "tailwater_cpu_throttled_periods_total",
                "Scheduler periods in which the control group's CPU limit was used up.",
            ),
        }
    }

    /// What it is now.
    pub(super) fn look(&self) -> ProcessLook {
        self.refresh();
        ProcessLook {
            cpu_seconds: self.cpu.get(),
            throttled_seconds: self.throttled.get(),
            resident_bytes: self.resident.get(),
            open_fds: self.descriptors.get(),
            max_fds: self.descriptors_max.get(),
        }
    }

    pub(super) fn refresh(&self) {
        if let Some(seconds) = read("/proc/self/stat").as_deref().and_then(cpu_seconds) {
            self.cpu.inc_by((seconds - self.cpu.get()).max(0.0));
        }
        if let Some(bytes) = read("/proc/self/status").as_deref().and_then(resident_bytes) {
            self.resident.set(bytes);
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            // The folder's own descriptor is one of them.
            self.descriptors.set(entries.count().saturating_sub(1) as f64);
        }
        if let Some(most) = read("/proc/self/limits").as_deref().and_then(most_descriptors) {
            self.descriptors_max.set(most);
        }
        if let Some((seconds, periods)) = throttled(&read) {
            self.throttled.inc_by((seconds - self.throttled.get()).max(0.0));
            self.throttled_periods.inc_by((periods - self.throttled_periods.get()).max(0.0));
        }
    }
}

fn read(path: &str) -> Option<String> {
    // A file that cannot be read leaves its series at the last value, see the module.
    fs::read_to_string(path).ok()
}

/// User and system time: fields 14 and 15 of `stat`, counted behind the name, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

/// `VmRSS:      1234 kB` of `status`.
fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0)
}

/// `Max open files            1024                 524288               files` of `limits`: the soft one.
fn most_descriptors(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// For how many seconds, and in how many periods, the control group of this process was throttled.
///
/// cgroup v2: `0::/path` → `/sys/fs/cgroup/path/cpu.stat`, `throttled_usec`; v1: `5:cpu,cpuacct:/path` →
/// `/sys/fs/cgroup/cpu/path/cpu.stat`, `throttled_time` in nanoseconds. In a container the path may be the host's; its own
/// group is at the root then.
fn throttled(read: &dyn Fn(&str) -> Option<String>) -> Option<(f64, f64)> {
    let groups = read("/proc/self/cgroup")?;
    let stat = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let root = match controllers {
            "" => "/sys/fs/cgroup",
            names if names.split(',').any(|name| name == "cpu") => "/sys/fs/cgroup/cpu",
            _ => return None,
        };
        let own = read(&format!("{root}{}/cpu.stat", path.trim_end_matches('/')));
        own.or_else(|| read(&format!("{root}/cpu.stat"))).filter(|stat| stat.contains("nr_throttled"))
    })?;
    let value = |name: &str| -> Option<f64> {
        stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    };
    let seconds = value("throttled_usec").map(|us| us / 1e6).or_else(|| value("throttled_time").map(|ns| ns / 1e9))?;
    Some((seconds, value("nr_throttled")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 5 0 1000 1 1";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("42 (tailwater"), None);
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152.0));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn throttling_is_found_in_both_versions_of_control_groups() {
        let check = |files: &[(&str, &str)], expected| {
            let read =
                |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, content)| (*content).to_owned());
            assert_eq!(throttled(&read), expected, "{files:?}");
        };
        check(&[], None);
        let v2 = "usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 1500000\n";
        check(&[("/proc/self/cgroup", "0::/a\n"), ("/sys/fs/cgroup/a/cpu.stat", v2)], Some((1.5, 3.0)));
        check(&[("/proc/self/cgroup", "0::/../b\n"), ("/sys/fs/cgroup/cpu.stat", v2)], Some((1.5, 3.0)));
        check(&[("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/cpu.stat", "usage_usec 5\n")], None);
        let v1 = "nr_periods 9\nnr_throttled 2\nthrottled_time 2500000000\n";
        check(
            &[("/proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/x\n0::/\n"), ("/sys/fs/cgroup/cpu/x/cpu.stat", v1)],
            Some((2.5, 2.0)),
        );
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let process = Process::new(&Maker::new(prometheus::Registry::new()));
        process.refresh();
        assert!(process.resident.get() > 100_000.0);
        assert!(process.descriptors.get() >= 3.0);
        assert!(process.descriptors_max.get() >= process.descriptors.get());
    }
}

//! What the kernel knows of this process, read from `/proc/self` when the page is asked for.
//!
//! **Invariant**: where `/proc` is missing or says something else, a series keeps its last value and nothing fails.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Counter, Gauge};

use super::maker::Maker;

/// Clock ticks per second in `/proc/self/stat`: a constant of Linux' interface to programs (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// The series of the process itself; their names are the same in all programs.
pub(super) struct Process {
    cpu: Counter,
    resident: Gauge,
    descriptors: Gauge,
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
    fn this_process_has_memory_and_descriptors() {
        let process = Process::new(&Maker::new(prometheus::Registry::new()));
        process.refresh();
        assert!(process.resident.get() > 100_000.0);
        assert!(process.descriptors.get() >= 3.0);
    }
}

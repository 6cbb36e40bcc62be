//! What each sink may use: its share of the memory, and so many workers as that feeds.
//!
//! **Invariant**: a sink's share holds two batches at least, or the settings are refused.

use super::parts::Sink;
use crate::model::settings::Problem;

/// Lets no more workers run than there are CPUs for, and than the sink's share feeds; says where that is fewer than asked for.
pub(super) fn limit_workers(sinks: &mut [Sink], cpus: usize, max_line: usize, notices: &mut Vec<Problem>) {
    for sink in sinks.iter_mut().filter(|sink| sink.workers > 1) {
        let fed = sink.share / (2 * sink.permit_bytes(max_line)).max(1);
        let possible = sink.workers.min(cpus).min(fed).max(1);
        if possible < sink.workers {
            let why = if possible < cpus {
                "two batches for each need more memory than `memory_limit` leaves for it"
            } else {
                "the machine, or the process's CPU quota, has no more CPUs"
            };
            let text = format!("sink `{}` runs with {possible} of its {} workers: {why}", sink.name, sink.workers);
            let hint = "write a smaller number, or give it more".to_owned();
            notices.push(Problem { place: sink.place.clone(), text, hint });
            sink.workers = possible;
        }
    }
}

/// Gives every sink its share of `memory` bytes, in proportion to what it needs at least: two batches. What all of
/// them need together comes back where that is more.
pub(super) fn share(sinks: &mut [Sink], memory: u64, max_line: usize) -> Result<(), Scarce> {
    let needed: Vec<u64> = sinks.iter().map(|sink| (2 * sink.permit_bytes(max_line)) as u64).collect();
    let total = needed.iter().sum::<u64>().max(1);
    for (sink, needed) in sinks.iter_mut().zip(&needed) {
        // In 128 bits, since bytes times bytes may have more than 64.
        let share = u128::from(memory) * u128::from(*needed) / u128::from(total);
        sink.share = usize::try_from(share).unwrap_or(usize::MAX);
    }
    if total <= memory {
        return Ok(());
    }
    let each = sinks.iter().zip(&needed).map(|(sink, needed)| format!("`{}` {}", sink.name, megabytes(*needed)));
    Err(Scarce { total, each: each.collect::<Vec<_>>().join(", ") })
}

/// There is less memory than the sinks need.
pub(super) struct Scarce {
    /// The bytes that all of them need.
    pub(super) total: u64,
    /// What each of them needs, for people.
    pub(super) each: String,
}

/// In tenths of MiB, rounded up.
pub(super) fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

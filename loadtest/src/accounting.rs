//! What a server costs: processor time and memory from /proc, and the pinning of processes to cores.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use procfs::process::Process;
use procfs::{CurrentSI, KernelStats};

/// Keeps this thread, and the processes that it starts from now on, on one core.
pub(crate) fn pin_to(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("cannot run on core {core}"))
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// All resident pages, those of mapped files included.
    pub(crate) resident: u64,
    /// Resident pages that are no file's.
    pub(crate) anonymous: u64,
    /// Page tables, those of mapped files included.
    pub(crate) page_tables: u64,
}

/// What a server cost while it was under load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    /// Processor time of the server.
    pub(crate) processor: Duration,
    /// At the end; `None` if the server is gone.
    pub(crate) memory: Option<Memory>,
    /// Processor time of the machine that was neither the server's nor this process's, as a share of one core.
    pub(crate) foreign_share: f64,
}

/// Runs a load, and what the server of process `pid` cost meanwhile.
pub(crate) fn observe<T>(pid: i32, load: impl FnOnce() -> Result<T>) -> Result<(Costs, T)> {
    let now = || -> Result<_> { Ok((machine_time()?, processor_time(pid)?, processor_time(Pid::this().as_raw())?)) };
    let started = Instant::now();
    let (machine, server, own) = now()?;
    let loaded = load()?;
    let (machine_then, server_then, own_then) = now()?;
    let processor = server_then.saturating_sub(server);
    let foreign = machine_then.saturating_sub(machine + processor + own_then.saturating_sub(own));
    let foreign_share = foreign.as_secs_f64() / started.elapsed().as_secs_f64();
    Ok((Costs { processor, memory: memory(pid).ok(), foreign_share }, loaded))
}

/// Memory of the process `pid` now.
pub(crate) fn memory(pid: i32) -> Result<Memory> {
    let status = Process::new(pid)?.status()?;
    let bytes = |kibibytes: Option<u64>| kibibytes.context("/proc/PID/status names no memory").map(|kib| kib * 1024);
    Ok(Memory { resident: bytes(status.vmrss)?, anonymous: bytes(status.rssanon)?, page_tables: bytes(status.vmpte)? })
}

/// Processor time, user and system, of all threads of the process `pid`, in steps of a clock tick (10 ms).
pub(crate) fn processor_time(pid: i32) -> Result<Duration> {
    let stat = Process::new(pid)?.stat()?;
    Ok(ticks(stat.utime + stat.stime))
}

/// Processor time that the whole machine has spent on anything since it was started.
pub(crate) fn machine_time() -> Result<Duration> {
    let total = KernelStats::current()?.total;
    let optional = [total.irq, total.softirq, total.steal].into_iter().flatten().sum::<u64>();
    Ok(ticks(total.user + total.nice + total.system + optional))
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / procfs::ticks_per_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_figures_are_plausible() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let started = processor_time(pid).unwrap();
        let mut x = 1_u64;
        while processor_time(pid).unwrap() < started + Duration::from_millis(30) {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        assert!(machine_time().unwrap() >= Duration::from_millis(30));
        let memory = memory(pid).unwrap();
        assert!(memory.anonymous > 0 && memory.anonymous <= memory.resident, "{memory:?}");
        assert!(memory.page_tables > 0 && memory.page_tables < memory.resident, "{memory:?}");
    }
}

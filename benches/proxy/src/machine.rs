//! The machine: which CPU does what, how many files may be open, and what it calls itself.

use std::{fs, io};

use rustix::{
    process::{Resource, Rlimit, getpid, getrlimit, set_child_subreaper, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};

/// Where the proxy runs, with all its processes.
pub(crate) const PROXY_CPU: usize = 0;

/// Where the harness runs: those who ask and those who answer.
pub(crate) const HARNESS_CPU: usize = 1;

/// Binds this thread, and what it starts from now on, to one CPU.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)
        .map_err(|error| io::Error::other(format!("cannot run on CPU {cpu}, two are needed: {error}")))
}

/// Runs `start` so that what it starts is bound to the proxy's CPU.
pub(crate) fn on_proxy_cpu<T>(start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    pin(PROXY_CPU)?;
    let started = start();
    pin(HARNESS_CPU)?;
    started
}

/// Allows as many open files as it may, and says how many that are. The proxies inherit it.
pub(crate) fn raise_open_files(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let granted = |current, maximum| {
        let new = Rlimit {
            current: Some(current),
            maximum,
        };
        setrlimit(Resource::Nofile, new).map(|()| current)
    };
    let hard = limit.maximum.unwrap_or(u64::MAX);
    granted(wanted, Some(wanted.max(hard)))
        .or_else(|_| granted(wanted.min(hard), limit.maximum))
        .unwrap_or_else(|_| limit.current.unwrap_or(u64::MAX))
}

/// Makes this process the parent of those whose own parent ended, so that nothing of a proxy is left over.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Processor and kernel.
pub(crate) fn name() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("unknown processor");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, Linux {}", kernel.trim())
}

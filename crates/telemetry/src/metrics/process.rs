//! What the system knows of this process, from `/proc`; nothing elsewhere.

use std::fs;

use super::text::Text;

/// The kernel reports processor time in hundredths of a second to user space, on every architecture of Linux.
const TICKS_PER_SECOND: f64 = 100.0;
const KIBIBYTE: f64 = 1024.0;

/// Writes the `process_` metrics that can be read.
pub(super) fn write(text: &mut Text) {
    if let Some(stat) = Stat::read() {
        text.metric(
            "process_cpu_seconds_total",
            "counter",
            "Processor time used, user and system.",
        );
        text.sample("", &[], stat.cpu_seconds);
        text.metric(
            "process_start_time_seconds",
            "gauge",
            "Start of the process, in seconds since 1970.",
        );
        text.sample("", &[], stat.start_seconds);
        text.metric("process_threads", "gauge", "Threads of the process.");
        text.sample("", &[], stat.threads);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(bytes) = kibibytes(&status, "VmRSS:") {
        text.metric("process_resident_memory_bytes", "gauge", "Memory held in RAM.");
        text.sample("", &[], bytes);
    }
    if let Some(bytes) = kibibytes(&status, "VmSize:") {
        text.metric("process_virtual_memory_bytes", "gauge", "Address space in use.");
        text.sample("", &[], bytes);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        text.metric("process_open_fds", "gauge", "Open file descriptors.");
        // One of them is the directory being read.
        text.sample("", &[], entries.count().saturating_sub(1));
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(most) = open_files_limit(&limits) {
        text.metric("process_max_fds", "gauge", "Limit of open file descriptors.");
        text.sample("", &[], most);
    }
}

struct Stat {
    cpu_seconds: f64,
    start_seconds: f64,
    threads: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let system = fs::read_to_string("/proc/stat").ok()?;
        Self::parse(&stat, &system)
    }

    fn parse(stat: &str, system: &str) -> Option<Self> {
        // The second field is the program's name in parentheses and may hold blanks: count from behind it.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |number: usize| fields.get(number.checked_sub(3)?)?.parse::<f64>().ok();
        let boot = system.lines().find_map(|line| line.strip_prefix("btime "))?;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / TICKS_PER_SECOND,
            start_seconds: boot.trim().parse::<f64>().ok()? + field(22)? / TICKS_PER_SECOND,
            threads: field(20)?,
        })
    }
}

fn kibibytes(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let number: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * KIBIBYTE)
}

fn open_files_limit(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 12345 0 0";
        let stat = Stat::parse(stat, "cpu 1\nbtime 1000\n").unwrap();
        assert_eq!(
            (stat.cpu_seconds, stat.threads, stat.start_seconds),
            (3.0, 9.0, 1123.45)
        );
    }

    #[test]
    fn memory_and_limits_are_read() {
        assert_eq!(
            kibibytes("VmSize:\t  3 kB\nVmRSS:\t  2 kB\n", "VmRSS:"),
            Some(2048.0)
        );
        assert_eq!(
            open_files_limit("Max open files            1024   4096  files\n"),
            Some(1024)
        );
        assert_eq!(
            open_files_limit("Max open files            unlimited unlimited\n"),
            None
        );
    }
}

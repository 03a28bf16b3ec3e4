//! What the kernel says of a proxy: CPU time and memory of all its processes, from `/proc`.

use std::{fs, io, time::Duration};

/// The processes that `root` started, and theirs, and itself first.
pub(crate) fn tree(root: u32) -> io::Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // Processes end while we look.
        let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else {
            continue;
        };
        parents.extend(parent(&stat).map(|parent| (process, parent)));
    }
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(&above) = tree.get(at) {
        tree.extend(
            parents
                .iter()
                .filter(|(_, parent)| *parent == above)
                .map(|(process, _)| process),
        );
        at += 1;
    }
    Ok(tree)
}

/// The exact time that the scheduler gave to all threads of `root` and the processes below it.
pub(crate) fn cpu_time(root: u32) -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for process in tree(root)? {
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            // So do threads.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            nanoseconds += run_time(&text).ok_or_else(|| unreadable("schedstat", &text))?;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Their memory in kB; what several share counts in parts (PSS).
pub(crate) fn memory(root: u32) -> io::Result<u64> {
    let mut sum = 0;
    for process in tree(root)? {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        sum += pss(&text).ok_or_else(|| unreadable("smaps_rollup", &text))?;
    }
    Ok(sum)
}

/// The first number: nanoseconds on a CPU. The others are those of waiting, and how often.
fn run_time(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

/// The fourth field. The second, the name, may hold spaces and brackets.
fn parent(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn pss(smaps_rollup: &str) -> Option<u64> {
    let value = smaps_rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

fn unreadable(what: &str, text: &str) -> io::Error {
    io::Error::other(format!("cannot read {what}: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_of_schedstat_is_the_time_on_a_cpu() {
        assert_eq!(run_time("123456789 42 7\n"), Some(123_456_789));
        assert_eq!(run_time(""), None);
        assert_eq!(run_time("-"), None);
    }

    #[test]
    fn a_name_with_brackets_does_not_hide_the_parent() {
        assert_eq!(parent("12 (a) b) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12"), None);
    }

    #[test]
    fn pss_is_read_among_its_kind() {
        let text =
            "5581-7ffd ---p 00000000 00:00 0 [rollup]\nRss:  900 kB\nPss:       512 kB\nPss_Anon: 1 kB\n";
        assert_eq!(pss(text), Some(512));
        assert_eq!(pss("Pss_Anon: 1 kB"), None);
    }

    #[test]
    fn a_process_is_in_its_own_tree_and_has_used_time_and_memory() {
        let own = std::process::id();
        assert_eq!(tree(own).unwrap().first(), Some(&own));
        assert!(cpu_time(own).unwrap() > Duration::ZERO);
        assert!(memory(own).unwrap() > 0);
    }
}

//! How large a test is, and what Mesh takes for it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::mesh::Mesh;

/// What `variable` says, or `usual`.
pub(crate) fn size(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number"))
    })
}

/// Files that this process and those it starts may open: as many as the system lets it have.
pub(crate) fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where this is forbidden the limit stays as it is.
    let _raised = setrlimit(Resource::Nofile, raised);
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap())
}

/// Memory that Mesh holds, in KiB.
pub(crate) fn memory(mesh: &Mesh) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", mesh.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The same in MiB.
pub(crate) fn mebibytes(mesh: &Mesh) -> usize {
    memory(mesh) / 1024
}

/// Files that Mesh has open.
pub(crate) fn descriptors(mesh: &Mesh) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", mesh.id()))
        .unwrap()
        .count()
}

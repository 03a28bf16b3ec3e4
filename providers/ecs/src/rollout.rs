//! Which tasks of a service are the version that it is moving to.

use crate::answer::{Deployment, Service, Task};

/// Where a task is in a change from one version to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Of the version that is there to be replaced.
    Old,
    /// Of the one that comes.
    New,
}

/// The version of `task`; `None` for one that belongs to neither.
///
/// In a rolling update the `PRIMARY` deployment comes, and those that are `ACTIVE` go, unless one of those failed: then it
/// is that which ECS rolls back. Of task sets (blue/green, external) the `PRIMARY` one has the traffic until it is
/// moved, and a younger one that is `ACTIVE` comes.
pub(crate) fn version(service: &Service, task: &Task) -> Option<Version> {
    let is_own = |deployment: &&Deployment| deployment.id == task.started_by;
    if let Some(own) = service.deployments.iter().find(is_own) {
        let failed = |deployment: &Deployment| deployment.rollout_state == "FAILED";
        let mut all = service.deployments.iter();
        let is_rollback = all.any(|other| other.status == "ACTIVE" && failed(other));
        return match own.status.as_str() {
            "PRIMARY" if is_rollback => Some(Version::Old),
            "PRIMARY" => Some(Version::New),
            "ACTIVE" if failed(own) => Some(Version::New),
            "ACTIVE" => Some(Version::Old),
            _ => None,
        };
    }
    let own = service.task_sets.iter().find(is_own)?;
    let primary = service.task_sets.iter().find(|set| set.status == "PRIMARY")?;
    match own.status.as_str() {
        "PRIMARY" => Some(Version::Old),
        "ACTIVE" if own.created_at > primary.created_at => Some(Version::New),
        _ => None,
    }
}

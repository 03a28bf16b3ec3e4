//! What a service over others demands of them.

use mesh_config::model::ServiceKind;

use crate::service::{Kind, Service};

/// Services below each other at most, the one with servers included.
const MAX_DEPTH: usize = 16;

/// Services below one at most, each counted as often as a way leads there.
const MAX_SIZE: usize = 4096;

/// Which of the demands of `kind` its `children`, in the order in which they are written, do not meet.
pub(super) fn unmet(kind: &ServiceKind, children: &[&Service]) -> Vec<String> {
    let (health_check, tracked) = match kind {
        ServiceKind::LoadBalancer(_) => return Vec::new(),
        ServiceKind::Weighted(weighted) => (weighted.health_check.is_some(), children),
        ServiceKind::HighestRandomWeight(weighted) => (weighted.health_check.is_some(), children),
        ServiceKind::Mirroring(mirroring) => (mirroring.health_check.is_some(), first(children)),
        ServiceKind::Failover(failover) if failover.health_check.is_some() => (true, children),
        ServiceKind::Failover(failover) => {
            let has_errors = failover
                .errors
                .as_ref()
                .is_some_and(|errors| !errors.status.is_empty());
            (!has_errors, first(children))
        }
    };
    let deaf = tracked
        .iter()
        .filter(|child| health_check && !child.reports_health);
    let mut unmet: Vec<_> = deaf.map(|child| deaf_to_health(kind, child)).collect();
    let depth = 1 + depth_below(children);
    if depth > MAX_DEPTH {
        unmet.push(format!("services are nested {depth} deep, {MAX_DEPTH} at most"));
    }
    let size = size_below(children);
    if size > MAX_SIZE {
        unmet.push(format!("{size} services are below it, {MAX_SIZE} at most"));
    }
    unmet
}

/// The longest way down from a service over `children`, in services.
pub(super) fn depth_below(children: &[&Service]) -> usize {
    children.iter().map(|child| child.depth).max().unwrap_or_default()
}

/// Services below one over `children`, each as often as a way leads there.
pub(super) fn size_below(children: &[&Service]) -> usize {
    children.iter().map(|child| child.size).sum()
}

/// Only the service that answers is looked at.
fn first<'a, 'b>(children: &'a [&'b Service]) -> &'a [&'b Service] {
    children.split_at_checked(1).map_or(children, |(first, _)| first)
}

fn deaf_to_health(kind: &ServiceKind, child: &Service) -> String {
    let help = match (&child.kind, kind) {
        (Kind::Balancer(_), ServiceKind::Failover(_)) => {
            "give it a healthCheck, or the failover errors.status"
        }
        (Kind::Balancer(_), _) => "give it a healthCheck, or leave out that of the service above it",
        (_, _) => "write healthCheck: {} there, too",
    };
    format!("service {} does not know its health: {help}", child.label)
}

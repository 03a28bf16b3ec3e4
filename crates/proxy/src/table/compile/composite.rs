//! Services over other services, out of their definitions and the services themselves.

use std::sync::Arc;

use mesh_config::model::{self, ServiceKind, WeightedService};

use crate::service::{
    Failover, FailoverErrors, HighestRandomWeight, Kind, MirroredBody, Mirroring, Service, Share, Weighted,
};

/// The service called `label` over `children`, which stand in the order in which `definition` names them. It goes on
/// where `before` was. `None` for a load balancer, which is over nothing.
pub(super) fn kind(
    definition: &ServiceKind,
    label: &str,
    children: &[Arc<Service>],
    before: Option<&Kind>,
) -> Option<Kind> {
    Some(match definition {
        ServiceKind::LoadBalancer(_) => return None,
        ServiceKind::Weighted(weighted) => {
            let before = match before {
                Some(Kind::Weighted(before)) => Some(before),
                _ => None,
            };
            let shares = shares(&weighted.services, children);
            Kind::Weighted(Weighted::new(label, shares, weighted.sticky.as_ref(), before))
        }
        ServiceKind::HighestRandomWeight(weighted) => {
            Kind::HighestRandomWeight(HighestRandomWeight::new(shares(&weighted.services, children)))
        }
        ServiceKind::Mirroring(mirroring) => {
            let before = match before {
                Some(Kind::Mirroring(before)) => Some(before),
                _ => None,
            };
            let (main, mirrors) = children.split_first()?;
            let mirrors = mirroring.mirrors.iter().zip(mirrors);
            let mirrors = mirrors.map(|(mirror, service)| (service.clone(), mirror.percent));
            let body = match mirroring.mirror_body {
                true => MirroredBody::UpTo(limit(mirroring.max_body_size).unwrap_or(u64::MAX)),
                false => MirroredBody::None,
            };
            Kind::Mirroring(Mirroring::new(main.clone(), mirrors, body, before))
        }
        ServiceKind::Failover(failover) => {
            let [main, fallback] = children else { return None };
            Kind::Failover(Failover::new(main.clone(), fallback.clone(), errors(failover)))
        }
    })
}

/// True when a service of this definition may be asked by those above it how it is.
pub(super) fn reports_health(definition: &ServiceKind) -> bool {
    match definition {
        // Whoever discovers instances knows how they are.
        ServiceKind::LoadBalancer(balancer) => {
            balancer.health_check.is_some() || balancer.servers.iter().all(|server| server.origin.is_some())
        }
        ServiceKind::Weighted(weighted) => weighted.health_check.is_some(),
        ServiceKind::HighestRandomWeight(weighted) => weighted.health_check.is_some(),
        ServiceKind::Mirroring(mirroring) => mirroring.health_check.is_some(),
        ServiceKind::Failover(failover) => failover.health_check.is_some(),
    }
}

fn shares(written: &[WeightedService], children: &[Arc<Service>]) -> Vec<Share> {
    let shares = written.iter().zip(children).map(|(share, service)| Share {
        service: service.clone(),
        written: share.name.to_string().into(),
        weight: share.weight,
    });
    shares.collect()
}

fn errors(failover: &model::Failover) -> Option<FailoverErrors> {
    let errors = failover
        .errors
        .as_ref()
        .filter(|errors| !errors.status.is_empty())?;
    Some(FailoverErrors {
        status: Arc::new(errors.status.clone()),
        max_body: limit(errors.max_request_body_bytes),
    })
}

/// A limit in bytes; none for a negative one.
fn limit(bytes: i64) -> Option<u64> {
    u64::try_from(bytes).ok()
}

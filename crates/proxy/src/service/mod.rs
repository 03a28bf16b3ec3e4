//! Chooses the server that answers the next request.
//!
//! Balancing sees only what health and providers let through; it never opens a connection and never waits.
//! Tables come and go; what is counted for a service ([`ServiceState`](state::ServiceState)) stays.

mod attempt;
mod balancer;
mod canary;
mod clock;
mod cookie;
mod departure;
mod failover;
mod health;
mod highest_random_weight;
mod key;
mod known_servers;
mod latency;
mod layout;
mod mirroring;
mod parting;
mod passive;
mod pick;
mod retry_budget;
mod savings;
mod schedule;
mod server;
mod slow_start;
mod standing;
mod state;
mod sticky;
mod strategy;
mod terms;
mod turn;
mod upgrades;
mod weighted;
mod window;
mod zone;

use std::sync::Arc;

use mesh_config::QualifiedName;

pub use attempt::{Asking, Attempt, Outcome};
pub use balancer::Balancer;
pub(crate) use balancer::Context;
pub use failover::{Failover, FailoverErrors, Spare};
pub use health::{CheckStatus, ServerHealth};
pub use highest_random_weight::HighestRandomWeight;
pub use mirroring::{Copies, CopyCounts, CopyOutcome, Mirror, MirroredBody, Mirroring};
pub(crate) use parting::end_sessions_elsewhere;
pub use passive::PassiveHealth;
pub use pick::{Beside, Pick};
pub(crate) use retry_budget::{Allowed, Need};
pub use server::{InFlight, Server, ServerId, ServerInfo, ServerState};
pub use standing::{Cause, Standing};
pub(crate) use terms::Terms;
pub use upgrades::Upgrades;
pub use weighted::{Share, Weighted};

use crate::middleware::Chain;

/// A service of a table, ready to choose servers.
#[derive(Debug)]
pub struct Service {
    /// Its qualified name.
    pub name: QualifiedName,
    /// The name as logs and metrics write it: `web@file`.
    pub label: Arc<str>,
    /// Middlewares that run after the router's. Those of the service a route names are part of the route's own
    /// chain already; those of services below it come with the [`Pick`].
    pub middlewares: Chain,
    /// How it chooses.
    pub kind: Kind,
    /// Services above it may demand to know its health.
    pub reports_health: bool,
    /// Services on the longest way down from it, itself included.
    pub depth: usize,
    /// It and all services below it, each as often as a way leads there.
    pub size: usize,
}

/// The kinds of service.
#[derive(Debug)]
pub enum Kind {
    /// Spreads requests over servers.
    Balancer(Arc<Balancer>),
    /// Spreads requests over other services.
    Weighted(Weighted),
    /// Spreads clients over other services.
    HighestRandomWeight(HighestRandomWeight),
    /// Sends copies of requests to further services.
    Mirroring(Mirroring),
    /// Has a service for when another one cannot answer.
    Failover(Failover),
}

impl Service {
    /// The server for the next attempt of a request.
    ///
    /// # Errors
    /// When no server may be used, with the reason.
    pub fn pick(&self, asking: &Asking<'_>) -> Result<Pick, NoServer> {
        // A request that was failed goes to servers that answer before it goes to others that fail as well.
        let wary = (!asking.tried.is_empty())
            .then(|| self.choose(&asking.wary(true)))
            .flatten();
        let pick = wary.or_else(|| self.choose(&asking.wary(false)));
        pick.ok_or_else(|| NoServer {
            service: self.label.clone(),
            reason: self.why_none(asking.tried),
            ejected: self.has_ejected(),
        })
    }

    /// [`Self::pick`] without the reason.
    fn choose(&self, asking: &Asking<'_>) -> Option<Pick> {
        match &self.kind {
            Kind::Balancer(balancer) => balancer.choose(asking),
            Kind::Weighted(weighted) => weighted.pick(asking),
            Kind::HighestRandomWeight(weighted) => weighted.pick(asking),
            Kind::Mirroring(mirroring) => mirroring.pick(asking),
            Kind::Failover(failover) => failover.pick(asking),
        }
    }

    /// True if its requests go to its own servers, all of HTTP/1.1, whatever headers say.
    pub(crate) fn leads_straight(&self) -> bool {
        matches!(&self.kind, Kind::Balancer(balancer) if balancer.leads_straight())
    }

    /// True when some server of it may be used now.
    pub fn can_serve(&self) -> bool {
        match &self.kind {
            Kind::Balancer(balancer) => balancer.can_serve(),
            Kind::Weighted(weighted) => weighted.shares().iter().any(Share::can_serve),
            Kind::HighestRandomWeight(weighted) => weighted.shares().iter().any(Share::can_serve),
            Kind::Mirroring(mirroring) => mirroring.main().can_serve(),
            Kind::Failover(failover) => failover.main().can_serve() || failover.fallback().can_serve(),
        }
    }

    /// What spreads its requests over servers of its own, if it has any.
    pub(crate) fn balancer(&self) -> Option<&Balancer> {
        match &self.kind {
            Kind::Balancer(balancer) => Some(balancer),
            _ => None,
        }
    }

    /// The services below it, in the order in which they are written.
    pub fn children(&self) -> Vec<&Arc<Self>> {
        match &self.kind {
            Kind::Balancer(_) => Vec::new(),
            Kind::Weighted(weighted) => weighted::services(weighted.shares()),
            Kind::HighestRandomWeight(weighted) => weighted::services(weighted.shares()),
            Kind::Mirroring(mirroring) => {
                let mirrors = mirroring.mirrors().iter().map(|mirror| &mirror.service);
                [mirroring.main()].into_iter().chain(mirrors).collect()
            }
            Kind::Failover(failover) => vec![failover.main(), failover.fallback()],
        }
    }

    /// All its servers with their standing, those of children included.
    pub fn servers(&self) -> Vec<ServerInfo> {
        match &self.kind {
            Kind::Balancer(balancer) => balancer.info(),
            _ => self
                .children()
                .into_iter()
                .flat_map(|child| child.servers())
                .collect(),
        }
    }

    /// How often a request was not sent again because the budget for that was used up; `None` without servers of its
    /// own.
    pub fn refused_retries(&self) -> Option<u64> {
        match &self.kind {
            Kind::Balancer(balancer) => Some(balancer.refused_retries()),
            _ => None,
        }
    }

    /// Lets those of its own servers go that `next`, which comes in its place, no longer has.
    pub(crate) fn followed_by(&self, next: Option<&Self>) {
        let Kind::Balancer(balancer) = &self.kind else {
            return;
        };
        match next.map(|next| &next.kind) {
            Some(Kind::Balancer(next)) => balancer.part_from(next.named()),
            _ => balancer.part_from(&[]),
        }
    }

    /// Shows it, the services below it and those that middlewares ask to `visitor`.
    pub(crate) fn visit<'s>(&'s self, visitor: &mut impl FnMut(&'s Self)) {
        visitor(self);
        for asked in self
            .middlewares
            .iter()
            .filter_map(|middleware| middleware.asked())
        {
            asked.visit(visitor);
        }
        for child in self.children() {
            child.visit(visitor);
        }
    }

    /// Why it has no server for anybody; `None` when it has. Moves no rotation, unlike [`Self::pick`].
    pub fn why_unavailable(&self) -> Option<String> {
        (!self.can_serve()).then(|| self.why_none(&[]))
    }

    /// True if some server of it would serve, were it not ejected.
    fn has_ejected(&self) -> bool {
        match &self.kind {
            Kind::Balancer(balancer) => balancer.has_ejected(),
            _ => self.children().into_iter().any(|child| child.has_ejected()),
        }
    }

    fn why_none(&self, tried: &[ServerId]) -> String {
        let of = |service: &Self| format!("{}: {}", service.label, service.why_none(tried));
        match &self.kind {
            Kind::Balancer(balancer) => balancer.why_none(tried),
            Kind::Weighted(weighted) => weighted::why_none(weighted.shares(), tried),
            Kind::HighestRandomWeight(weighted) => weighted::why_none(weighted.shares(), tried),
            Kind::Mirroring(mirroring) => of(mirroring.main()),
            Kind::Failover(failover) => format!("{}; {}", of(failover.main()), of(failover.fallback())),
        }
    }
}

/// Why a service has no server for a request; the answer is 503.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("service {service} has no available server: {reason}")]
pub struct NoServer {
    /// The service.
    pub service: Arc<str>,
    /// What keeps its servers out.
    pub reason: String,
    /// Some of them would serve, were they not ejected.
    pub ejected: bool,
}

#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

//! Chooses the server that answers the next request.
//!
//! Balancing sees only what health and providers let through; it never opens a connection and never waits.
//! Tables come and go; what is counted for a service ([`ServiceState`](state::ServiceState)) stays.

mod attempt;
mod balancer;
mod clock;
mod departure;
mod health;
mod key;
mod known_servers;
mod latency;
mod layout;
mod passive;
mod schedule;
mod server;
mod slow_start;
mod standing;
mod state;
mod strategy;
mod turn;
mod upgrades;
mod weighted;
mod zone;

use std::sync::Arc;

use http::HeaderValue;
use mesh_config::QualifiedName;

pub use attempt::{Asking, Attempt, Outcome};
pub use balancer::Balancer;
pub(crate) use balancer::Context;
pub use health::{CheckStatus, ServerHealth};
pub use passive::PassiveHealth;
pub use server::{InFlight, Server, ServerId, ServerInfo, ServerState};
pub use standing::{Cause, Standing};
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
    /// chain already; those of a child of a weighted service come with the [`Pick`].
    pub middlewares: Chain,
    /// How it chooses.
    pub kind: Kind,
}

/// The kinds of service.
#[derive(Debug)]
pub enum Kind {
    /// Spreads requests over servers.
    Balancer(Arc<Balancer>),
    /// Spreads requests over other services.
    Weighted(Weighted),
}

/// The server chosen for one attempt.
#[derive(Debug, Clone)]
pub struct Pick {
    /// The server.
    pub server: Arc<Server>,
    /// Chains of the services between the route's service and the server, outermost first; mostly empty.
    /// They apply to this attempt only.
    pub middlewares: Vec<Chain>,
    /// `Set-Cookie` values for the client if this pick is the one that answers; mostly empty.
    pub cookies: Vec<HeaderValue>,
}

impl Service {
    /// The server for the next attempt of a request.
    ///
    /// # Errors
    /// When no server may be used, with the reason.
    pub fn pick(&self, asking: &Asking<'_>) -> Result<Pick, NoServer> {
        self.choose(asking).ok_or_else(|| NoServer {
            service: self.label.clone(),
            reason: self.why_none(asking.tried),
        })
    }

    /// [`Self::pick`] without the reason.
    fn choose(&self, asking: &Asking<'_>) -> Option<Pick> {
        match &self.kind {
            Kind::Balancer(balancer) => Some(Pick {
                server: balancer.pick(asking)?,
                middlewares: Vec::new(),
                cookies: Vec::new(),
            }),
            Kind::Weighted(weighted) => weighted.pick(asking),
        }
    }

    /// True when some server of it may be used now.
    pub fn can_serve(&self) -> bool {
        match &self.kind {
            Kind::Balancer(balancer) => balancer.can_serve(),
            Kind::Weighted(weighted) => weighted.can_serve(),
        }
    }

    /// All its servers with their standing, those of children included.
    pub fn servers(&self) -> Vec<ServerInfo> {
        match &self.kind {
            Kind::Balancer(balancer) => balancer.info(),
            Kind::Weighted(weighted) => {
                let children = weighted.shares().iter();
                children.flat_map(|share| share.service.servers()).collect()
            }
        }
    }

    /// Lets those of its own servers go that `next`, which comes in its place, no longer has.
    pub(crate) fn followed_by(&self, next: Option<&Self>) {
        let Kind::Balancer(balancer) = &self.kind else {
            return;
        };
        match next.map(|next| &next.kind) {
            Some(Kind::Balancer(next)) => balancer.part_from(next.servers()),
            _ => balancer.part_from(&[]),
        }
    }

    /// Shows it and the services below it to `visitor`.
    pub(crate) fn visit<'s>(&'s self, visitor: &mut impl FnMut(&'s Self)) {
        visitor(self);
        if let Kind::Weighted(weighted) = &self.kind {
            for share in weighted.shares() {
                share.service.visit(visitor);
            }
        }
    }

    /// Why it has no server for anybody; `None` when it has. Moves no rotation, unlike [`Self::pick`].
    pub fn why_unavailable(&self) -> Option<String> {
        (!self.can_serve()).then(|| self.why_none(&[]))
    }

    fn why_none(&self, tried: &[ServerId]) -> String {
        match &self.kind {
            Kind::Balancer(balancer) => balancer.why_none(tried),
            Kind::Weighted(weighted) => weighted.why_none(tried),
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
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

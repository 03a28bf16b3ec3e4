//! Labels and tags of one instance, decoded to what it declares.
//!
//! The result is typed and valid; what could not be read is set aside by itself. Nothing here knows the
//! instance's address, its neighbours or its provider's rules of exposure: that is discovery's part.

mod decode;
mod full;
mod keys;
mod objects;
mod simple;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use decode::decode;

use crate::{
    fragment::{Declared, SetAside},
    model::{Canary, LoadBalancer, Middleware, Router, Scheme, ServerUrl, ServiceKind},
    name::Reference,
    origin::Problem,
};

/// What the labels of one instance say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declaration {
    /// `mesh.enable`; `None` leaves it to the provider's `exposedByDefault`.
    pub enable: Option<bool>,
    /// Routers by name, from the full tree and from simple tags. A simple router carries the name `""`:
    /// discovery gives it the service's name.
    pub routers: BTreeMap<String, Declared<Router>>,
    /// Services by name; the name `""` stands for the instance's own service (simple tags).
    pub services: BTreeMap<String, Declared<DeclaredService>>,
    /// Middlewares by name.
    pub middlewares: BTreeMap<String, Declared<Middleware>>,
    /// `mesh.service`: the name of the service it forms, in place of its own, with all that carry the same.
    pub group: Option<String>,
    /// `mesh.canary`: it belongs to the canary group.
    pub canary: bool,
    /// `mesh.canary.weight` and `mesh.canary.stop`: what the canary group gets.
    pub canaries: Canary,
    /// Objects that are there but broken.
    pub set_aside: Vec<SetAside>,
    /// Problems of the set as a whole: an unknown key, a value that does not parse.
    pub problems: Vec<Problem>,
    /// True when labels for tcp or udp objects exist and none for http ones: no default router is made then.
    pub other_protocols_only: bool,
}

/// A load balancer without servers, and how to make a server of the instance; or a service over other services.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeclaredService {
    /// Settings shared by all servers; `servers` is empty.
    pub load_balancer: LoadBalancer,
    /// Middlewares of the service.
    pub middlewares: Vec<Reference>,
    /// How this instance serves it.
    pub server: ServerTemplate,
    /// What it is where it is no load balancer: nobody is a server of it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<ServiceKind>,
}

impl DeclaredService {
    /// The services below it.
    pub fn children(&self) -> Vec<&Reference> {
        self.instead
            .as_ref()
            .map(ServiceKind::children)
            .unwrap_or_default()
    }

    /// As it is written: `loadBalancer`.
    pub fn kind(&self) -> &'static str {
        self.instead.as_ref().map_or("loadBalancer", ServiceKind::name)
    }
}

/// How an instance becomes a server of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerTemplate {
    /// Which port: a number as declared by the workload, or a port's name; `None` takes the default one.
    pub port: Option<PortChoice>,
    /// The scheme; `None` means http.
    pub scheme: Option<Scheme>,
    /// A literal URL instead of the discovered address.
    pub url: Option<ServerUrl>,
    /// The share; `None` takes the instance's own.
    pub weight: Option<u32>,
    /// Put the path of `url` in front of the request's.
    pub preserve_path: bool,
    /// The zone; `None` takes the instance's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// A port by number or by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PortChoice {
    /// A port number.
    Number(u16),
    /// A port name.
    Name(String),
}

//! What a discovery provider found running.

use std::{net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::origin::Origin;

/// How far an instance is in its life, by the knowledge of its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Lifecycle {
    /// Placed, but not known to serve: gets requests only while no ready server exists.
    Starting,
    /// Serves.
    #[default]
    Ready,
    /// Runs, and its provider says that it fails its checks: gets no requests.
    Unhealthy,
    /// On its way out, or in maintenance: finishes what it has, gets nothing new.
    Draining,
}

/// One address of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The name of the port where the provider has names (`http`).
    pub name: Option<String>,
    /// The port as the workload declares it (a container port); equals `port` where nothing translates.
    pub declared_port: u16,
    /// The port to connect to.
    pub port: u16,
}

/// One set of labels or tags of an instance and where it was written; later sets win over earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LabelSet {
    /// `tags of consul service web-1`, `docker labels of task definition web:3`.
    pub origin: Origin,
    /// Key and value in the order of the source.
    pub labels: Vec<(String, String)>,
}

/// One running copy of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instance {
    /// Stable and unique within the provider: `node-a/web-1`.
    pub id: Arc<str>,
    /// The service it belongs to, as the provider names it; owns the router names that it declares.
    pub service: Arc<str>,
    /// Where it listens. A host name only where the provider gives no IP address.
    pub address: Option<Address>,
    /// Its ports; the first is the default.
    pub endpoints: Vec<Endpoint>,
    /// Its state.
    pub lifecycle: Lifecycle,
    /// Why it is not ready, in the provider's words (`check "disk": critical`); `None` when ready.
    pub reason: Option<String>,
    /// The provider's own share for it; labels may override. 1 when the provider has none.
    pub weight: u32,
    /// The zone it is in (AWS availability zone, datacenter), where its provider knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Arc<str>>,
    /// Grows with the time of creation, comparable within the provider (Consul and Nomad: `CreateIndex`).
    pub created: u64,
    /// Labels or tags, weakest set first.
    pub labels: Vec<LabelSet>,
    /// Plain tags for `Tag(…)` constraints, as the provider gave them; empty for label providers.
    pub tags: Vec<String>,
    /// Names it in messages: `consul service web-1 on node-a`.
    pub origin: Origin,
}

/// The address of an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Address {
    /// An IP address.
    Ip(IpAddr),
    /// A name to resolve at connect time.
    Name(String),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

//! What Consul answers, as far as Mesh reads it. Fields it leaves out or sets to `null` are empty.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// `/v1/catalog/services`: names and the tags of all their instances together.
pub type Services = BTreeMap<String, Vec<String>>;

/// One instance in `/v1/health/service/:name`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Entry {
    /// Where it runs.
    pub node: Node,
    /// What runs.
    pub service: Service,
    /// The checks of both.
    #[serde(default, deserialize_with = "nullable")]
    pub checks: Vec<CheckResult>,
}

/// What of `/v1/catalog/node/:node` tells that something changed; nothing when there is no such node.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Registered {
    /// The node itself.
    #[serde(default, deserialize_with = "nullable")]
    pub node: Node,
    /// Registrations on it, by id.
    #[serde(default, deserialize_with = "nullable")]
    pub services: BTreeMap<String, Registration>,
}

/// One registration on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Registration {
    /// The name of the service.
    pub service: String,
    /// Grows with every registration that changes it.
    #[serde(default, deserialize_with = "nullable")]
    pub modify_index: u64,
}

/// A node of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Node {
    /// Its name.
    pub node: String,
    /// Its address.
    #[serde(default, deserialize_with = "nullable")]
    pub address: String,
    /// The datacenter it is in.
    #[serde(default, deserialize_with = "nullable")]
    pub datacenter: String,
    /// What its operator says of it.
    #[serde(default, deserialize_with = "nullable")]
    pub meta: BTreeMap<String, String>,
}

impl Node {
    /// The zone it is in: what its meta says, else its datacenter.
    pub fn zone(&self) -> Option<&str> {
        let said = ZONE_KEYS.iter().find_map(|key| self.meta.get(*key));
        said.or(Some(&self.datacenter))
            .filter(|zone| !zone.is_empty())
            .map(String::as_str)
    }
}

/// Keys of a node's meta that name its zone, the first one first.
const ZONE_KEYS: [&str; 3] = ["zone", "availability-zone", "availability_zone"];

/// A registration.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Service {
    /// Unique on its node.
    #[serde(rename = "ID")]
    pub id: String,
    /// The name of the service.
    pub service: String,
    /// Its own address; empty means the node's.
    #[serde(default, deserialize_with = "nullable")]
    pub address: String,
    /// Its port; 0 means none.
    #[serde(default, deserialize_with = "nullable")]
    pub port: i64,
    /// Its tags.
    #[serde(default, deserialize_with = "nullable")]
    pub tags: Vec<String>,
    /// Its metadata.
    #[serde(default, deserialize_with = "nullable")]
    pub meta: BTreeMap<String, String>,
    /// Its share.
    #[serde(default, deserialize_with = "nullable")]
    pub weights: Weights,
    /// `connect-proxy`, `mesh-gateway`, …; empty means an ordinary service.
    #[serde(default, deserialize_with = "nullable")]
    pub kind: String,
    /// The Raft index of its first registration.
    #[serde(default, deserialize_with = "nullable")]
    pub create_index: u64,
    /// Grows with every registration that changes it.
    #[serde(default, deserialize_with = "nullable")]
    pub modify_index: u64,
}

/// The share of an instance by its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Weights {
    /// While all checks pass.
    pub passing: i64,
    /// While one warns.
    pub warning: i64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            passing: 1,
            warning: 1,
        }
    }
}

/// One check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CheckResult {
    /// The node it belongs to.
    #[serde(default, deserialize_with = "nullable")]
    pub node: String,
    /// Unique on its node: `serfHealth`, `_service_maintenance:web-1`.
    #[serde(rename = "CheckID", default, deserialize_with = "nullable")]
    pub id: String,
    /// Its name for people.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// `passing`, `warning`, `critical`.
    #[serde(default, deserialize_with = "nullable")]
    pub status: String,
    /// What its author noted; the reason of a maintenance.
    #[serde(default, deserialize_with = "nullable")]
    pub notes: String,
    /// What it last printed.
    #[serde(default, deserialize_with = "nullable")]
    pub output: String,
    /// The service it belongs to; empty for a check of the node.
    #[serde(default, deserialize_with = "nullable")]
    pub service_name: String,
    /// Grows with every change.
    #[serde(default, deserialize_with = "nullable")]
    pub modify_index: u64,
}

/// Go writes an empty list as `null`.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

//! What Nomad answers, as far as Mesh reads it. Fields it leaves out or sets to `null` are empty.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// The services of a namespace and the tags of all their instances together.
pub type Services = BTreeMap<String, Vec<String>>;

/// One namespace in `/v1/services`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NamespaceServices {
    /// Which.
    pub namespace: String,
    /// Its services.
    #[serde(default, deserialize_with = "nullable")]
    pub services: Vec<ServiceStub>,
}

/// One service in `/v1/services`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceStub {
    /// Its name.
    pub service_name: String,
    /// The tags of all its instances together.
    #[serde(default, deserialize_with = "nullable")]
    pub tags: Vec<String>,
}

/// One instance in `/v1/service/:name`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Registration {
    /// `_nomad-task-<allocation>-group-<group>-<service>-<port>`.
    #[serde(rename = "ID")]
    pub id: String,
    /// The name of the service.
    pub service_name: String,
    /// The job that declares it.
    #[serde(rename = "JobID", default, deserialize_with = "nullable")]
    pub job_id: String,
    /// The allocation that runs it.
    #[serde(rename = "AllocID", default, deserialize_with = "nullable")]
    pub alloc_id: String,
    /// The datacenter it runs in.
    #[serde(default, deserialize_with = "nullable")]
    pub datacenter: String,
    /// Its tags; those of a canary where the job has such.
    #[serde(default, deserialize_with = "nullable")]
    pub tags: Vec<String>,
    /// Its address.
    #[serde(default, deserialize_with = "nullable")]
    pub address: String,
    /// Its port; 0 means none.
    #[serde(default, deserialize_with = "nullable")]
    pub port: i64,
    /// The Raft index of its first registration.
    #[serde(default, deserialize_with = "nullable")]
    pub create_index: u64,
}

/// One allocation in `/v1/allocations`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Allocation {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
    /// `service`, `batch`, `system`, `sysbatch`.
    #[serde(default, deserialize_with = "nullable")]
    pub job_type: String,
    /// What its node says: `pending`, `running`, `complete`, `failed`, `lost`, `unknown`.
    #[serde(default, deserialize_with = "nullable")]
    pub client_status: String,
    /// The node's words about it.
    #[serde(default, deserialize_with = "nullable")]
    pub client_description: String,
    /// What the servers want: `run`, `stop`, `evict`.
    #[serde(default, deserialize_with = "nullable")]
    pub desired_status: String,
    /// What is to become of it.
    #[serde(default, deserialize_with = "nullable")]
    pub desired_transition: DesiredTransition,
    /// How it does since it was placed.
    #[serde(default, deserialize_with = "nullable")]
    pub deployment_status: DeploymentStatus,
}

/// What is to become of an allocation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DesiredTransition {
    /// It is to move to another node: its own is drained.
    #[serde(default, deserialize_with = "nullable")]
    pub migrate: bool,
}

/// How an allocation does since it was placed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeploymentStatus {
    /// Its node's verdict, given once; `None` before.
    #[serde(default)]
    pub healthy: Option<bool>,
    /// It is a canary that was not promoted yet.
    #[serde(default, deserialize_with = "nullable")]
    pub canary: bool,
}

/// One namespace in `/v1/namespaces`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Namespace {
    /// Its name.
    pub name: String,
}

/// Go writes an empty list as `null`.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

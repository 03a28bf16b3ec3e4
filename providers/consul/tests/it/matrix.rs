//! The fault matrix.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use mesh_config::ProviderName;
use mesh_discovery::Registration;
use mesh_provider_consul::{ConsulCatalog, EndpointSettings, Settings};
use mesh_testkit::{
    Fault,
    matrix::{self, System},
};
use tokio::task::JoinSet;

use crate::world::{Registration as Service, World};

struct Consul {
    world: World,
    address: SocketAddr,
    max_watches: usize,
}

impl Consul {
    async fn new() -> Self {
        let world = World::new([]);
        let (address, server) = world.serve().await;
        // Ends with the runtime of the test.
        drop(server);
        Self {
            world,
            address,
            max_watches: Settings::default().max_watches,
        }
    }

    /// One whose services have no watches of their own.
    async fn without_watches() -> Self {
        Self {
            max_watches: 0,
            ..Self::new().await
        }
    }
}

impl System for Consul {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn registration(&self, address: SocketAddr) -> Registration {
        let endpoint = EndpointSettings {
            address: Some(address.to_string()),
            endpoint_wait_time: Some(Duration::from_secs(1)),
            ..EndpointSettings::default()
        };
        let settings = Settings {
            endpoint,
            max_watches: self.max_watches,
            ..Settings::default()
        };
        let name = ProviderName::new("consulcatalog");
        let provider = ConsulCatalog::all(&name, &settings, &|_| None).unwrap().remove(0);
        Registration {
            provider: Arc::new(provider),
            required: true,
            exposure: Some(settings.exposure().unwrap()),
        }
    }

    fn add(&self, service: &'static str) {
        let port = 8000 + service.bytes().next().map_or(0, u16::from);
        self.world.register(Service::new(service, service, port));
    }

    fn remove(&self, service: &'static str) {
        self.world.deregister(service);
    }
}

/// Tries all faults at once: they mostly wait.
async fn with_each_fault<F: Future<Output = ()> + Send + 'static>(try_one: impl Fn(Consul, Fault) -> F) {
    let mut tries = JoinSet::new();
    for fault in Fault::ALL {
        tries.spawn(try_one(Consul::new().await, fault));
        tries.spawn(try_one(Consul::without_watches().await, fault));
    }
    tries.join_all().await;
}

#[tokio::test]
async fn at_a_cold_start_every_fault_is_survived() {
    with_each_fault(|consul, fault| async move { matrix::cold(&consul, fault).await }).await;
}

#[tokio::test]
async fn at_a_start_from_the_snapshot_every_fault_is_survived() {
    with_each_fault(|consul, fault| async move {
        let directory = tempfile::tempdir().unwrap();
        matrix::cold_with_snapshot(&consul, fault, &directory.path().join("snapshot.json")).await;
    })
    .await;
}

#[tokio::test]
async fn while_running_every_fault_is_survived() {
    with_each_fault(|consul, fault| async move { matrix::running(&consul, fault).await }).await;
}

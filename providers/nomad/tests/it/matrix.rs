//! The fault matrix.

use std::{net::SocketAddr, time::Duration};

use mesh_config::ProviderName;
use mesh_discovery::Registration;
use mesh_provider_nomad::{EndpointSettings, Settings, providers};
use mesh_testkit::{
    Fault,
    matrix::{self, System},
};
use tokio::task::JoinSet;

use crate::world::{Service, World};

struct Nomad {
    world: World,
    address: SocketAddr,
}

impl Nomad {
    async fn new() -> Self {
        let world = World::new([]);
        let (address, server) = world.serve().await;
        // Ends with the runtime of the test.
        drop(server);
        Self { world, address }
    }
}

impl System for Nomad {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn registration(&self, address: SocketAddr) -> Registration {
        let endpoint = EndpointSettings {
            address: Some(format!("http://{address}")),
            endpoint_wait_time: Some(Duration::from_secs(1)),
            ..EndpointSettings::default()
        };
        let settings = Settings {
            endpoint,
            ..Settings::default()
        };
        let name = ProviderName::new("nomad");
        providers(&name, &settings, &|_| None).unwrap().remove(0)
    }

    fn add(&self, service: &'static str) {
        let port = 8000 + service.bytes().next().map_or(0, u16::from);
        self.world.run(Service::new(service, service, port));
    }

    fn remove(&self, service: &'static str) {
        self.world.end(service);
    }
}

/// Tries all faults at once: they mostly wait.
async fn with_each_fault<F: Future<Output = ()> + Send + 'static>(try_one: impl Fn(Nomad, Fault) -> F) {
    let mut tries = JoinSet::new();
    for fault in Fault::ALL {
        tries.spawn(try_one(Nomad::new().await, fault));
    }
    tries.join_all().await;
}

#[tokio::test]
async fn at_a_cold_start_every_fault_is_survived() {
    with_each_fault(|nomad, fault| async move { matrix::cold(&nomad, fault).await }).await;
}

#[tokio::test]
async fn at_a_start_from_the_snapshot_every_fault_is_survived() {
    with_each_fault(|nomad, fault| async move {
        let directory = tempfile::tempdir().unwrap();
        matrix::cold_with_snapshot(&nomad, fault, &directory.path().join("snapshot.json")).await;
    })
    .await;
}

#[tokio::test]
async fn while_running_every_fault_is_survived() {
    with_each_fault(|nomad, fault| async move { matrix::running(&nomad, fault).await }).await;
}

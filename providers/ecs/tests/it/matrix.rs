//! The fault matrix, through the SDK.

use std::{net::SocketAddr, sync::Arc};

use mesh_config::ProviderName;
use mesh_discovery::Registration;
use mesh_provider_ecs::Ecs;
use mesh_testkit::{
    Dialect, Fault,
    matrix::{self, System},
};
use tokio::task::JoinSet;

use crate::{http, world::World};

struct Aws {
    world: World,
    address: SocketAddr,
}

impl Aws {
    async fn new() -> Self {
        let world = World::new();
        let address = http::serve(&world).await;
        Self { world, address }
    }
}

impl System for Aws {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn dialect(&self) -> Dialect {
        Dialect::Aws
    }

    fn registration(&self, address: SocketAddr) -> Registration {
        let settings = http::at(address);
        Registration {
            provider: Arc::new(Ecs::new(ProviderName::new("ecs"), &settings).unwrap()),
            required: true,
            exposure: Some(settings.exposure().unwrap()),
        }
    }

    fn add(&self, service: &'static str) {
        self.world.service(service, "awsvpc", &[("mesh.port", "8080")]);
        self.world.run(service);
    }

    fn remove(&self, service: &'static str) {
        let mut state = self.world.state();
        let group = format!("service:{service}");
        state.tasks.retain(|_, task| task["group"] != group.as_str());
    }
}

/// Tries all faults at once: they mostly wait.
async fn with_each_fault<F: Future<Output = ()> + Send + 'static>(try_one: impl Fn(Aws, Fault) -> F) {
    let mut tries = JoinSet::new();
    for fault in Fault::ALL {
        tries.spawn(try_one(Aws::new().await, fault));
    }
    tries.join_all().await;
}

#[tokio::test]
async fn at_a_cold_start_every_fault_is_survived() {
    with_each_fault(|aws, fault| async move { matrix::cold(&aws, fault).await }).await;
}

#[tokio::test]
async fn at_a_start_from_the_snapshot_every_fault_is_survived() {
    with_each_fault(|aws, fault| async move {
        let directory = tempfile::tempdir().unwrap();
        matrix::cold_with_snapshot(&aws, fault, &directory.path().join("snapshot.json")).await;
    })
    .await;
}

#[tokio::test]
async fn while_running_every_fault_is_survived() {
    with_each_fault(|aws, fault| async move { matrix::running(&aws, fault).await }).await;
}

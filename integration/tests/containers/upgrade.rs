//! Mesh itself is replaced by another image of it, under load.

use mesh_integration::{docker::docker, images, until};

use crate::{
    HOST,
    front::Front,
    stack::{Consul, Stack, address},
};

#[tokio::test]
async fn an_upgrade_of_mesh_fails_no_request() {
    let Some(stack) = Stack::start() else { return };
    let consul = Consul::start(&stack).await;
    let server = stack.server("one").await;
    consul.register("one", address(&server).await).await;
    let mut settings = consul.settings();
    // Longer than the load balancer takes to notice.
    settings.push((
        "MESH_ENTRYPOINTS_WEB_TRANSPORT_LIFECYCLE_REQUESTACCEPTGRACETIMEOUT",
        "1s".to_owned(),
    ));
    let next = "mesh-tests/mesh:next";
    docker(&["tag", &images::mesh(), next]);
    let mut running = stack.mesh("mesh-0", &settings).await;
    until("the service answers", async || running.who(HOST).await.is_some()).await;
    let front = Front::start(&[&running]).await;

    for number in 1..=3 {
        let new = stack
            .mesh_of(next, &format!("mesh-{number}"), &settings, |image| image)
            .await;
        front.add(&new).await;
        front.go_on().await;
        assert_eq!(running.stop().await, Some(0), "the old one ends in order");
        front.go_on().await;
        running = new;
    }

    front.end().await;
}

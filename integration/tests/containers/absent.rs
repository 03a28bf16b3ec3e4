//! The control plane is down: when Mesh starts, and in the middle.

use mesh_integration::{images, until};
use testcontainers::{ContainerRequest, GenericImage, ImageExt as _};

use crate::{
    HOST,
    front::Front,
    stack::{Consul, Stack, address},
};

#[tokio::test]
async fn a_mesh_serves_what_it_knew_while_consul_is_down_even_when_it_is_started_then() {
    let Some(stack) = Stack::start() else { return };
    let consul = Consul::start(&stack).await;
    let (one, two) = (stack.server("one").await, stack.server("two").await);
    consul.register("one", address(&one).await).await;
    let settings = consul.settings();
    let start = async |what| {
        let state = stack.volume("/state");
        let more = |image: ContainerRequest<GenericImage>| image.with_mount(state);
        stack.mesh_of(&images::mesh(), what, &settings, more).await
    };
    let mesh = start("first").await;
    until("the service answers", async || mesh.who(HOST).await.is_some()).await;
    let front = Front::start(&[&mesh]).await;

    consul.kill().await;
    until("the failure shows", async || {
        !mesh.errors("consulcatalog").await.is_empty()
    })
    .await;
    front.end().await;
    assert_eq!(mesh.stop().await, Some(0));

    // With what the first one left in the volume.
    let mesh = start("second").await;
    until("it is ready", async || mesh.is_ready().await).await;
    assert_eq!(mesh.who(HOST).await.as_deref(), Some("one"));
    let front = Front::start(&[&mesh]).await;

    let consul = Consul::start(&stack).await;
    consul.register("one", address(&one).await).await;
    consul.register("two", address(&two).await).await;
    until("changes arrive again", async || {
        mesh.all(HOST).await == ["one", "two"]
    })
    .await;
    front.end().await;
}

#[tokio::test]
async fn a_mesh_that_knows_nothing_waits_for_consul_and_is_not_ready() {
    let Some(stack) = Stack::start() else { return };
    let consul = Consul::start(&stack).await;
    let settings = consul.settings();
    consul.kill().await;

    let mesh = stack.mesh("mesh", &settings).await;
    until("the failure shows", async || {
        !mesh.errors("consulcatalog").await.is_empty()
    })
    .await;
    assert!(!mesh.is_ready().await);

    let consul = Consul::start(&stack).await;
    let server = stack.server("one").await;
    consul.register("one", address(&server).await).await;
    until("the service answers", async || mesh.who(HOST).await.is_some()).await;
    until("mesh is ready", async || mesh.is_ready().await).await;
}

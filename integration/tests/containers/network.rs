//! The network is cut, and comes back.

use mesh_integration::until;

use crate::{
    HOST,
    front::Front,
    stack::{Consul, Stack, address},
};

#[tokio::test]
async fn while_consul_cannot_be_reached_traffic_goes_on_and_changes_arrive_when_it_is_back() {
    let Some(stack) = Stack::start() else { return };
    let consul = Consul::start(&stack).await;
    let (one, two) = (stack.server("one").await, stack.server("two").await);
    consul.register("one", address(&one).await).await;
    let mesh = stack.mesh("mesh", &consul.settings()).await;
    until("the service answers", async || mesh.who(HOST).await.is_some()).await;
    let front = Front::start(&[&mesh]).await;

    stack.cut("consul");
    until("the failure shows", async || {
        !mesh.errors("consulcatalog").await.is_empty()
    })
    .await;
    front.go_on().await;
    stack.join("consul");
    consul.ready().await;
    consul.register("two", address(&two).await).await;

    until("changes arrive again", async || {
        mesh.all(HOST).await == ["one", "two"]
    })
    .await;
    front.end().await;
}

#[tokio::test]
async fn a_server_that_nothing_reaches_is_left_out_by_its_probes_and_used_again_when_it_is_back() {
    let Some(stack) = Stack::start() else { return };
    let consul = Consul::start(&stack).await;
    let (one, two) = (stack.server("one").await, stack.server("two").await);
    let tags = [
        &format!("mesh.host={HOST}"),
        "mesh.http.services.shop.loadbalancer.healthcheck.path=/",
        "mesh.http.services.shop.loadbalancer.healthcheck.interval=200ms",
        "mesh.http.services.shop.loadbalancer.healthcheck.timeout=200ms",
    ];
    consul.register_with("one", address(&one).await, &tags).await;
    consul.register_with("two", address(&two).await, &tags).await;
    let mesh = stack.mesh("mesh", &consul.settings()).await;
    until("both are used", async || mesh.all(HOST).await == ["one", "two"]).await;

    stack.cut("two");
    until("it is left out", async || mesh.all(HOST).await == ["one"]).await;
    let front = Front::start(&[&mesh]).await;
    front.go_on().await;
    stack.join("two");
    // Perhaps elsewhere.
    consul.register_with("two", address(&two).await, &tags).await;

    until("it is used again", async || {
        mesh.all(HOST).await == ["one", "two"]
    })
    .await;
    front.end().await;
}

//! What Consul says of an instance's health decides whether it gets requests.

use mesh_integration::{Backend, Consul, Mesh, until};

use crate::consul_at;

const HOST: &str = "shop.example.com";

#[tokio::test]
async fn failing_instances_get_no_requests_until_they_pass_again() {
    let Some(consul) = Consul::start().await else {
        return;
    };
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    consul
        .register("shop", "shop-1", one.port(), &["mesh.host=shop.example.com"])
        .await;
    consul
        .register("shop", "shop-2", two.port(), &["mesh.host=shop.example.com"])
        .await;
    let mesh = Mesh::start(&consul_at(&consul.address())).await;
    until("both answer", async || mesh.all(HOST).await == ["one", "two"]).await;

    consul.check("shop-1", "fail").await;
    until("the failing one is out", async || mesh.all(HOST).await == ["two"]).await;
    consul.check("shop-1", "warn").await;
    until("a warning one is in", async || {
        mesh.all(HOST).await == ["one", "two"]
    })
    .await;
    consul.maintenance("shop-2", true).await;
    until("the one in maintenance is out", async || {
        mesh.all(HOST).await == ["one"]
    })
    .await;
    consul.maintenance("shop-2", false).await;
    consul.check("shop-1", "pass").await;
    until("both answer again", async || {
        mesh.all(HOST).await == ["one", "two"]
    })
    .await;
    consul.check("shop-1", "fail").await;
    consul.check("shop-2", "fail").await;
    until("no ready server is 503, not 404", async || {
        mesh.all(HOST).await == ["503"]
    })
    .await;
}

//! Requests reach servers found in Consul and in a file at once.

use mesh_integration::{Backend, Consul, Mesh, until};

use crate::consul_at;

#[tokio::test]
async fn servers_of_consul_and_of_a_file_answer_side_by_side() {
    let Some(consul) = Consul::start().await else {
        return;
    };
    let (one, two, filed) = (
        Backend::start("one").await,
        Backend::start("two").await,
        Backend::start("filed").await,
    );
    let tags = ["mesh.http.routers.shop.rule=Host(`shop.example.com`)"];
    consul.register("shop", "shop-1", one.port(), &tags).await;
    consul.register("shop", "shop-2", two.port(), &tags).await;
    let files = tempfile::tempdir().unwrap();
    let url = format!("http://{}", filed.address());
    let routes = format!(
        "http:\n  routers:\n    filed: {{rule: 'Host(`filed.example.com`)', service: filed}}\n  services:\n    \
         filed: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}\n"
    );
    std::fs::write(files.path().join("routes.yml"), routes).unwrap();
    let providers =
        consul_at(&consul.address()) + &format!("  file: {{directory: '{}'}}\n", files.path().display());

    let mesh = Mesh::start(&providers).await;

    until("both instances answer", async || {
        mesh.all("shop.example.com").await == ["one", "two"]
    })
    .await;
    until("the server of the file answers", async || {
        mesh.who("filed.example.com").await.as_deref() == Some("filed")
    })
    .await;
    until("mesh is ready", async || mesh.is_ready().await).await;
    assert_eq!(mesh.all("nobody.example.com").await, ["404"]);
}

#[tokio::test]
async fn simple_tags_and_the_default_rule_make_routes() {
    let Some(consul) = Consul::start().await else {
        return;
    };
    let backend = Backend::start("here").await;
    consul
        .register(
            "shop",
            "shop-1",
            backend.port(),
            &["mesh.host=simple.example.com"],
        )
        .await;
    consul.register("Plain_One", "plain-1", backend.port(), &[]).await;
    let mesh = Mesh::start(&consul_at(&consul.address())).await;
    until("the simple tag routes", async || {
        mesh.who("simple.example.com").await.is_some()
    })
    .await;
    until("the default rule routes", async || {
        mesh.who("plain-one").await.is_some()
    })
    .await;
    assert_eq!(mesh.who("consul").await, None);
}

#[tokio::test]
async fn a_deregistered_service_drains_and_its_route_answers_503() {
    let Some(consul) = Consul::start().await else {
        return;
    };
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let tags = ["mesh.host=shop.example.com"];
    consul.register("shop", "shop-1", one.port(), &tags).await;
    consul.register("shop", "shop-2", two.port(), &tags).await;
    let mesh = Mesh::start(&consul_at(&consul.address())).await;
    until("both answer", async || {
        mesh.all("shop.example.com").await == ["one", "two"]
    })
    .await;
    consul.deregister("shop-1").await;
    until("one is left", async || {
        mesh.all("shop.example.com").await == ["two"]
    })
    .await;
    consul.deregister("shop-2").await;
    until("nobody is left", async || {
        mesh.all("shop.example.com").await == ["503"]
    })
    .await;
}

//! Tokens that may not see everything: Consul then answers with less, and with 200.

use mesh_integration::{Backend, Consul, Mesh, until};

const HOST: &str = "shop.example.com";
const ALL: &str = r#"service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }"#;

fn provider(consul: &Consul, token: &str) -> String {
    format!(
        "  consulCatalog: {{endpoint: {{address: '{}', token: '{token}'}}}}\n",
        consul.address()
    )
}

#[tokio::test]
async fn a_token_that_loses_a_right_loses_no_route_and_the_right_is_named() {
    let Some(consul) = Consul::start_with_rights().await else {
        return;
    };
    let backend = Backend::start("one").await;
    consul
        .register("shop", "shop-1", backend.port(), &["mesh.host=shop.example.com"])
        .await;
    let token = consul.token("mesh", ALL).await;
    let mesh = Mesh::start(&provider(&consul, &token)).await;
    until("the service answers", async || mesh.who(HOST).await.is_some()).await;

    consul
        .set_rules("mesh", r#"service_prefix "" { policy = "read" }"#)
        .await;
    // Anything that wakes the watches.
    consul.check("shop-1", "warn").await;
    consul.register("other", "other-1", 1, &[]).await;
    let named = async |right: &str| {
        mesh.errors("consulcatalog")
            .await
            .iter()
            .any(|error| error.contains(right))
    };
    until("the right to read nodes is missed", async || {
        named("node_prefix").await
    })
    .await;
    assert_eq!(mesh.who(HOST).await.as_deref(), Some("one"));

    consul
        .set_rules("mesh", r#"key_prefix "" { policy = "read" }"#)
        .await;
    consul.register("another", "another-1", 1, &[]).await;
    until("the right to read services is missed", async || {
        named("service_prefix").await
    })
    .await;
    assert_eq!(mesh.who(HOST).await.as_deref(), Some("one"));

    consul.set_rules("mesh", ALL).await;
    until("all is well again", async || {
        mesh.errors("consulcatalog").await.is_empty()
    })
    .await;
    assert_eq!(mesh.who(HOST).await.as_deref(), Some("one"));
}

#[tokio::test]
async fn an_unknown_token_is_refused_and_shows_nowhere() {
    let Some(consul) = Consul::start_with_rights().await else {
        return;
    };
    let token = "deadbeef-0000-0000-0000-000000000000";
    let mesh = Mesh::start(&provider(&consul, token)).await;
    until("the refusal shows", async || {
        mesh.errors("consulcatalog")
            .await
            .iter()
            .any(|error| error.contains("403"))
    })
    .await;
    assert!(!mesh.is_ready().await);
    for path in ["/api/providers", "/api/rawdata", "/api/overview"] {
        let (_, body) = mesh.admin(path).await.unwrap();
        assert!(!body.to_string().contains(token), "{path} shows the token");
    }
}

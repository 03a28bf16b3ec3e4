//! The ways to reach Consul: TLS with a client certificate, and a socket.

use mesh_integration::{Backend, Consul, Mesh, until};

#[tokio::test]
async fn consul_is_read_over_tls_that_is_checked_both_ways() {
    let Some(consul) = Consul::start_with_tls().await else {
        return;
    };
    let backend = Backend::start("one").await;
    consul
        .register("shop", "shop-1", backend.port(), &["mesh.host=shop.example.com"])
        .await;
    let file = |name: &str| consul.file(name).display().to_string();
    let (ca, cert) = (file("consul-agent-ca.pem"), file("dc1-client-consul-0.pem"));
    let key = file("dc1-client-consul-0-key.pem");
    let provider = |tls: String| {
        let address = consul.tls_address();
        format!("  consulCatalog: {{endpoint: {{address: '{address}', scheme: https, tls: {{{tls}}}}}}}\n")
    };
    let mesh = Mesh::start(&provider(format!("ca: '{ca}', cert: '{cert}', key: '{key}'"))).await;
    until("the service answers", async || {
        mesh.who("shop.example.com").await.is_some()
    })
    .await;

    for (tls, reason) in [
        (format!("cert: '{cert}', key: '{key}'"), "certificate"),
        (format!("ca: '{ca}'"), "certificate"),
    ] {
        let mesh = Mesh::start(&provider(tls)).await;
        until("the failure names its cause", async || {
            let errors = mesh.errors("consulcatalog").await;
            errors
                .iter()
                .any(|error| error.to_ascii_lowercase().contains(reason))
        })
        .await;
        assert_eq!(mesh.who("shop.example.com").await, None);
    }
}

#[tokio::test]
async fn consul_is_read_over_a_socket() {
    let Some(consul) = Consul::start_with_tls().await else {
        return;
    };
    let backend = Backend::start("one").await;
    consul
        .register("shop", "shop-1", backend.port(), &["mesh.host=shop.example.com"])
        .await;
    let address = format!("unix://{}", consul.file("consul.sock").display());
    let mesh = Mesh::start(&crate::consul_at(&address)).await;
    until("the service answers", async || {
        mesh.who("shop.example.com").await.is_some()
    })
    .await;
}

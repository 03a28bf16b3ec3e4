//! Every fault between the built binary and a real Consul, under traffic.

use std::sync::Arc;

use mesh_integration::{Backend, Consul, Fault, FaultProxy, Load, Mesh, until};

const TAGS: [&str; 1] = ["mesh.host=shop.example.com"];
const HOST: &str = "shop.example.com";

#[tokio::test]
async fn traffic_notices_no_fault_and_changes_arrive_after_each() {
    let Some(consul) = Consul::start().await else {
        return;
    };
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    consul.register("shop", "shop-1", one.port(), &TAGS).await;
    let proxy = FaultProxy::start(consul.address().parse().unwrap(), Fault::None)
        .await
        .unwrap();
    let address = proxy.address();
    let provider = format!("  consulCatalog: {{endpoint: {{address: '{address}', endpointWaitTime: 1s}}}}\n");
    let mesh = Arc::new(Mesh::start(&provider).await);
    until("the service answers", async || mesh.who(HOST).await.is_some()).await;
    let load = Load::start(mesh.clone(), HOST);

    for fault in Fault::ALL {
        proxy.set(fault);
        if !matches!(fault, Fault::Slow(_)) {
            until("the failure shows", async || {
                !mesh.errors("consulcatalog").await.is_empty()
            })
            .await;
        }
        assert_eq!(mesh.all(HOST).await, ["one"], "{fault:?}");
        consul.register("shop", "shop-2", two.port(), &TAGS).await;
        proxy.set(Fault::None);
        until("a new server joins", async || {
            mesh.all(HOST).await == ["one", "two"]
        })
        .await;
        consul.deregister("shop-2").await;
        until("a removed server leaves", async || {
            mesh.all(HOST).await == ["one"]
        })
        .await;
        until("all is well again", async || {
            mesh.errors("consulcatalog").await.is_empty()
        })
        .await;
    }

    let answers = load.end().await;
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["200"], "{answers:?}");
}

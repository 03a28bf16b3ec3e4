//! Consul goes away and comes back.

use std::{collections::BTreeMap, sync::Arc};

use mesh_integration::{Backend, Consul, Load, Mesh, until};

use crate::consul_at;

const TAGS: [&str; 1] = ["mesh.host=shop.example.com"];
const HOST: &str = "shop.example.com";

#[tokio::test]
async fn traffic_does_not_notice_that_consul_is_killed_and_forgets_everything() {
    let Some(mut consul) = Consul::start().await else {
        return;
    };
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    consul.register("shop", "shop-1", one.port(), &TAGS).await;
    let mesh = Arc::new(Mesh::start(&consul_at(&consul.address())).await);
    until("the service answers", async || mesh.who(HOST).await.is_some()).await;
    let load = Load::start(mesh.clone(), HOST);

    consul.kill().await;
    until("the failure shows", async || {
        !mesh.errors("consulcatalog").await.is_empty()
    })
    .await;
    consul.restart().await;
    // It has lost its services, and says so with 200.
    until("mesh reads again", async || {
        mesh.errors("consulcatalog").await.is_empty()
    })
    .await;
    assert_eq!(mesh.who(HOST).await.as_deref(), Some("one"));
    consul.register("shop", "shop-1", one.port(), &TAGS).await;
    consul.register("shop", "shop-2", two.port(), &TAGS).await;
    until("changes arrive again", async || {
        mesh.all(HOST).await == ["one", "two"]
    })
    .await;

    let answers = load.end().await;
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["200"], "{answers:?}");
}

#[tokio::test]
async fn a_mesh_that_starts_while_consul_is_down_serves_what_it_knew() {
    let Some(mut consul) = Consul::start().await else {
        return;
    };
    let backend = Backend::start("one").await;
    consul.register("shop", "shop-1", backend.port(), &TAGS).await;
    let mut mesh = Mesh::start(&consul_at(&consul.address())).await;
    until("the service answers", async || mesh.who(HOST).await.is_some()).await;
    until("the snapshot is written", async || {
        mesh.snapshot().contains("shop-1")
    })
    .await;
    mesh.kill().await;
    consul.kill().await;

    mesh.restart();
    let mut first = None;
    until("mesh answers", async || {
        first = mesh.get(HOST).await;
        first.is_some()
    })
    .await;
    let (status, name) = first.unwrap();
    assert_eq!(
        (status.as_u16(), name.as_str()),
        (200, "one"),
        "the first answer of all"
    );
    assert!(mesh.is_ready().await);
    until("the failure shows", async || {
        !mesh.errors("consulcatalog").await.is_empty()
    })
    .await;
    assert_eq!(mesh.who(HOST).await.as_deref(), Some("one"));

    consul.restart().await;
    let other = Backend::start("other").await;
    consul
        .register("new", "new-1", other.port(), &["mesh.host=new.example.com"])
        .await;
    until("the new service answers", async || {
        mesh.who("new.example.com").await.is_some()
    })
    .await;
}

#[tokio::test]
async fn without_a_snapshot_a_mesh_waits_for_consul_and_is_not_ready() {
    let Some(mut consul) = Consul::start().await else {
        return;
    };
    consul.kill().await;
    let mesh = Mesh::start(&consul_at(&consul.address())).await;
    until("the failure shows", async || {
        !mesh.errors("consulcatalog").await.is_empty()
    })
    .await;
    assert!(!mesh.is_ready().await);
    assert_eq!(mesh.all(HOST).await, ["404"]);

    consul.restart().await;
    let backend = Backend::start("one").await;
    consul.register("shop", "shop-1", backend.port(), &TAGS).await;
    until("the service answers", async || mesh.who(HOST).await.is_some()).await;
    until("mesh is ready", async || mesh.is_ready().await).await;
}

#[tokio::test]
async fn what_is_known_of_each_scope_shows_its_age() {
    let Some(consul) = Consul::start().await else {
        return;
    };
    consul.register("shop", "shop-1", 1, &TAGS).await;
    let mesh = Mesh::start(&consul_at(&consul.address())).await;
    until("every scope is fresh", async || {
        let scopes = mesh.scopes("consulcatalog").await;
        let states: BTreeMap<_, _> = scopes
            .iter()
            .map(|scope| (scope["scope"].as_str(), &scope["state"]))
            .collect();
        let fresh = |name| states.get(&Some(name)).is_some_and(|state| **state == "fresh");
        fresh("catalog")
            && fresh("service shop")
            && scopes.iter().all(|scope| scope["ageSeconds"].is_number())
    })
    .await;
}

#[tokio::test]
async fn twenty_crashes_in_a_row_leave_connections_to_consul_for_others() {
    let Some(consul) = Consul::start().await else {
        return;
    };
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    consul.register("shop", "shop-1", one.port(), &TAGS).await;
    for number in 0..110 {
        let name = format!("other-{number}");
        consul.register(&name, &name, 9, &[]).await;
    }
    let mut mesh = Mesh::start(&consul_at(&consul.address())).await;
    for _ in 0..20 {
        until("all is read", async || {
            let scopes = mesh.scopes("consulcatalog").await;
            scopes.len() > 110 && scopes.iter().all(|scope| scope["state"] == "fresh")
        })
        .await;
        mesh.kill().await;
        mesh.restart();
    }
    // Consul still counts the queries of the dead, and refuses all of an address that has too many.
    consul.register("shop", "shop-1", two.port(), &TAGS).await;
    until("the change arrives", async || {
        mesh.who(HOST).await.as_deref() == Some("two")
    })
    .await;
    assert!(mesh.errors("consulcatalog").await.is_empty());
}

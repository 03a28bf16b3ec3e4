//! A rolling deploy of a service under load.

use mesh_integration::until;

use crate::{
    HOST,
    front::Front,
    stack::{Consul, Stack, address},
};

#[tokio::test]
async fn a_rolling_deploy_fails_no_request_though_half_of_the_old_ones_are_killed() {
    let Some(stack) = Stack::start() else { return };
    let consul = Consul::start(&stack).await;
    let mut old = Vec::new();
    for who in ["v1-a", "v1-b", "v1-c", "v1-d"] {
        let server = stack.server(who).await;
        consul
            .register_with(
                who,
                address(&server).await,
                &[
                    &format!("mesh.host={HOST}"),
                    "mesh.http.services.shop.loadbalancer.passivehealthcheck=true",
                ],
            )
            .await;
        old.push((who, server));
    }
    let mesh = stack.mesh("mesh", &consul.settings()).await;
    until("all are used", async || mesh.all(HOST).await.len() == old.len()).await;
    let front = Front::start(&[&mesh]).await;

    let mut new = Vec::new();
    for (number, (who, server)) in old.into_iter().enumerate() {
        let next = who.replace("v1", "v2");
        let killed = number % 2 == 1;
        if killed {
            // It is still registered.
            server.rm().await.unwrap();
            front.go_on().await;
        } else {
            consul.deregister(who).await;
            until("nothing new is sent to it", async || {
                !mesh.all(HOST).await.iter().any(|name| name == who)
            })
            .await;
            server.stop().await.unwrap();
        }
        let started = stack.server(&next).await;
        consul
            .register_with(
                &next,
                address(&started).await,
                &[
                    &format!("mesh.host={HOST}"),
                    "mesh.http.services.shop.loadbalancer.passivehealthcheck=true",
                ],
            )
            .await;
        if killed {
            consul.deregister(who).await;
        }
        until("the new one is used", async || {
            mesh.all(HOST).await.contains(&next)
        })
        .await;
        new.push(started);
    }

    assert_eq!(mesh.all(HOST).await, ["v2-a", "v2-b", "v2-c", "v2-d"]);
    front.end().await;
}

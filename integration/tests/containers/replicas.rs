//! Two replicas of Mesh that know nothing of each other, and a Redis that they share.

use mesh_integration::{images, until};
use testcontainers::ImageExt as _;

use crate::{
    HOST,
    front::Front,
    stack::{Consul, Stack, address},
};

/// How many requests the limit lets pass. It fills up once a day, so that nothing is added while the test runs.
const BURST: usize = 20;

#[tokio::test]
async fn two_replicas_share_a_limit_and_one_goes_on_when_the_other_is_killed() {
    let Some(stack) = Stack::start() else { return };
    let consul = Consul::start(&stack).await;
    let redis = stack
        .run("redis", &images::redis(), &[], |image| {
            image.with_cmd(["redis-server", "--protected-mode", "no", "--save", ""])
        })
        .await;
    let server = stack.server("one").await;
    let limit = |option: &str| format!("mesh.http.middlewares.few.ratelimit.{option}");
    let tags = [
        format!("mesh.host={HOST}"),
        "mesh.http.routers.few.rule=Host(`few.example.com`)".to_owned(),
        "mesh.http.routers.few.middlewares=few".to_owned(),
        limit("average=1"),
        limit("period=24h"),
        limit(&format!("burst={BURST}")),
        limit(&format!("redis.endpoints={}:6379", stack.name("redis"))),
    ];
    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    consul.register_with("one", address(&server).await, &tags).await;
    let replicas = [
        stack.mesh("mesh-0", &consul.settings()).await,
        stack.mesh("mesh-1", &consul.settings()).await,
    ];
    for replica in &replicas {
        until("the service answers", async || replica.who(HOST).await.is_some()).await;
    }

    let mut passed = 0;
    for number in 0..2 * BURST {
        let replica = &replicas[number % replicas.len()];
        let (status, body) = replica.ask("few.example.com").await.unwrap();
        match status.as_u16() {
            200 => passed += 1,
            429 => {}
            other => panic!("{other} {body}"),
        }
    }
    assert_eq!(passed, BURST, "both together");
    drop(redis);

    let front = Front::start(&[&replicas[0], &replicas[1]]).await;
    let [left, killed] = replicas;
    killed.kill().await;
    front.go_on().await;
    // What it had in hand is lost, and what came before the load balancer noticed.
    let lost = front.failed();
    front.go_on().await;
    front.go_on().await;
    assert_eq!(front.failed(), lost, "{:?}", front.answers());
    assert_eq!(left.who(HOST).await.as_deref(), Some("one"));
}

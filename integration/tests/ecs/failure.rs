//! Routes outlive AWS.

use mesh_integration::{Aws, Backend, Mesh, port, until};
use serde_json::json;

use crate::ecs_at;

/// One task of `web`, its server, and a Mesh that routes to it.
async fn one_task(aws: &Aws) -> (Backend, Mesh) {
    let [port] = port::free();
    aws.define("web", "awsvpc", port, json!({})).await;
    let deployment = aws
        .service("web", "web", &[("mesh.host", "web.example.com")])
        .await;
    let task = aws.run("web", "web", true, &deployment).await;
    let server = Backend::at(&task.address, "here").await;
    let mesh = Mesh::start(&ecs_at(aws, "")).await;
    until("the task answers", async || {
        mesh.who("web.example.com").await.is_some()
    })
    .await;
    (server, mesh)
}

#[tokio::test]
async fn throttling_is_told_and_takes_no_route() {
    let Some(aws) = Aws::start().await else {
        return;
    };
    let (_server, mesh) = one_task(&aws).await;
    aws.throttle(1_000_000).await;
    until("the error is told", async || {
        mesh.errors("ecs")
            .await
            .iter()
            .any(|error| error.contains("Throttling"))
    })
    .await;
    assert_eq!(mesh.all("web.example.com").await, ["here"]);
    aws.throttle(0).await;
    until("the error is over", async || mesh.errors("ecs").await.is_empty()).await;
    assert_eq!(mesh.all("web.example.com").await, ["here"]);
}

#[tokio::test]
async fn a_start_without_aws_serves_what_was_known() {
    let Some(aws) = Aws::start().await else {
        return;
    };
    let (_server, mut mesh) = one_task(&aws).await;
    until("it is kept on disk", async || {
        mesh.snapshot().contains("web.example.com")
    })
    .await;
    drop(aws);
    until("the error is told", async || !mesh.errors("ecs").await.is_empty()).await;
    assert_eq!(mesh.all("web.example.com").await, ["here"]);

    mesh.kill().await;
    mesh.restart();

    until("the task answers", async || {
        mesh.who("web.example.com").await.as_deref() == Some("here")
    })
    .await;
}

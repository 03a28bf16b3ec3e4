//! What a task says of itself decides whether it gets requests.

use mesh_integration::{Aws, Backend, Mesh, aws::Task, port, until};
use serde_json::json;

use crate::ecs_at;

/// Two tasks of `web` that ECS checks, their servers, and Mesh before them.
async fn two_tasks(aws: &Aws) -> ([Task; 2], [Backend; 2], Mesh) {
    let [port] = port::free();
    aws.define(
        "web",
        "awsvpc",
        port,
        json!({"healthCheck": {"command": ["CMD", "true"]}}),
    )
    .await;
    let deployment = aws
        .service("web", "web", &[("mesh.host", "web.example.com")])
        .await;
    let tasks = [
        aws.run("web", "web", true, &deployment).await,
        aws.run("web", "web", true, &deployment).await,
    ];
    let servers = [
        Backend::at(&tasks[0].address, "one").await,
        Backend::at(&tasks[1].address, "two").await,
    ];
    let mesh = Mesh::start(&ecs_at(aws, "")).await;
    until("both tasks answer", async || {
        mesh.all("web.example.com").await == ["one", "two"]
    })
    .await;
    (tasks, servers, mesh)
}

#[tokio::test]
async fn an_unhealthy_container_gets_nothing_until_it_recovers() {
    let Some(aws) = Aws::start().await else {
        return;
    };
    let (tasks, _servers, mesh) = two_tasks(&aws).await;
    aws.says(&tasks[0], json!({"healthStatus": "UNHEALTHY"})).await;
    until("it is left out", async || {
        mesh.all("web.example.com").await == ["two"]
    })
    .await;
    aws.says(&tasks[0], json!({"healthStatus": "HEALTHY"})).await;
    until("it is back", async || {
        mesh.all("web.example.com").await == ["one", "two"]
    })
    .await;
}

#[tokio::test]
async fn a_task_that_is_to_stop_gets_nothing_new_and_a_service_without_tasks_answers_503() {
    let Some(aws) = Aws::start().await else {
        return;
    };
    let (tasks, _servers, mesh) = two_tasks(&aws).await;
    aws.says(
        &tasks[0],
        json!({"lastStatus": "DEACTIVATING", "desiredStatus": "STOPPED"}),
    )
    .await;
    until("it is left out", async || {
        mesh.all("web.example.com").await == ["two"]
    })
    .await;
    aws.stop(&tasks[0]).await;
    aws.stop(&tasks[1]).await;
    until("nobody is left", async || {
        mesh.all("web.example.com").await == ["503"]
    })
    .await;
}

//! Requests reach tasks of every launch type and network mode.

use mesh_integration::{Aws, Backend, Mesh, port, until};
use serde_json::json;

use crate::ecs_at;

#[tokio::test]
async fn a_tag_on_the_service_routes_to_its_tasks_on_fargate() {
    let Some(aws) = Aws::start().await else {
        return;
    };
    let [port] = port::free();
    aws.define("web", "awsvpc", port, json!({})).await;
    let deployment = aws
        .service("web", "web", &[("mesh.host", "web.example.com")])
        .await;
    let first = aws.run("web", "web", true, &deployment).await;
    let second = aws.run("web", "web", true, &deployment).await;
    let _one = Backend::at(&first.address, "one").await;
    let _two = Backend::at(&second.address, "two").await;

    let mesh = Mesh::start(&ecs_at(&aws, "")).await;

    until("both tasks answer", async || {
        mesh.all("web.example.com").await == ["one", "two"]
    })
    .await;
    until("mesh is ready", async || mesh.is_ready().await).await;
}

#[tokio::test]
async fn a_task_in_bridge_mode_is_found_at_the_port_it_got_on_its_machine() {
    let Some(aws) = Aws::start().await else {
        return;
    };
    let port_zero = json!({"portMappings": [{"containerPort": 8080, "hostPort": 0}]});
    aws.define("api", "bridge", 8080, port_zero).await;
    let rule = "Host:api.example.com PathPrefix:/";
    let deployment = aws.service("api", "api", &[("mesh.rule", rule)]).await;
    let task = aws.run("api", "api", false, &deployment).await;
    let _here = Backend::at(&task.address, "here").await;

    let mesh = Mesh::start(&ecs_at(&aws, "")).await;

    until("the task answers", async || {
        mesh.who("api.example.com").await.as_deref() == Some("here")
    })
    .await;
}

#[tokio::test]
async fn labels_of_a_container_may_hold_whole_rules_on_ecs_anywhere() {
    let Some(aws) = Aws::start().await else {
        return;
    };
    let [port] = port::free();
    let labels =
        json!({"dockerLabels": {"mesh.http.routers.edge.rule": "Host(`edge.example.com`) && Path(`/`)"}});
    aws.define("edge", "host", port, labels).await;
    aws.make_managed("mi-0123456789abcdef0").await;
    let deployment = aws.service("edge", "edge", &[]).await;
    let task = aws.run("edge", "edge", false, &deployment).await;
    let _here = Backend::at(&task.address, "here").await;

    let mesh = Mesh::start(&ecs_at(&aws, ", ecsAnywhere: true")).await;

    until("the task answers", async || {
        mesh.who("edge.example.com").await.as_deref() == Some("here")
    })
    .await;
    assert!(
        aws.calls()
            .await
            .contains(&"DescribeInstanceInformation".to_owned())
    );
}

#[tokio::test]
async fn a_tag_that_changes_moves_the_route_without_a_deployment() {
    let Some(aws) = Aws::start().await else {
        return;
    };
    let [port] = port::free();
    aws.define("web", "awsvpc", port, json!({})).await;
    let deployment = aws
        .service("web", "web", &[("mesh.host", "old.example.com")])
        .await;
    let task = aws.run("web", "web", true, &deployment).await;
    let _here = Backend::at(&task.address, "here").await;
    let mesh = Mesh::start(&ecs_at(&aws, "")).await;
    until("the old host answers", async || {
        mesh.who("old.example.com").await.is_some()
    })
    .await;

    aws.tag(&Aws::service_arn("web"), &[("mesh.host", "new.example.com")])
        .await;

    until("the new host answers", async || {
        mesh.who("new.example.com").await.is_some()
    })
    .await;
}

//! The policy in the manual is all that Mesh needs.

use mesh_integration::{Aws, Backend, Mesh, port, until};
use serde_json::json;

use crate::ecs_at;

/// What the test itself calls, to build what Mesh finds.
const BUILDING: [&str; 10] = [
    "CreateCluster",
    "CreateService",
    "CreateTopic",
    "ListQueues",
    "ListSubscriptions",
    "Publish",
    "RegisterContainerInstance",
    "RegisterTaskDefinition",
    "RunTask",
    "TagResource",
];

#[tokio::test]
async fn mesh_calls_nothing_that_the_policy_of_the_manual_does_not_allow() {
    let Some(aws) = Aws::start().await else {
        return;
    };
    let [port] = port::free();
    aws.define("web", "awsvpc", port, json!({})).await;
    aws.define("edge", "host", port, json!({})).await;
    let web = aws
        .service("web", "web", &[("mesh.host", "web.example.com")])
        .await;
    let edge = aws
        .service("edge", "edge", &[("mesh.host", "edge.example.com")])
        .await;
    let on_fargate = aws.run("web", "web", true, &web).await;
    let on_machine = aws.run("edge", "edge", false, &edge).await;
    let _web = Backend::at(&on_fargate.address, "web").await;
    let _edge = Backend::at(&on_machine.address, "edge").await;
    let topic = aws.topic("mesh-events").await;
    let more =
        format!(", autoDiscoverClusters: true, events: {{topic: '{topic}', waitTime: 1s, expiry: 10s}}");
    let mut mesh = Mesh::start(&ecs_at(&aws, &more)).await;
    let _other = Mesh::start(&ecs_at(&aws, &more)).await;
    for host in ["web.example.com", "edge.example.com"] {
        until("the task answers", async || mesh.who(host).await.is_some()).await;
    }

    let called = async |action: &str| aws.calls().await.iter().any(|call| call == action);
    until("both listen", async || aws.subscriptions().await == 2).await;
    aws.publish(&topic, &Aws::task_event(&on_fargate, 2)).await;
    until("an event is heard", async || called("DeleteMessageBatch").await).await;
    until("others are looked after", async || called("ListQueueTags").await).await;
    mesh.stop().await;
    assert_eq!(aws.queues().await.len(), 1);

    let manual = include_str!("../../../docs/ecs.md");
    let allowed = |action: &str| {
        let action = action.trim_end_matches("Batch");
        ["ecs", "ec2", "ssm", "sqs", "sns"]
            .iter()
            .any(|service| manual.contains(&format!("\"{service}:{action}\"")))
    };
    let made = aws.calls().await;
    assert!(made.iter().any(|action| action == "DescribeTasks"), "{made:?}");
    for action in made.iter().filter(|action| !BUILDING.contains(&action.as_str())) {
        assert!(allowed(action), "{action} is not in the policy");
    }
}

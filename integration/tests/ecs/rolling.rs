//! A rolling deploy of tasks of ECS.

use std::{net::SocketAddr, time::Duration};

use mesh_integration::{
    Aws,
    aws::Task,
    port,
    rolling::{self, Cluster},
};
use serde_json::json;

use crate::ecs_at;

struct Tasks<'a> {
    aws: &'a Aws,
    deployment: String,
    started: Vec<Task>,
}

impl Tasks<'_> {
    async fn end(&self, address: SocketAddr) {
        for task in self.at(address) {
            self.aws.stop(task).await;
        }
    }

    /// The one task at `address`.
    fn at(&self, address: SocketAddr) -> impl Iterator<Item = &Task> {
        self.started
            .iter()
            .filter(move |task| task.address == address.to_string())
    }
}

impl Cluster for Tasks<'_> {
    // Mesh asks every second.
    const SHUTDOWN_DELAY: Duration = Duration::from_secs(3);

    async fn place(&mut self) -> String {
        let task = self.aws.run("shop", "shop", true, &self.deployment).await;
        let address = task.address.clone();
        self.started.push(task);
        address
    }

    async fn listens(&mut self, _: SocketAddr) {}

    async fn retires(&mut self, address: SocketAddr) {
        let stops = json!({"lastStatus": "DEACTIVATING", "desiredStatus": "STOPPED"});
        for task in self.at(address) {
            self.aws.says(task, stops.clone()).await;
        }
    }

    async fn stopped(&mut self, address: SocketAddr) {
        self.end(address).await;
    }

    async fn crashed(&mut self, address: SocketAddr) {
        self.end(address).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_deploy_with_kills_fails_no_request() {
    let Some(aws) = Aws::start().await else {
        return;
    };
    let [port] = port::free();
    aws.define("shop", "awsvpc", port, json!({})).await;
    let deployment = aws.service("shop", "shop", &rolling::TAGS).await;
    let mut tasks = Tasks {
        aws: &aws,
        deployment,
        started: Vec::new(),
    };
    rolling::roll(&mut tasks, &ecs_at(&aws, ""))
        .await
        .assert_nothing_failed();
}

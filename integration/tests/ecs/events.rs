//! Events of ECS, as EventBridge sends them to a topic, come sooner than the next read.

use std::time::{Duration, Instant};

use mesh_integration::{Aws, Backend, Mesh, aws::Task, port, times::Times, until};
use reqwest::StatusCode;
use serde_json::json;

/// Changes whose times are taken.
const CHANGES: u64 = 10;

/// Time between them.
const APART: Duration = Duration::from_millis(500);

/// An ECS provider that reads everything at the start, and then not for long; but for events.
fn listening_at(aws: &Aws, topic: &str, refresh: &str) -> String {
    let more = format!(", events: {{topic: '{topic}', waitTime: 1s, expiry: 10s}}");
    crate::ecs_at(aws, &more).replace("refreshSeconds: 1s", &format!("refreshSeconds: {refresh}"))
}

/// A service with two tasks, their servers, and Mesh, which hears events of them on the topic.
struct Shop {
    aws: Aws,
    topic: String,
    deployment: String,
    tasks: [Task; 2],
    servers: Vec<Backend>,
    mesh: Mesh,
}

impl Shop {
    async fn open(refresh: &str) -> Option<Self> {
        let aws = Aws::start().await?;
        let [port] = port::free();
        aws.define("web", "awsvpc", port, json!({})).await;
        let deployment = aws
            .service("web", "web", &[("mesh.host", "web.example.com")])
            .await;
        let tasks = [
            aws.run("web", "web", true, &deployment).await,
            aws.run("web", "web", true, &deployment).await,
        ];
        let servers = vec![
            Backend::at(&tasks[0].address, "one").await,
            Backend::at(&tasks[1].address, "two").await,
        ];
        let topic = aws.topic("mesh-events").await;
        let mesh = Mesh::start(&listening_at(&aws, &topic, refresh)).await;
        until("both tasks answer", async || {
            mesh.all("web.example.com").await == ["one", "two"]
        })
        .await;
        let shop = Self {
            aws,
            topic,
            deployment,
            tasks,
            servers,
            mesh,
        };
        shop.listens().await;
        Some(shop)
    }

    /// Waits until events are heard, and all that happened before is known.
    async fn listens(&self) {
        until("events are heard", async || {
            let scopes = self.mesh.scopes("ecs").await;
            scopes
                .iter()
                .any(|scope| scope["scope"] == "events" && scope["state"] == "fresh")
        })
        .await;
        // Services are the last of it.
        until("everything is read once more", async || {
            self.aws.count("DescribeServices").await >= 2
        })
        .await;
    }

    /// How often Mesh has read everything.
    async fn reads(&self) -> usize {
        self.aws.count("ListTasks").await
    }

    /// How often Mesh has looked at tasks.
    async fn looks(&self) -> usize {
        self.aws.count("DescribeTasks").await
    }

    async fn event(&self, task: &Task, version: u64) {
        self.aws
            .publish(&self.topic, &Aws::task_event(task, version))
            .await;
    }

    /// The first task is to be stopped, or runs again; says so with an event, and waits until `expected` answer.
    async fn moves(&self, stops: bool, version: u64, expected: &[&str]) {
        let desired = if stops { "STOPPED" } else { "RUNNING" };
        self.aws
            .says(&self.tasks[0], json!({"desiredStatus": desired}))
            .await;
        self.event(&self.tasks[0], version).await;
        until("it counts", async || {
            self.mesh.all("web.example.com").await == expected
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_seen_within_a_second_of_its_event() {
    let Some(shop) = Shop::open("1h").await else {
        return;
    };
    shop.aws.stop(&shop.tasks[1]).await;
    shop.event(&shop.tasks[1], 9).await;
    until("one is left", async || {
        shop.mesh.all("web.example.com").await == ["one"]
    })
    .await;
    let reads = shop.reads().await;
    let mut times = Vec::new();
    for change in 0..CHANGES {
        // Changes one by one: looks that follow closely are put together.
        tokio::time::sleep(APART).await;
        let (desired, expected) = match change % 2 {
            0 => ("STOPPED", StatusCode::SERVICE_UNAVAILABLE),
            _ => ("RUNNING", StatusCode::OK),
        };
        let what = json!({"desiredStatus": desired});
        shop.aws.says(&shop.tasks[0], what).await;
        let start = Instant::now();
        shop.event(&shop.tasks[0], 10 + change).await;
        until("it counts", async || {
            let answer = shop.mesh.get("web.example.com").await;
            answer.is_some_and(|(status, _)| status == expected)
        })
        .await;
        times.push(start.elapsed());
    }
    let times: Times = times.into_iter().collect();
    println!("from before an event is published until requests notice: {times}");
    // A machine that is busy with all tests at once may be late now and then.
    assert!(times.at(0.8) < Duration::from_secs(1), "{times}");
    assert_eq!(shop.reads().await, reads, "everything was read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_task_is_used_and_one_that_is_gone_is_not_before_the_next_read() {
    let Some(mut shop) = Shop::open("1h").await else {
        return;
    };
    let task = shop.aws.run("web", "web", true, &shop.deployment).await;
    shop.servers.push(Backend::at(&task.address, "three").await);
    shop.event(&task, 3).await;
    until("the new task answers", async || {
        shop.mesh.all("web.example.com").await == ["one", "three", "two"]
    })
    .await;
    shop.aws.stop(&shop.tasks[1]).await;
    shop.event(&shop.tasks[1], 9).await;
    until("the other one is left out", async || {
        shop.mesh.all("web.example.com").await == ["one", "three"]
    })
    .await;
    let arn = Aws::service_arn("web");
    shop.aws.tag(&arn, &[("mesh.host", "new.example.com")]).await;
    let tagged = json!({"source": "aws.tag", "detail-type": "Tag Change on Resource", "resources": [arn], "detail": {}});
    shop.aws.publish(&shop.topic, &tagged.to_string()).await;
    until("the new host answers", async || {
        shop.mesh.all("new.example.com").await == ["one", "three"]
    })
    .await;
    assert_eq!(shop.reads().await, 2, "everything was read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_twice_late_or_broken_change_nothing() {
    let Some(shop) = Shop::open("1h").await else {
        return;
    };
    shop.moves(true, 9, &["two"]).await;
    let looks = shop.looks().await;
    for version in [9, 7, 8, 9] {
        shop.event(&shop.tasks[0], version).await;
    }
    let lost = Task {
        arn: format!("{}ffff", shop.tasks[0].arn),
        address: String::new(),
    };
    for garbage in [
        "",
        "{",
        "null",
        r#"{"source":"aws.ecs","resources":["arn:aws:ecs:x"]}"#,
    ] {
        shop.aws.publish(&shop.topic, &format!("{garbage} ")).await;
    }
    shop.event(&lost, 1).await;
    // Heard after all of them.
    shop.event(&shop.tasks[1], 5).await;
    until("the last one is looked at", async || shop.looks().await > looks).await;
    assert_eq!(shop.mesh.all("web.example.com").await, ["two"]);
    assert!(shop.mesh.errors("ecs").await.is_empty());
    let again = shop.looks().await - looks;
    assert!(again <= 3, "{again} looks for two tasks");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_event_tells_the_next_read_does() {
    let Some(shop) = Shop::open("3s").await else {
        return;
    };
    shop.aws
        .says(&shop.tasks[0], json!({"desiredStatus": "STOPPED"}))
        .await;
    until("it is left out", async || {
        shop.mesh.all("web.example.com").await == ["two"]
    })
    .await;
    // Of what was before the last read.
    shop.event(&shop.tasks[0], 1).await;
    shop.aws
        .says(&shop.tasks[0], json!({"desiredStatus": "RUNNING"}))
        .await;
    until("it is back", async || {
        shop.mesh.all("web.example.com").await == ["one", "two"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_is_made_again_and_all_is_read_that_it_missed() {
    let Some(shop) = Shop::open("1h").await else {
        return;
    };
    let queues = shop.aws.queues().await;
    assert_eq!(queues.len(), 1);
    shop.aws.sqs("DeleteQueue", json!({"QueueUrl": queues[0]})).await;
    // Of this no event tells.
    shop.aws
        .says(&shop.tasks[0], json!({"desiredStatus": "STOPPED"}))
        .await;
    until("there is another one", async || {
        let now = shop.aws.queues().await;
        now.len() == 1 && now != queues
    })
    .await;
    until("it is left out", async || {
        shop.mesh.all("web.example.com").await == ["two"]
    })
    .await;
    until("it is subscribed", async || shop.aws.subscriptions().await == 1).await;
    shop.moves(false, 12, &["one", "two"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_gets_back_what_somebody_took_from_it_and_one_that_nobody_subscribed_is_removed() {
    let Some(shop) = Shop::open("1h").await else {
        return;
    };
    let left = json!({"QueueName": "mesh-events-00000000000000aa", "tags": {"mesh-heartbeat": "0"}});
    shop.aws.sqs("CreateQueue", left).await;
    let queues = shop.aws.queues().await;
    let url = queues.iter().find(|url| !url.ends_with("00aa")).unwrap();
    assert_eq!(queues.len(), 2);
    let none = json!({"QueueUrl": url, "Attributes": {"Policy": ""}});
    shop.aws.sqs("SetQueueAttributes", none).await;
    // Of this no event tells.
    shop.aws
        .says(&shop.tasks[0], json!({"desiredStatus": "STOPPED"}))
        .await;
    until("the topic may send again", async || {
        let asked = json!({"QueueUrl": url, "AttributeNames": ["Policy"]});
        let answer = shop.aws.sqs("GetQueueAttributes", asked).await;
        let policy = answer["Attributes"]["Policy"].as_str().unwrap_or_default();
        policy.contains(&shop.topic)
    })
    .await;
    until("it is left out", async || {
        shop.mesh.all("web.example.com").await == ["two"]
    })
    .await;
    until("what nobody subscribed is removed", async || {
        shop.aws.queues().await == [url.clone()]
    })
    .await;
    shop.moves(false, 12, &["one", "two"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_hears_every_event_and_leaves_nothing_behind() {
    let Some(mut shop) = Shop::open("1h").await else {
        return;
    };
    let mut other = Mesh::start(&listening_at(&shop.aws, &shop.topic, "1h")).await;
    until("both listen", async || shop.aws.subscriptions().await == 2).await;
    until("the other one routes", async || {
        other.all("web.example.com").await == ["one", "two"]
    })
    .await;
    assert_eq!(shop.aws.queues().await.len(), 2);
    shop.moves(true, 10, &["two"]).await;
    until("the other one knows", async || {
        other.all("web.example.com").await == ["two"]
    })
    .await;

    shop.mesh.stop().await;
    until("one queue is left", async || shop.aws.queues().await.len() == 1).await;
    assert_eq!(shop.aws.subscriptions().await, 1);

    // One that is killed cannot remove its queue. The next one does.
    other.kill().await;
    let heir = Mesh::start(&listening_at(&shop.aws, &shop.topic, "1h")).await;
    until("the heir listens", async || shop.aws.queues().await.len() == 2).await;
    let took = until("what is left is removed", async || {
        shop.aws.queues().await.len() == 1 && shop.aws.subscriptions().await == 1
    })
    .await;
    assert!(took >= Duration::from_secs(5), "removed after {took:?}");
    assert_eq!(heir.all("web.example.com").await, ["two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_topic_the_reads_go_on_and_the_reason_is_told() {
    let Some(aws) = Aws::start().await else {
        return;
    };
    let [port] = port::free();
    aws.define("web", "awsvpc", port, json!({})).await;
    let tags = [("mesh.host", "web.example.com")];
    let deployment = aws.service("web", "web", &tags).await;
    let task = aws.run("web", "web", true, &deployment).await;
    let _one = Backend::at(&task.address, "one").await;
    let topic = "arn:aws:sns:eu-central-1:123456789012:lost";
    let mesh = Mesh::start(&listening_at(&aws, topic, "1s")).await;
    until("the task answers", async || {
        mesh.who("web.example.com").await.is_some()
    })
    .await;
    until("mesh is ready", async || mesh.is_ready().await).await;
    until("the reason is told", async || {
        let errors = mesh.errors("ecs").await;
        errors.iter().any(|error| error.contains("sns:Subscribe"))
    })
    .await;
    aws.says(&task, json!({"desiredStatus": "STOPPED"})).await;
    until("a read tells of it", async || {
        mesh.all("web.example.com").await == ["503"]
    })
    .await;
    let warnings = mesh.log().matches("sns:Subscribe").count();
    assert_eq!(warnings, 1, "{}", mesh.log());
    assert_eq!(
        aws.queues().await.len(),
        1,
        "one queue, however often it is tried"
    );
    aws.topic("lost").await;
    until("events are heard", async || mesh.errors("ecs").await.is_empty()).await;
}

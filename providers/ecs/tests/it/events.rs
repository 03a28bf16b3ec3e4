//! What events change, and what they cannot, with time paused.

use std::{collections::BTreeSet, time::Duration};

use mesh_discovery::Provider;
use mesh_provider_ecs::{Action, EventsSettings, QueueAction, Settings};
use serde_json::json;

use crate::{
    queues::TOPIC,
    watch::{Watch, provider, settings},
    world::{Fate, World},
};

pub(crate) const ECS: &str = "arn:aws:ecs:eu-central-1:123456789012";

/// The last part of an ARN that nothing here has.
const OTHER: &str = "0123456789abcdef0123456789abcdef";

/// Far less than the time between two reads.
pub(crate) const SOON: Duration = Duration::from_millis(1000);

pub(crate) fn listening() -> Settings {
    Settings {
        refresh_seconds: Duration::from_secs(3600),
        events: EventsSettings {
            topic: Some(TOPIC.to_owned()),
            ..EventsSettings::default()
        },
        ..settings()
    }
}

pub(crate) fn web() -> (World, [String; 2]) {
    let world = World::new();
    world.service("web", "awsvpc", &[("mesh.host", "web.example")]);
    let tasks = [world.run("web"), world.run("web")];
    (world, tasks)
}

pub(crate) fn event(arn: &str, version: u64) -> String {
    json!({
        "source": "aws.ecs", "resources": [arn],
        "detail": {"clusterArn": format!("{ECS}:cluster/shop"), "version": version},
    })
    .to_string()
}

/// Waits until everything was read, and once more when events began to be heard.
pub(crate) async fn begun(watch: &mut Watch<'_>) {
    watch.pass(Duration::from_secs(30)).await;
    assert_eq!(watch.of("web").len(), 2);
    assert!(watch.listed.as_ref().unwrap().contains("events"));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_to_stop_is_left_out_as_soon_as_its_event_comes() {
    let (world, [task, _]) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    let before = world.calls();
    world.stop(&task);
    watch.pass(SOON).await;
    assert_eq!(watch.of("web").len(), 2, "nobody has told of it yet");
    world.publish(&event(&task, 3));
    watch.pass(SOON).await;
    assert_eq!(watch.of("web").len(), 1);
    let calls = world.calls();
    assert_eq!(calls[&Action::DescribeTasks], before[&Action::DescribeTasks] + 1);
    assert_eq!(calls[&Action::ListTasks], before[&Action::ListTasks]);
}

#[tokio::test(start_paused = true)]
async fn the_last_task_of_a_service_and_the_first_of_another_change_the_list_of_scopes() {
    let (world, tasks) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    world.service("api", "awsvpc", &[]);
    let new = world.run("api");
    world.publish(&event(&new, 1));
    for task in &tasks {
        world.stop(task);
        world.publish(&event(task, 5));
    }
    watch.pass(SOON).await;
    assert_eq!((watch.of("api").len(), watch.of("web").len()), (1, 0));
    let listed: Vec<_> = watch.listed.iter().flatten().map(String::as_str).collect();
    assert_eq!(listed, ["cluster shop", "events", "service shop/api"]);
}

#[tokio::test(start_paused = true)]
async fn a_tag_of_a_service_counts_as_soon_as_its_event_comes() {
    let (world, _) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    world.tag("web", &[("mesh.host", "new.example")]);
    let changed =
        json!({"source": "aws.tag", "resources": [format!("{ECS}:service/shop/web")], "detail": {}});
    world.publish(&changed.to_string());
    watch.pass(SOON).await;
    let labels = watch.of("web")[0].labels.iter().flat_map(|set| &set.labels);
    let hosts: Vec<_> = labels
        .filter(|(key, _)| key == "mesh.host")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(hosts, ["new.example"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_twice_or_late_is_not_looked_at() {
    let (world, [task, _]) = web();
    world.set(&task, "version", json!(6));
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    let before = world.calls();
    for version in [6, 1, 5, 6] {
        world.publish(&event(&task, version));
    }
    watch.pass(SOON).await;
    assert_eq!(world.calls(), before);
    world.set(&task, "version", json!(7));
    for _ in 0..3 {
        world.publish(&event(&task, 7));
        watch.pass(SOON).await;
    }
    assert_eq!(
        world.calls()[&Action::DescribeTasks],
        before[&Action::DescribeTasks] + 1
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_described_as_it_was_before_its_event_is_looked_at_again() {
    let (world, [task, _]) = web();
    world.set(&task, "version", json!(2));
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    world.publish(&event(&task, 3));
    watch.pass(Duration::from_millis(100)).await;
    world.stop(&task);
    world.set(&task, "version", json!(3));
    watch.pass(SOON).await;
    assert_eq!(watch.of("web").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn garbage_and_events_about_others_do_nothing() {
    let (world, _) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    let before = world.calls();
    for message in ["", "{", "null", r#"{"source":"aws.s3"}"#] {
        world.publish(message);
    }
    world.publish(&event(&format!("{ECS}:task/blog/{OTHER}"), 3));
    world.publish(&event(
        &format!("arn:aws:ecs:us-east-1:123456789012:task/shop/{OTHER}"),
        3,
    ));
    // ECS would refuse whatever it is asked for together with these.
    for name in ["0123", "nobody", &format!("{OTHER}0")] {
        world.publish(&event(&format!("{ECS}:task/shop/{name}"), 3));
    }
    world.publish(&event(
        "arn:aws:ecs:eu-central-1:123456789012:service/shop/lost",
        0,
    ));
    watch.pass(SOON).await;
    assert_eq!(world.calls(), before);
    assert!(watch.failed.is_empty() && watch.shrunk.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_events_costs_few_calls() {
    let (world, _) = web();
    let tasks: Vec<_> = (0..90).map(|_| world.run("web")).collect();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(30)).await;
    let before = world.calls();
    for round in 0..100 {
        for task in tasks.iter().skip(round % 3).step_by(3) {
            world.publish(&event(task, 10 + round as u64));
        }
        watch.pass(Duration::from_millis(100)).await;
    }
    watch.pass(SOON).await;
    let looks = world.calls()[&Action::DescribeTasks] - before[&Action::DescribeTasks];
    assert!((5..=20).contains(&looks), "{looks} looks in 10 s");
    assert_eq!(watch.of("web").len(), 92);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_is_made_up_for_by_a_read() {
    let (world, [task, _]) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    world.stop(&task);
    world.state().fates.push_back(Fate::Denied);
    world.publish(&event(&task, 3));
    watch.pass(Duration::from_secs(5)).await;
    assert_eq!(watch.of("web").len(), 1);
    assert!(watch.failed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_the_reads_go_on_and_what_was_missed_is_read_once_there_is_one() {
    let (world, [task, _]) = web();
    world.state().mail.denied.insert(QueueAction::Subscribe);
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(60)).await;
    assert_eq!(watch.of("web").len(), 2);
    let error = watch.failed["events"].to_string();
    assert!(
        error.contains("sns:Subscribe") && error.contains("by the next read"),
        "{error}"
    );
    assert_eq!(
        world.state().mail.queues.len(),
        1,
        "one queue, however often it is tried"
    );

    world.stop(&task);
    world.state().mail.denied.clear();
    watch.pass(Duration::from_secs(40)).await;
    assert_eq!(watch.of("web").len(), 1);
    assert!(watch.failed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_gone_is_made_again_and_what_was_missed_is_read() {
    let (world, [task, _]) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    world.state().mail.queues.clear();
    world.stop(&task);
    watch.pass(Duration::from_secs(10)).await;
    assert_eq!(watch.of("web").len(), 1);
    let state = world.state();
    assert_eq!((state.mail.queues.len(), state.mail.subscriptions.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_queue_says_whose_it_is_and_is_open_to_the_topic_alone() {
    let (world, _) = web();
    let provider = provider(&world, &listening());
    begun(&mut Watch::new(&provider)).await;
    {
        let state = world.state();
        let (url, queue) = state.mail.queues.iter().next().unwrap();
        assert!(url.contains("/mesh-events-"), "{url}");
        assert_eq!(queue.attributes["MessageRetentionPeriod"], "60");
        assert_eq!(queue.attributes["SqsManagedSseEnabled"], "true");
        assert!(queue.tags["mesh-owner"].starts_with("ecs "), "{:?}", queue.tags);
        let policy: serde_json::Value = serde_json::from_str(&queue.policy).unwrap();
        let statement = &policy["Statement"][0];
        assert_eq!(statement["Principal"], json!({"Service": "sns.amazonaws.com"}));
        assert_eq!(statement["Action"], "sqs:SendMessage");
        assert_eq!(
            statement["Condition"],
            json!({"ArnEquals": {"aws:SourceArn": TOPIC}})
        );
    }
    provider.end().await;
    let state = world.state();
    assert!(state.mail.queues.is_empty() && state.mail.subscriptions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn queues_of_the_dead_are_removed_and_those_of_the_living_and_of_others_are_not() {
    let (world, _) = web();
    let [living, dead] = [provider(&world, &listening()), provider(&world, &listening())];
    let mut watch = Watch::new(&living);
    begun(&mut watch).await;
    let own: BTreeSet<_> = world.state().mail.queues.keys().cloned().collect();
    {
        let mut watch = Watch::new(&dead);
        watch.pass(Duration::from_secs(1)).await;
    }
    {
        // One without our tags, and a subscription of a queue that is gone.
        let mut state = world.state();
        let stem = "arn:aws:sqs:eu-central-1:123456789012:mesh-events-";
        let foreign = "https://sqs.test/123456789012/mesh-events-000000000000000f".to_owned();
        state.mail.queues.insert(foreign, crate::queues::Queue::default());
        for (name, random) in [("foreign", "000000000000000f"), ("dangling", "0000000000000001")] {
            state
                .mail
                .subscriptions
                .insert(format!("{TOPIC}:{name}"), format!("{stem}{random}"));
        }
    }
    assert_eq!(world.state().mail.queues.len(), 3);
    watch.pass(Duration::from_secs(1200)).await;
    assert_eq!(world.state().mail.queues.len(), 3, "removed before it expired");
    watch.pass(Duration::from_secs(1800)).await;
    let state = world.state();
    let left: BTreeSet<_> = state.mail.queues.keys().cloned().collect();
    assert!(left.is_superset(&own) && left.len() == 2, "{left:?}");
    assert_eq!(state.mail.subscriptions.len(), 2);
    assert!(watch.failed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_somebody_ended_is_made_again() {
    let (world, [task, _]) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    world.state().mail.subscriptions.clear();
    watch.pass(Duration::from_secs(460)).await;
    world.stop(&task);
    world.publish(&event(&task, 3));
    watch.pass(SOON).await;
    assert_eq!(watch.of("web").len(), 1);
}

//! What becomes of queues when something is refused, lost or taken away, with time paused.

use std::{collections::BTreeMap, time::Duration};

use mesh_discovery::Provider;
use mesh_provider_ecs::QueueAction;
use serde_json::json;

use crate::{
    events::{SOON, begun, event, listening, web},
    queues::{Queue, TOPIC},
    watch::{Watch, provider},
    world::World,
};

/// As the settings say.
const EXPIRY: Duration = Duration::from_secs(1800);

/// A sign of life comes within this time.
const BEAT: Duration = Duration::from_secs(460);

/// The signs of life of all queues.
fn signs(world: &World) -> BTreeMap<String, String> {
    let state = world.state();
    let queues = state.mail.queues.iter();
    queues
        .map(|(url, queue)| (url.clone(), queue.tags["mesh-heartbeat"].clone()))
        .collect()
}

/// A queue that somebody made and did not subscribe before the end.
fn orphan(world: &World) -> String {
    let url = "https://sqs.test/123456789012/mesh-events-00000000000000aa".to_owned();
    let mut queue = Queue::default();
    for (key, value) in [("mesh-owner", "ecs somebody 1"), ("mesh-heartbeat", "0")] {
        queue.tags.insert(key.to_owned(), value.to_owned());
    }
    world.state().mail.queues.insert(url.clone(), queue);
    url
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_be_subscribed_shows_that_its_owner_lives() {
    let (world, _) = web();
    world.state().mail.denied.insert(QueueAction::Subscribe);
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    watch.pass(BEAT).await;
    let first = signs(&world);
    assert_eq!(first.len(), 1);
    watch.pass(BEAT).await;
    let second = signs(&world);
    assert!(first.keys().eq(second.keys()) && first != second, "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn the_queue_of_one_that_cannot_subscribe_any_more_is_not_taken_for_a_dead_ones() {
    let (world, [task, _]) = web();
    let [one, other] = [provider(&world, &listening()), provider(&world, &listening())];
    let (mut watch, mut others) = (Watch::new(&one), Watch::new(&other));
    begun(&mut watch).await;
    begun(&mut others).await;
    world.state().mail.denied.insert(QueueAction::Subscribe);
    let before = signs(&world);
    let both = async { tokio::join!(watch.pass(EXPIRY * 3), others.pass(EXPIRY * 3)) };
    both.await;
    let after = signs(&world);
    assert!(before.keys().eq(after.keys()), "{after:?}");
    assert!(before.iter().all(|(url, sign)| after[url] != *sign), "{after:?}");
    world.stop(&task);
    world.publish(&event(&task, 3));
    watch.pass(SOON).await;
    assert_eq!(watch.of("web").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_others_left_is_removed_by_one_that_cannot_subscribe() {
    let (world, _) = web();
    let [living, dead] = [provider(&world, &listening()), provider(&world, &listening())];
    Watch::new(&dead).pass(Duration::from_secs(1)).await;
    let left = signs(&world);
    world.state().mail.denied.insert(QueueAction::Subscribe);
    let mut watch = Watch::new(&living);
    watch.pass(EXPIRY + BEAT * 3).await;
    let now = signs(&world);
    assert_eq!(now.len(), 1);
    assert!(left.keys().all(|url| !now.contains_key(url)));
    assert!(world.state().mail.subscriptions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_was_changed_or_lost_is_set_again_and_what_was_missed_is_read() {
    let (world, [task, _]) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    let policy = |world: &World| world.state().mail.queues.values().next().unwrap().policy.clone();
    let right = policy(&world);
    let other = right.replace("SendMessage", "GetQueueUrl");
    for (wrong, desired, left) in [(String::new(), "STOPPED", 1), (other, "RUNNING", 2)] {
        world.state().mail.queues.values_mut().next().unwrap().policy = wrong;
        // Nobody hears of it.
        world.set(&task, "desiredStatus", json!(desired));
        watch.pass(BEAT).await;
        assert_eq!(policy(&world), right);
        assert_eq!(watch.of("web").len(), left);
    }
    assert!(watch.failed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_subscription_missed_that_somebody_ended_is_read() {
    let (world, [task, _]) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    world.state().mail.subscriptions.clear();
    world.stop(&task);
    world.publish(&event(&task, 3));
    watch.pass(BEAT).await;
    assert_eq!(watch.of("web").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_was_made_and_never_subscribed_is_removed() {
    let (world, _) = web();
    let orphan = orphan(&world);
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    watch.pass(EXPIRY).await;
    assert!(
        world.state().mail.queues.contains_key(&orphan),
        "removed too early"
    );
    watch.pass(BEAT * 2).await;
    let state = world.state();
    assert!(!state.mail.queues.contains_key(&orphan));
    assert_eq!((state.mail.queues.len(), state.mail.subscriptions.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_list_queues_nothing_else_is_missing() {
    let (world, [task, _]) = web();
    let orphan = orphan(&world);
    world.state().mail.denied.insert(QueueAction::ListQueues);
    let [living, dead] = [provider(&world, &listening()), provider(&world, &listening())];
    Watch::new(&dead).pass(Duration::from_secs(1)).await;
    let mut watch = Watch::new(&living);
    watch.pass(EXPIRY + BEAT * 3).await;
    assert!(watch.failed.is_empty());
    let left = signs(&world);
    assert!(left.len() == 2 && left.contains_key(&orphan), "{left:?}");
    world.stop(&task);
    world.publish(&event(&task, 3));
    watch.pass(SOON).await;
    assert_eq!(watch.of("web").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_whose_making_was_answered_too_late_is_the_one_that_is_used() {
    let (world, _) = web();
    world.state().mail.lost_answers = 3;
    let provider = provider(&world, &listening());
    begun(&mut Watch::new(&provider)).await;
    let state = world.state();
    assert_eq!((state.mail.queues.len(), state.mail.subscriptions.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_failed_leaves_no_queue_when_it_ends() {
    for denied in [
        QueueAction::Subscribe,
        QueueAction::SetQueueAttributes,
        QueueAction::GetQueueAttributes,
    ] {
        let (world, _) = web();
        world.state().mail.denied.insert(denied);
        let provider = provider(&world, &listening());
        Watch::new(&provider).pass(Duration::from_secs(60)).await;
        assert_eq!(world.state().mail.queues.len(), 1, "{denied:?}");
        provider.end().await;
        assert!(world.state().mail.queues.is_empty(), "{denied:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_could_not_be_removed_is_found_by_its_subscription() {
    let (world, _) = web();
    let [one, other] = [provider(&world, &listening()), provider(&world, &listening())];
    begun(&mut Watch::new(&one)).await;
    world
        .state()
        .mail
        .denied
        .extend([QueueAction::DeleteQueue, QueueAction::ListQueues]);
    one.end().await;
    assert_eq!(world.state().mail.subscriptions.len(), 1);
    world.state().mail.denied.remove(&QueueAction::DeleteQueue);
    Watch::new(&other).pass(EXPIRY + BEAT * 3).await;
    let state = world.state();
    assert_eq!((state.mail.queues.len(), state.mail.subscriptions.len()), (1, 1));
    assert!(state.mail.subscriptions.keys().all(|arn| arn.starts_with(TOPIC)));
}

#[tokio::test(start_paused = true)]
async fn messages_that_cannot_be_deleted_count_all_the_same() {
    let (world, tasks) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    world.state().mail.denied.insert(QueueAction::DeleteMessage);
    for (left, task) in [(1, &tasks[0]), (0, &tasks[1])] {
        world.stop(task);
        world.publish(&event(task, 3));
        watch.pass(SOON).await;
        assert_eq!(watch.of("web").len(), left);
        let error = watch.failed["events"].to_string();
        assert!(error.contains("sqs:DeleteMessage"), "{error}");
    }
    let reads = world.calls()[&mesh_provider_ecs::Action::ListTasks];
    assert!(reads <= 2, "{reads} reads: nothing was missed");
}

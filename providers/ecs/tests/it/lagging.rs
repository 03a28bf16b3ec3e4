//! Answers of ECS that lag behind events, or that do not come, with time paused.

use std::time::Duration;

use mesh_provider_ecs::{Action, Settings};
use serde_json::{Value, json};

use crate::{
    events::{SOON, begun, event, listening, web},
    watch::{Watch, provider},
    world::{Fate, World},
};

/// Reads everything every now and then.
fn reading() -> Settings {
    Settings {
        refresh_seconds: Duration::from_secs(15),
        ..listening()
    }
}

/// ECS knows nothing of `task` from now on.
fn hide(world: &World, task: &str) -> Value {
    world.state().tasks.remove(task).unwrap()
}

fn show(world: &World, task: &str, value: Value) {
    world.state().tasks.insert(task.to_owned(), value);
}

/// Says that there are events about `task`, for `time`.
async fn storm(world: &World, watch: &mut Watch<'_>, task: &str, time: Duration) {
    let step = Duration::from_millis(100);
    for version in 0..time.as_millis() / step.as_millis() {
        world.publish(&event(task, 10 + version as u64));
        watch.pass(step).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ecs_does_not_know_for_a_moment_stays() {
    let (world, [task, _]) = web();
    world.set(&task, "version", json!(2));
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    let hidden = hide(&world, &task);
    world.publish(&event(&task, 3));
    watch.pass(Duration::from_millis(100)).await;
    show(&world, &task, hidden);
    world.set(&task, "version", json!(3));
    let before = world.calls();
    watch.pass(Duration::from_secs(10)).await;
    assert_eq!(watch.of("web").len(), 2);
    assert!(watch.shrunk.is_empty() && watch.failed.is_empty());
    let calls = world.calls();
    assert_eq!(calls[&Action::DescribeTasks], before[&Action::DescribeTasks] + 1);
    assert_eq!(calls[&Action::ListTasks], before[&Action::ListTasks]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ecs_does_not_know_for_long_is_gone_when_the_list_says_so() {
    let (world, [task, _]) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    let lists = world.calls()[&Action::ListTasks];
    hide(&world, &task);
    world.publish(&event(&task, 3));
    watch.pass(SOON).await;
    assert_eq!(watch.of("web").len(), 2, "no list was read yet");
    watch.pass(Duration::from_secs(5)).await;
    assert_eq!(watch.of("web").len(), 1);
    assert_eq!(world.calls()[&Action::ListTasks], lists + 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_task_that_ecs_does_not_know_yet_is_looked_at_again() {
    let (world, _) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    let task = world.run("web");
    let hidden = hide(&world, &task);
    world.publish(&event(&task, 1));
    watch.pass(Duration::from_millis(100)).await;
    show(&world, &task, hidden);
    watch.pass(SOON).await;
    assert_eq!(watch.of("web").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn tasks_that_never_were_cost_a_few_looks_and_no_read() {
    let (world, _) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    let task = world.run("web");
    hide(&world, &task);
    let before = world.calls();
    world.publish(&event(&task, 1));
    watch.pass(Duration::from_secs(60)).await;
    let calls = world.calls();
    assert_eq!(calls[&Action::DescribeTasks], before[&Action::DescribeTasks] + 4);
    assert_eq!(calls[&Action::ListTasks], before[&Action::ListTasks]);
}

#[tokio::test(start_paused = true)]
async fn a_description_that_is_older_than_what_is_known_is_left_out() {
    let (world, [task, _]) = web();
    world.set(&task, "version", json!(6));
    let provider = provider(&world, &reading());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    // What was, long ago, when the task was to stop and did not.
    world.set(&task, "version", json!(5));
    world.set(&task, "lastStatus", json!("STOPPED"));
    world.publish(&event(&task, 7));
    watch.pass(Duration::from_secs(60)).await;
    assert_eq!(watch.of("web").len(), 2);
    assert!(watch.shrunk.is_empty());
    world.set(&task, "version", json!(7));
    world.publish(&event(&task, 7));
    watch.pass(Duration::from_secs(2)).await;
    assert_eq!(watch.of("web").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_has_stopped_does_not_come_back_with_an_older_answer() {
    let (world, [task, _]) = web();
    world.set(&task, "version", json!(6));
    let provider = provider(&world, &reading());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    world.stop(&task);
    world.set(&task, "version", json!(7));
    world.publish(&event(&task, 7));
    watch.pass(SOON).await;
    assert_eq!(watch.of("web").len(), 1);
    // List and description as they were before.
    world.set(&task, "version", json!(6));
    world.set(&task, "desiredStatus", json!("RUNNING"));
    world.publish(&event(&task, 6));
    let reads = world.calls()[&Action::ListTasks];
    watch.pass(Duration::from_secs(60)).await;
    assert!(world.calls()[&Action::ListTasks] > reads);
    assert_eq!(watch.of("web").len(), 1);
    // Only a list lags.
    world.stop(&task);
    world.set(&task, "version", json!(7));
    watch.pass(Duration::from_secs(60)).await;
    assert_eq!(watch.of("web").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_version_that_never_comes_hides_no_other() {
    let (world, [task, _]) = web();
    world.set(&task, "version", json!(6));
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    world.publish(&event(&task, u64::MAX));
    watch.pass(Duration::from_secs(60)).await;
    assert!(watch.shrunk.is_empty() && watch.failed.is_empty());
    world.stop(&task);
    world.set(&task, "version", json!(7));
    world.publish(&event(&task, 7));
    watch.pass(SOON).await;
    assert_eq!(watch.of("web").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_described_as_it_was_for_long_is_read_soon() {
    let (world, [task, _]) = web();
    // So many that not every read describes each.
    (0..150).for_each(|_| drop(world.run("web")));
    world.set(&task, "version", json!(2));
    let provider = provider(&world, &reading());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(30)).await;
    let moved = |watch: &Watch<'_>| {
        let mut all = watch.of("web").iter();
        all.any(|one| format!("{one:?}").contains("10.99.0.1"))
    };
    let reads = world.calls()[&Action::ListTasks];
    while world.calls()[&Action::ListTasks] == reads {
        watch.pass(Duration::from_millis(100)).await;
    }
    world.publish(&event(&task, 3));
    watch.pass(Duration::from_millis(1900)).await;
    world.set(&task, "version", json!(3));
    let interface = json!([{"privateIpv4Address": "10.99.0.1"}]);
    let container = json!({"name": "app", "lastStatus": "RUNNING", "networkInterfaces": interface});
    world.set(&task, "containers", json!([container]));
    assert!(!moved(&watch));
    watch.pass(Duration::from_secs(4)).await;
    assert!(moved(&watch), "the next read leaves it out");
}

/// Looks, reads, and what is known once AWS answers again.
async fn refused(fate: Fate) -> (usize, usize) {
    let (world, [task, other]) = web();
    let provider = provider(&world, &reading());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    let before = world.calls();
    world.always(Action::DescribeTasks, fate);
    world.stop(&task);
    storm(&world, &mut watch, &task, Duration::from_secs(60)).await;
    assert_eq!(watch.of("web").len(), 2);
    assert!(watch.shrunk.is_empty());
    let calls = world.calls();
    let reads = calls[&Action::ListTasks] - before[&Action::ListTasks];
    let looks = calls[&Action::DescribeTasks] - before[&Action::DescribeTasks] - reads;

    world.state().always.clear();
    world.publish(&event(&other, 3));
    watch.pass(Duration::from_secs(240)).await;
    assert_eq!(watch.of("web").len(), 1);
    assert!(watch.failed.is_empty());
    (looks, reads)
}

#[tokio::test(start_paused = true)]
async fn events_wait_while_looks_are_denied_and_the_reads_go_on() {
    let (looks, reads) = refused(Fate::Denied).await;
    assert!((1..=12).contains(&looks), "{looks} looks in a minute");
    assert!((2..=20).contains(&reads), "{reads} reads in a minute");
}

#[tokio::test(start_paused = true)]
async fn events_wait_while_looks_are_throttled_and_the_reads_go_on() {
    let (looks, reads) = refused(Fate::Throttled).await;
    assert!((1..=12).contains(&looks), "{looks} looks in a minute");
    assert!((1..=5).contains(&reads), "{reads} reads in a minute");
}

#[tokio::test(start_paused = true)]
async fn looks_that_fail_while_reads_do_not_ask_for_few_reads() {
    let (world, [task, _]) = web();
    let provider = provider(&world, &listening());
    let mut watch = Watch::new(&provider);
    begun(&mut watch).await;
    let reads = world.calls()[&Action::ListTasks];
    world.state().refused_alone = true;
    storm(&world, &mut watch, &task, Duration::from_secs(60)).await;
    world.stop(&task);
    let reads = world.calls()[&Action::ListTasks] - reads;
    assert!((1..=12).contains(&reads), "{reads} reads in a minute");
    assert!(watch.shrunk.is_empty() && watch.failed.is_empty());
    world.publish(&event(&task, 1_000_000));
    watch.pass(Duration::from_secs(30)).await;
    assert_eq!(watch.of("web").len(), 1);
}

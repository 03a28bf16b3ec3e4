//! The policy in the documents is what is called, no more and no less.

use std::{collections::BTreeSet, path::Path, time::Duration};

use mesh_discovery::Provider as _;
use mesh_provider_ecs::{EventsSettings, Settings};
use serde_json::Value;

use crate::{
    queues::TOPIC,
    watch::{Watch, provider, settings},
    world::World,
};

/// The actions of one of the policies in the manual.
fn documented(place: usize) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ecs.md");
    let page = std::fs::read_to_string(path).unwrap();
    let policy = page
        .split("```json\n")
        .nth(place)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let policy: Value = serde_json::from_str(policy).unwrap();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions
        .map(|action| action.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_documented_policy_allows_exactly_what_is_called() {
    let world = World::new();
    world.state().machine("i-1", "10.1.1.1");
    world.state().machine("mi-2", "192.0.2.9");
    world.service("web", "bridge", &[]);
    let settings = Settings {
        auto_discover_clusters: true,
        ecs_anywhere: true,
        ..Settings::default()
    };
    let provider = provider(&world, &settings);
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(20)).await;
    (0..2).for_each(|_| drop(world.run("web")));
    watch.pass(Duration::from_secs(120)).await;
    assert_eq!(watch.of("web").len(), 2);
    let called: BTreeSet<String> = world
        .calls()
        .keys()
        .map(|action| action.as_str().to_owned())
        .collect();
    assert_eq!(called, documented(1));
}

#[tokio::test(start_paused = true)]
async fn the_documented_policy_for_events_allows_exactly_what_is_called() {
    let world = World::new();
    world.service("web", "awsvpc", &[]);
    world.run("web");
    let settings = Settings {
        events: EventsSettings {
            topic: Some(TOPIC.to_owned()),
            ..EventsSettings::default()
        },
        ..settings()
    };
    let [one, other] = [provider(&world, &settings), provider(&world, &settings)];
    let mut watch = Watch::new(&one);
    watch.pass(Duration::from_secs(1)).await;
    Watch::new(&other).pass(Duration::from_secs(1)).await;
    world.publish("{}");
    watch.pass(Duration::from_secs(600)).await;
    one.end().await;
    let called: BTreeSet<String> = world
        .state()
        .mail
        .called
        .iter()
        .map(|action| action.as_str().to_owned())
        .collect();
    assert_eq!(called, documented(2));
}

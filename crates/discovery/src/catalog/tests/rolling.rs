//! What holds in every rolling deploy, whatever comes, is found ready and goes in which order.

use std::collections::BTreeMap;

use mesh_config::instance::{Instance, Lifecycle};
use proptest::{collection::vec, prelude::*};

use super::{With as _, World, instance};

const OLD: &[(&str, &str)] = &[("mesh.http.routers.web.rule", "Host(`old.example`)")];
const NEW: &[(&str, &str)] = &[("mesh.http.routers.web.rule", "Host(`new.example`)")];

/// Old instances have the numbers 1 to 3, new ones 4 to 6, and the higher number is the newer one.
fn one(number: u8, life: Lifecycle) -> Instance {
    let labels = if number > 3 { NEW } else { OLD };
    instance("web", number).labels(labels).life(life)
}

/// One step of a deploy: what happens to which instance.
fn any_steps() -> impl Strategy<Value = Vec<(u8, Option<Lifecycle>)>> {
    let life = prop_oneof![
        Just(None),
        Just(Some(Lifecycle::Starting)),
        Just(Some(Lifecycle::Ready)),
        Just(Some(Lifecycle::Ready)),
        Just(Some(Lifecycle::Unhealthy)),
        Just(Some(Lifecycle::Draining)),
    ];
    vec((1_u8..7, life), 1..30)
}

proptest! {
    #[test]
    fn the_route_stands_and_the_newest_that_is_ready_defines_it(steps in any_steps()) {
        let mut world = World::new();
        let mut there = BTreeMap::from([(1, Lifecycle::Ready)]);
        world.replace("web", [one(1, Lifecycle::Ready)]);
        for (number, life) in steps {
            match life {
                Some(life) => drop(there.insert(number, life)),
                None => drop(there.remove(&number)),
            }
            let instances = there.iter().map(|(number, life)| one(*number, *life));
            world.replace("web", instances.collect::<Vec<_>>());
            prop_assert!(world.router("web").is_some(), "404 with {:?}", there);
            let newest = there.iter().next_back();
            if let Some((number, Lifecycle::Ready)) = newest {
                let expected = if *number > 3 { "Host(`new.example`)" } else { "Host(`old.example`)" };
                prop_assert_eq!(world.rule("web"), expected, "{:?}", there);
            }
        }
    }
}

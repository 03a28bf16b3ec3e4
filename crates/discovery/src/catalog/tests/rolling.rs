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

    #[test]
    fn a_canary_group_keeps_its_share_while_instances_come_and_go(
        sizes in vec((1_u8..=20, 1_u8..=5), 1..6),
        share in prop_oneof![Just(1_u8), Just(10), Just(50)],
    ) {
        let mut world = World::new();
        let share_text = share.to_string();
        let labels = [("mesh.canary", "true"), ("mesh.canary.weight", share_text.as_str())];
        for (stable, canaries) in sizes {
            let stable = (1..=stable).map(|number| instance("web", number));
            let canaries = (101..101 + canaries).map(|number| instance("web", number).labels(&labels));
            world.replace("web", stable.chain(canaries).collect::<Vec<_>>());
            let (mut all, mut canary) = (0, 0);
            for server in world.servers("web") {
                if server.lifecycle == Lifecycle::Ready {
                    all += server.weight;
                    let number: u8 = server.url.host.rsplit('.').next().unwrap().parse().unwrap();
                    canary += if number > 100 { server.weight } else { 0 };
                }
            }
            prop_assert!(all > 0);
            prop_assert_eq!(canary * 100, all * u32::from(share));
        }
    }
}

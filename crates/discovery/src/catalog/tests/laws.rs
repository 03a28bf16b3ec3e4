//! What holds for every sequence of reports.

use std::collections::{BTreeMap, BTreeSet};

use mesh_config::instance::{Instance, Lifecycle};
use proptest::{collection::vec, prelude::*, sample::select};

use super::{With as _, World, consul, instance};

const SERVICES: [&str; 4] = ["web", "api", "my.app", "my_app"];

/// Rules, some the same for several services, some broken.
const RULES: [&str; 5] = ["", "Host(`a.example`)", "Host(`b.example`)", "Host(", "Nope(`x`)"];

fn any_instance(service: &'static str) -> impl Strategy<Value = Instance> {
    let life = select(vec![Lifecycle::Starting, Lifecycle::Ready, Lifecycle::Unhealthy]);
    (1_u8..9, select(RULES.to_vec()), select(vec!["x", "y"]), life).prop_map(
        move |(number, rule, router, life)| {
            let key = format!("mesh.http.routers.{router}.rule");
            let labels: &[(&str, &str)] = &[(&key, rule)];
            let labels = if rule.is_empty() { &[] } else { labels };
            instance(service, number).labels(labels).life(life)
        },
    )
}

/// What each scope holds; a scope is a service.
fn any_scopes() -> impl Strategy<Value = Vec<Vec<Instance>>> {
    SERVICES
        .map(|service| vec(any_instance(service), 0..4))
        .prop_map(Vec::from)
}

fn told(scopes: &[Vec<Instance>], order: &[usize]) -> World {
    let mut world = World::new();
    world.list(&SERVICES);
    for index in order {
        world.replace(SERVICES[*index], scopes[*index].clone());
    }
    world
}

/// Authorities of all servers that may get requests, and the names of all routers.
fn reach(world: &World) -> (BTreeSet<String>, BTreeSet<String>) {
    let configuration = world.configuration();
    let names = configuration.services.keys().map(ToString::to_string);
    let servers = names
        .flat_map(|name| world.lives(&name))
        .filter(|(_, life)| *life != Lifecycle::Draining)
        .map(|(authority, _)| authority);
    let routers = configuration.routers.keys().map(ToString::to_string);
    (servers.collect(), routers.collect())
}

proptest! {
    #[test]
    fn reports_in_any_order_of_scopes_give_one_configuration(
        scopes in any_scopes(),
        order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
    ) {
        let (straight, shuffled) = (told(&scopes, &[0, 1, 2, 3]), told(&scopes, &order));
        prop_assert_eq!(
            format!("{:#?}", straight.configuration()),
            format!("{:#?}", shuffled.configuration())
        );
    }

    #[test]
    fn a_failure_never_removes_a_server_or_a_route(
        scopes in any_scopes(),
        failures in vec(0_usize..4, 1..8),
    ) {
        let mut world = told(&scopes, &[0, 1, 2, 3]);
        let before = reach(&world);
        for index in failures {
            world.fail(&consul(), SERVICES[index]);
            world.pass(700);
        }
        prop_assert_eq!(reach(&world), before);
    }

    #[test]
    fn a_broken_object_never_changes_its_neighbours(
        scopes in any_scopes(),
        broken in select(vec!["mesh.http.routers.bad.rule", "mesh.http.services.bad.nonsense", "mesh.nonsense", "mesh.port"]),
    ) {
        let mut world = told(&scopes, &[0, 1, 2, 3]);
        let neighbours = |world: &World| -> BTreeMap<_, _> {
            let configuration = world.configuration();
            let routers = configuration.routers.iter().map(|(name, entry)| (name.to_string(), format!("{entry:?}")));
            let services = configuration.services.iter().map(|(name, entry)| (format!("s {name}"), format!("{entry:?}")));
            routers.chain(services).filter(|(name, _)| !name.contains("bad")).collect()
        };
        let before = neighbours(&world);
        world.replace("bad", [instance("bad", 99).labels(&[(broken, "((")])]);
        prop_assert_eq!(neighbours(&world), before);
    }

    #[test]
    fn a_full_read_after_any_history_says_what_is_there(
        first in any_scopes(),
        second in any_scopes(),
    ) {
        let mut world = told(&first, &[0, 1, 2, 3]);
        for (service, instances) in SERVICES.iter().zip(&second) {
            world.replace(service, instances.clone());
        }
        world.pass(10);
        let wanted: BTreeSet<_> = second.iter().flatten().map(|instance| instance.id.clone()).collect();
        let known: usize = world.status(&consul()).scopes.iter().map(|scope| scope.instances).sum();
        prop_assert_eq!(known, wanted.len());
    }
}

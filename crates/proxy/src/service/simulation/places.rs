//! Zones, and which servers may be asked at all.

use mesh_config::instance::Lifecycle;
use proptest::{prelude::*, sample::select};

use super::*;
use crate::service::{CheckStatus, Standing};

/// Servers in these zones, one in each.
fn zoned(strategy: &str, zones: &[&str]) -> Value {
    let servers: Value = (1..)
        .zip(zones)
        .map(|(port, zone): (u16, _)| json!({"url": format!("http://s:{port}"), "zone": zone}))
        .collect();
    json!({"strategy": strategy, "zonePreference": {}, "servers": servers})
}

#[test]
fn requests_stay_in_the_zone_of_this_process() {
    for strategy in ALL {
        let mut world = World::new(&zoned(strategy, &["a", "b", "a", "b", ""]), |_, _| 40.0);
        let counts = world.run(200.0, 10.0);
        assert!(counts.keys().eq([1, 3].iter()), "{strategy}: {counts:?}");
    }
}

#[test]
fn a_zone_with_too_few_servers_leaves_requests_to_others() {
    for strategy in ALL {
        // One of four in two zones: half of an even part, of which 70 per cent would be enough.
        let mut world = World::new(&zoned(strategy, &["a", "b", "b", "b"]), |_, _| 40.0);
        let counts = world.run(1000.0, 20.0);
        assert!(
            (part(&counts, 1) - 0.5 / 0.7).abs() < 0.05,
            "{strategy}: {counts:?}"
        );
        assert_eq!(counts.len(), 4, "{strategy}: {counts:?}");
    }
}

#[test]
fn another_zone_is_asked_when_the_own_one_failed_a_request() {
    for strategy in ALL {
        let balancer = made(&zoned(strategy, &["a", "b"]), None, Instant::now());
        let first = balancer.pick(&asking(&[]).look()).unwrap();
        let second = balancer.pick(&asking(&[first.id()]).look()).unwrap();
        assert_eq!((first.url.port, second.url.port), (1, 2), "{strategy}");
    }
}

/// A balancer over servers with these lifecycles and verdicts.
fn judged(strategy: &str, servers: &[(Lifecycle, CheckStatus)], panic_threshold: u8) -> Arc<Balancer> {
    judged_with(strategy, servers, panic_threshold, &json!(null))
}

/// The same, where every third server is a canary.
pub(super) fn judged_with(
    strategy: &str,
    servers: &[(Lifecycle, CheckStatus)],
    panic_threshold: u8,
    canary: &Value,
) -> Arc<Balancer> {
    let document = json!({
        "strategy": strategy, "healthCheck": {}, "slowStart": "10s", "panicThreshold": panic_threshold,
        "canary": canary,
    });
    let mut definition: LoadBalancer = serde_json::from_value(document).unwrap();
    definition.servers = (1..)
        .zip(servers)
        .map(|(port, (lifecycle, _)): (u16, _)| {
            let document =
                json!({"url": format!("http://s:{port}"), "weight": 1 + port % 2, "canary": port % 3 == 0});
            let mut server: mesh_config::model::Server = serde_json::from_value(document).unwrap();
            server.lifecycle = *lifecycle;
            server
        })
        .collect();
    let context = Context {
        label: &"s@test".into(),
        origin: &Origin::default(),
        transport: &Arc::default(),
        zone: "",
    };
    let balancer = Balancer::new(context, &definition, None);
    for (server, (_, verdict)) in balancer.servers().iter().zip(servers) {
        server.health.as_ref().unwrap().set_status(*verdict);
    }
    balancer
}

#[test]
fn too_few_ready_servers_are_helped_by_all_that_are_not_on_their_way_out() {
    use CheckStatus::{Down, Up};
    use Lifecycle::{Draining, Ready};
    for strategy in ALL {
        let servers = [(Ready, Up), (Ready, Down), (Ready, Down), (Draining, Up)];
        let ports = |threshold| {
            let balancer = judged(strategy, &servers, threshold);
            let mut ports = Counts::new();
            for client in 0..200 {
                let mut asks = asking(&[]);
                asks.client = IpAddr::V4(Ipv4Addr::new(10, 0, 0, client));
                *ports
                    .entry(balancer.pick(&asks.look()).unwrap().url.port)
                    .or_default() += 1;
            }
            ports.into_keys().collect::<Vec<_>>()
        };
        // One of three is ready.
        assert_eq!(ports(34), [1, 2, 3], "{strategy}");
        assert_eq!(ports(33), [1], "{strategy}");
        assert_eq!(ports(0), [1], "{strategy}");
    }
}

#[test]
fn a_panic_ends_when_enough_are_ready_and_never_asks_what_was_tried() {
    use CheckStatus::{Down, Up};
    let balancer = judged("p2c", &[(Lifecycle::Ready, Down); 4], 50);
    let mut tried = Vec::new();
    while let Some(server) = balancer.pick(&asking(&tried).look()) {
        tried.push(server.id());
    }
    assert_eq!(tried.len(), 4);
    for server in &balancer.servers()[..2] {
        server.health.as_ref().unwrap().set_status(Up);
    }
    for _ in 0..50 {
        assert!(balancer.pick(&asking(&[]).look()).unwrap().url.port <= 2);
    }
}

proptest! {
    #[test]
    fn no_server_is_picked_that_is_worse_than_another_one(
        strategy in select(ALL.to_vec()),
        servers in prop::collection::vec(
            (
                select(vec![Lifecycle::Starting, Lifecycle::Ready, Lifecycle::Unhealthy, Lifecycle::Draining]),
                select(vec![CheckStatus::Untested, CheckStatus::Up, CheckStatus::Down]),
            ),
            0..9,
        ),
        tried in prop::collection::vec(any::<bool>(), 9),
        threshold in select(vec![0, 50]),
        share in prop::option::of(select(vec![0, 30, 100])),
    ) {
        let canary = json!({"weight": share});
        let balancer = judged_with(strategy, &servers, threshold, &canary);
        let tried: Vec<_> = balancer.servers().iter().zip(tried)
            .filter(|(_, tried)| *tried)
            .map(|(server, _)| server.id())
            .collect();
        let resort: Vec<_> = balancer.servers().iter().filter(|server| server.is_last_resort()).collect();
        let ready = resort.iter().filter(|server| server.standing() == Standing::Ready).count();
        let panics = ready * 100 < resort.len() * usize::from(threshold);
        let left = balancer.servers().iter().filter(|server| !tried.contains(&server.id()));
        let best = left
            .filter(|server| if panics { server.is_last_resort() } else { server.standing().takes_requests() })
            .map(|server| if panics { Standing::Out } else { server.standing() })
            .min();
        for client in 0..12 {
            let mut asks = asking(&tried);
            asks.client = IpAddr::V4(Ipv4Addr::new(10, 0, 0, client));
            let picked = balancer.pick(&asks.look());
            prop_assert_eq!(picked.is_some(), best.is_some());
            let Some(picked) = picked else { continue };
            prop_assert!(!tried.contains(&picked.id()));
            match panics {
                true => prop_assert!(picked.is_last_resort()),
                false => prop_assert_eq!(Some(picked.standing()), best),
            }
        }
    }
}

//! What canaries get, by the picks that were made.

use mesh_config::instance::Lifecycle;
use proptest::{prelude::*, sample::select};

use super::{places::judged_with, *};
use crate::service::{CheckStatus, Standing};

/// Stable servers on the first ports and canaries on the next ones, each of these weights.
fn options(strategy: &str, stable: &[u32], canaries: &[u32], share: u8) -> Value {
    let mut all = servers(&[stable, canaries].concat());
    for canary in &mut all.as_array_mut().unwrap()[stable.len()..] {
        canary["canary"] = json!(true);
    }
    json!({"strategy": strategy, "canary": {"weight": share}, "servers": all})
}

/// The part of all requests that went to ports above `stable`.
fn of_canaries(counts: &Counts, stable: u16) -> f64 {
    let above = counts.keys().filter(|port| **port > stable);
    above.map(|port| part(counts, *port)).sum()
}

/// How far the part of canaries may be off, with so many requests: a few of them, or chance where a key decides.
fn tolerance(strategy: &str, requests: usize) -> f64 {
    match SPREADING.contains(&strategy) {
        true => 1e-9 + if requests > 1000 { 3.0 } else { 2.0 } / requests as f64,
        // Four times the deviation of as many coins.
        false => 2.0 / (requests as f64).sqrt(),
    }
}

fn holds(strategy: &str, counts: &Counts, stable: u16, share: u8, what: &str) {
    let (found, requests) = (of_canaries(counts, stable), counts.values().sum());
    let off = (found - f64::from(share) / 100.0).abs();
    assert!(
        off <= tolerance(strategy, requests),
        "{strategy}, {what}: {found:.4} of {requests} instead of {share} %"
    );
}

#[test]
fn canaries_get_their_share_whatever_their_number_weight_and_speed() {
    for strategy in ALL {
        for (stable, canaries, share) in [
            (&[1; 9][..], &[1; 3][..], 10),
            (&[1][..], &[1; 5][..], 1),
            (&[6, 3, 1][..], &[100, 7][..], 50),
            (&[1; 3][..], &[1][..], 99),
        ] {
            let first = stable.len() as u16;
            // Canaries that are far slower than the others, and as fast.
            for slow in [1200.0, 40.0] {
                let pace = move |port, _| if port > first { slow } else { 40.0 };
                let mut world = World::new(&options(strategy, stable, canaries, share), pace);
                let counts = world.run(400.0, 20.0);
                holds(strategy, &counts, first, share, &format!("{slow} ms"));
            }
        }
    }
}

#[test]
fn the_share_holds_for_a_few_requests_too() {
    for strategy in SPREADING {
        for requests in [10.0, 30.0, 100.0] {
            let mut world = World::new(&options(strategy, &[1; 4], &[1], 20), |_, _| 40.0);
            for _ in 0..20 {
                let counts = world.run(10.0, requests / 10.0);
                holds(strategy, &counts, 4, 20, "a few");
            }
        }
    }
}

#[test]
fn none_and_all_are_shares() {
    for strategy in ALL {
        for (share, ports) in [(0, 1..=2), (100, 3..=4)] {
            let mut world = World::new(&options(strategy, &[1; 2], &[1; 2], share), |_, _| 40.0);
            assert!(
                world.run(100.0, 10.0).into_keys().eq(ports),
                "{strategy}, {share}"
            );
        }
    }
}

#[test]
fn servers_of_one_group_share_as_they_would_alone() {
    let mut world = World::new(&options("wrr", &[3, 1], &[1, 1, 2], 40), |_, _| 40.0);
    let counts = world.run(1000.0, 10.0);
    for (port, wanted) in [(1, 0.45), (2, 0.15), (3, 0.1), (4, 0.1), (5, 0.2)] {
        assert!((part(&counts, port) - wanted).abs() < 0.001, "{counts:?}");
    }
}

#[test]
fn requests_that_come_in_a_fixed_order_are_not_told_apart_by_it() {
    // A page and its nine parts, over and over: a canary that got every tenth request would see pages only, or none.
    let mut world = World::new(&options("wrr", &[1; 4], &[1], 10), |_, _| 40.0);
    let mut pages = 0;
    for number in 0..10_000 {
        let to_canary = world.request() == 5;
        pages += usize::from(to_canary && number % 10 == 0);
    }
    assert!((80..=120).contains(&pages), "{pages} pages of 1000 requests");
}

#[test]
fn a_client_stays_with_its_group_where_a_key_decides() {
    for strategy in ["hrw", "consistentHash"] {
        let balancer = made(&options(strategy, &[1; 4], &[1; 2], 50), None, Instant::now());
        let of = |client: u8| {
            let mut asks = asking(&[]);
            asks.client = IpAddr::V4(Ipv4Addr::new(10, 0, 0, client));
            balancer.pick(&asks.look()).unwrap().url.port
        };
        assert!((0..100).all(|client| of(client) == of(client)), "{strategy}");
    }
}

#[test]
fn the_share_goes_on_over_reloads_growth_and_zones() {
    for strategy in SPREADING {
        let with = |canaries: &[u32]| {
            let mut options = options(strategy, &[1; 4], canaries, 10);
            options["slowStart"] = json!("30s");
            options["zonePreference"] = json!({});
            let zones = ["a", "a", "b", "b"];
            for (server, zone) in options["servers"].as_array_mut().unwrap().iter_mut().zip(zones) {
                server["zone"] = json!(zone);
            }
            options
        };
        let mut world = World::new(&with(&[]), |_, _| 40.0);
        world.run(200.0, 60.0);
        for canaries in [&[1][..], &[1; 3], &[1; 2]] {
            world.reload(&with(canaries));
            let counts = world.run(200.0, 5.0);
            holds(strategy, &counts, 4, 10, &format!("{} canaries", canaries.len()));
            assert!(!counts.contains_key(&3), "canaries take nobody out of their zone");
        }
    }
}

#[test]
fn many_new_canaries_beside_an_old_one_leave_nothing_of_their_share_to_others() {
    for strategy in SPREADING {
        let with = |canaries: &[u32]| {
            let mut options = options(strategy, &[1; 4], canaries, 20);
            options["slowStart"] = json!("60s");
            options
        };
        let mut world = World::new(&with(&[1]), |_, _| 4.0);
        world.run(200.0, 60.0);
        world.reload(&with(&[1; 30]));
        let counts = world.run(200.0, 5.0);
        holds(strategy, &counts, 4, 20, "30 canaries");
    }
}

#[test]
fn stable_servers_that_are_not_ready_leave_the_share_as_it_is_while_one_is() {
    use CheckStatus::{Down, Untested, Up};
    use Lifecycle::{Ready, Starting};
    for strategy in ALL {
        // Every third one is a canary.
        let servers = [
            (Ready, Up),
            (Ready, Untested),
            (Ready, Up),
            (Ready, Down),
            (Starting, Untested),
            (Starting, Up),
            (Ready, Down),
        ];
        let balancer = judged_with(strategy, &servers, 0, &json!({"weight": 10}));
        balancer.state.begin_at(7);
        let counts = picks(&balancer, 4000);
        assert!(counts.keys().eq([1, 3, 6].iter()), "{strategy}: {counts:?}");
        let found = part(&counts, 3) + part(&counts, 6);
        assert!(
            (found - 0.1).abs() <= tolerance(strategy, 4000),
            "{strategy}: {found}"
        );
    }
}

/// Where so many clients go.
fn picks(balancer: &Balancer, count: u32) -> Counts {
    let mut counts = Counts::new();
    for client in 0..count {
        let mut asks = asking(&[]);
        asks.client = IpAddr::V4(Ipv4Addr::from_bits(client));
        let port = balancer.pick(&asks.look()).unwrap().url.port;
        *counts.entry(port).or_default() += 1;
    }
    counts
}

proptest! {
    #[test]
    fn the_share_holds_between_groups_that_can_take_requests_and_else_one_takes_all(
        strategy in select(ALL.to_vec()),
        servers in prop::collection::vec(
            (
                select(vec![Lifecycle::Starting, Lifecycle::Ready, Lifecycle::Unhealthy, Lifecycle::Draining]),
                select(vec![CheckStatus::Untested, CheckStatus::Up, CheckStatus::Down]),
            ),
            1..12,
        ),
        share in 0_u8..=100,
        begin in any::<u16>(),
    ) {
        let balancer = judged_with(strategy, &servers, 0, &json!({"weight": share}));
        balancer.state.begin_at(usize::from(begin));
        let all = balancer.servers().iter().map(|server| (server.standing(), server.canary));
        let best = all.clone().map(|(standing, _)| standing).min();
        prop_assume!(best.is_some_and(Standing::takes_requests));
        let has = |wanted: bool| all.clone().any(|(standing, canary)| Some(standing) == best && canary == wanted);
        let wanted = match (has(true), has(false)) {
            (true, true) => f64::from(share) / 100.0,
            (true, false) => 1.0,
            (false, _) => 0.0,
        };
        let counts = picks(&balancer, 600);
        let canaries = counts.keys().filter(|port| **port % 3 == 0);
        let found: f64 = canaries.map(|port| part(&counts, *port)).sum();
        let off = (found - wanted).abs();
        prop_assert!(off <= tolerance(strategy, 600), "{} instead of {}", found, wanted);
    }
}

//! Who gets how much, of strategies that spread requests.

use super::*;

fn options(strategy: &str, weights: &[u32]) -> Value {
    json!({"strategy": strategy, "servers": servers(weights)})
}

fn within(found: f64, wanted: f64, tolerance: f64, what: &str) {
    assert!(
        (found - wanted).abs() <= wanted * tolerance,
        "{what}: {found:.3} instead of {wanted:.3}"
    );
}

#[test]
fn equal_servers_get_the_same_within_a_tenth() {
    for strategy in SPREADING {
        // From mostly idle to twenty requests for each server.
        for rate in [5.0, 100.0, 1000.0] {
            let mut world = World::new(&options(strategy, &[1; 4]), |_, _| 80.0);
            let counts = world.run(rate, 20_000.0 / rate);
            for port in 1..=4 {
                within(part(&counts, port), 0.25, 0.1, &format!("{strategy} at {rate}"));
            }
        }
    }
}

#[test]
fn weights_hold() {
    for strategy in SPREADING {
        for rate in [5.0, 100.0, 1000.0] {
            let mut world = World::new(&options(strategy, &[6, 3, 1]), |_, _| 80.0);
            let counts = world.run(rate, 20_000.0 / rate);
            let tolerance = if strategy == "wrr" { 0.01 } else { 0.2 };
            for (port, wanted) in [(1, 0.6), (2, 0.3), (3, 0.1)] {
                within(
                    part(&counts, port),
                    wanted,
                    tolerance,
                    &format!("{strategy} at {rate}"),
                );
            }
        }
    }
}

#[test]
fn a_slow_server_sheds() {
    for (strategy, most) in [("p2c", 0.16), ("leastconn", 0.08), ("leasttime", 0.03)] {
        let pace = |port, _| if port == 1 { 400.0 } else { 40.0 };
        let mut world = World::new(&options(strategy, &[1; 4]), pace);
        world.run(400.0, 10.0);
        let found = part(&world.run(400.0, 60.0), 1);
        assert!(found < most, "{strategy}: {found:.3}");
        assert!(found > 0.0005, "{strategy} starves it");
    }
}

#[test]
fn a_server_that_recovered_gets_its_share_again() {
    for strategy in ["p2c", "leastconn", "leasttime"] {
        let pace = |port, second| if port == 1 && second < 60.0 { 2000.0 } else { 40.0 };
        let mut world = World::new(&options(strategy, &[1; 4]), pace);
        let sick = part(&world.run(400.0, 60.0), 1);
        assert!(sick < 0.16, "{strategy}: {sick:.3}");
        // A server fifty times slower is asked again after 38 s at the latest.
        world.run(400.0, 40.0);
        let found = part(&world.run(400.0, 60.0), 1);
        within(found, 0.25, 0.15, strategy);
    }
}

#[test]
fn a_server_that_fails_fast_is_no_fast_server() {
    let mut world = World::new(&options("leasttime", &[1; 3]), |_, _| 40.0);
    let now = world.at(0.0);
    for _ in 0..3 {
        let server = world.balancer.servers()[0].clone();
        server.observe(Outcome::Unreachable, now, || now);
        let known = world.balancer.servers()[1].clone();
        known.observe(Outcome::Answered(StatusCode::OK), now, || {
            now + Duration::from_millis(40)
        });
    }
    let found = part(&world.run(100.0, 5.0), 1);
    assert!(found < 0.05, "{found:.3}");
}

#[test]
fn a_server_that_nobody_knows_gets_no_storm() {
    for strategy in SPREADING {
        let mut world = World::new(&options(strategy, &[1, 1, 1]), |_, _| 40.0);
        world.run(500.0, 60.0);
        world.reload(&options(strategy, &[1, 1, 1, 1]));
        let first = part(&world.run(500.0, 0.5), 4);
        assert!((0.1..0.4).contains(&first), "{strategy}: {first:.3}");
        let found = part(&world.run(500.0, 60.0), 4);
        within(found, 0.25, 0.1, strategy);
    }
}

fn slow_start(strategy: &str, weights: &[u32]) -> Value {
    json!({"strategy": strategy, "slowStart": "30s", "servers": servers(weights)})
}

#[test]
fn a_new_server_grows_to_its_share() {
    for strategy in SPREADING {
        for rate in [20.0, 500.0] {
            let mut world = World::new(&slow_start(strategy, &[1, 1]), |_, _| 40.0);
            world.run(rate, 60.0);
            world.reload(&slow_start(strategy, &[1, 1, 1]));
            let parts = [3.0, 12.0, 15.0, 60.0].map(|seconds| part(&world.run(rate, seconds), 3));
            let what = format!("{strategy} at {rate}: {parts:.3?}");
            assert!(parts[0] < 0.1, "{what}");
            assert!(parts[0] < parts[1] && parts[1] < parts[2], "{what}");
            within(parts[3], 1.0 / 3.0, 0.1, &what);
        }
    }
}

#[test]
fn growth_goes_on_over_a_reload() {
    for strategy in SPREADING {
        let mut world = World::new(&slow_start(strategy, &[1, 1]), |_, _| 40.0);
        world.run(500.0, 60.0);
        world.reload(&slow_start(strategy, &[1, 1, 1]));
        world.run(500.0, 31.0);
        world.reload(&slow_start(strategy, &[2, 2, 2, 0]));
        within(part(&world.run(500.0, 5.0), 3), 1.0 / 3.0, 0.15, strategy);
    }
}

#[test]
fn when_all_are_new_none_is_spared() {
    for strategy in SPREADING {
        let mut world = World::new(&slow_start(strategy, &[3, 1]), |_, _| 40.0);
        within(part(&world.run(500.0, 3.0), 2), 0.25, 0.15, strategy);
    }
}

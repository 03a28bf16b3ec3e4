//! Canaries that are stopped, and what comes then.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use mesh_config::{
    Origin,
    model::{CanaryStop, LoadBalancer},
};
use serde_json::{Value, json};

use super::super::{Balancer, Context, Outcome, Standing};
use crate::fixture::asking;

/// Two stable servers on the ports 1 and 2, and canaries on these.
fn definition(canaries: &[u16], canary: &Value) -> LoadBalancer {
    let servers = [1, 2].iter().chain(canaries).map(|port| {
        let is_canary = !matches!(port, 1 | 2);
        json!({"url": format!("http://10.0.0.1:{port}"), "canary": is_canary})
    });
    let servers: Vec<_> = servers.collect();
    serde_json::from_value(json!({"servers": servers, "canary": canary})).unwrap()
}

fn made(definition: &LoadBalancer, previous: Option<&Balancer>) -> Arc<Balancer> {
    let context = Context {
        label: &"s@test".into(),
        origin: &Origin::default(),
        transport: &Arc::default(),
        zone: "",
    };
    Balancer::new(context, definition, previous)
}

fn balancer(canary: &Value) -> Arc<Balancer> {
    made(&definition(&[3, 4], canary), None)
}

fn stop() -> Value {
    json!({"weight": 50, "stop": {}})
}

/// The server of a port answers so many requests with this status.
fn answers(balancer: &Balancer, port: u16, count: u32, status: StatusCode, at: Instant) {
    let mut servers = balancer.servers().iter();
    let server = servers.find(|server| server.url.port == port).unwrap();
    for _ in 0..count {
        server.observe(Outcome::Answered(status), at, || at);
    }
}

/// Of `requests` to the server of `port`, so many fail; they are the last ones.
fn fails(balancer: &Balancer, port: u16, requests: u32, failures: u32) {
    let now = Instant::now();
    answers(balancer, port, requests - failures, StatusCode::OK, now);
    answers(balancer, port, failures, StatusCode::INTERNAL_SERVER_ERROR, now);
}

/// The ports that requests go to.
fn ports(balancer: &Balancer) -> Vec<u16> {
    let picked = (0..40).filter_map(|_| balancer.pick(&asking(&[]).look()));
    let mut ports: Vec<_> = picked.map(|server| server.url.port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

const ALL: [u16; 4] = [1, 2, 3, 4];
const STABLE: [u16; 2] = [1, 2];

#[test]
fn canaries_that_fail_more_than_stable_servers_get_nothing_more_and_say_why() {
    let balancer = balancer(&stop());
    fails(&balancer, 1, 200, 2);
    fails(&balancer, 3, 30, 0);
    fails(&balancer, 4, 10, 5);
    assert_eq!(ports(&balancer), STABLE);
    for server in &balancer.servers()[2..] {
        assert_eq!(server.standing(), Standing::Stopped);
        let info = server.info();
        assert!(info.canary);
        // 5 of 40 are 12.5 per cent; 4 of 39 were less than 11.
        assert_eq!(
            info.obstacle.unwrap(),
            "canary stopped: 12.5 % of 40 requests failed within 1m, of stable servers 1.0 % of 200 requests"
        );
    }
}

#[test]
fn what_stable_servers_fail_as_well_is_not_the_canaries_fault() {
    let balancer = balancer(&stop());
    fails(&balancer, 1, 50, 40);
    fails(&balancer, 3, 50, 44);
    assert_eq!(ports(&balancer), ALL);
}

#[test]
fn a_few_requests_and_a_small_margin_conclude_nothing() {
    let balancer = balancer(&json!({"stop": {"minRequests": 20, "margin": 25}}));
    fails(&balancer, 3, 19, 19);
    assert_eq!(ports(&balancer), ALL, "19 are not enough");
    fails(&balancer, 3, 1, 1);
    assert_eq!(ports(&balancer), STABLE);

    let balancer = made(&definition(&[3, 4], &json!({"stop": {"margin": 25}})), None);
    fails(&balancer, 3, 80, 20);
    assert_eq!(ports(&balancer), ALL, "25 % are within the margin");
    fails(&balancer, 3, 1, 1);
    assert_eq!(ports(&balancer), STABLE);
}

#[test]
fn without_stop_canaries_may_fail() {
    let balancer = balancer(&json!({"weight": 50}));
    fails(&balancer, 3, 100, 100);
    assert_eq!(ports(&balancer), ALL);
}

#[test]
fn stopped_canaries_are_better_than_nobody() {
    let mut definition = definition(&[3, 4], &stop());
    let balancer = made(&definition, None);
    fails(&balancer, 3, 40, 40);
    for stable in &mut definition.servers[..2] {
        stable.weight = 0;
    }
    let alone = made(&definition, Some(&balancer));
    assert_eq!(ports(&alone), [3, 4]);
    assert!(alone.can_serve());
}

#[test]
fn clients_of_a_stopped_canary_move() {
    let mut definition = definition(&[3, 4], &json!({"weight": 100, "stop": {}}));
    definition.sticky = serde_json::from_value(json!({"cookie": {"name": "c"}})).unwrap();
    let balancer = made(&definition, None);
    let mut asks = asking(&[]);
    let first = balancer.choose(&asks.look()).unwrap();
    assert!(first.server.canary);
    let cookie = first.cookies[0].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().parse().unwrap();
    asks.head.headers.insert("cookie", cookie);
    let again = balancer.choose(&asks.look()).unwrap();
    assert_eq!(again.server.id(), first.server.id());
    fails(&balancer, 3, 20, 20);
    let moved = balancer.choose(&asks.look()).unwrap();
    assert!(!moved.server.canary);
    assert_eq!(moved.cookies.len(), 1, "it is told its new server");
}

#[test]
fn a_stop_outlives_reloads_until_another_canary_or_another_definition_comes() {
    let first = balancer(&stop());
    fails(&first, 3, 20, 20);
    let same = made(&definition(&[3, 4], &stop()), Some(&first));
    assert_eq!(ports(&same), STABLE);
    let fewer = made(&definition(&[4], &stop()), Some(&same));
    assert_eq!(ports(&fewer), STABLE);
    let back = made(&definition(&[3, 4], &stop()), Some(&fewer));
    assert_eq!(ports(&back), STABLE, "it was among those that were stopped");

    let another = made(&definition(&[4, 5], &stop()), Some(&back));
    assert_eq!(ports(&another), [1, 2, 4, 5]);
    let other = json!({"weight": 20, "stop": {}});
    let changed = made(&definition(&[3, 4], &other), Some(&back));
    assert_eq!(ports(&changed), ALL);

    let mut anew = definition(&[3, 4], &stop());
    anew.servers[3].origin = Some(Origin::new("another allocation"));
    let anew = made(&anew, Some(&back));
    assert_eq!(ports(&anew), ALL, "another instance at the same address");

    let promoted = definition(&[3, 4], &stop());
    let servers = promoted.servers.into_iter().map(|mut server| {
        server.canary = false;
        server
    });
    let promoted = LoadBalancer {
        servers: servers.collect(),
        ..definition(&[], &stop())
    };
    assert_eq!(ports(&made(&promoted, Some(&back))), ALL, "no canary any more");
}

#[test]
fn what_was_counted_goes_on_when_a_canary_joins() {
    let first = made(&definition(&[3], &stop()), None);
    fails(&first, 3, 19, 19);
    let second = made(&definition(&[3, 4], &stop()), Some(&first));
    fails(&second, 4, 1, 1);
    assert_eq!(ports(&second), STABLE);
}

#[test]
fn canaries_are_tried_again_after_the_time_that_was_set() {
    let balancer = balancer(&json!({"weight": 50, "stop": {"resumeAfter": "10m"}}));
    let now = Instant::now();
    let failed = StatusCode::INTERNAL_SERVER_ERROR;
    answers(&balancer, 3, 20, failed, now);
    balancer.pass_time(now + Duration::from_secs(599));
    assert_eq!(ports(&balancer), STABLE);
    let later = now + Duration::from_secs(600);
    balancer.pass_time(later);
    assert_eq!(ports(&balancer), ALL);
    answers(&balancer, 3, 19, failed, later);
    assert_eq!(ports(&balancer), ALL, "what was before does not count");
    answers(&balancer, 3, 1, failed, later);
    assert_eq!(ports(&balancer), STABLE);
    balancer.pass_time(later + Duration::from_secs(600));
    assert_eq!(ports(&balancer), ALL);
}

#[test]
fn failures_of_long_ago_do_not_count() {
    let balancer = balancer(&stop());
    let now = Instant::now();
    let failed = StatusCode::BAD_GATEWAY;
    answers(&balancer, 3, 15, failed, now);
    answers(&balancer, 3, 15, failed, now + CanaryStop::default().window * 2);
    assert_eq!(ports(&balancer), ALL);
}

#[test]
fn a_panic_does_not_bring_stopped_canaries_back() {
    let mut definition = definition(&[3, 4], &stop());
    definition.panic_threshold = 60;
    let balancer = made(&definition, None);
    fails(&balancer, 3, 20, 20);
    assert_eq!(ports(&balancer), STABLE);
}

//! Ejections by what requests tell.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    fixture::asking,
    service::{Balancer, Context, Outcome, Server, Standing},
};

/// A balancer over so many servers; `more` of its definition.
fn balancer(servers: u16, more: &Value, previous: Option<&Balancer>) -> Arc<Balancer> {
    let servers: Vec<_> = (1..=servers)
        .map(|port| json!({"url": format!("http://10.0.0.1:{port}")}))
        .collect();
    let mut definition = json!({"servers": servers, "passiveHealthCheck": {}});
    for (key, value) in more.as_object().unwrap() {
        definition[key] = value.clone();
    }
    let context = Context {
        label: &"s@test".into(),
        origin: &mesh_config::Origin::default(),
        transport: &Arc::default(),
        zone: "",
    };
    Balancer::new(context, &serde_json::from_value(definition).unwrap(), previous)
}

fn passive(definition: &Value) -> Value {
    json!({"passiveHealthCheck": definition})
}

/// Ports of the servers that are ejected.
fn out(balancer: &Balancer) -> Vec<u16> {
    let servers = balancer.servers().iter();
    let out = servers.filter(|server| server.standing() == Standing::Out);
    out.map(|server| server.url.port).collect()
}

fn observe(server: &Server, outcome: Outcome, at: Instant) {
    server.observe(outcome, at, || at);
}

fn fail(server: &Server, at: Instant) {
    observe(server, Outcome::Unreachable, at);
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_server_that_fails_a_request_is_out_for_the_window_and_says_why() {
    let (balancer, now) = (balancer(2, &json!({}), None), Instant::now());
    fail(&balancer.servers()[0], now);
    assert_eq!(out(&balancer), [1]);
    for _ in 0..4 {
        assert_eq!(balancer.pick(&asking(&[]).look()).unwrap().url.port, 2);
    }
    let info = balancer.servers()[0].info();
    assert_eq!(info.obstacle.as_deref(), Some("ejected: a request failed"));
    assert_eq!((info.ejections, info.status), (Some(1), "DOWN"));
    assert!(info.ejected_until.is_some());
    balancer.pass_time(now + seconds(9));
    assert_eq!(out(&balancer), [1]);
    balancer.pass_time(now + seconds(11));
    assert!(out(&balancer).is_empty());
    let picked: Vec<_> = (0..2)
        .map(|_| balancer.pick(&asking(&[]).look()).unwrap().url.port)
        .collect();
    assert!(picked.contains(&1), "{picked:?}");
}

#[test]
fn failures_are_what_the_server_did_and_never_what_the_client_did() {
    let answered = |status| Outcome::Answered(StatusCode::from_u16(status).unwrap());
    for (outcome, ejects) in [
        (answered(500), true),
        (answered(503), true),
        (answered(499), false),
        (answered(101), false),
        (Outcome::Unreachable, true),
        (Outcome::Lost, true),
        (Outcome::TimedOut, true),
        (Outcome::Invalid, true),
        (Outcome::Abandoned, false),
        (Outcome::Unsent, false),
    ] {
        let balancer = balancer(2, &json!({}), None);
        observe(&balancer.servers()[0], outcome, Instant::now());
        assert_eq!(!out(&balancer).is_empty(), ejects, "{outcome:?}");
    }
}

#[test]
fn a_success_between_failures_clears_them_and_a_cancelled_request_does_not() {
    let three = passive(&json!({"maxFailedAttempts": 3}));
    let (balancer, now) = (balancer(2, &three, None), Instant::now());
    let server = &balancer.servers()[0];
    fail(server, now);
    fail(server, now);
    observe(server, Outcome::Answered(StatusCode::OK), now);
    fail(server, now);
    observe(server, Outcome::Abandoned, now);
    fail(server, now);
    assert!(out(&balancer).is_empty());
    fail(server, now);
    let obstacle = server.obstacle().unwrap();
    assert_eq!(obstacle, "ejected: 3 requests in a row failed within 10s");
}

#[test]
fn a_share_of_failures_ejects_though_none_follows_another() {
    let rate = passive(&json!({"maxFailedAttempts": 0, "errorRate": 50, "minRequests": 10}));
    let (balancer, now) = (balancer(2, &rate, None), Instant::now());
    let server = &balancer.servers()[0];
    for _ in 0..5 {
        assert!(out(&balancer).is_empty());
        observe(server, Outcome::Answered(StatusCode::OK), now);
        fail(server, now);
    }
    let obstacle = server.obstacle().unwrap();
    assert_eq!(obstacle, "ejected: 5 of 10 requests within 10s failed");
    balancer.pass_time(now + seconds(20));
    fail(server, now + seconds(21));
    assert!(
        out(&balancer).is_empty(),
        "what it did before it came back is forgotten"
    );
}

#[test]
fn no_more_servers_are_ejected_than_the_cap_allows() {
    let now = Instant::now();
    for (servers, percent, most) in [
        (4, 50, 2),
        (5, 50, 2),
        (3, 10, 1),
        (1, 99, 0),
        (1, 100, 1),
        (3, 0, 0),
    ] {
        let capped = passive(&json!({"maxEjectionPercent": percent}));
        let balancer = balancer(servers, &capped, None);
        for server in balancer.servers() {
            fail(server, now);
        }
        assert_eq!(out(&balancer).len(), most, "{percent} % of {servers}");
        balancer.pass_time(now + seconds(11));
        for server in balancer.servers().iter().rev() {
            fail(server, now + seconds(12));
        }
        assert_eq!(out(&balancer).len(), most, "again {percent} % of {servers}");
    }
}

#[test]
fn ejections_of_a_server_grow_and_shrink() {
    let growing = passive(&json!({"baseEjectionTime": "10s", "maxEjectionTime": "30s"}));
    let balancer = balancer(2, &growing, None);
    let server = &balancer.servers()[0];
    let mut now = Instant::now();
    let mut eject = |well: u64| {
        now += seconds(well) + Duration::from_millis(1);
        fail(server, now);
        let mut length = 0;
        while !out(&balancer).is_empty() {
            length += 1;
            now += seconds(1);
            balancer.pass_time(now);
        }
        length
    };
    let lengths = [0, 1, 1, 1, 31, 1000].map(&mut eject);
    assert_eq!(lengths, [10, 20, 30, 30, 20, 10]);
    assert_eq!(server.info().ejections, Some(6));
}

#[test]
fn what_was_under_way_when_a_server_was_ejected_does_not_eject_it_again() {
    let (balancer, now) = (balancer(2, &json!({}), None), Instant::now());
    let server = &balancer.servers()[0];
    fail(server, now);
    balancer.pass_time(now + seconds(11));
    server.observe(Outcome::Lost, now + seconds(5), || now + seconds(12));
    assert!(out(&balancer).is_empty());
    fail(server, now + seconds(12));
    assert_eq!(out(&balancer), [1]);
}

#[test]
fn where_servers_are_probed_a_probe_alone_brings_one_back() {
    let probed = json!({"healthCheck": {}});
    let (balancer, now) = (balancer(2, &probed, None), Instant::now());
    let server = &balancer.servers()[0];
    for server in balancer.servers() {
        let health = server.health.as_ref().unwrap();
        health.set_status(crate::service::CheckStatus::Up);
    }
    fail(server, now);
    balancer.pass_time(now + seconds(1000));
    assert_eq!(out(&balancer), [1]);
    assert_eq!(server.info().ejected_until, None);
    let passive = server.passive.as_ref().unwrap();
    assert!(!passive.pass(now - seconds(1), now), "it was on its way before");
    assert!(passive.pass(now + seconds(1), now + seconds(1)));
    assert!(out(&balancer).is_empty());
}

#[test]
fn a_time_that_is_written_has_to_pass_before_a_probe_counts() {
    let both = json!({"healthCheck": {}, "passiveHealthCheck": {"baseEjectionTime": "5s"}});
    let (balancer, now) = (balancer(1, &both, None), Instant::now());
    fail(&balancer.servers()[0], now);
    let passive = balancer.servers()[0].passive.as_ref().unwrap();
    assert!(!passive.pass(now + seconds(4), now + seconds(4)));
    assert!(passive.pass(now + seconds(6), now + seconds(6)));
}

#[test]
fn ejections_survive_tables_until_their_definition_changes() {
    let now = Instant::now();
    let first = balancer(2, &json!({}), None);
    fail(&first.servers()[0], now);
    let second = balancer(3, &json!({"strategy": "wrr"}), Some(&first));
    assert_eq!(out(&second), [1]);
    fail(&first.servers()[1], now);
    assert_eq!(out(&second), [1, 2], "an older table tells the newer one");
    second.pass_time(now + seconds(11));
    assert!(out(&first).is_empty() && out(&second).is_empty());
    fail(&second.servers()[0], now + seconds(12));
    let anew = balancer(2, &passive(&json!({"maxFailedAttempts": 2})), Some(&second));
    assert!(out(&anew).is_empty());
}

#[test]
fn entries_of_one_url_share_a_verdict() {
    let url = json!({"url": "http://10.0.0.1:1"});
    let twice = json!({"servers": [url, url, {"url": "http://10.0.0.1:2"}]});
    let balancer = balancer(1, &twice, None);
    fail(&balancer.servers()[1], Instant::now());
    assert_eq!(out(&balancer), [1, 1]);
}

#[test]
fn many_workers_that_fail_at_once_never_eject_too_many() {
    let capped = passive(&json!({"maxEjectionPercent": 50}));
    for _ in 0..50 {
        let (balancer, now) = (balancer(4, &capped, None), Instant::now());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| balancer.servers().iter().for_each(|server| fail(server, now)));
            }
        });
        assert!(out(&balancer).len() <= 2);
        balancer.servers().iter().for_each(|server| fail(server, now));
        assert_eq!(out(&balancer).len(), 2);
        let ejections = balancer
            .servers()
            .iter()
            .map(|server| server.info().ejections.unwrap());
        assert_eq!(ejections.sum::<u64>(), 2, "one that stepped back was no ejection");
        assert_eq!(
            balancer.pick(&asking(&[]).look()).unwrap().standing(),
            Standing::Ready
        );
    }
}

#[test]
fn a_server_that_is_gone_takes_no_room_from_others() {
    let capped = json!({"passiveHealthCheck": {"maxEjectionPercent": 50}});
    let (before, now) = (balancer(3, &capped, None), Instant::now());
    let gone = before.servers()[2].clone();
    fail(&gone, now);
    assert_eq!(out(&before), [3]);
    let after = balancer(2, &capped, Some(&before));
    drop(before);
    fail(&after.servers()[0], now);
    assert_eq!(
        out(&after),
        [1],
        "though a request still holds what is known of the one that is gone"
    );
    assert_eq!(gone.standing(), Standing::Out);
}

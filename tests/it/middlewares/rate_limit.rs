//! `rateLimit` in this process. Buckets in Redis are in `integration/`.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Behind;

#[test]
fn who_asks_too_often_is_refused_and_learns_when_to_come_again() {
    let slow = json!({"rateLimit": {"average": 1, "period": "1h", "burst": 2,
        "sourceCriterion": {"requestHeaderName": "X-Tenant"}}});
    let behind = Behind::of(&[("limit", slow)]);
    let ask = |tenant: &str| behind.ask(&format!("GET / HTTP/1.1\r\nX-Tenant: {tenant}"));
    // Each over a connection of its own: workers share the bucket.
    assert_eq!([ask("a"), ask("a")].map(|answer| answer.status), [200, 200]);
    let refused = ask("a");
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (429, "Too Many Requests")
    );
    let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((3500..=3600).contains(&seconds), "{seconds}");
    assert!(refused.header("x-retry-in").unwrap().contains('m'));
    assert_eq!(refused.header("ratelimit-limit"), Some("2"));
    assert_eq!(refused.header("ratelimit-remaining"), Some("0"));
    assert_eq!(refused.header("ratelimit-reset"), refused.header("retry-after"));
    assert_eq!(ask("b").status, 200);
    assert_eq!(behind.server.noted().len(), 3);
}

#[test]
fn who_asks_a_little_too_often_waits() {
    let quick = json!({"rateLimit": {"average": 1, "period": "800ms"}});
    let behind = Behind::of(&[("limit", quick)]);
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 200);
    let began = Instant::now();
    // Refused at first, then it waits the rest.
    while behind.ask("GET / HTTP/1.1").status != 200 {
        assert!(began.elapsed() < Duration::from_secs(15));
    }
    assert!(
        began.elapsed() > Duration::from_millis(600),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_bucket_outlives_a_change_of_something_else() {
    let limit = json!({"rateLimit": {"average": 1, "period": "1h"}});
    let middlewares = [("limit", limit.clone())];
    let behind = Behind::of(&middlewares);
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 200);
    let more = [
        ("limit", limit),
        (
            "mark",
            json!({"headers": {"customResponseHeaders": {"X-New": "1"}}}),
        ),
    ];
    behind.write(&super::document(&more, &behind.server));
    crate::mesh::eventually("the change", || {
        behind
            .mesh
            .ask("/api/http/middlewares/mark@file")
            .status
            .eq(&200)
            .then_some(())
    });
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 429);
}

#[test]
fn a_redis_that_is_gone_closes_the_router_or_lets_all_pass_and_its_password_is_not_shown() {
    let limit = |on_error: &str| {
        let redis = json!({"endpoints": ["127.0.0.1:1"], "password": "hunter2", "onError": on_error});
        json!({"rateLimit": {"average": 1, "period": "1h", "redis": redis}})
    };
    let denying = Behind::of(&[("limit", limit("deny"))]);
    assert_eq!(denying.ask("GET / HTTP/1.1").status, 500);
    assert!(denying.server.noted().is_empty());
    let shown = denying.state("limit").to_string();
    assert!(
        shown.contains("127.0.0.1:1") && !shown.contains("hunter2"),
        "{shown}"
    );
    let log = denying.mesh.log().join("\n");
    assert!(
        log.contains("cannot be counted in Redis") && !log.contains("hunter2"),
        "{log}"
    );
    let allowing = Behind::of(&[("limit", limit("allow"))]);
    assert_eq!([(); 3].map(|()| allowing.ask("GET / HTTP/1.1").status), [200; 3]);
}

#[test]
fn what_cannot_be_used_is_named() {
    let broken = Behind::of(&[(
        "limit",
        json!({"rateLimit": {"average": 1, "redis": {"endpoints": ["redis://a"]}}}),
    )]);
    assert_eq!(broken.ask("GET / HTTP/1.1").status, 503);
    let state = broken.state("limit")["error"].to_string();
    assert!(
        state.contains("redis.endpoints") && state.contains("host:6379"),
        "{state}"
    );
}

#[test]
fn an_option_of_redis_without_effect_is_a_warning() {
    let limit = json!({"rateLimit": {"redis": {"minIdleConns": 2}}});
    let behind = Behind::of(&[("limit", limit)]);
    let state = behind.state("limit");
    assert_eq!(state["status"], "warning");
    let warning = state["error"].to_string();
    assert!(warning.contains("redis.minIdleConns has no effect"), "{warning}");
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 200);
}

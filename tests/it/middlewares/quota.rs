//! `quota`: each source has its requests in a period, and learns how many are left.

use serde_json::{Value, json};

use super::{Behind, document};
use crate::mesh::eventually;

/// SHA-256 of `key` and of `other`.
const KEYS: [(&str, &str); 2] = [
    (
        "key",
        "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683",
    ),
    (
        "other",
        "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa",
    ),
];

fn guards(limit: u64) -> [(&'static str, Value); 2] {
    let keys: Vec<_> = KEYS
        .iter()
        .map(|(id, hash)| json!({"id": id, "hash": hash}))
        .collect();
    [
        ("guard", json!({"apiKey": {"keys": keys}})),
        // Longer than any test: it holds for all of it.
        ("plan", json!({"quota": {"limit": limit, "period": "100000h"}})),
    ]
}

#[test]
fn a_key_has_its_requests_and_what_it_used_outlives_a_change() {
    let behind = Behind::of(&guards(2));
    let ask = |key: &str| behind.ask(&format!("GET / HTTP/1.1\r\nX-Api-Key: {key}"));
    for left in ["1", "0"] {
        let passed = ask("key");
        assert_eq!(
            (passed.status, passed.header("ratelimit-remaining")),
            (200, Some(left))
        );
        assert_eq!(passed.header("ratelimit-limit"), Some("2"));
    }
    let refused = ask("key");
    assert_eq!(
        (refused.status, refused.header("ratelimit-remaining")),
        (429, Some("0"))
    );
    let reset: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(reset > 0 && refused.header("ratelimit-reset") == refused.header("retry-after"));
    assert_eq!(ask("other").status, 200, "another key has its own");
    assert_eq!(ask("wrong").status, 401, "who is nobody uses nothing up");
    assert_eq!(behind.server.noted().len(), 3);

    behind.write(&document(&guards(4), &behind.server));
    let more = eventually("the larger quota", || {
        Some(ask("key")).filter(|answer| answer.status == 200)
    });
    assert_eq!(
        more.header("ratelimit-remaining"),
        Some("1"),
        "two of four were used before"
    );
}

#[test]
fn a_quota_of_nothing_closes_the_router() {
    let behind = Behind::of(&[("plan", json!({"quota": {}}))]);
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 503);
    let state = behind.state("plan")["error"].to_string();
    assert!(state.contains("lets nobody pass"), "{state}");
}

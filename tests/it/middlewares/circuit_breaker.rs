//! `circuitBreaker` through the binary.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use super::{Behind, answer, document, ok};
use crate::mesh::eventually;

fn breaker(expression: &str) -> Value {
    json!({"circuitBreaker": {
        "expression": expression, "checkPeriod": "1ms", "fallbackDuration": "300ms", "recoveryDuration": "300ms",
        "responseCode": 429,
    }})
}

#[test]
fn a_service_that_fails_gets_a_rest_and_comes_back() {
    let fails = Arc::new(AtomicBool::new(true));
    let script = fails.clone();
    let behind = Behind::before(
        &[("breaker", breaker("ResponseCodeRatio(500, 600, 0, 600) > 0.5"))],
        move |_| match script.load(Ordering::SeqCst) {
            true => answer("500 Internal Server Error", "", "no"),
            false => ok("yes"),
        },
    );
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 500);
    let refused = eventually("an open breaker", || {
        let answer = behind.ask("GET / HTTP/1.1");
        (answer.status == 429).then_some(answer)
    });
    assert_eq!(refused.text(), "Too Many Requests");
    let reached = behind.server.noted().len();
    // A change of something else does not close it.
    let mut document = document(
        &[("breaker", breaker("ResponseCodeRatio(500, 600, 0, 600) > 0.5"))],
        &behind.server,
    );
    document["http"]["middlewares"]["other"] = json!({"addPrefix": {"prefix": "/x"}});
    behind.write(&document);
    assert!(behind.server.noted().len() <= reached + 1);
    fails.store(false, Ordering::SeqCst);
    eventually("a closed breaker", || {
        (0..20)
            .all(|_| behind.ask("GET / HTTP/1.1").status == 200)
            .then_some(())
    });
}

#[test]
fn a_condition_that_cannot_be_read_says_where() {
    let behind = Behind::of(&[("breaker", breaker("NetworkErrorRatio() > 1"))]);
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 503);
    let error = behind.state("breaker")["error"].to_string();
    assert!(error.contains("a number with a point such as 0.5"), "{error}");
}

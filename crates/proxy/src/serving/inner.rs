//! Middlewares of services below a weighted one: they belong to one attempt.

use serde_json::json;

use super::{Scripted, ask, get, start};
use crate::fixture::{self, Refusing};

#[tokio::test]
async fn an_inner_middleware_that_answers_needs_no_server_and_outer_steps_see_its_answer() {
    let (running, refusing) = (start(|_| {}), Refusing::new());
    running.publish(&fixture::configuration(&json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "shares"}},
        "services": {
            "shares@file": {"weighted": {"services": [{"name": "child", "weight": 1}]}},
            "child@file": {
                "middlewares": ["mark", "secure"],
                "loadBalancer": {"servers": [{"url": format!("http://{}", refusing.address())}]},
            },
        },
        "middlewares": {
            "mark@file": {"headers": {"customResponseHeaders": {"X-Mark": "child"}}},
            "secure@file": {"redirectScheme": {"scheme": "https"}},
        },
    })));
    let answer = ask(&running, get("/")).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 30"), "{answer}");
    assert!(answer.contains("x-mark: child\r\n"), "{answer}");
}

#[tokio::test]
async fn an_inner_middleware_sees_the_answer_to_a_request_that_no_server_took() {
    let (running, refusing) = (start(|_| {}), Refusing::new());
    running.publish(&fixture::configuration(&json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "shares"}},
        "services": {
            "shares@file": {"weighted": {"services": [{"name": "child", "weight": 1}]}},
            "child@file": {
                "middlewares": ["mark"],
                "loadBalancer": {"servers": [{"url": format!("http://{}", refusing.address())}]},
            },
        },
        "middlewares": {"mark@file": {"headers": {"customResponseHeaders": {"X-Mark": "child"}}}},
    })));
    let answer = ask(&running, get("/")).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 502"), "{answer}");
    assert!(answer.contains("x-mark: child\r\n"), "{answer}");
}

#[tokio::test]
async fn what_an_inner_middleware_did_for_one_server_is_not_done_for_the_next() {
    let server = Scripted::answering("hello").await;
    let (running, refusing) = (start(|_| {}), Refusing::new());
    let child = |prefix: &str, server| {
        json!({
            "middlewares": [prefix],
            "loadBalancer": {"servers": [{"url": format!("http://{server}")}]},
        })
    };
    running.publish(&fixture::configuration(&json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "shares"}},
        "services": {
            "shares@file": {"weighted": {"services": [
                {"name": "dead", "weight": 1}, {"name": "alive", "weight": 1},
            ]}},
            "dead@file": child("one", refusing.address()),
            "alive@file": child("two", server.address),
        },
        "middlewares": {
            "one@file": {"addPrefix": {"prefix": "/one"}},
            "two@file": {"addPrefix": {"prefix": "/two"}},
        },
    })));
    for _ in 0..4 {
        let post = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
        assert!(ask(&running, post).await.ends_with("hello"));
    }
    let requests = server.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.starts_with("POST /two/x ") && request.ends_with("\r\n\r\nabc")),
        "{requests:?}"
    );
}

//! How long requests may take, by their router and by their service.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Scripted, ask, get, ok, scripted::Act, start};
use crate::{Running, fixture};

/// A running proxy with one service over servers at `urls`, which limits requests like this, as does its router.
fn start_with(urls: &[String], router: &Value, service: &Value, retry: &Value) -> Running {
    let servers: Vec<_> = urls.iter().map(|url| json!({"url": url})).collect();
    let running = start(|web| web.http.reason_header = true);
    running.publish(&fixture::configuration(&json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "all", "timeouts": router}},
        "services": {"all@file": {"loadBalancer": {"servers": servers, "timeouts": service, "retry": retry}}},
    })));
    running
}

fn url(server: &Scripted) -> String {
    format!("http://{}", server.address)
}

async fn silent() -> Scripted {
    Scripted::new(|_, _| Act::Nothing).await
}

/// A server that stops in the middle of its answer.
async fn stopping() -> Scripted {
    Scripted::new(|_, _| Act::Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".into())).await
}

fn post() -> String {
    get("/").replace("GET", "POST")
}

#[tokio::test]
async fn a_request_that_is_not_answered_within_its_limit_is_504_whoever_set_that() {
    let server = silent().await;
    let (limit, none, long) = (json!({"request": "50ms"}), json!({}), json!({"request": "1h"}));
    for (router, service) in [(&limit, &none), (&none, &limit), (&limit, &long), (&long, &limit)] {
        let running = start_with(&[url(&server)], router, service, &json!({}));
        for request in [get("/"), post()] {
            let answer = ask(&running, request).await;
            assert!(
                answer.starts_with("HTTP/1.1 504") && answer.contains("within the time limit of the request"),
                "{answer}"
            );
        }
    }
    assert_eq!(
        server.requests().len(),
        8,
        "nothing is sent again once the time is over"
    );
}

#[tokio::test]
async fn an_answer_that_is_not_complete_within_the_limit_is_cut() {
    let server = stopping().await;
    let limits = [json!({"request": "50ms"}), json!({"idle": "50ms"})];
    for limit in &limits {
        for (router, service) in [(limit, &json!({})), (&json!({}), limit)] {
            let running = start_with(&[url(&server)], router, service, &json!({}));
            let answer = ask(&running, get("/")).await;
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nabc"),
                "{answer}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_never_pauses_is_cut_as_well() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let flood = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let part = vec![b'x'; 65536];
        while stream.write_all(&part).await.is_ok() {}
    });
    let running = start_with(&[url], &json!({"request": "100ms"}), &json!({}), &json!({}));
    let began = Instant::now();
    let answer = ask(&running, get("/")).await;
    assert!(answer.starts_with("HTTP/1.1 200"));
    assert!(began.elapsed() >= Duration::from_millis(100));
    flood.await.unwrap();
}

#[tokio::test]
async fn the_head_of_an_answer_has_a_limit_with_a_reason_of_its_own() {
    let server = silent().await;
    let limit = json!({"responseHeader": "50ms"});
    for (router, service) in [(&limit, &json!({})), (&json!({}), &limit)] {
        let running = start_with(&[url(&server)], router, service, &json!({}));
        let answer = ask(&running, get("/")).await;
        assert!(
            answer.starts_with("HTTP/1.1 504") && answer.contains("did not answer in time"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn connecting_has_a_limit_with_tls_in_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let limit = json!({"connect": "50ms"});
    let running = start_with(&[url], &json!({}), &limit, &json!({}));
    let answer = ask(&running, get("/")).await;
    assert!(
        answer.starts_with("HTTP/1.1 504") && answer.contains("not within 50ms"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_server_that_takes_too_long_for_one_try_is_passed_over_unless_that_could_do_harm() {
    let (silent, server) = (silent().await, Scripted::answering("hello").await);
    let urls = [url(&silent), url(&server)];
    let retry = json!({"perTryTimeout": "100ms"});
    let running = start_with(&urls, &json!({}), &json!({}), &retry);
    for _ in 0..4 {
        assert!(ask(&running, get("/")).await.ends_with("hello"));
    }
    let asked = silent.requests().len();
    assert!(asked > 0);
    let mut late = 0;
    for _ in 0..4 {
        let answer = ask(&running, post()).await;
        late += usize::from(answer.starts_with("HTTP/1.1 504") && answer.contains("perTryTimeout"));
    }
    assert_eq!((late, silent.requests().len()), (2, asked + 2));
}

#[tokio::test]
async fn one_answer_within_all_limits_says_nothing_of_them() {
    let server = Scripted::new(|_, _| Act::Write(ok("hello"))).await;
    let limits = json!({"request": "1m", "connect": "1m", "responseHeader": "1m", "idle": "1m"});
    let running = start_with(&[url(&server)], &limits, &limits, &json!({"perTryTimeout": "1m"}));
    for _ in 0..2 {
        assert!(ask(&running, get("/")).await.ends_with("hello"));
    }
    assert_eq!(server.connections(), 1);
}

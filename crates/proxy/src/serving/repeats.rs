//! What the `retry` of a service says about requests that are sent again, and how many of them there are.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Client, Scripted, ask, everything_to, get, ok, scripted::Act, start};
use crate::{Running, fixture, fixture::Refusing};

/// A running proxy with one service that says this of retries.
fn start_with(servers: &[SocketAddr], retry: &Value) -> Running {
    let running = start(|web| web.http.reason_header = true);
    publish(&running, servers, retry, &json!({}));
    running
}

fn publish(running: &Running, servers: &[SocketAddr], retry: &Value, timeouts: &Value) {
    let options = json!({"retry": retry, "timeouts": timeouts});
    running.publish(&fixture::configuration(&everything_to(servers, options)));
}

/// How often a request of the service was one too many.
fn refused(running: &Running) -> u64 {
    let table = running.table();
    let service = table.runtime().services[&fixture::name_of("all@file")]
        .service
        .clone()
        .unwrap();
    service.refused_retries().unwrap()
}

/// A server that is overloaded with its first `times` requests.
async fn overloaded(times: usize) -> Scripted {
    Scripted::new(move |number, _| {
        Act::Write(match number <= times {
            true => "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy".to_owned(),
            false => ok("hello"),
        })
    })
    .await
}

fn put(body: &str) -> String {
    let length = body.len();
    format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn an_answer_of_a_listed_status_is_dropped_for_that_of_another_server() {
    let (busy, server) = (overloaded(usize::MAX).await, Scripted::answering("hello").await);
    let retry = json!({"statuses": ["502-504"]});
    let running = start_with(&[busy.address, server.address], &retry);
    let mut client = Client::connect(&running).await;
    for _ in 0..4 {
        client.send(get("/")).await;
        let (head, body) = client.answer().await;
        assert!(head.starts_with("http/1.1 200") && body == "hello", "{head}");
    }
    assert!(!busy.requests().is_empty());
    assert_eq!(
        busy.connections(),
        1,
        "a dropped answer is read, and its connection used again"
    );
}

#[tokio::test]
async fn the_last_answer_passes_as_it_is() {
    let busy = overloaded(usize::MAX).await;
    let running = start_with(&[busy.address], &json!({"statuses": ["503"], "attempts": 2}));
    let answer = ask(&running, get("/")).await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.ends_with("busy"),
        "{answer}"
    );
    assert_eq!(busy.requests().len(), 2);
}

#[tokio::test]
async fn an_answer_of_another_status_and_one_to_a_post_pass_at_once() {
    let busy = overloaded(usize::MAX).await;
    let running = start_with(&[busy.address], &json!({"statuses": ["502"]}));
    assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 503"));
    let running = start_with(&[busy.address], &json!({"statuses": ["503"]}));
    let post = put("abc").replace("PUT", "POST");
    assert!(ask(&running, &post).await.starts_with("HTTP/1.1 503"));
    assert_eq!(busy.requests().len(), 2);
    let told = json!({"statuses": ["503"], "nonIdempotent": true});
    let server = overloaded(1).await;
    let running = start_with(&[server.address], &told);
    assert!(ask(&running, &post).await.ends_with("hello"));
    let got = server.requests();
    assert!(got.len() == 2 && got.iter().all(|request| request.ends_with("\r\n\r\nabc")));
}

#[tokio::test]
async fn a_body_is_sent_again_whole_unless_it_is_too_long() {
    let retry = json!({"statuses": ["503"], "maxBodyBytes": 5});
    let server = overloaded(1).await;
    let running = start_with(&[server.address], &retry);
    assert!(ask(&running, put("12345")).await.ends_with("hello"));
    let got = server.requests();
    assert!(got.len() == 2 && got.iter().all(|request| request.ends_with("\r\n\r\n12345")));

    let chunked =
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n3\r\n456\r\n0\r\n\r\n";
    for request in [put("123456"), chunked.to_owned()] {
        let busy = overloaded(1).await;
        let running = start_with(&[busy.address], &retry);
        let answer = ask(&running, request).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        let got = busy.requests();
        assert_eq!(got.len(), 1);
        let digits: String = got[0].split("\r\n\r\n").skip(1).collect();
        assert!(digits.contains("123") && digits.contains("456"), "{digits}");
    }
}

#[tokio::test]
async fn a_total_outage_does_not_multiply_what_servers_get() {
    const REQUESTS: usize = 200;
    let busy = [overloaded(usize::MAX).await, overloaded(usize::MAX).await];
    let addresses = busy.each_ref().map(|server| server.address);
    let running = start_with(&addresses, &json!({"statuses": ["503"]}));
    let mut client = Client::connect(&running).await;
    for _ in 0..REQUESTS {
        client.send(get("/")).await;
        assert!(client.answer().await.0.starts_with("http/1.1 503"));
    }
    let sent: usize = busy.iter().map(|server| server.requests().len()).sum();
    assert!(
        sent > REQUESTS && sent <= REQUESTS * 12 / 10,
        "{sent} for {REQUESTS}"
    );
    assert!(refused(&running) > 0);
}

#[tokio::test]
async fn without_a_budget_a_lost_request_is_not_sent_again_and_the_reason_says_so() {
    let losing = Scripted::new(|_, _| Act::WriteAndClose(String::new())).await;
    let none = json!({"budgetPercent": 0, "minRetriesPerSecond": 0});
    let running = start_with(&[losing.address], &none);
    let answer = ask(&running, get("/")).await;
    assert!(
        answer.starts_with("HTTP/1.1 502")
            && answer.contains("the retry budget of service all@file is used up"),
        "{answer}"
    );
    assert_eq!((losing.requests().len(), refused(&running)), (1, 1));
    // A reload changes what is allowed, and forgets nothing.
    publish(&running, &[losing.address], &json!({}), &json!({}));
    assert_eq!(refused(&running), 1);
    ask(&running, get("/")).await;
    assert_eq!(losing.requests().len(), 4);
}

#[tokio::test]
async fn servers_that_refuse_cost_nothing_while_others_answer() {
    let (refusing, server) = (Refusing::new(), Scripted::answering("hello").await);
    let running = start_with(
        &[refusing.address(), server.address],
        &json!({"budgetPercent": 0}),
    );
    let mut client = Client::connect(&running).await;
    for _ in 0..100 {
        client.send(get("/")).await;
        assert_eq!(client.answer().await.1, "hello");
    }
    assert_eq!(refused(&running), 0);
}

#[tokio::test]
async fn one_attempt_is_one_attempt() {
    let refusing = [Refusing::new(), Refusing::new()];
    let server = Scripted::answering("hello").await;
    let addresses = [refusing[0].address(), server.address];
    let running = start_with(&addresses, &json!({"attempts": 1}));
    let mut failed = 0;
    for _ in 0..4 {
        failed += usize::from(ask(&running, get("/")).await.starts_with("HTTP/1.1 502"));
    }
    assert_eq!((failed, server.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_fallback_is_asked_also_when_no_try_or_no_budget_is_left() {
    let refusing = [Refusing::new(), Refusing::new(), Refusing::new(), Refusing::new()];
    let spare = Scripted::answering("spare").await;
    for retry in [json!({}), json!({"budgetPercent": 0, "minRetriesPerSecond": 0})] {
        let servers = refusing
            .each_ref()
            .map(|server| json!({"url": format!("http://{}", server.address())}));
        let running = start(|_| {});
        running.publish(&fixture::configuration(&json!({
            "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "all"}},
            "services": {
                "all@file": {"failover": {"service": "main", "fallback": "spare"}},
                "main@file": {"loadBalancer": {"servers": servers, "retry": retry, "healthCheck": {"interval": "1h", "fall": 100}}},
                "spare@file": {"loadBalancer": {"servers": [{"url": format!("http://{}", spare.address)}], "retry": retry}},
            },
        })));
        for _ in 0..3 {
            assert!(ask(&running, get("/")).await.ends_with("spare"));
        }
    }
    assert!(spare.requests().len() == 6);
}

#[tokio::test]
async fn a_server_that_was_asked_before_is_asked_again_after_a_pause() {
    let (busy, other) = (overloaded(usize::MAX).await, overloaded(usize::MAX).await);
    let running = start_with(&[busy.address], &json!({"statuses": ["503"], "attempts": 4}));
    let begin = Instant::now();
    assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 503"));
    assert!(
        begin.elapsed() >= Duration::from_millis(5 + 10 + 20),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(busy.requests().len(), 4);
    let retry = json!({"statuses": ["503"], "attempts": 2});
    let running = start_with(&[busy.address, other.address], &retry);
    assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 503"));
    assert_eq!((busy.requests().len(), other.requests().len()), (5, 1));
}

#[tokio::test]
async fn a_post_whose_connection_takes_longer_than_a_try_may_goes_to_another_server() {
    let server = Scripted::answering("hello").await;
    // The system accepts for it, and nobody ever answers to TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = start(|_| {});
    running.publish(&fixture::configuration(&json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "all"}},
        "serversTransports": {"believing@file": {"insecureSkipVerify": true}},
        "services": {"all@file": {"loadBalancer": {
            "servers": [
                {"url": format!("https://{}", silent.local_addr().unwrap())},
                {"url": format!("http://{}", server.address)},
            ],
            "serversTransport": "believing",
            "retry": {"perTryTimeout": "50ms"},
        }}},
    })));
    for _ in 0..2 {
        let answer = ask(&running, put("abc").replace("PUT", "POST")).await;
        assert!(answer.ends_with("hello"), "{answer}");
    }
    assert_eq!(server.requests().len(), 2);
}

//! Sticky cookies, copies of requests and fallbacks on the wire.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Client, Scripted, ask, eventually, get, http2, ok, scripted::Act, start};
use crate::{
    Running,
    fixture::{self, Refusing},
};

/// Routes everything to the service `top`, beside which there are `services`.
fn publish(running: &Running, services: Value) {
    let services: serde_json::Map<_, _> = match services {
        Value::Object(services) => services
            .into_iter()
            .map(|(name, service)| (format!("{name}@file"), service))
            .collect(),
        other => panic!("{other} is no block"),
    };
    running.publish(&fixture::configuration(&json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "top"}},
        "services": services,
        "middlewares": {
            "outer@file": {"headers": {"customRequestHeaders": {"X-Outer": "1"}, "customResponseHeaders": {"X-Outer": "1"}}},
            "main@file": {"headers": {"customRequestHeaders": {"X-Main": "1"}, "customResponseHeaders": {"X-Main": "1"}}},
            "other@file": {"headers": {"customRequestHeaders": {"X-Other": "1"}, "customResponseHeaders": {"X-Other": "1"}}},
        },
    })));
}

fn balancer(address: SocketAddr) -> Value {
    json!({"loadBalancer": {"servers": [{"url": format!("http://{address}")}]}})
}

fn post(body: &str) -> String {
    let length = body.len();
    format!("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn status(code: u16) -> Act {
    Act::Write(format!(
        "HTTP/1.1 {code} Whatever\r\nX-Server: main\r\nContent-Length: 4\r\n\r\nmain"
    ))
}

/// A server that answers with `code`.
async fn failing(code: u16) -> Scripted {
    Scripted::new(move |_, _| status(code)).await
}

#[tokio::test]
async fn a_cookie_comes_with_the_first_answer_and_leads_back() {
    let servers = [Scripted::answering("a").await, Scripted::answering("b").await];
    let running = start(|_| {});
    let urls = servers
        .iter()
        .map(|server| json!({"url": format!("http://{}", server.address)}));
    publish(
        &running,
        json!({"top": {"loadBalancer": {
            "servers": urls.collect::<Vec<_>>(), "sticky": {"cookie": {"name": "lane", "sameSite": "Lax"}},
        }}}),
    );
    let first = ask(&running, get("/")).await;
    let cookie = first
        .split("set-cookie: ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    assert!(cookie.ends_with("; Path=/; SameSite=Lax"), "{first}");
    let pair = cookie.split(';').next().unwrap();
    for _ in 0..4 {
        let again = ask(
            &running,
            format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: x=1; {pair}\r\n\r\n"),
        )
        .await;
        assert!(!again.to_lowercase().contains("set-cookie"), "{again}");
        assert_eq!(again.chars().last(), first.chars().last());
    }
}

#[tokio::test]
async fn a_cookie_comes_with_an_error_too() {
    let refusing = Refusing::new();
    let running = start(|_| {});
    publish(
        &running,
        json!({"top": {"loadBalancer": {
            "servers": [{"url": format!("http://{}", refusing.address())}], "sticky": {"cookie": {"name": "lane"}},
        }}}),
    );
    let answer = ask(&running, get("/")).await;
    assert!(
        answer.starts_with("HTTP/1.1 502") && answer.contains("set-cookie: lane="),
        "{answer}"
    );
}

#[tokio::test]
async fn a_mirror_gets_what_the_main_service_got_and_the_client_sees_nothing_of_it() {
    let (main, mirror) = (Scripted::answering("main").await, failing(500).await);
    let running = start(|_| {});
    let mut copied = balancer(mirror.address);
    copied["middlewares"] = json!(["other"]);
    let mut asked = balancer(main.address);
    asked["middlewares"] = json!(["main"]);
    publish(
        &running,
        json!({
            "top": {"weighted": {"services": [{"name": "m"}]}},
            "m": {"mirroring": {"service": "asked", "mirrors": [{"name": "copied", "percent": 100}]}, "middlewares": ["outer"]},
            "asked": asked, "copied": copied,
        }),
    );
    let chunked =
        "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    for (number, request) in [get("/x?y=1"), post("abcdef"), chunked.to_owned()]
        .iter()
        .enumerate()
    {
        let answer = ask(&running, request).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("main"),
            "{answer}"
        );
        assert!(
            !answer.contains("x-other") && answer.contains("x-main"),
            "{answer}"
        );
        eventually("the copy arrives", || mirror.requests().len() == number + 1).await;
    }
    let (got, copies) = (main.requests(), mirror.requests());
    for (got, copy) in got.iter().zip(&copies) {
        let line = |text: &str| text.lines().next().unwrap().to_owned();
        assert_eq!(line(got), line(copy));
        assert!(
            copy.contains("x-outer") && copy.contains("x-other") && !copy.contains("x-main"),
            "{copy}"
        );
        assert!(
            got.contains("x-outer") && got.contains("x-main") && !got.contains("x-other"),
            "{got}"
        );
    }
    assert!(copies[1].ends_with("\r\n\r\nabcdef"), "{copies:?}");
    assert!(copies[2].ends_with("\r\n\r\nabcdef"), "{copies:?}");
    assert_eq!(mirror.connections(), 1, "its connection is used again");
}

#[tokio::test]
async fn a_mirror_that_hangs_holds_up_nobody() {
    let refusing = Refusing::new();
    let main = Scripted::answering("main").await;
    let mirror = Scripted::new(|_, _| Act::Nothing).await;
    let running = start(|_| {});
    publish(
        &running,
        json!({
            "top": {"mirroring": {"service": "a", "mirrors": [{"name": "b", "percent": 100}, {"name": "c", "percent": 100}]}},
            "a": balancer(main.address), "b": balancer(mirror.address), "c": balancer(refusing.address()),
        }),
    );
    let mut client = Client::connect(&running).await;
    for _ in 0..20 {
        client.send(post("abc")).await;
        assert_eq!(client.answer().await.1, "main");
    }
    eventually("the copies are under way", || mirror.requests().len() == 20).await;
}

#[tokio::test]
async fn copies_without_body_say_so_and_long_bodies_are_not_copied() {
    let (main, bare, short) = (
        Scripted::answering("main").await,
        Scripted::answering("bare").await,
        Scripted::answering("short").await,
    );
    let running = start(|_| {});
    let mirror = |name: &str| json!([{"name": name, "percent": 100}]);
    publish(
        &running,
        json!({
            "top": {"mirroring": {"service": "inner", "mirrors": mirror("bare"), "mirrorBody": false}},
            "inner": {"mirroring": {"service": "a", "mirrors": mirror("short"), "maxBodySize": 5}},
            "a": balancer(main.address), "bare": balancer(bare.address), "short": balancer(short.address),
        }),
    );
    for body in ["abcdef", "abcde"] {
        assert!(ask(&running, post(body)).await.ends_with("main"));
    }
    let chunked = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n";
    assert!(ask(&running, chunked).await.ends_with("main"));
    assert!(ask(&running, get("/end")).await.ends_with("main"));
    eventually("all copies came", || {
        let has_end = |server: &Scripted| server.requests().iter().any(|request| request.contains("/end"));
        has_end(&bare) && has_end(&short) && bare.requests().len() == 4
    })
    .await;
    let [one, two, three, _] = &bare.requests()[..] else {
        panic!("four are here");
    };
    for request in [one, two] {
        assert!(
            request.contains("content-length: 0\r\n") && request.ends_with("\r\n\r\n"),
            "{request}"
        );
    }
    assert!(
        three.ends_with("\r\n\r\n") && !three.contains("chunked"),
        "{three}"
    );
    let short = short.requests();
    assert_eq!(short.len(), 2, "{short:?}");
    assert!(
        short.iter().any(|request| request.ends_with("\r\n\r\nabcde")),
        "{short:?}"
    );
    assert!(
        main.requests()
            .iter()
            .any(|request| request.ends_with("\r\n\r\nabcdef"))
    );
}

#[tokio::test]
async fn a_client_that_left_has_no_copies_made() {
    let main = Scripted::new(|number, _| {
        if number == 1 {
            Act::Nothing
        } else {
            Act::Write(ok("main"))
        }
    })
    .await;
    let mirror = Scripted::answering("mirror").await;
    let running = start(|_| {});
    publish(
        &running,
        json!({
            "top": {"mirroring": {"service": "a", "mirrors": [{"name": "b", "percent": 100}]}},
            "a": balancer(main.address), "b": balancer(mirror.address),
        }),
    );
    let mut client = Client::connect(&running).await;
    client.send(get("/gone")).await;
    eventually("the server has it", || main.requests().len() == 1).await;
    let socket = socket2::SockRef::from(&client.0);
    socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    eventually("the server is let go", || main.closed() == 1).await;
    assert!(ask(&running, get("/here")).await.ends_with("main"));
    eventually("a copy comes", || !mirror.requests().is_empty()).await;
    assert!(
        mirror
            .requests()
            .iter()
            .all(|request| request.starts_with("GET /here "))
    );
}

/// `top` falls back to `other` when `main` answers 500 or 502 to 504.
fn failover(errors: &Value, main: SocketAddr, other: SocketAddr) -> Value {
    let mut asked = balancer(main);
    asked["middlewares"] = json!(["main"]);
    let mut spare = balancer(other);
    spare["middlewares"] = json!(["other"]);
    json!({
        "top": {"weighted": {"services": [{"name": "f"}], "sticky": {"cookie": {"name": "lane"}}}},
        "f": {"failover": {"service": "asked", "fallback": "spare", "errors": errors}, "middlewares": ["outer"]},
        "asked": asked, "spare": spare,
    })
}

#[tokio::test]
async fn an_answer_that_does_not_count_is_replaced_and_leaves_no_trace() {
    let (main, other) = (failing(503).await, Scripted::answering("other").await);
    let running = start(|_| {});
    let errors = json!({"status": ["500", "502-504"]});
    publish(&running, failover(&errors, main.address, other.address));
    let chunked = "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n";
    for request in [get("/x"), post("abcdef"), chunked.to_owned()] {
        let answer = ask(&running, request).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("other"),
            "{answer}"
        );
        assert!(
            !answer.contains("x-server") && !answer.contains("x-main"),
            "{answer}"
        );
        assert!(
            answer.contains("x-other") && answer.contains("x-outer"),
            "{answer}"
        );
        assert_eq!(answer.matches("set-cookie: lane=").count(), 1, "{answer}");
    }
    let (got, replayed) = (main.requests(), other.requests());
    assert_eq!((got.len(), replayed.len()), (3, 3));
    assert!(
        replayed
            .iter()
            .all(|request| !request.contains("x-main") && request.contains("x-outer"))
    );
    assert!(got[1].ends_with("\r\n\r\nabcdef") && replayed[1].ends_with("\r\n\r\nabcdef"));
    assert!(
        replayed[2].ends_with("3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"),
        "{replayed:?}"
    );
}

#[tokio::test]
async fn the_connection_of_an_answer_that_does_not_count_is_used_again() {
    let (main, other) = (failing(503).await, Scripted::answering("other").await);
    let running = start(|_| {});
    let errors = json!({"status": ["503"]});
    publish(&running, failover(&errors, main.address, other.address));
    let mut asked = 0;
    while asked == main.connections() {
        asked += 1;
        assert!(asked < 100, "each of them had a connection of its own");
        assert!(ask(&running, get("/")).await.ends_with("other"));
    }
}

#[tokio::test]
async fn answers_that_count_and_those_of_the_fallback_come_as_they_are() {
    let (main, other) = (failing(404).await, failing(500).await);
    let running = start(|_| {});
    let errors = json!({"status": ["500"]});
    publish(&running, failover(&errors, main.address, other.address));
    let answer = ask(&running, get("/")).await;
    assert!(
        answer.starts_with("HTTP/1.1 404") && answer.contains("x-server"),
        "{answer}"
    );
    let both = failover(&errors, other.address, other.address);
    publish(&running, both);
    assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 500"));
    assert_eq!((main.requests().len(), other.requests().len()), (1, 2));
}

#[tokio::test]
async fn a_service_without_a_server_that_answers_has_its_fallback_too() {
    let refusing = Refusing::new();
    let other = Scripted::answering("other").await;
    let running = start(|_| {});
    for errors in [json!({"status": ["502"]}), Value::Null] {
        let mut services = failover(&errors, refusing.address(), other.address);
        if errors.is_null() {
            services["f"]["failover"]
                .as_object_mut()
                .unwrap()
                .remove("errors");
            services["asked"]["loadBalancer"]["healthCheck"] = json!({"path": "/none", "timeout": "100ms"});
        }
        publish(&running, services);
        let answer = ask(&running, post("abc")).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("other"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn the_answer_of_a_fallback_that_was_asked_for_lack_of_a_server_counts() {
    let refusing = Refusing::new();
    let other = failing(503).await;
    let running = start(|_| {});
    let errors = json!({"status": ["503"]});
    publish(&running, failover(&errors, refusing.address(), other.address));
    assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 503"));
    assert_eq!(other.requests().len(), 1);
}

#[tokio::test]
async fn the_answer_of_another_share_counts() {
    let refusing = Refusing::new();
    let other = failing(500).await;
    let running = start(|_| {});
    publish(
        &running,
        json!({
            "top": {"weighted": {"services": [{"name": "f"}, {"name": "other"}]}},
            "f": {"failover": {"service": "gone", "fallback": "gone2", "errors": {"status": ["500"]}}},
            "gone": balancer(refusing.address()), "gone2": balancer(refusing.address()),
            "other": balancer(other.address),
        }),
    );
    for _ in 0..4 {
        assert!(ask(&running, post("abc")).await.starts_with("HTTP/1.1 500"));
    }
    assert_eq!(other.requests().len(), 4);
}

#[tokio::test]
async fn a_body_that_is_too_long_to_keep_is_refused() {
    let (main, other) = (failing(503).await, Scripted::answering("other").await);
    let running = start(|_| {});
    let errors = json!({"status": ["503"], "maxRequestBodyBytes": 5});
    publish(&running, failover(&errors, main.address, other.address));
    let chunked =
        "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    for request in [post("abcdef"), chunked.to_owned()] {
        let answer = ask(&running, request).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    }
    assert!(main.requests().is_empty());
    assert!(ask(&running, post("abcde")).await.ends_with("other"));
}

#[tokio::test]
async fn fallbacks_within_fallbacks_are_taken_one_after_the_other() {
    let (one, two) = (failing(500).await, failing(503).await);
    let last = Scripted::answering("last").await;
    let running = start(|_| {});
    publish(
        &running,
        json!({
            "top": {"failover": {"service": "inner", "fallback": "last", "errors": {"status": ["503"]}}},
            "inner": {"failover": {"service": "one", "fallback": "two", "errors": {"status": ["500"]}}},
            "one": balancer(one.address), "two": balancer(two.address), "last": balancer(last.address),
        }),
    );
    assert!(ask(&running, post("abc")).await.ends_with("last"));
    for server in [&one, &two, &last] {
        let requests = server.requests();
        assert!(
            requests.len() == 1 && requests[0].ends_with("\r\n\r\nabc"),
            "{requests:?}"
        );
    }
}

#[tokio::test]
async fn a_websocket_passes_a_failover() {
    let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let main = Scripted::new(move |_, _| Act::Echo(switching.to_owned())).await;
    let other = Scripted::answering("other").await;
    let running = start(|_| {});
    let errors = json!({"status": ["100-599"]});
    publish(&running, failover(&errors, main.address, other.address));
    let mut client = Client::connect(&running).await;
    client
        .send("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    assert!(client.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    client.send("ping").await;
    client.read_until("ping").await;
}

#[tokio::test]
async fn clients_and_servers_of_http2_have_copies_and_fallbacks_too() {
    let (main, mirror) = (failing(503).await, Scripted::answering("mirror").await);
    let other = Scripted::answering("other").await;
    let inner = start(|_| {});
    publish(&inner, json!({"top": balancer(other.address)}));
    let running = start(|_| {});
    let h2c = format!("h2c://{}", inner.addresses()["web"]);
    publish(
        &running,
        json!({
            "top": {"mirroring": {"service": "f", "mirrors": [{"name": "b", "percent": 100}]}},
            "f": {"failover": {"service": "a", "fallback": "c", "errors": {"status": ["503"]}}},
            "a": balancer(main.address), "b": balancer(mirror.address),
            "c": {"loadBalancer": {"servers": [{"url": h2c}]}},
        }),
    );
    let mut client = http2::connect(&running).await;
    let answer = client.send_request(http2::post("/p", "abcdef")).await.unwrap();
    assert_eq!(http2::text(answer).await, "other");
    eventually("the copy comes", || !mirror.requests().is_empty()).await;
    for server in [&main, &mirror, &other] {
        let requests = server.requests();
        assert!(
            requests.len() == 1 && requests[0].contains("abcdef"),
            "{requests:?}"
        );
    }
}

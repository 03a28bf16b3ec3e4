//! `retry` through the binary.

use std::net::TcpListener;

use serde_json::json;

use super::{Behind, Noting, answer, document, exchange, ok};
use crate::mesh::{Place, eventually, flags, words};

/// Answers 503 to the first two requests for each target, and says how often it was asked.
fn third_time() -> impl Fn(&super::Noted) -> String + Send + Sync + 'static {
    let asked = std::sync::Mutex::new(std::collections::HashMap::new());
    move |noted| {
        let mut asked = asked.lock().unwrap();
        let times = asked.entry(noted.line.clone()).or_insert(0);
        *times += 1;
        match *times {
            1 | 2 => answer("503 Service Unavailable", "X-Dropped: 1\r\n", "not yet"),
            _ => ok(&format!("{times} {}", String::from_utf8_lossy(&noted.body))),
        }
    }
}

#[test]
fn answers_that_do_not_count_are_dropped_and_the_body_is_sent_again() {
    let retry = json!({"retry": {"attempts": 3, "status": ["502-503"]}});
    let behind = Behind::before(
        &[("retry", retry), ("add", json!({"addPrefix": {"prefix": "/v1"}}))],
        third_time(),
    );
    let got = behind.ask("GET /a HTTP/1.1");
    assert_eq!(
        (got.status, got.text().as_str(), got.header("x-dropped")),
        (200, "3 ", None)
    );
    let put = behind.send("PUT /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!((put.status, put.text().as_str()), (200, "3 abc"));
    let post =
        behind.send("POST /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!((post.status, post.text().as_str()), (503, "not yet"));
    let noted = behind.server.noted();
    assert_eq!(noted.iter().filter(|noted| noted.target() == "/v1/b").count(), 3);
    assert!(
        noted
            .iter()
            .all(|noted| noted.target().starts_with("/v1/") && !noted.target().starts_with("/v1/v1"))
    );
}

#[test]
fn the_last_answer_counts_and_a_long_body_is_sent_once() {
    let retry = json!({"retry": {"attempts": 2, "status": ["503"], "maxRequestBodyBytes": 2}});
    let behind = Behind::before(&[("retry", retry)], third_time());
    let got = behind.ask("GET /a HTTP/1.1");
    assert_eq!((got.status, got.header("x-dropped")), (503, Some("1")));
    let put = behind.send("PUT /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(put.status, 503);
    assert_eq!(behind.server.noted().len(), 3);
}

#[test]
fn a_request_that_no_server_took_waits_for_one() {
    let retry = json!({"retry": {"attempts": 100, "initialInterval": "10ms"}});
    let behind = Behind::of(&[("retry", retry.clone())]);
    let mut gone = document(&[("retry", retry.clone())], &behind.server);
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    gone["http"]["services"]["all"]["loadBalancer"]["servers"][0]["url"] =
        json!(format!("http://{refusing}"));
    gone["http"]["routers"]["other"] = json!({"rule": "Path(`/somewhere/else`)", "service": "all"});
    behind.write(&gone);
    eventually("no server", || {
        (behind.ask("GET /somewhere/else HTTP/1.1").status == 502).then_some(())
    });
    let post = "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| behind.send(post));
        behind.write(&document(&[("retry", retry)], &behind.server));
        assert_eq!(waiting.join().unwrap().status, 200);
    });
    assert_eq!(behind.server.last().body, b"abc");
}

#[test]
fn nobody_waits_for_an_attempt_that_would_come_too_late() {
    let retry =
        json!({"retry": {"attempts": 3, "status": ["503"], "initialInterval": "1h", "timeout": "30s"}});
    let behind = Behind::before(&[("retry", retry)], third_time());
    let answer = behind.ask("GET /a HTTP/1.1");
    assert_eq!((answer.status, behind.server.noted().len()), (503, 1));
}

#[test]
fn a_retry_of_nothing_is_refused() {
    let retry = json!({"retry": {"attempts": 2, "disableRetryOnNetworkError": true}});
    let behind = Behind::of(&[("retry", retry)]);
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 503);
    assert!(
        behind.state("retry")["error"]
            .to_string()
            .contains("disableRetryOnNetworkError")
    );
}

#[test]
fn a_retry_of_an_inner_service_asks_another_server_of_it() {
    let place = Place::new();
    let [bad, good] = [503, 200].map(|status| {
        Noting::new(move |noted| match status {
            503 => answer("503 Service Unavailable", "", "bad"),
            _ => ok(&String::from_utf8_lossy(&noted.body)),
        })
    });
    let servers = [&bad, &good].map(|server| json!({"url": format!("http://{}", server.address)}));
    let document = json!({"http": {
        "routers": {"all": {"rule": "PathPrefix(`/`)", "service": "split"}},
        "services": {
            "split": {"weighted": {"services": [{"name": "all"}]}},
            "all": {"loadBalancer": {"servers": servers, "sticky": {"cookie": {"name": "at"}}},
                "middlewares": ["again"]},
        },
        "middlewares": {"again": {"retry": {"attempts": 2, "status": ["503"]}}},
    }});
    let mesh = place.start(&words(&flags(
        &place.write("dynamic.json", &document.to_string()),
    )));
    let mut places = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let request = "PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
        let got = exchange(mesh.address("web"), request.as_bytes()).unwrap();
        assert_eq!((got.status, got.text().as_str()), (200, "abc"));
        places.insert(got.header("set-cookie").unwrap().to_owned());
    }
    assert!(!bad.noted().is_empty() && good.noted().len() == 4);
    assert_eq!(
        places.len(),
        1,
        "clients keep to the server that answered: {places:?}"
    );
}

//! `cache` through the binary.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use serde_json::{Value, json};

use super::{Behind, Noted, Noting, Raw, answer};
use crate::mesh::eventually;

fn cache(options: Value) -> [(&'static str, Value); 1] {
    [("cache", json!({"cache": options}))]
}

/// A server that counts what reaches it, and says the count with these headers.
fn counting(headers: &'static str) -> impl Fn(&Noted) -> String + Send + Sync + 'static {
    let count = AtomicUsize::new(0);
    move |noted| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        let not_modified = noted
            .head
            .to_ascii_lowercase()
            .contains("if-none-match: \"same\"");
        match not_modified {
            true => {
                format!("HTTP/1.1 304 Not Modified\r\nETag: \"same\"\r\nX-Number: {number}\r\n{headers}\r\n")
            }
            false => answer(
                "200 OK",
                &format!("{headers}X-Number: {number}\r\n"),
                &format!("body {number}"),
            ),
        }
    }
}

fn status(raw: &Raw) -> &str {
    raw.header("cache-status").unwrap()
}

#[test]
fn an_answer_is_given_again_with_its_age_to_those_it_is_for() {
    let behind = Behind::before(
        &cache(json!({})),
        counting("Cache-Control: max-age=60\r\nVary: Accept\r\n"),
    );
    let get = |more: &str| behind.ask(&format!("GET /a?b HTTP/1.1{more}"));
    let first = get("");
    assert_eq!(
        (first.text().as_str(), status(&first)),
        ("body 1", "mesh; fwd=miss; stored")
    );
    assert_eq!(
        (first.header("content-length"), first.header("age")),
        (Some("6"), None)
    );
    let again = get("");
    assert_eq!(again.text(), "body 1");
    assert!(status(&again).starts_with("mesh; hit; ttl="), "{again:?}");
    assert!(again.header("age").is_some());
    assert_eq!(get("\r\nAccept: x").text(), "body 2");
    assert_eq!(get("\r\nAccept: x").text(), "body 2");
    assert_eq!(get("").text(), "body 1");
    let head = behind.ask("HEAD /a?b HTTP/1.1");
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (200, Some("6"), 0)
    );
    assert_eq!(behind.ask("GET /a?c HTTP/1.1").text(), "body 3");
    // Another scope, another answer.
    let other = behind.send("GET /a?b HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n");
    assert_eq!(other.text(), "body 4");
    assert_eq!(behind.server.noted().len(), 4);
}

#[test]
fn requests_may_ask_for_more_and_what_changes_a_thing_ends_what_is_kept() {
    let behind = Behind::before(&cache(json!({})), counting("Cache-Control: max-age=60\r\n"));
    let get = |more: &str| behind.ask(&format!("GET /a HTTP/1.1{more}")).text();
    assert_eq!(get(""), "body 1");
    assert_eq!(get("\r\nCache-Control: no-cache"), "body 2");
    assert_eq!(get(""), "body 2");
    assert_eq!(get("\r\nCache-Control: no-store"), "body 3");
    assert_eq!(get(""), "body 2");
    assert_eq!(get("\r\nRange: bytes=0-1,3-3"), "body 4");
    assert_eq!(
        get("\r\nAuthorization: x"),
        "body 2",
        "it was kept from a request without"
    );
    let post = "POST /a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(behind.send(post).text(), "body 5");
    assert_eq!(get(""), "body 6");
    assert_eq!(
        behind
            .ask("GET /new HTTP/1.1\r\nCache-Control: only-if-cached")
            .status,
        504
    );
}

#[test]
fn what_is_old_is_asked_for_by_its_tag_and_clients_hear_that_nothing_changed() {
    let behind = Behind::before(
        &cache(json!({})),
        counting("Cache-Control: no-cache\r\nETag: \"same\"\r\n"),
    );
    assert_eq!(behind.ask("GET /a HTTP/1.1").text(), "body 1");
    let renewed = behind.ask("GET /a HTTP/1.1");
    assert_eq!(
        (renewed.text().as_str(), renewed.header("x-number")),
        ("body 1", Some("2"))
    );
    assert!(status(&renewed).contains("fwd-status=304"), "{renewed:?}");
    let known = behind.ask("GET /a HTTP/1.1\r\nIf-None-Match: \"same\"");
    assert_eq!(
        (known.status, known.body.len(), known.header("x-number")),
        (304, 0, None)
    );
    let stranger = behind.ask("GET /a HTTP/1.1\r\nIf-None-Match: \"other\"");
    assert_eq!((stranger.status, stranger.text().as_str()), (200, "body 1"));
}

#[test]
fn a_service_that_fails_does_not_take_the_answer_away() {
    let asked = AtomicUsize::new(0);
    let behind = Behind::before(&cache(json!({"staleIfError": "1h"})), move |_| {
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 => answer("200 OK", "Cache-Control: max-age=0\r\n", "good"),
            1 => answer("500 Internal Server Error", "", "bad"),
            _ => String::new(),
        }
    });
    assert_eq!(behind.ask("GET /a HTTP/1.1").text(), "good");
    for _ in 0..2 {
        let stale = behind.ask("GET /a HTTP/1.1");
        assert_eq!((stale.status, stale.text().as_str()), (200, "good"));
        assert!(status(&stale).contains("detail=stale-if-error"), "{stale:?}");
    }
    assert_eq!(behind.ask("GET /b HTTP/1.1").status, 502);
}

#[test]
fn old_answers_are_given_while_they_are_asked_for_anew() {
    let behind = Behind::before(
        &cache(json!({})),
        counting("Cache-Control: max-age=0, stale-while-revalidate=3600\r\n"),
    );
    assert_eq!(behind.ask("GET /a HTTP/1.1").text(), "body 1");
    assert_eq!(behind.ask("GET /a HTTP/1.1").text(), "body 1");
    eventually("a new answer", || {
        (behind.ask("GET /a HTTP/1.1").text() != "body 1").then_some(())
    });
}

#[test]
fn many_who_ask_for_the_same_ask_the_service_once() {
    let reached = Arc::new(AtomicUsize::new(0));
    let (gate, open) = mpsc::channel::<()>();
    let (count, open) = (reached.clone(), Mutex::new(open));
    let behind = Behind::before(&cache(json!({})), move |_| {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            // Also when the test gives up.
            let _opened = open.lock().unwrap().recv();
        }
        answer("200 OK", "Cache-Control: max-age=60\r\n", "one")
    });
    std::thread::scope(|scope| {
        let gate = gate;
        let asking: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| behind.ask("GET /a HTTP/1.1").text()))
            .collect();
        eventually("sixteen requests in flight", || {
            let metrics = behind.mesh.ask("/metrics").body;
            let open = metrics
                .lines()
                .filter(|line| line.starts_with("mesh_open_connections") && line.contains("\"web\""))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum::<f64>();
            (open >= 16.0 && reached.load(Ordering::SeqCst) == 1).then_some(())
        });
        gate.send(()).unwrap();
        assert!(asking.into_iter().all(|asked| asked.join().unwrap() == "one"));
    });
    assert_eq!(reached.load(Ordering::SeqCst), 1);
}

#[test]
fn what_is_for_one_client_or_too_long_is_not_kept() {
    for (options, headers) in [
        (json!({}), "Cache-Control: private, max-age=60\r\n"),
        (json!({}), "Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n"),
        (json!({}), ""),
        (json!({"maxBodyBytes": 5}), "Cache-Control: max-age=60\r\n"),
    ] {
        let behind = Behind::before(&cache(options), counting(headers));
        assert_eq!(behind.ask("GET /a HTTP/1.1").text(), "body 1", "{headers}");
        assert_eq!(behind.ask("GET /a HTTP/1.1").text(), "body 2", "{headers}");
    }
}

#[test]
fn a_body_that_breaks_off_is_not_kept() {
    let asked = AtomicUsize::new(0);
    let behind = Behind::before(&cache(json!({})), move |_| {
        match asked.fetch_add(1, Ordering::SeqCst) {
        0 => "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf".to_owned(),
        _ => answer("200 OK", "Cache-Control: max-age=60\r\n", "whole"),
    }
    });
    assert_eq!(behind.ask("GET /a HTTP/1.1").body, b"half");
    assert_eq!(behind.ask("GET /a HTTP/1.1").text(), "whole");
}

#[test]
fn an_answer_that_is_larger_than_the_cache_may_be_is_refused_as_an_option() {
    let behind = Behind::of(&cache(json!({"maxBytes": 65_536, "maxBodyBytes": 1_000_000})));
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 503);
    assert!(
        behind.state("cache")["error"]
            .to_string()
            .contains("more than maxBytes 65536")
    );
}

#[test]
fn answers_without_body_are_kept_and_parts_of_kept_ones_are_given() {
    let behind = Behind::before(&cache(json!({})), |noted| {
        let fresh = "Cache-Control: max-age=60\r\nETag: \"a\"\r\n";
        match noted.head.starts_with("GET /none") {
            true => format!("HTTP/1.1 204 No Content\r\n{fresh}\r\n"),
            false if noted.head.starts_with("GET /empty") => answer("200 OK", fresh, ""),
            false => answer("200 OK", fresh, "0123456789"),
        }
    });
    for (path, expected) in [("/none", 204), ("/empty", 200)] {
        let get = || behind.ask(&format!("GET {path} HTTP/1.1"));
        assert_eq!((get().status, get().status), (expected, expected));
        assert!(status(&get()).starts_with("mesh; hit"), "{path}");
    }
    let part = |more: &str| behind.ask(&format!("GET /whole HTTP/1.1\r\nRange: {more}"));
    assert_eq!(
        part("bytes=2-4").status,
        200,
        "nothing is kept yet: the server answers"
    );
    assert_eq!(behind.ask("GET /whole HTTP/1.1").status, 200);
    let given = part("bytes=2-4");
    assert_eq!(
        (given.status, given.text().as_str(), given.header("content-range")),
        (206, "234", Some("bytes 2-4/10"))
    );
    assert_eq!(part("bytes=2-4\r\nIf-None-Match: \"a\"").status, 304);
    let asked = behind.server.noted().len();
    for others in [
        "bytes=2-4\r\nIf-Range: \"a\"",
        "bytes=0-0,2-2",
        "bytes=10-",
        "bytes=2-4\r\nCache-Control: no-cache",
    ] {
        assert_eq!(part(others).status, 200, "{others}: the server sees to it");
    }
    assert_eq!(behind.server.noted().len(), asked + 4);
}

#[test]
fn what_a_trusted_proxy_says_of_scheme_and_host_is_part_of_the_key() {
    let fresh = "Cache-Control: max-age=60\r\n";
    let say = move |noted: &Noted| {
        let said = |name: &str| noted.header(name).unwrap_or_default().to_owned();
        let place = format!("{}://{}/", said("x-forwarded-proto"), said("x-forwarded-host"));
        answer("200 OK", fresh, &place)
    };
    let get = |behind: &Behind, more: &str| behind.ask(&format!("GET / HTTP/1.1{more}")).text();
    let behind = Behind::trusting_before(&cache(json!({})), say);
    for _ in 0..2 {
        assert_eq!(get(&behind, ""), "http://a.test/");
        assert_eq!(get(&behind, "\r\nX-Forwarded-Proto: https"), "https://a.test/");
        assert_eq!(get(&behind, "\r\nX-Forwarded-Host: b.test"), "http://b.test/");
    }
    assert_eq!(behind.server.noted().len(), 3);
    let behind = Behind::before(&cache(json!({})), say);
    for more in ["", "\r\nX-Forwarded-Proto: https", "\r\nX-Forwarded-Host: b.test"] {
        assert_eq!(get(&behind, more), "http://a.test/", "nobody else is believed");
    }
    assert_eq!(behind.server.noted().len(), 1);
}

#[test]
fn what_is_said_to_a_known_user_is_kept_only_if_it_says_that_it_is_for_all() {
    // SHA-256 of `one` and of `two`.
    let key = |id: &str, hash: &str| json!({"id": id, "hash": hash});
    let keys = json!({"apiKey": {"headers": {"X-User": "id"}, "keys": [
        key("ann", "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"),
        key("bob", "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"),
    ]}});
    let both = [("keys", keys), ("cache", json!({"cache": {"defaultTtl": "1m"}}))];
    let behind = Behind::before(&both, |noted| {
        let shared = match noted.head.starts_with("GET /all") {
            true => "Cache-Control: public, max-age=60\r\n",
            false => "",
        };
        answer("200 OK", shared, noted.header("x-user").unwrap_or("nobody"))
    });
    let get = |path: &str, key: &str| {
        behind
            .ask(&format!("GET {path} HTTP/1.1\r\nX-Api-Key: {key}"))
            .text()
    };
    assert_eq!(
        (get("/mine", "one"), get("/mine", "two")),
        ("ann".to_owned(), "bob".to_owned())
    );
    assert_eq!(
        (get("/all", "one"), get("/all", "two")),
        ("ann".to_owned(), "ann".to_owned())
    );
}

#[test]
fn what_was_answered_to_one_user_is_not_for_another() {
    // `123456`
    let users = json!(["ann", "bob"].map(|name| format!("{name}:{{SHA}}fEqNCco3Yq9h5ZUglD3CZJT4lBs=")));
    let auth = json!({"basicAuth": {"users": users, "headerField": "X-User", "removeHeader": true}});
    for (headers, second) in [
        ("Cache-Control: max-age=60\r\n", "body 2"),
        ("Cache-Control: public, max-age=60\r\n", "body 1"),
    ] {
        let behind = Behind::before(
            &[("auth", auth.clone()), ("cache", json!({"cache": {}}))],
            counting(headers),
        );
        let get = |who: &str| behind.ask(&format!("GET /a HTTP/1.1\r\nAuthorization: Basic {who}"));
        assert_eq!(get("YW5uOjEyMzQ1Ng==").text(), "body 1", "{headers}");
        assert_eq!(get("Ym9iOjEyMzQ1Ng==").text(), second, "{headers}");
    }
}

#[test]
fn what_was_answered_to_whom_another_server_let_in_is_not_for_others() {
    let auth = Noting::new(|_| answer("200 OK", "", ""));
    let address = format!("http://{}/verify", auth.address);
    let behind = Behind::before(
        &[
            ("auth", json!({"forwardAuth": {"address": address}})),
            ("cache", json!({"cache": {}})),
        ],
        counting("Cache-Control: max-age=60\r\n"),
    );
    let get = |who: &str| {
        let asked = behind.ask(&format!("GET /a HTTP/1.1\r\nCookie: session={who}"));
        asked.text()
    };
    assert_eq!((get("ann").as_str(), get("bob").as_str()), ("body 1", "body 2"));
}

//! What `forwardAuth` was answered counts again, for nobody but the one who asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use super::{Behind, Noted, Noting, answer, document, ok};
use crate::mesh::eventually;

/// A `forwardAuth` that asks `auth` and lets its answers count, with further options of the cache.
fn keeping(auth: &Noting, cache: &Value) -> Value {
    json!({"forwardAuth": {
        "address": format!("http://{}/verify", auth.address),
        "authResponseHeaders": ["X-User"],
        "cache": cache,
    }})
}

/// Says of everybody who they are: all that they say of themselves, in their words.
fn mirror() -> Noting {
    Noting::new(|noted: &Noted| {
        let all = [
            "cookie",
            "authorization",
            "x-tenant",
            "x-forwarded-uri",
            "x-forwarded-method",
        ];
        let all = all.map(|name| noted.all(name).join("|"));
        answer("200 OK", &format!("X-User: {}\r\n", all.join("&")), "")
    })
}

/// Who the server behind learns that the client is.
fn seen(behind: &Behind, request: &str) -> String {
    assert_eq!(behind.ask(request).status, 200, "{request}");
    behind.server.last().header("x-user").unwrap().to_owned()
}

#[test]
fn the_same_question_is_asked_once_and_another_one_is_never_answered_by_it() {
    let auth = mirror();
    let behind = Behind::of(&[("auth", keeping(&auth, &json!({"ttl": "10m"})))]);
    let questions = [
        ("GET / HTTP/1.1", "&&&/&GET"),
        ("POST / HTTP/1.1\r\nContent-Length: 0", "&&&/&POST"),
        ("GET /a HTTP/1.1", "&&&/a&GET"),
        ("GET /a?b HTTP/1.1", "&&&/a?b&GET"),
        ("GET / HTTP/1.1\r\nCookie: a=1", "a=1&&&/&GET"),
        ("GET / HTTP/1.1\r\nCookie: a=2", "a=2&&&/&GET"),
        ("GET / HTTP/1.1\r\nCookie: A=1", "A=1&&&/&GET"),
        ("GET / HTTP/1.1\r\nX-Tenant: a", "&&a&/&GET"),
        ("GET / HTTP/1.1\r\nX-Tenant: a\r\nX-Tenant: b", "&&a|b&/&GET"),
        ("GET / HTTP/1.1\r\nX-Tenant: b\r\nX-Tenant: a", "&&b|a&/&GET"),
        ("GET / HTTP/1.1\r\nX-Tenant: a, b", "&&a, b&/&GET"),
        ("GET / HTTP/1.1\r\nX-Tenant: a|b", "&&a|b&/&GET"),
        ("GET / HTTP/1.1\r\nAuthorization: Bearer ab", "&Bearer ab&&/&GET"),
        (
            "GET / HTTP/1.1\r\nAuthorization: Bearer a\r\nX-Tenant: b",
            "&Bearer a&b&/&GET",
        ),
        (
            "GET / HTTP/1.1\r\nAuthorization: Bearer a\r\nX-Tenant: b\r\nX-User: root",
            "&Bearer a&b&/&GET",
        ),
    ];
    for round in 1..=2 {
        for (request, who) in questions {
            assert_eq!(seen(&behind, request), who, "round {round}: {request}");
        }
        assert_eq!(auth.noted().len(), questions.len(), "round {round}");
    }
    // Names in another case are the same names, and an order of names says nothing.
    let same = "GET / HTTP/1.1\r\nx-tenant: b\r\nAUTHORIZATION: Bearer a";
    assert_eq!(seen(&behind, same), "&Bearer a&b&/&GET");
    assert_eq!(auth.noted().len(), questions.len());
    let page = behind.mesh.ask("/metrics").body;
    let hits =
        r#"mesh_middleware_cache_requests_total{middleware="auth@file",kind="forwardAuth",outcome="hit"} 16"#;
    assert!(page.contains(hits), "{page}");
    assert!(page.contains(r#"mesh_middleware_cache_entries{middleware="auth@file",owner=""} 15"#));
}

#[test]
fn what_is_ignored_is_not_asked_about_and_what_may_not_be_kept_is_asked_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let auth = Noting::new(move |noted: &Noted| {
        count.fetch_add(1, Ordering::SeqCst);
        match noted.header("cookie") {
            Some("good") => ok(""),
            Some("new") => answer("200 OK", "Set-Cookie: session=1\r\n", ""),
            Some("private") => answer("200 OK", "Cache-Control: private, max-age=60\r\n", ""),
            _ => answer("401 Unauthorized", "WWW-Authenticate: Basic\r\n", "who are you?"),
        }
    });
    let cache = json!({"ttl": "10m", "ignoreHeaders": ["X-Forwarded-Uri", "User-Agent"]});
    let behind = Behind::of(&[("auth", keeping(&auth, &cache))]);
    let ask = |path: &str, cookie: &str| {
        let more = format!("Cookie: {cookie}\r\nUser-Agent: {path}");
        behind.ask(&format!("GET {path} HTTP/1.1\r\n{more}"))
    };
    for (cookie, status, times) in [
        ("good", 200, 1),
        ("new", 200, 3),
        ("private", 200, 3),
        ("bad", 401, 3),
    ] {
        let before = asked.load(Ordering::SeqCst);
        for path in ["/a", "/b", "/c"] {
            assert_eq!(ask(path, cookie).status, status);
        }
        assert_eq!(asked.load(Ordering::SeqCst) - before, times, "{cookie}");
    }

    let negative = json!({"ttl": "0s", "negativeTtl": "10m"});
    let behind = Behind::of(&[("auth", keeping(&auth, &negative))]);
    let before = asked.load(Ordering::SeqCst);
    for _ in 0..3 {
        let refused = behind.ask("GET / HTTP/1.1\r\nCookie: bad");
        assert_eq!((refused.status, refused.text().as_str()), (401, "who are you?"));
        assert_eq!(refused.header("www-authenticate"), Some("Basic"));
    }
    assert_eq!(asked.load(Ordering::SeqCst) - before, 1);
    assert!(behind.server.noted().is_empty());
}

#[test]
fn many_who_ask_the_same_at_once_are_one_question() {
    const ASKERS: usize = 8;
    let come = Arc::new(AtomicUsize::new(0));
    let all = come.clone();
    let auth = Noting::new(move |_| {
        // Others come meanwhile; those who come later find the answer.
        while all.load(Ordering::SeqCst) < ASKERS {
            thread::yield_now();
        }
        ok("")
    });
    let behind = Arc::new(Behind::of(&[("auth", keeping(&auth, &json!({"ttl": "10m"})))]));
    let askers: Vec<_> = (0..ASKERS)
        .map(|_| {
            let (behind, come) = (behind.clone(), come.clone());
            thread::spawn(move || {
                come.fetch_add(1, Ordering::SeqCst);
                behind.ask("GET / HTTP/1.1").status
            })
        })
        .collect();
    for asker in askers {
        assert_eq!(asker.join().unwrap(), 200);
    }
    assert_eq!(auth.noted().len(), 1);
}

#[test]
fn answers_outlive_a_change_of_something_else_and_no_change_of_the_options() {
    let auth = mirror();
    let keeping = |ttl: &str| keeping(&auth, &json!({ "ttl": ttl }));
    let behind = Behind::of(&[("auth", keeping("10m"))]);
    let ask = || seen(&behind, "GET / HTTP/1.1\r\nCookie: s3cret");
    ask();
    let mark = (
        "mark",
        json!({"headers": {"customResponseHeaders": {"X-New": "1"}}}),
    );
    behind.write(&document(&[("auth", keeping("10m")), mark], &behind.server));
    eventually("the change", || {
        behind
            .ask("GET / HTTP/1.1\r\nCookie: s3cret")
            .header("x-new")
            .map(|_| ())
    });
    ask();
    assert_eq!(auth.noted().len(), 1);
    behind.write(&document(&[("auth", keeping("11m"))], &behind.server));
    eventually("the new options", || {
        ask();
        (auth.noted().len() == 2).then_some(())
    });
    assert!(!behind.mesh.log().join("\n").contains("s3cret"));
}

#[test]
fn a_cache_for_everybody_closes_the_router() {
    let [ignoring, bodies, endless] = super::errors([
        json!({"forwardAuth": {"address": "http://a/", "cache": {"ignoreHeaders": ["Authorization"]}}}),
        json!({"forwardAuth": {"address": "http://a/", "forwardBody": true, "cache": {}}}),
        json!({"forwardAuth": {"address": "http://a/", "cache": {"ttl": "2h"}}}),
    ]);
    assert!(ignoring.contains("what another one may have"), "{ignoring}");
    assert!(bodies.contains("forwardBody"), "{bodies}");
    assert!(endless.contains("cache.ttl"), "{endless}");
}

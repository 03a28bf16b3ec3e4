//! `headers`.

use serde_json::json;

use super::{Behind, Noted, answer, errors};

#[test]
fn headers_are_set_and_removed_on_both_ways() {
    let set = json!({"headers": {
        "customRequestHeaders": {"Host": "b.test", "X-Forwarded-For": "", "X-Gone": "", "X-New": "1"},
        "customResponseHeaders": {"Server": "", "X-Powered-By": "mesh"},
    }});
    let scripted = |_: &Noted| {
        answer(
            "200 OK",
            "Server: x\r\nX-Powered-By: a\r\nX-Powered-By: b\r\n",
            "",
        )
    };
    let behind = Behind::before(&[("set", set)], scripted);
    let answer = behind.ask("GET / HTTP/1.1\r\nX-Gone: 1\r\nX-Forwarded-For: 6.6.6.6");
    assert_eq!(
        (answer.header("server"), answer.header("x-powered-by")),
        (None, Some("mesh"))
    );
    let noted = behind.server.last();
    assert_eq!(
        (noted.header("host"), noted.header("x-new")),
        (Some("b.test"), Some("1"))
    );
    assert_eq!(
        (noted.header("x-gone"), noted.header("x-forwarded-for")),
        (None, None)
    );
}

#[test]
fn browsers_are_answered_before_they_ask_and_told_afterwards() {
    let cors = json!({"headers": {
        "accessControlAllowOriginList": ["https://b.test"],
        "accessControlAllowOriginListRegex": ["https://[a-z]+\\.c\\.test"],
        "accessControlAllowMethods": ["GET", "PUT"],
        "accessControlAllowHeaders": ["*"],
        "accessControlExposeHeaders": ["X-A"],
        "accessControlAllowCredentials": true,
        "accessControlMaxAge": 60,
        "addVaryHeader": true,
    }});
    let scripted = |_: &Noted| answer("200 OK", "Access-Control-Allow-Origin: https://server\r\n", "");
    let behind = Behind::before(&[("cors", cors)], scripted);
    let asks = |origin: &str| {
        let asked = "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-b";
        behind.ask(&format!("OPTIONS / HTTP/1.1\r\nOrigin: {origin}\r\n{asked}"))
    };
    let answer = asks("https://b.test");
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("0")));
    for (name, told) in [
        ("access-control-allow-origin", "https://b.test"),
        ("access-control-allow-methods", "GET,PUT"),
        ("access-control-allow-headers", "x-b"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "60"),
    ] {
        assert_eq!(answer.header(name), Some(told), "{name}");
    }
    let stranger = asks("https://b.test.evil.test");
    assert_eq!(
        (stranger.status, stranger.header("access-control-allow-origin")),
        (200, None)
    );
    assert!(behind.server.noted().is_empty());

    let get = |origin: &str| behind.ask(&format!("GET / HTTP/1.1\r\nOrigin: {origin}"));
    let told = get("https://x.c.test");
    assert_eq!(
        told.header("access-control-allow-origin"),
        Some("https://x.c.test")
    );
    assert_eq!(told.header("access-control-expose-headers"), Some("X-A"));
    assert_eq!(told.header("vary"), Some("Origin"));
    let stranger = get("https://x.c.test.evil.test");
    assert_eq!(
        stranger.header("access-control-allow-origin"),
        Some("https://server")
    );
    assert_eq!(behind.ask("OPTIONS / HTTP/1.1").status, 200);
    assert_eq!(behind.server.last().line, "OPTIONS / HTTP/1.1");
}

#[test]
fn browsers_are_kept_safe_and_wrong_hosts_away() {
    let safe = json!({"headers": {
        "stsSeconds": 60, "stsIncludeSubdomains": true, "frameDeny": true, "contentTypeNosniff": true,
        "browserXssFilter": true, "contentSecurityPolicy": "default-src 'self'", "referrerPolicy": "no-referrer",
        "allowedHosts": ["A.test"], "sslProxyHeaders": {"X-Forwarded-Proto": "https"},
    }});
    let behind = Behind::trusting(&[("safe", safe)]);
    let plain = behind.ask("GET / HTTP/1.1");
    assert_eq!(
        (plain.status, plain.header("strict-transport-security")),
        (200, None)
    );
    assert_eq!(plain.header("x-frame-options"), Some("DENY"));
    assert_eq!(plain.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(plain.header("x-xss-protection"), Some("1; mode=block"));
    assert_eq!(
        plain.header("content-security-policy"),
        Some("default-src 'self'")
    );
    assert_eq!(plain.header("referrer-policy"), Some("no-referrer"));
    let secure = behind.ask("GET / HTTP/1.1\r\nX-Forwarded-Proto: https");
    assert_eq!(
        secure.header("strict-transport-security"),
        Some("max-age=60; includeSubDomains")
    );
    let other = behind.send("GET / HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n");
    assert_eq!((other.status, other.text().as_str()), (500, "Bad Host"));
}

#[test]
fn what_cannot_be_set_is_told_and_what_has_no_effect_is_a_warning() {
    let [nothing, framing, host, regex] = errors([
        json!({"headers": {}}),
        json!({"headers": {"customResponseHeaders": {"Content-Length": "1"}}}),
        json!({"headers": {"customRequestHeaders": {"Host": "a b"}}}),
        json!({"headers": {"accessControlAllowOriginListRegex": ["(a"]}}),
    ]);
    assert!(nothing.contains("sets nothing"), "{nothing}");
    assert!(framing.contains("how a body is framed"), "{framing}");
    assert!(host.contains("is no host"), "{host}");
    assert!(regex.contains("unclosed group"), "{regex}");

    let old = Behind::of(&[(
        "old",
        json!({"headers": {"frameDeny": true, "sslRedirect": true}}),
    )]);
    assert_eq!(old.ask("GET / HTTP/1.1").header("x-frame-options"), Some("DENY"));
    let state = old.state("old");
    assert_eq!(state["status"], "warning");
    assert!(
        state["error"].to_string().contains("sslRedirect has no effect"),
        "{state}"
    );
}

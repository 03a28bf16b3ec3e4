//! `redirectRegex`.

use serde_json::json;

use super::{Behind, errors};

#[test]
fn clients_are_sent_to_what_the_url_becomes() {
    let redirect = json!({"redirectRegex": {
        "regex": "^http://a\\.test/old/(.*)", "replacement": "https://b.test/$1", "permanent": true
    }});
    let behind = Behind::of(&[("redirect", redirect)]);
    let answer = behind.ask("GET /old/x%20y?q=1 HTTP/1.1");
    assert_eq!(
        (answer.status, answer.header("location")),
        (301, Some("https://b.test/x%20y?q=1"))
    );
    assert_eq!(answer.text(), "Moved Permanently");
    assert_eq!(behind.ask("DELETE /old/x HTTP/1.1").status, 308);
    assert!(behind.server.noted().is_empty());
    assert_eq!(behind.ask("GET /new HTTP/1.1").status, 200);
}

#[test]
fn behind_a_trusted_proxy_the_scheme_is_the_clients() {
    let redirect = json!({"redirectRegex": {"regex": "^http://(.*)", "replacement": "https://$1"}});
    let behind = Behind::trusting(&[("redirect", redirect.clone())]);
    assert_eq!(
        behind.ask("GET / HTTP/1.1").header("location"),
        Some("https://a.test/")
    );
    let secure = "GET / HTTP/1.1\r\nX-Forwarded-Proto: https";
    assert_eq!(behind.ask(secure).status, 200);
    let stranger = Behind::of(&[("redirect", redirect)]);
    assert_eq!(stranger.ask(secure).status, 302);
}

#[test]
fn what_leads_nowhere_is_told() {
    let [empty, regex] = errors([
        json!({"redirectRegex": {"regex": "a", "replacement": ""}}),
        json!({"redirectRegex": {"regex": "(?<=a)b", "replacement": "/"}}),
    ]);
    assert!(empty.contains("leads nowhere"), "{empty}");
    assert!(regex.contains("is not a regular expression"), "{regex}");
}

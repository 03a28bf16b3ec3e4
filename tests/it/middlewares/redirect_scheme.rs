//! `redirectScheme`.

use serde_json::json;

use super::{Behind, errors};

#[test]
fn clients_are_sent_to_the_other_scheme_unless_they_are_there() {
    let redirect = json!({"redirectScheme": {"scheme": "https", "port": "8443", "permanent": true}});
    let behind = Behind::trusting(&[("redirect", redirect)]);
    let answer = behind.ask("GET /x?y HTTP/1.1");
    assert_eq!(
        (answer.status, answer.header("location")),
        (301, Some("https://a.test:8443/x?y"))
    );
    let ask = |proto: &str, host: &str| {
        let request = format!(
            "HEAD / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: {proto}\r\nConnection: close\r\n\r\n"
        );
        behind.send(request).status
    };
    assert_eq!(ask("http", "a.test:8443"), 308);
    assert_eq!(ask("https", "a.test"), 308);
    assert!(behind.server.noted().is_empty());
    assert_eq!(ask("https", "a.test:8443"), 200);
    assert_eq!(ask("wss", "a.test:8443"), 200);
}

#[test]
fn a_client_cannot_say_that_it_used_the_scheme() {
    let behind = Behind::of(&[("redirect", json!({"redirectScheme": {"scheme": "https"}}))]);
    let answer = behind.ask("GET / HTTP/1.1\r\nX-Forwarded-Proto: https");
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some("https://a.test/"))
    );
}

#[test]
fn what_is_no_scheme_or_port_is_told() {
    let [scheme, port] = errors([
        json!({"redirectScheme": {"scheme": "ht tp"}}),
        json!({"redirectScheme": {"port": "70000"}}),
    ]);
    assert!(scheme.contains("is no scheme"), "{scheme}");
    assert!(port.contains("is no port"), "{port}");
}

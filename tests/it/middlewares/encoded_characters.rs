//! `encodedCharacters`.

use serde_json::json;

use super::{Behind, errors};

#[test]
fn what_servers_read_in_different_ways_is_refused_unless_it_is_allowed() {
    let strict = Behind::of(&[("strict", json!({"encodedCharacters": {}}))]);
    for escape in ["%2f", "%2F", "%5C", "%3b", "%25", "%3F", "%23"] {
        let answer = strict.ask(&format!("GET /a{escape}b HTTP/1.1"));
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (400, "Bad Request"),
            "{escape}"
        );
    }
    assert!(strict.server.noted().is_empty());
    assert_eq!(strict.ask("GET /a%20b?c=%2F%25 HTTP/1.1").status, 200);

    let allow = json!({"encodedCharacters": {"allowEncodedSlash": true, "allowEncodedPercent": true}});
    let allowing = Behind::of(&[("allow", allow)]);
    assert_eq!(allowing.ask("GET /a%2fb%25 HTTP/1.1").status, 200);
    assert_eq!(allowing.server.last().target(), "/a%2Fb%25");
    assert_eq!(allowing.ask("GET /a%3fb HTTP/1.1").status, 400);
}

#[test]
fn an_option_that_does_not_exist_is_told() {
    let [unknown] = errors([json!({"encodedCharacters": {"allowEncodedSlashes": true}})]);
    assert!(unknown.contains("allowEncodedSlash"), "{unknown}");
}

//! `ipAllowList`, `ipWhiteList` and `ipDenyList`.

use serde_json::{Value, json};

use super::{Behind, errors};

#[test]
fn those_pass_who_are_listed_or_who_are_not() {
    for (kind, range, status) in [
        ("ipAllowList", "127.0.0.0/8", 200),
        ("ipAllowList", "10.0.0.0/8", 404),
        ("ipWhiteList", "127.0.0.1", 200),
        ("ipDenyList", "127.0.0.1", 404),
        ("ipDenyList", "::ffff:127.0.0.0/104", 404),
        ("ipDenyList", "10.0.0.0/8", 200),
    ] {
        let list = json!({kind: {"sourceRange": [range], "rejectStatusCode": 404}});
        let behind = Behind::of(&[("list", list)]);
        // What a stranger says of itself does not count.
        let answer = behind.ask("GET / HTTP/1.1\r\nX-Forwarded-For: 10.0.0.1");
        assert_eq!(answer.status, status, "{kind} {range}");
        assert_eq!(
            behind.server.noted().len(),
            usize::from(status == 200),
            "{kind} {range}"
        );
    }
}

#[test]
fn the_client_is_found_among_those_that_forwarded_and_denied_if_it_is_not() {
    let strategy = json!({"depth": 2});
    let list = |kind: &str, range: &str| -> Value {
        json!({kind: {"sourceRange": [range], "ipStrategy": strategy}})
    };
    let behind = Behind::trusting(&[
        ("allow", list("ipAllowList", "192.0.2.0/24")),
        ("deny", list("ipDenyList", "192.0.2.66")),
    ]);
    for (told, status) in [
        ("192.0.2.1, 10.0.0.1", 200),
        ("6.6.6.6, 192.0.2.1, 10.0.0.1", 200),
        ("192.0.2.66, 10.0.0.1", 403),
        ("192.0.2.1, 6.6.6.6, 10.0.0.1", 403),
        ("192.0.2.1", 403),
        ("unknown, 10.0.0.1", 403),
    ] {
        let answer = behind.ask(&format!("GET / HTTP/1.1\r\nX-Forwarded-For: {told}"));
        assert_eq!(answer.status, status, "{told}");
    }
    let deny = Behind::trusting(&[("deny", list("ipDenyList", "192.0.2.66"))]);
    let untold = deny.ask("GET / HTTP/1.1");
    assert_eq!((untold.status, untold.text().as_str()), (403, "Forbidden"));
}

#[test]
fn what_is_no_list_is_told() {
    let [empty, range, status, mask] = errors([
        json!({"ipAllowList": {"sourceRange": []}}),
        json!({"ipDenyList": {"sourceRange": ["localhost"]}}),
        json!({"ipAllowList": {"sourceRange": ["10.0.0.1"], "rejectStatusCode": 299}}),
        json!({"ipWhiteList": {"sourceRange": ["10.0.0.1"], "ipStrategy": {"ipv6Subnet": 0}}}),
    ]);
    assert!(empty.contains("lists nobody"), "{empty}");
    assert!(range.contains("localhost"), "{range}");
    assert!(status.contains("rejectStatusCode"), "{status}");
    assert!(mask.contains("ipv6Subnet"), "{mask}");
}

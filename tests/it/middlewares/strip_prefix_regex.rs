//! `stripPrefixRegex`.

use serde_json::json;

use super::{Behind, errors};

#[test]
fn what_matches_at_the_beginning_is_taken_off_and_told() {
    let strip = json!({"stripPrefixRegex": {"regex": ["^/v[0-9]+", "/shop/[^/]+"]}});
    let behind = Behind::of(&[("strip", strip)]);
    for (asked, seen, told) in [
        ("/v12/x?q=1", "/x?q=1", Some("/v12")),
        ("/shop/a%20b/x", "/x", Some("/shop/a%20b")),
        ("/other/v1", "/other/v1", None),
    ] {
        assert_eq!(behind.ask(&format!("GET {asked} HTTP/1.1")).status, 200);
        let noted = behind.server.last();
        assert_eq!((noted.target(), noted.header("x-forwarded-prefix")), (seen, told));
    }
    let before = behind.server.noted().len();
    for asked in ["/v1../admin", "/v1/..%2fadmin"] {
        assert_eq!(
            behind.ask(&format!("GET {asked} HTTP/1.1")).status,
            400,
            "{asked}"
        );
    }
    assert_eq!(behind.server.noted().len(), before);
}

#[test]
fn what_is_no_expression_is_told() {
    let [empty, open] = errors([
        json!({"stripPrefixRegex": {"regex": []}}),
        json!({"stripPrefixRegex": {"regex": ["/(a"]}}),
    ]);
    assert!(empty.contains("strips nothing"), "{empty}");
    assert!(open.contains("unclosed group"), "{open}");
}

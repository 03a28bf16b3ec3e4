//! `addPrefix`.

use serde_json::json;

use super::{Behind, errors};

#[test]
fn servers_see_a_path_below_the_prefix() {
    let behind = Behind::of(&[("add", json!({"addPrefix": {"prefix": "v1/"}}))]);
    for (asked, seen) in [
        ("/x%2fy?q=/", "/v1/x%2Fy?q=/"),
        ("/", "/v1/"),
        ("/a/../../x", "/v1/x"),
    ] {
        assert_eq!(behind.ask(&format!("GET {asked} HTTP/1.1")).status, 200);
        assert_eq!(behind.server.last().target(), seen);
    }
}

#[test]
fn what_is_no_prefix_is_told() {
    let [empty, dots] = errors([
        json!({"addPrefix": {"prefix": "/"}}),
        json!({"addPrefix": {"prefix": "/a/../b"}}),
    ]);
    assert!(empty.contains("adds nothing"), "{empty}");
    assert!(dots.contains("/a/../b") && dots.contains("is no path"), "{dots}");
}

//! `stripPrefix`.

use serde_json::json;

use super::{Behind, errors};

#[test]
fn a_prefix_is_taken_off_on_a_segment_boundary_and_told() {
    let behind = Behind::of(&[("strip", json!({"stripPrefix": {"prefixes": ["/api", "/v1/"]}}))]);
    for (asked, seen, told) in [
        ("/api/x%2fy?q=1", "/x%2Fy?q=1", Some("/api")),
        ("/%61pi", "/", Some("/api")),
        ("/v1/x", "/x", Some("/v1/")),
        ("/apis/x", "/apis/x", None),
    ] {
        let request = format!("GET {asked} HTTP/1.1\r\nX-Forwarded-Prefix: /forged");
        assert_eq!(behind.ask(&request).status, 200, "{asked}");
        let noted = behind.server.last();
        assert_eq!((noted.target(), noted.header("x-forwarded-prefix")), (seen, told));
    }
    let before = behind.server.noted().len();
    for asked in ["/api../admin", "/api/..%2fadmin"] {
        assert_eq!(
            behind.ask(&format!("GET {asked} HTTP/1.1")).status,
            400,
            "{asked}"
        );
    }
    assert_eq!(behind.server.noted().len(), before);
}

#[test]
fn what_is_no_prefix_is_told_and_what_has_no_effect_is_a_warning() {
    let [empty, relative] = errors([
        json!({"stripPrefix": {"prefixes": []}}),
        json!({"stripPrefix": {"prefixes": ["api"]}}),
    ]);
    assert!(empty.contains("strips nothing"), "{empty}");
    assert!(relative.contains("start it with /"), "{relative}");

    let old = json!({"stripPrefix": {"prefixes": ["/api"], "forceSlash": false}});
    let old = Behind::of(&[("old", old)]);
    assert_eq!(old.ask("GET /api HTTP/1.1").status, 200);
    let state = old.state("old");
    assert_eq!(state["status"], "warning");
    assert!(
        state["error"].to_string().contains("forceSlash has no effect"),
        "{state}"
    );
}

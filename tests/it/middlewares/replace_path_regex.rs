//! `replacePathRegex`.

use serde_json::json;

use super::{Behind, errors};

#[test]
fn what_is_found_is_replaced_and_nothing_leads_elsewhere() {
    let replace = json!({"replacePathRegex": {"regex": "^/api/?(.*)", "replacement": "/$1"}});
    let behind = Behind::of(&[("replace", replace)]);
    for (asked, seen, told) in [
        ("/api/a%20b?q=1", "/a%20b?q=1", Some("/api/a%20b")),
        ("/other", "/other", None),
    ] {
        assert_eq!(behind.ask(&format!("GET {asked} HTTP/1.1")).status, 200);
        let noted = behind.server.last();
        assert_eq!((noted.target(), noted.header("x-replaced-path")), (seen, told));
    }
    let before = behind.server.noted().len();
    for asked in ["/api..%2fadmin", "/api../admin"] {
        assert_eq!(
            behind.ask(&format!("GET {asked} HTTP/1.1")).status,
            400,
            "{asked}"
        );
    }
    assert_eq!(behind.server.noted().len(), before);
}

#[test]
fn what_replaces_no_path_is_told() {
    let [query, regex] = errors([
        json!({"replacePathRegex": {"regex": "a", "replacement": "/a?b=$1"}}),
        json!({"replacePathRegex": {"regex": "a{1000}{1000}", "replacement": "/"}}),
    ]);
    assert!(query.contains("is for the path alone"), "{query}");
    assert!(regex.contains("size limit"), "{regex}");
}

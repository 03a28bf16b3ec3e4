//! `replacePath`.

use serde_json::json;

use super::{Behind, errors};

#[test]
fn servers_see_another_path_and_learn_the_first_one() {
    let behind = Behind::of(&[("replace", json!({"replacePath": {"path": "/a/b"}}))]);
    let forged = "GET /x%2fy?q=1 HTTP/1.1\r\nX-Replaced-Path: /forged";
    assert_eq!(behind.ask(forged).status, 200);
    let noted = behind.server.last();
    assert_eq!(
        (noted.target(), noted.header("x-replaced-path")),
        ("/a/b?q=1", Some("/x%2Fy"))
    );
}

#[test]
fn what_is_no_path_is_told() {
    let [query, escape] = errors([
        json!({"replacePath": {"path": "/a?b"}}),
        json!({"replacePath": {"path": "/a%zz"}}),
    ]);
    assert!(query.contains("is no path"), "{query}");
    assert!(escape.contains("is no path"), "{escape}");
}

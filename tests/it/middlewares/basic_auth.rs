//! `basicAuth`.

use serde_json::json;

use super::{Behind, Noting, document, ok};
use crate::mesh::{Place, eventually, flags, words};

/// `ann:123456`
const ANN: &str = "Authorization: Basic YW5uOjEyMzQ1Ng==";
/// `bob:123456`
const BOB: &str = "Authorization: Basic Ym9iOjEyMzQ1Ng==";
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuu1Z..wm/IlVbtpza52hgqCBArL1cvSg6";
const APR1: &str = "$apr1$9x8jRFOk$kjrU.04SY8m1eD1hSKtkQ1";

#[test]
fn who_knows_the_password_passes_and_the_server_learns_who_it_is() {
    let auth = json!({"basicAuth": {"users": [format!("ann:{BCRYPT}")], "realm": "our \"shop\"",
        "removeHeader": true, "headerField": "X-User"}});
    let behind = Behind::of(&[("auth", auth)]);
    let ask = |headers: &str| {
        behind.ask(&format!(
            "GET / HTTP/1.1\r\nX-User: root\r\nX_User: root{headers}"
        ))
    };
    let wrong = "\r\nAuthorization: Basic YW5uOndyb25n";
    for denied in ["", wrong, &format!("\r\n{BOB}"), &format!("\r\n{ANN}\r\n{ANN}")] {
        let refused = ask(denied);
        assert_eq!(
            (refused.status, refused.text().as_str()),
            (401, "401 Unauthorized\n"),
            "{denied}"
        );
        assert_eq!(
            refused.header("www-authenticate"),
            Some(r#"Basic realm="our \"shop\"""#)
        );
    }
    assert!(behind.server.noted().is_empty());
    for _ in 0..3 {
        assert_eq!(ask(&format!("\r\n{ANN}")).status, 200);
        let noted = behind.server.last();
        assert_eq!(
            (noted.header("x-user"), noted.header("authorization")),
            (Some("ann"), None)
        );
        assert_eq!(
            noted.header("x_user"),
            None,
            "some servers take it for the other one"
        );
    }
    let shown = behind.state("auth").to_string();
    assert!(!shown.contains("$2y$") && shown.contains("shop"), "{shown}");
}

#[test]
fn a_file_of_users_is_read_again_and_stays_in_use_while_it_is_broken() {
    let place = Place::new();
    let users = place.write("users", &format!("# ours\nann:{APR1}\n"));
    let auth = json!({"basicAuth": {"usersFile": users}});
    let behind = Behind::of(&[("auth", auth)]);
    let ask = |who: &str| behind.ask(&format!("GET / HTTP/1.1\r\n{who}")).status;
    assert_eq!([ask(ANN), ask(BOB)], [200, 401]);
    place.write("users", &format!("bob:{APR1}\n"));
    eventually("the new users", || (ask(BOB) == 200).then_some(()));
    assert_eq!(ask(ANN), 401, "whoever is out is out, remembered or not");
    place.write("users", "bob:hunter2\n");
    let log = eventually("the complaint", || {
        let log = behind.mesh.log().join("\n");
        log.contains("cannot be used").then_some(log)
    });
    assert!(log.contains("line 1") && !log.contains("hunter2"), "{log}");
    let told = eventually("the API says so", || {
        let state = behind.state("auth");
        (state["status"] == "warning").then(|| state["error"].to_string())
    });
    assert!(told.contains("line 1") && !told.contains("hunter2"), "{told}");
    assert_eq!([ask(ANN), ask(BOB)], [401, 200]);
}

#[test]
fn a_file_of_users_that_comes_late_opens_the_router() {
    let behind = Behind::of(&[("auth", json!({"basicAuth": {"usersFile": "users"}}))]);
    let ask = || behind.ask(&format!("GET / HTTP/1.1\r\n{ANN}")).status;
    assert_eq!(ask(), 503);
    behind.place().write("users", &format!("ann:{APR1}\n"));
    eventually("the users", || (ask() == 200).then_some(()));
    assert_eq!(behind.state("auth")["status"], "enabled");
}

#[test]
fn the_access_log_has_the_name_of_who_failed_too() {
    let (place, server) = (Place::new(), Noting::new(|_| ok("hello")));
    let auth = json!({"basicAuth": {"users": [format!("bob:{APR1}")]}});
    let file = place.write("dynamic.json", &document(&[("auth", auth)], &server).to_string());
    let mut flags = flags(&file);
    flags.extend([
        "--accessLog.filePath=access.log".to_owned(),
        "--accessLog.format=json".to_owned(),
    ]);
    let mesh = place.start(&words(&flags));
    let request = format!("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{ANN}\r\n\r\n");
    assert_eq!(
        super::exchange(mesh.address("web"), request.as_bytes())
            .unwrap()
            .status,
        401
    );
    let line = eventually("the line", || {
        let log = std::fs::read_to_string(place.path("access.log")).ok()?;
        log.lines().next().map(str::to_owned)
    });
    assert!(
        line.contains("\"ClientUsername\":\"ann\"") && !line.contains("123456"),
        "{line}"
    );
}

#[test]
fn users_that_cannot_be_read_close_the_router_and_are_not_quoted() {
    for auth in [
        json!({}),
        json!({"users": ["ann:hunter2"]}),
        json!({"usersFile": "/does/not/exist"}),
    ] {
        let broken = Behind::of(&[("auth", json!({ "basicAuth": auth }))]);
        assert_eq!(broken.ask(&format!("GET / HTTP/1.1\r\n{ANN}")).status, 503);
        let state = broken.state("auth").to_string();
        assert!(state.contains("users") && !state.contains("hunter2"), "{state}");
        assert!(!broken.mesh.log().join("\n").contains("hunter2"));
    }
}

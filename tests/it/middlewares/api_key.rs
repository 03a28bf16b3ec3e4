//! `apiKey`: only requests with a key that is known get through; nobody sees it in clear.

use serde_json::json;

use super::{Behind, Noting, document, ok};
use crate::mesh::{Place, eventually, flags, words};

/// SHA-256 of `key`.
const HASH: &str = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";

#[test]
fn servers_learn_whose_key_it_is_and_not_the_key() {
    let behind = Behind::of(&[(
        "guard",
        json!({"apiKey": {
            "keys": [{"id": "shop", "hash": HASH, "metadata": {"team": "a"}}],
            "query": "api_key",
            "headers": {"X-Team": "team", "X-Key-Id": "id"},
        }}),
    )]);
    let passed = behind
        .ask("GET /?a=1 HTTP/1.1\r\nX-Api-Key: key\r\nX-Team: forged\r\nx_team: forged\r\nX-Key-Id: forged");
    assert_eq!(
        (passed.status, passed.text().as_str()),
        (200, "hello"),
        "{passed:?}"
    );
    let noted = behind.server.last();
    assert_eq!(
        (noted.all("x-team"), noted.all("x-key-id")),
        (vec!["a"], vec!["shop"])
    );
    assert!(
        noted.all("x_team").is_empty() && noted.all("x-api-key").is_empty(),
        "{}",
        noted.head
    );

    assert_eq!(behind.ask("GET /?a=1&api_key=key&b HTTP/1.1").status, 200);
    assert_eq!(behind.server.last().target(), "/?a=1&b");
    for request in [
        "GET / HTTP/1.1",
        "GET /?api_key=kez HTTP/1.1",
        &format!("GET / HTTP/1.1\r\nX-Api-Key: {HASH}"),
        "GET / HTTP/1.1\r\nX-Api-Key: key\r\nX-Api-Key: key",
    ] {
        let refused = behind.ask(request);
        assert_eq!(
            (refused.status, refused.header("www-authenticate")),
            (401, Some("ApiKey realm=\"mesh\"")),
            "{request}"
        );
    }
    assert_eq!(behind.server.noted().len(), 2);
    let shown = behind.state("guard").to_string() + &behind.mesh.ask("/api/rawdata").body;
    assert!(shown.contains("shop") && !shown.contains(HASH), "{shown}");
}

#[test]
fn a_key_is_given_and_taken_back_by_its_file() {
    let place = Place::new();
    let server = Noting::new(|_| ok("hello"));
    place.write("keys.yml", "keys: []\n");
    let guard = json!({"apiKey": {"keysFile": "keys.yml"}});
    let file = place.write(
        "dynamic.json",
        &document(&[("guard", guard)], &server).to_string(),
    );
    let log = place.path("access.log");
    let mut flags = flags(&file);
    flags.push(format!("--accessLog.filePath={}", log.display()));
    flags.push("--accessLog.format=json".to_owned());
    let mesh = place.start(&words(&flags));
    let asked = || {
        let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Api-Key: key\r\nConnection: close\r\n\r\n";
        super::exchange(mesh.address("web"), request).unwrap().status
    };
    assert_eq!(asked(), 401);
    place.write("keys.yml", &format!("keys: [{{id: shop, hash: {HASH}}}]\n"));
    eventually("the key", || (asked() == 200).then_some(()));
    eventually("its id in the access log", || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        log.contains(r#""ClientUsername":"shop""#).then_some(())
    });
    place.write("keys.yml", "keys: []\n");
    eventually("its end", || (asked() == 401).then_some(()));
}

#[test]
fn a_key_in_clear_is_refused_and_not_told_on() {
    let clear = json!({"apiKey": {"keys": [{"id": "shop", "hash": "hunter2"}]}});
    let behind = Behind::of(&[("guard", clear)]);
    assert_eq!(behind.ask("GET / HTTP/1.1\r\nX-Api-Key: hunter2").status, 503);
    let told = behind.state("guard").to_string() + &behind.mesh.log().join("\n");
    assert!(
        told.contains("is no SHA-256") && !told.contains("hunter2"),
        "{told}"
    );
}

/// Lines of an access log for requests that carry the key `s3cret` in their queries.
fn logged(middlewares: &[(&str, serde_json::Value)], broken: Option<&str>) -> (u16, String) {
    let place = Place::new();
    let server = Noting::new(|_| ok("hello"));
    let mut document = document(middlewares, &server);
    if let Some(key) = broken {
        document["http"]["routers"]["all"][key] = json!("nonsense");
    }
    let log = place.path("access.log");
    let mut flags = flags(&place.write("dynamic.json", &document.to_string()));
    flags.push(format!("--accessLog.filePath={}", log.display()));
    let mesh = place.start(&words(&flags));
    let asked = || {
        let request = b"GET /?a=1&api_key=s3cret HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
        super::exchange(mesh.address("web"), request).unwrap().status
    };
    let status = eventually("a router", || Some(asked()).filter(|status| *status != 404));
    let lines = eventually("the log", || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        log.contains(&format!(" {status} ")).then_some(log)
    });
    // What came before there was a router shows what the test would see of a key.
    let lines: Vec<_> = lines.lines().filter(|line| !line.contains(" 404 ")).collect();
    (status, lines.join("\n"))
}

#[test]
fn a_key_in_a_query_is_in_no_log_whoever_refuses_the_request() {
    let guard = json!({"apiKey": {"query": "api_key", "keys": [{"id": "shop", "hash": HASH}]}});
    let everybody = json!({"ipDenyList": {"sourceRange": ["127.0.0.0/8"]}});
    let (status, log) = logged(&[("deny", everybody), ("guard", guard.clone())], None);
    assert_eq!(status, 403);
    assert!(
        log.contains("api_key=REDACTED") && !log.contains("s3cret"),
        "{log}"
    );

    let misspelt = json!({"apiKey": {"qurey": "api_key", "keys": [{"id": "shop", "hash": HASH}]}});
    let unusable = json!({"apiKey": {"query": "api_key", "keys": [{"id": "shop", "hash": "s3cret"}]}});
    for (guard, broken) in [
        (misspelt, None),
        (unusable, None),
        (guard.clone(), Some("service")),
        (guard, Some("priority")),
    ] {
        let (status, log) = logged(&[("guard", guard)], broken);
        assert_eq!(status, 503, "{broken:?}");
        assert!(
            log.contains("api_key=REDACTED") && !log.contains("s3cret"),
            "{log}"
        );
    }
}

//! Ping, ready, API, metrics and access log of a running router.

use crate::{
    http,
    mesh::{Mesh, Place, eventually, flags, routes, words},
    server::Server,
};

fn running(place: &Place, more: &[String]) -> Mesh {
    let a = Server::named("a");
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let flags: Vec<_> = flags(&file).into_iter().chain(more.iter().cloned()).collect();
    let mesh = place.start(&words(&flags));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    mesh
}

#[test]
fn a_broken_file_beside_good_ones_is_named_and_not_waited_for() {
    let (place, a) = (Place::new(), Server::named("a"));
    place.write("routes/good.yml", &routes(&[("one", &a.url())]));
    place.write("routes/bad.yml", "http: [");
    let mut flags = flags(&place.path("unused"));
    flags.pop();
    flags.push("--providers.file.directory=routes".to_owned());
    let mesh = place.start(&words(&flags));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    eventually("readiness", || (mesh.ask("/ready").status == 200).then_some(()));
    let providers = mesh.ask("/api/providers").json();
    assert!(
        providers.to_string().contains("cannot read routes/bad.yml:2"),
        "{providers}"
    );
}

#[test]
fn a_router_that_has_read_its_file_is_alive_and_ready() {
    let place = Place::new();
    let mesh = running(&place, &[]);
    assert_eq!(mesh.ask("/ping").status, 200);
    let ready = mesh.ask("/ready");
    assert_eq!(
        (ready.status, &ready.json()["ready"]),
        (200, &serde_json::Value::Bool(true))
    );
}

#[test]
fn a_router_whose_required_file_is_missing_is_alive_and_not_ready() {
    let place = Place::new();
    let mesh = place.start(&words(&flags(&place.path("missing.yml"))));
    eventually("ping", || (mesh.ask("/ping").status == 200).then_some(()));
    assert_eq!(mesh.ask("/ready").status, 503);
}

#[test]
fn the_api_shows_routers_services_and_the_freshness_of_providers() {
    let place = Place::new();
    let mesh = running(&place, &[]);
    assert_eq!(mesh.ask("/api/http/routers/one@file").json()["status"], "enabled");
    assert_eq!(
        mesh.ask("/api/http/services/one@file").json()["status"],
        "enabled"
    );
    let providers = mesh.ask("/api/providers").json();
    assert_eq!(providers[0]["name"], "file");
    assert_eq!(providers[0]["scopes"][0]["state"], "fresh");
    assert_eq!(providers.as_array().unwrap().len(), 1, "{providers}");
    assert!(mesh.ask("/api/rawdata").json()["routers"]["one@file"].is_object());
}

#[test]
fn the_api_is_read_only_and_absent_unless_configured() {
    let place = Place::new();
    let mesh = running(&place, &[]);
    let address = mesh.address("mesh");
    assert_eq!(
        http::try_request(address, "POST", "localhost", "/api/overview")
            .unwrap()
            .status,
        405
    );
    let closed = running(&Place::new(), &["--api.insecure=false".to_owned()]);
    assert_eq!(closed.ask("/api/overview").status, 404);
}

#[test]
fn requests_are_counted_and_logged() {
    let place = Place::new();
    let log = place.path("access.log");
    let mesh = running(
        &place,
        &[
            format!("--accessLog.filePath={}", log.display()),
            "--accessLog.format=json".to_owned(),
        ],
    );
    mesh.get("one.test", "/counted?q=1");
    let line = eventually("a line of the access log", || {
        let text = std::fs::read_to_string(&log).ok()?;
        text.lines()
            .find(|line| line.contains("/counted"))
            .map(str::to_owned)
    });
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["DownstreamStatus"], &line["RouterName"]),
        (&200.into(), &"one@file".into()),
        "{line}"
    );
    let metrics = eventually("a count", || {
        let text = mesh.ask("/metrics").body;
        text.contains("router=\"one@file\"").then_some(text)
    });
    assert!(metrics.contains("mesh_entrypoint_requests_total{"), "{metrics}");
}

#[test]
fn the_access_log_is_opened_again_when_it_was_moved_away() {
    let place = Place::new();
    let (log, moved) = (place.path("access.log"), place.path("access.log.1"));
    let mesh = running(&place, &[format!("--accessLog.filePath={}", log.display())]);
    eventually("the log", || {
        std::fs::read_to_string(&log).ok().filter(|text| !text.is_empty())
    });
    std::fs::rename(&log, moved).unwrap();
    mesh.signal("-USR1");
    eventually("a new file", || {
        mesh.get("one.test", "/again");
        std::fs::read_to_string(&log)
            .ok()
            .filter(|text| text.contains("/again"))
    });
}

#[test]
fn an_object_that_never_was_good_is_listed_with_its_error_and_serves_nothing() {
    let (place, a) = (Place::new(), Server::named("a"));
    let text = routes(&[("one", &a.url())])
        + "    torn: {loadBalancr: {}}\n  middlewares:\n    mad: {stripPrefix: {prefixes: 7, secret: hunter2}}\n";
    let text = text.replace(
        "  services:\n",
        "    bad: {rule: \"Host(`bad.test`\", service: one, entryPoints: [web], priority: 7}\n  services:\n",
    );
    let file = place.write("routes.yml", &text);
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    let bad = mesh.ask("/api/http/routers/bad@file").json();
    assert_eq!(bad["status"], "disabled", "{bad}");
    assert_eq!(bad["rule"], "Host(`bad.test`");
    assert_eq!(
        (&bad["service"], &bad["entryPoints"][0]),
        (&"one".into(), &"web".into())
    );
    assert_eq!((&bad["priority"], &bad["provider"]), (&7.into(), &"file".into()));
    let error = bad["error"][0].to_string();
    assert!(error.contains("routes.yml:4"), "{error}");
    for kind in ["services/torn", "middlewares/mad"] {
        let object = mesh.ask(&format!("/api/http/{kind}@file")).json();
        assert_eq!(object["status"], "disabled", "{kind}: {object}");
        assert!(!object.to_string().contains("hunter2"), "{object}");
    }
    let names = mesh.ask("/api/http/routers?status=disabled").json();
    assert_eq!(names.as_array().unwrap().len(), 1, "{names}");
    let numbers = mesh.ask("/api/overview").json();
    assert_eq!(numbers["http"]["routers"]["errors"], 1, "{numbers}");
    assert_eq!(mesh.get("bad.test", "/").status, 404);
    // A good version of it serves, and goes on when the next one is bad.
    place.write(
        "routes.yml",
        &text.replace("Host(`bad.test`\"", "Host(`bad.test`)\""),
    );
    mesh.eventually("bad.test", "/", |answer| answer.body == "a");
    place.write("routes.yml", &text);
    eventually("the warning", || {
        let bad = mesh.ask("/api/http/routers/bad@file").json();
        (bad["status"] == "warning").then_some(())
    });
    assert_eq!(mesh.get("bad.test", "/").status, 200);
}

//! What `mesh check` and the API say of definitions that serve, or do not, with the line to look at.

use crate::mesh::{Finished, Place, flags, words};

fn checked(place: &Place, text: &str) -> Finished {
    place.write("routes.yml", text);
    place.run(&["check", "routes.yml"])
}

/// Asserts that a line on stderr has all of `parts`.
fn assert_told(run: &Finished, parts: &[&str]) {
    let told = run.stderr();
    let mut lines = told.lines();
    assert!(
        lines.any(|line| parts.iter().all(|part| line.contains(part))),
        "{parts:?} in {told}"
    );
}

#[test]
fn an_option_of_a_middleware_that_cannot_be_used_is_named_with_its_line() {
    let place = Place::new();
    let text = "http:
  middlewares:
    moved:
      redirectRegex:
        regex: ^https?://a.test/(.*)
        permanent: true
        replacement: https://b.test/$3
    strip:
      stripPrefix:
        forceSlash: true
        prefixes: [/api]
";
    let run = checked(&place, text);
    assert_eq!(run.code(), 1);
    let wrong = [
        "error: routes.yml:7: http.middlewares.moved: replacement",
        "there are $0, $1",
    ];
    assert_told(&run, &wrong);
    assert_told(&run, &["routes.yml:10: http.middlewares.strip: forceSlash"]);
    let mesh = place.start(&words(&flags(&place.path("routes.yml"))));
    let moved = crate::mesh::eventually("the middleware", || {
        let moved = mesh.ask("/api/http/middlewares/moved@file");
        (moved.status == 200).then(|| moved.json())
    });
    let error = moved["error"][0].as_str().unwrap();
    assert!(error.contains("routes.yml:7: replacement"), "{moved}");
    let logged = mesh.log().concat();
    assert!(logged.contains("routes.yml:7"), "{logged}");
    // TOML has lines, too.
    let toml = "[http.middlewares.moved.redirectRegex]\nregex = \"a\"\nreplacement = \"${nope}\"\n";
    place.write("routes.toml", toml);
    let run = place.run(&["check", "routes.toml"]);
    assert_told(
        &run,
        &[
            "error: routes.toml:3: http.middlewares.moved: replacement",
            "nope",
            "there are $0",
        ],
    );
}

const CACHED: &str = "http:
  routers:
    open: {rule: Host(`a.test`), service: s, middlewares: [kept, auth]}
    good: {rule: Host(`b.test`), service: s, middlewares: [auth, kept]}
    nested: {rule: Host(`c.test`), service: s, middlewares: [kept, both]}
  middlewares:
    kept: {cache: {}}
    both: {chain: {middlewares: [strip, auth]}}
    strip: {stripPrefix: {prefixes: [/a]}}
    auth: {basicAuth: {users: [\"a:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/\"]}}
  services:
    s: {loadBalancer: {servers: [{url: \"http://127.0.0.1:1\"}]}}
";

#[test]
fn a_cache_in_front_of_who_judges_is_worth_a_warning() {
    let place = Place::new();
    let run = checked(&place, CACHED);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let what = "kept@file comes before auth@file (basicAuth)";
    assert_told(&run, &["warning: routes.yml:3: http.routers.open", what]);
    assert_told(&run, &["warning: routes.yml:5: http.routers.nested", what]);
    assert!(!run.stderr().contains("http.routers.good"), "{}", run.stderr());
    let mesh = place.start(&words(&flags(&place.path("routes.yml"))));
    let open = crate::mesh::eventually("the router", || {
        let open = mesh.ask("/api/http/routers/open@file");
        (open.status == 200).then(|| open.json())
    });
    assert_eq!(open["status"], "warning");
    assert!(open["error"][0].as_str().unwrap().contains(what), "{open}");
    assert_eq!(
        mesh.ask("/api/http/routers/good@file").json()["status"],
        "enabled"
    );
}

const OPTIONS: &str = "http:
  routers:
    a: {rule: Host(`a.test`), service: noop@internal, tls: {options: used}}
    b: {rule: Host(`b.test`), service: noop@internal, tls: {options: lost}}
    c: {rule: Host(`b.test`) && Path(`/c`), service: noop@internal, tls: {}}
tls:
  options:
    used: {minVersion: VersionTLS13}
    lost: {minVersion: VersionTLS13}
    idle:
      minVersion: VersionTLS13
    default: {}
";

#[test]
fn tls_options_that_no_client_gets_are_told_and_explain_says_which_one_does() {
    let place = Place::new();
    let run = checked(&place, OPTIONS);
    assert_told(
        &run,
        &[
            "warning: routes.yml:9: tls.options.lost",
            "router b@file names them",
        ],
    );
    assert_told(
        &run,
        &["warning: routes.yml:10: tls.options.idle", "no router names them"],
    );
    for unsaid in ["tls.options.used", "tls.options.default"] {
        assert!(!run.stderr().contains(unsaid), "{}", run.stderr());
    }
    for (url, options) in [
        ("https://a.test/", "used@file"),
        ("https://b.test/", "default@file"),
        ("https://b.test/c", "default@file"),
    ] {
        let explained = place.run(&["explain", "GET", url, "routes.yml"]).stdout();
        assert!(
            explained.contains(&format!("tls options {options}\n")),
            "{explained}"
        );
    }
    let plain = place
        .run(&["explain", "GET", "http://a.test/", "routes.yml"])
        .stdout();
    assert!(
        !plain.contains("tls options") && plain.contains("over TLS only"),
        "{plain}"
    );
}

#[test]
fn a_service_without_servers_and_a_preference_without_zones_are_told_with_their_lines() {
    let place = Place::new();
    let text = "http:
  services:
    none:
      loadBalancer:
        passHostHeader: true
        servers: []
    zoned:
      loadBalancer:
        zonePreference: {}
        servers: [{url: \"http://127.0.0.1:1\", zone: here}]
";
    let run = checked(&place, text);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_told(
        &run,
        &["warning: routes.yml:6: http.services.none: servers has no entry"],
    );
    assert_told(
        &run,
        &[
            "warning: routes.yml:9: http.services.zoned: zonePreference",
            "which zone Mesh itself is in",
        ],
    );
    let zoned = place.run(&["check", "--zone=here", "routes.yml"]);
    assert!(!zoned.stderr().contains("zonePreference"), "{}", zoned.stderr());
}

//! Live traffic from a file to servers.

use std::time::{Duration, Instant};

use crate::{
    mesh::{Place, eventually, flags, routes, words},
    server::Server,
};

#[test]
fn traffic_goes_where_the_file_says_and_follows_the_file() {
    let (place, a, b) = (Place::new(), Server::named("a"), Server::named("b"));
    let file = place.write("routes.yml", &routes(&[("one", &a.url()), ("two", &b.url())]));
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    assert_eq!(mesh.get("two.test", "/").body, "b");
    assert_eq!(mesh.get("three.test", "/").status, 404);
}

#[test]
fn servers_are_probed_from_the_first_configuration_on() {
    let (place, a) = (Place::new(), Server::named("a"));
    let text = routes(&[("one", &a.url())]).replace("{servers:", "{healthCheck: {interval: 1h}, servers:");
    let mesh = place.start(&words(&flags(&place.write("routes.yml", &text))));
    eventually("a verdict", || {
        let service = mesh.ask("/api/http/services/one@file").json();
        (service["serverStates"][0]["standing"] == "ready").then_some(())
    });
    assert!(
        mesh.ask("/metrics")
            .body
            .contains("mesh_config_reloads_total 1\n")
    );
}

#[test]
fn an_ipv6_address_routes_however_rule_and_request_write_it() {
    let (place, a) = (Place::new(), Server::named("a"));
    for (rule, host) in [
        ("Host(`[::2]`)", "[::2]:8080"),
        ("Host(`0:0::2`)", "[::2]"),
        ("Host(`[::2]`)", "[0::0:2]:80"),
    ] {
        let routes = routes(&[("one", &a.url())]).replace("Host(`one.test`)", rule);
        let file = place.write("routes.yml", &routes);
        let mesh = place.start(&words(&flags(&file)));
        mesh.eventually(host, "/", |answer| answer.body == "a");
        assert_eq!(mesh.get("[::3]", "/").status, 404);
    }
}

#[test]
fn a_change_of_the_file_reaches_routing_at_once() {
    let (place, a, b) = (Place::new(), Server::named("a"), Server::named("b"));
    let versions = [
        ("a", routes(&[("one", &a.url())])),
        ("b", routes(&[("one", &b.url())])),
    ];
    let file = place.write("routes.yml", &versions[0].1);
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    let mut took: Vec<_> = (1..8)
        .map(|turn| {
            let (name, text) = &versions[turn % 2];
            // Isolated changes: those of a storm are collected on purpose.
            std::thread::park_timeout(Duration::from_millis(300));
            let start = Instant::now();
            place.write("routes.yml", text);
            mesh.eventually("one.test", "/", |answer| answer.body == *name);
            start.elapsed()
        })
        .collect();
    took.sort();
    // The promise is 100 ms; the rest is for machines that do other things at the same time.
    assert!(took[took.len() / 2].as_millis() < 400, "{took:?}");
}

#[test]
fn one_bad_object_leaves_its_neighbours_and_its_own_good_version_alone() {
    let (place, a) = (Place::new(), Server::named("a"));
    let good = routes(&[("one", &a.url()), ("two", &a.url())]);
    let file = place.write("routes.yml", &good);
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("two.test", "/", |answer| answer.body == "a");
    let broken = good
        .replace("Host(`two.test`)", "Hots(`two.test`)")
        .replace("one.test", "uno.test");
    place.write("routes.yml", &broken);
    mesh.eventually("uno.test", "/", |answer| answer.body == "a");
    assert_eq!(mesh.get("two.test", "/").body, "a");
    let router = mesh.ask("/api/http/routers/two@file").json();
    assert!(router["error"].to_string().contains("routes.yml:"), "{router}");
}

#[test]
fn a_service_without_servers_answers_503_with_a_reason_and_never_404() {
    let place = Place::new();
    let text = routes(&[("one", "http://127.0.0.1:1")]).replace("{url: \"http://127.0.0.1:1\"}", "");
    let file = place.write("routes.yml", &text);
    let mut flags = flags(&file);
    flags.push("--entryPoints.web.http.reasonHeader".to_owned());
    let mesh = place.start(&words(&flags));
    let answer = mesh.eventually("one.test", "/", |answer| answer.status == 503);
    assert!(
        answer
            .header("X-Mesh-Reason")
            .is_some_and(|reason| !reason.is_empty()),
        "{answer:?}"
    );
    assert!(answer.header("Retry-After").is_some(), "{answer:?}");
}

#[test]
fn a_router_with_a_missing_middleware_keeps_its_match_and_fails_closed() {
    let (place, a) = (Place::new(), Server::named("a"));
    let text = format!(
        "http:\n  routers:\n    all: {{rule: 'PathPrefix(`/`)', service: a}}\n    \
         private: {{rule: 'PathPrefix(`/private`)', service: a, middlewares: [auth]}}\n  \
         services:\n    a: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n",
        a.url()
    );
    let file = place.write("routes.yml", &text);
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("x", "/", |answer| answer.body == "a");
    assert_eq!(mesh.get("x", "/private").status, 503);
}

#[test]
fn a_directory_is_read_whole_and_a_deleted_file_takes_its_routes_along() {
    let (place, a) = (Place::new(), Server::named("a"));
    place.write("routes/one.yml", &routes(&[("one", &a.url())]));
    let two = place.write("routes/deeper/two.yml", &routes(&[("two", &a.url())]));
    let mut flags = flags(&place.path("unused.yml"));
    flags.pop();
    flags.push(format!(
        "--providers.file.directory={}",
        place.path("routes").display()
    ));
    let mesh = place.start(&words(&flags));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    mesh.eventually("two.test", "/", |answer| answer.body == "a");
    std::fs::remove_file(two).unwrap();
    mesh.eventually("two.test", "/", |answer| answer.status == 404);
    assert_eq!(mesh.get("one.test", "/").body, "a");
}

#[test]
fn middlewares_of_an_entrypoint_run_for_every_router_on_it_and_it_can_redirect() {
    let (place, a) = (Place::new(), Server::named("a"));
    let text = routes(&[("one", &a.url())])
        + "  middlewares:\n    mark: {headers: {customResponseHeaders: {X-Mark: seen}}}\n";
    let file = place.write("routes.yml", &text);
    let mut flags = flags(&file);
    flags.extend(
        [
            "--entryPoints.web.http.middlewares=mark@file",
            "--entryPoints.old.address=127.0.0.1:0",
            "--entryPoints.old.http.redirections.entryPoint.to=:8443",
            "--entryPoints.web.asDefault",
        ]
        .map(str::to_owned),
    );
    let mesh = place.start(&words(&flags));
    let answer = mesh.eventually("one.test", "/", |answer| answer.body == "a");
    assert_eq!(answer.header("X-Mark"), Some("seen"));
    let redirected = eventually("a redirection", || {
        Some(crate::http::get(mesh.address("old"), "one.test", "/x?y")).filter(|answer| answer.status == 301)
    });
    assert_eq!(redirected.header("Location"), Some("https://one.test:8443/x?y"));
}

#[test]
fn the_service_for_routers_without_one_is_a_teapot() {
    let place = Place::new();
    let text = "http: {routers: {tea: {rule: \"Host(`tea.test`)\", service: noop@internal}}}";
    let mesh = place.start(&words(&flags(&place.write("routes.yml", text))));
    mesh.eventually("tea.test", "/", |answer| answer.status == 418);
}

#[test]
fn an_old_server_does_not_make_the_answer_to_a_client_old() {
    let place = Place::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let _ = std::io::Read::read(&mut stream, &mut head);
            let _ =
                std::io::Write::write_all(&mut stream, b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold");
        }
    });
    let file = place.write("routes.yml", &routes(&[("one", &url)]));
    let mesh = place.start(&words(&flags(&file)));
    let answer = mesh.eventually("one.test", "/", |answer| answer.body == "old");
    assert!(answer.head.starts_with("HTTP/1.1 200"), "{answer:?}");
}

/// A router for one path, broken in one way or another, beside one for the whole host.
fn guarded(broken: &str, url: &str) -> String {
    format!(
        "http:
  routers:
    wide: {{rule: \"Host(`one.test`)\", service: one}}
    admin: {broken}
  middlewares:
    bad: {{basicAuth: {{usrs: [a]}}}}
  services:
    one: {{loadBalancer: {{servers: [{{url: \"{url}\"}}]}}}}
"
    )
}

#[test]
fn what_a_broken_router_guards_is_closed_and_not_open_to_a_wider_one() {
    let (place, a) = (Place::new(), Server::named("a"));
    let rule = "rule: \"Host(`one.test`) && PathPrefix(`/admin`)\"";
    for broken in [
        "{RULE, service: one, middlewares: [bad]}",
        "{RULE, service: one, middlewares: [nowhere]}",
        "{RULE, service: nowhere}",
        "{RULE, service: one, middlewars: [bad]}",
        "{RULE, service: one, priority: high}",
        "{RULE, service: one, timeouts: {request: soon}}",
        "{RULE, middlewares: [bad]}",
    ] {
        let text = guarded(&broken.replace("RULE", rule), &a.url());
        let flags = flags(&place.write("routes.yml", &text));
        let mesh = place.start(&words(&flags));
        mesh.eventually("one.test", "/", |answer| answer.body == "a");
        assert_eq!(mesh.get("one.test", "/admin").status, 503, "{broken}");
        let router = mesh.ask("/api/http/routers/admin@file").json();
        assert_eq!(router["status"], "disabled", "{broken}: {router}");
        // A good one serves from now on, and goes on when it breaks.
        let good = guarded(&format!("{{{rule}, service: one}}"), &a.url());
        place.write("routes.yml", &good);
        mesh.eventually("one.test", "/admin", |answer| answer.body == "a");
        place.write("routes.yml", &text);
        eventually("the problem", || {
            let router = mesh.ask("/api/http/routers/admin@file").json();
            (router["status"] == "warning").then_some(())
        });
        assert_eq!(mesh.get("one.test", "/admin").body, "a", "{broken}");
    }
}

#[test]
fn a_broken_router_is_no_match_for_a_good_one_of_the_same_priority() {
    let (place, a) = (Place::new(), Server::named("a"));
    let text = guarded("{rule: \"Host(`one.test`)\", nonsense: 1}", &a.url());
    let mesh = place.start(&words(&flags(&place.write("routes.yml", &text))));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
}

#[test]
fn a_broken_router_is_closed_in_the_clear_and_over_tls_as_it_says() {
    let (place, a) = (Place::new(), Server::named("a"));
    let broken = "{rule: \"Host(`one.test`) && PathPrefix(`/admin`)\", middlewars: [bad], service: one}";
    let flags = flags(&place.write("routes.yml", &guarded(broken, &a.url())));
    let mut words = words(&flags);
    words.extend([
        "--entryPoints.secure.address=127.0.0.1:0",
        "--entryPoints.secure.http.tls=true",
    ]);
    let mesh = place.start(&words);
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    assert_eq!(mesh.get("one.test", "/admin").status, 503);
    let explained = mesh
        .ask("/api/explain?url=https://one.test/admin&entryPoint=secure")
        .json();
    let chosen = &explained["chosen"];
    assert_eq!(chosen["target"]["kind"], "unavailable", "{explained}");
    assert!(
        chosen["router"].as_str().unwrap().contains("admin@file"),
        "{explained}"
    );
}

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    fixture::{asking, changed, compiler, configuration, info, name_of, route},
    service::Service,
    table::{Route, RoutingTable, Status, Target},
};

fn service_of(route: &Route) -> Arc<Service> {
    match &route.target {
        Target::Service(service) => service.clone(),
        other => panic!("{other:?} is no service"),
    }
}

fn reason_of(route: &Route) -> String {
    match &route.target {
        Target::Unavailable { reason } => reason.to_string(),
        other => panic!("{other:?} serves"),
    }
}

fn servers(urls: &[&str]) -> Value {
    let servers: Vec<_> = urls.iter().map(|url| json!({"url": url})).collect();
    json!({"loadBalancer": {"servers": servers}})
}

/// One router `a@file` for the host `a`, with a middleware and a service of one server.
fn small() -> Value {
    json!({
        "routers": {"a@file": {"rule": "Host(`a`)", "middlewares": ["m"], "service": "s"}},
        "middlewares": {"m@file": {"addPrefix": {"prefix": "/m"}}},
        "services": {"s@file": servers(&["http://10.0.0.1"])},
    })
}

fn picked(table: &RoutingTable, url: &str) -> String {
    let route = route(table, url).unwrap();
    let pick = service_of(&route).pick(&asking(&[]).look()).unwrap();
    pick.server.authority.to_string()
}

/// What a worker lets go of last is one number to count down: thousands of routes take milliseconds to free.
#[test]
fn a_table_that_a_request_held_last_is_freed_by_the_compiler() {
    let mut compiler = compiler();
    let held = compiler.compile(&configuration(&small()));
    let table = Arc::downgrade(&held);
    compiler.compile(&configuration(&json!({})));
    drop(held);
    assert!(table.strong_count() > 0, "freed by the request");
    compiler.compile(&configuration(&json!({})));
    assert_eq!(table.strong_count(), 0, "kept for ever");
}

#[test]
fn references_mean_the_provider_of_their_owner_unless_they_say_otherwise() {
    let document = json!({
        "routers": {
            "own@nomad": {"rule": "Host(`own`)", "service": "s"},
            "other@nomad": {"rule": "Host(`other`)", "service": "s@file"},
        },
        "services": {
            "s@nomad": servers(&["http://10.0.0.1"]),
            "s@file": servers(&["http://10.0.0.2"]),
        },
    });
    let table = compiler().compile(&configuration(&document));
    assert_eq!(picked(&table, "http://own/"), "10.0.0.1:80");
    assert_eq!(picked(&table, "http://other/"), "10.0.0.2:80");
}

#[test]
fn a_router_that_never_had_its_parts_keeps_its_match_and_fails_closed() {
    for (section, missing) in [("middlewares", "m@file"), ("services", "s@file")] {
        let mut document = small();
        document[section][missing] = Value::Null;
        document["routers"]["wide@file"] =
            json!({"rule": "Host(`a`) || Path(`/`)", "service": "noop@internal", "priority": 1});
        let table = compiler().compile(&configuration(&document));
        let route = route(&table, "http://a/").unwrap();
        assert_eq!(route.label.as_ref(), "a@file");
        assert!(reason_of(&route).contains(missing), "{}", reason_of(&route));
        assert_eq!(info(&table, "a@file").status, Status::Disabled);
        assert_eq!(info(&table, "wide@file").status, Status::Enabled);
    }
}

#[test]
fn a_router_that_loses_its_middleware_goes_on_with_it_and_follows_its_service() {
    let mut compiler = compiler();
    let before = configuration(&small());
    compiler.compile(&before);
    let broken = changed(&before, &json!({"middlewares": {"m@file": null}}));
    let table = compiler.compile(&broken);
    let there = route(&table, "http://a/").unwrap();
    assert_eq!(there.middlewares.len(), 1);
    let router = info(&table, "a@file");
    assert_eq!(router.status, Status::Warning);
    assert_eq!(router.errors, ["middleware m@file does not exist"]);

    let moved = changed(
        &broken,
        &json!({"services": {"s@file": servers(&["http://10.0.0.9"])}}),
    );
    let table = compiler.compile(&moved);
    assert_eq!(picked(&table, "http://a/"), "10.0.0.9:80");
    assert_eq!(route(&table, "http://a/").unwrap().middlewares.len(), 1);
}

#[test]
fn a_router_that_breaks_goes_on_in_its_last_good_version_until_it_is_mended() {
    let mut compiler = compiler();
    let before = configuration(&small());
    compiler.compile(&before);
    for broken in [
        json!({"rule": "Host(`b`)", "service": "gone"}),
        json!({"rule": "Host(`b`)", "service": "s", "priority": i64::MAX}),
        json!({"rule": "Host(`b`)", "service": "s", "entryPoints": ["wbe"]}),
        json!({"service": "s"}),
    ] {
        let table = compiler.compile(&changed(&before, &json!({"routers": {"a@file": broken}})));
        assert_eq!(picked(&table, "http://a/"), "10.0.0.1:80", "{broken}");
        assert!(route(&table, "http://b/").is_none(), "{broken}");
        assert_eq!(info(&table, "a@file").status, Status::Warning, "{broken}");
    }
    let mended = json!({"routers": {"a@file": {"rule": "Host(`b`)", "service": "s"}}});
    let table = compiler.compile(&changed(&before, &mended));
    assert!(route(&table, "http://a/").is_none());
    assert_eq!(picked(&table, "http://b/"), "10.0.0.1:80");
    assert_eq!(info(&table, "a@file").status, Status::Enabled);
}

#[test]
fn a_service_whose_reference_breaks_goes_on_and_its_routers_do_not_notice() {
    let mut compiler = compiler();
    let before = configuration(&small());
    compiler.compile(&before);
    let mut broken = servers(&["http://10.0.0.2"]);
    broken["loadBalancer"]["serversTransport"] = json!("gone");
    let table = compiler.compile(&changed(&before, &json!({"services": {"s@file": broken}})));
    assert_eq!(picked(&table, "http://a/"), "10.0.0.1:80");
    let service = &table.runtime().services[&name_of("s@file")];
    assert_eq!(service.status, Status::Warning);
    assert_eq!(service.errors, ["serversTransport gone@file does not exist"]);
    assert_eq!(info(&table, "a@file").status, Status::Enabled);
}

#[test]
fn an_unknown_entrypoint_is_a_warning_and_the_others_serve() {
    let mut document = small();
    document["routers"]["a@file"]["entryPoints"] = json!(["web", "wbe"]);
    document["routers"]["b@file"] = json!({"rule": "Host(`b`)", "service": "s", "entryPoints": ["wbe"]});
    let table = compiler().compile(&configuration(&document));
    let a = info(&table, "a@file");
    assert_eq!((a.status, a.using.len()), (Status::Warning, 1));
    assert!(
        a.errors[0].contains("\"wbe\" does not exist; there is web, side"),
        "{:?}",
        a.errors
    );
    assert!(route(&table, "http://a/").is_some());
    assert_eq!(info(&table, "b@file").status, Status::Disabled);
    assert!(route(&table, "http://b/").is_none());
}

#[test]
fn routers_without_entrypoint_listen_on_the_default_ones_only() {
    let table = compiler().compile(&configuration(&small()));
    assert_eq!(info(&table, "a@file").using, [Arc::from("web")]);
    let elsewhere = crate::fixture::with_request("http://a/", |request| table.route(1, request).is_some());
    assert!(!elsewhere);
}

#[test]
fn a_router_with_tls_never_sees_plain_requests() {
    let mut document = small();
    document["routers"]["a@file"]["tls"] = json!({});
    let table = compiler().compile(&configuration(&document));
    assert!(route(&table, "http://a/").is_none());
    assert!(route(&table, "https://a/").is_some());
    let told = crate::fixture::explain(&table, "http://a/")
        .near_misses
        .remove(0)
        .reason
        .to_string();
    assert!(told.contains("TLS"), "{told}");
    document["routers"]["a@file"]["tls"] = json!({"options": "mutual@file"});
    let table = crate::fixture::compiler().compile(&configuration(&document));
    assert!(matches!(
        route(&table, "https://a/").unwrap().target,
        Target::Unavailable { .. }
    ));
    assert!(info(&table, "a@file").errors[0].contains("mutual@file"));
}

#[test]
fn the_highest_priorities_are_for_internal_routers() {
    let document = json!({"routers": {
        "a@file": {"rule": "Host(`a`)", "service": "noop@internal", "priority": i64::MAX - 999},
        "b@internal": {"rule": "Host(`b`)", "service": "noop", "priority": i64::MAX},
    }});
    let table = compiler().compile(&configuration(&document));
    assert_eq!(info(&table, "a@file").status, Status::Disabled);
    let reason = reason_of(&route(&table, "http://a/").unwrap());
    assert!(reason.contains("is reserved"), "{reason}");
    assert_eq!(info(&table, "b@internal").status, Status::Enabled);
    assert_eq!(
        table.runtime().services[&name_of("noop@internal")].used_by,
        [name_of("b@internal")]
    );
}

#[test]
fn chains_are_laid_flat_in_order() {
    let document = json!({
        "routers": {"a@file": {"rule": "Host(`a`)", "middlewares": ["all", "z"], "service": "s"}},
        "middlewares": {
            "all@file": {"chain": {"middlewares": ["y", "pair"]}},
            "pair@file": {"chain": {"middlewares": ["x", "y@nomad"]}},
            "x@file": {"addPrefix": {"prefix": "/x"}},
            "y@file": {"addPrefix": {"prefix": "/y"}},
            "z@file": {"addPrefix": {"prefix": "/z"}},
            "y@nomad": {"addPrefix": {"prefix": "/n"}},
            "last@file": {"addPrefix": {"prefix": "/l"}},
        },
        "services": {"s@file": {"loadBalancer": {}, "middlewares": ["last"]}},
    });
    let table = compiler().compile(&configuration(&document));
    let route = route(&table, "http://a/").unwrap();
    let names: Vec<_> = route
        .middlewares
        .iter()
        .map(|middleware| middleware.name.to_string())
        .collect();
    assert_eq!(names, ["y@file", "x@file", "y@nomad", "z@file", "last@file"]);
    assert_eq!(
        table.runtime().middlewares[&name_of("y@nomad")].used_by,
        [name_of("a@file")]
    );
}

#[test]
fn what_refers_to_itself_is_refused_with_the_circle() {
    let document = json!({
        "routers": {
            "m@file": {"rule": "Host(`m`)", "middlewares": ["a"], "service": "noop@internal"},
            "s@file": {"rule": "Host(`s`)", "service": "v"},
        },
        "middlewares": {
            "a@file": {"chain": {"middlewares": ["b"]}},
            "b@file": {"chain": {"middlewares": ["a"]}},
        },
        "services": {
            "v@file": {"weighted": {"services": [{"name": "w"}]}},
            "w@file": {"weighted": {"services": [{"name": "v"}]}},
        },
    });
    let table = compiler().compile(&configuration(&document));
    let middlewares = reason_of(&route(&table, "http://m/").unwrap());
    assert!(
        middlewares.contains("recursion detected: a@file → b@file → a@file"),
        "{middlewares}"
    );
    let services = reason_of(&route(&table, "http://s/").unwrap());
    assert!(
        services.contains("recursion detected: w@file → v@file → w@file"),
        "{services}"
    );
}

#[test]
fn chains_that_double_each_other_are_cut_off() {
    let mut document = json!({"middlewares": {"c0@file": {"addPrefix": {"prefix": "/x"}}}});
    for level in 1..60 {
        let below = format!("c{}", level - 1);
        document["middlewares"][format!("c{level}@file")] = json!({"chain": {"middlewares": [below, below]}});
    }
    let table = compiler().compile(&configuration(&document));
    let last = &table.runtime().middlewares[&name_of("c59@file")];
    assert_eq!(last.status, Status::Disabled);
}

#[test]
fn what_did_not_change_is_taken_over_as_it_is() {
    let mut compiler = compiler();
    let mut document = small();
    document["routers"]["b@file"] = json!({"rule": "Host(`b`)", "service": "t"});
    document["services"]["t@file"] = servers(&["http://10.0.0.2"]);
    let before = configuration(&document);
    let first = compiler.compile(&before);
    let second = compiler.compile(&changed(&before, &json!({"services": {"t@file": servers(&[])}})));
    let routes = |url| (route(&first, url).unwrap(), route(&second, url).unwrap());
    let (a, still_a) = routes("http://a/");
    assert!(Arc::ptr_eq(&a, &still_a));
    let (b, new_b) = routes("http://b/");
    assert!(!Arc::ptr_eq(&b, &new_b));
}

#[test]
fn servers_keep_their_state_as_long_as_their_service_and_url_stay() {
    let mut compiler = compiler();
    let before = configuration(&small());
    let first = compiler.compile(&before);
    let server = service_of(&route(&first, "http://a/").unwrap())
        .pick(&asking(&[]).look())
        .unwrap()
        .server;
    let _request = server.state.begin();
    let scaled = servers(&["http://10.0.0.2", "http://10.0.0.1"]);
    let second = compiler.compile(&changed(&before, &json!({"services": {"s@file": scaled}})));
    let servers = service_of(&route(&second, "http://a/").unwrap()).servers();
    let in_flight: Vec<_> = servers.iter().map(|server| server.in_flight).collect();
    assert_eq!(in_flight, [0, 1]);
}

#[test]
fn a_connection_setting_that_did_not_change_keeps_its_identity() {
    let mut compiler = compiler();
    let mut document = small();
    document["serversTransports"] = json!({"t@file": {"maxIdleConnsPerHost": 7}});
    document["services"]["s@file"]["loadBalancer"]["serversTransport"] = json!("t");
    let transport = |table: &RoutingTable| {
        let route = route(table, "http://a/").unwrap();
        service_of(&route)
            .pick(&asking(&[]).look())
            .unwrap()
            .server
            .transport
            .clone()
    };
    let first = transport(&compiler.compile(&configuration(&document)));
    let second = transport(&compiler.compile(&configuration(&document)));
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(first.max_idle_conns_per_host, 7);
}

#[test]
fn services_know_who_uses_them_through_others() {
    let mut document = small();
    document["services"]["w@file"] = json!({"weighted": {"services": [{"name": "s"}]}});
    document["routers"]["b@file"] = json!({"rule": "Host(`b`)", "service": "w"});
    let table = compiler().compile(&configuration(&document));
    let used_by = &table.runtime().services[&name_of("s@file")].used_by;
    assert_eq!(*used_by, [name_of("a@file"), name_of("b@file")]);
}

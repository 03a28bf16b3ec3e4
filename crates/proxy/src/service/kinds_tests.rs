//! Sticky sessions, failover, mirroring and services that stay with their clients, alone and within each other.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderValue, header};
use mesh_config::instance::Lifecycle;
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::{CheckStatus, Kind, Pick, Service};
use crate::{
    fixture::{Asks, asking, changed, compiler, configuration, name_of},
    table::RoutingTable,
};

fn service(table: &RoutingTable, name: &str) -> std::sync::Arc<Service> {
    let info = &table.runtime().services[&name_of(name)];
    info.service
        .clone()
        .unwrap_or_else(|| panic!("{name}: {:?}", info.errors))
}

fn errors(table: &RoutingTable, name: &str) -> String {
    table.runtime().services[&name_of(name)].errors.join("; ")
}

/// A service of one checked server at `http://<host>`.
fn one(host: &str) -> Value {
    json!({"loadBalancer": {"servers": [{"url": format!("http://{host}")}], "healthCheck": {}}})
}

fn judge(service: &Service, verdict: CheckStatus) {
    let Kind::Balancer(balancer) = &service.kind else {
        panic!("{} is no balancer", service.label);
    };
    for server in balancer.servers() {
        server.health.as_ref().unwrap().set_status(verdict);
    }
}

/// A request with these cookies.
fn carrying(cookies: &[HeaderValue]) -> Asks {
    let mut asks = asking(&[]);
    for cookie in cookies {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        asks.head.headers.append(header::COOKIE, pair.parse().unwrap());
    }
    asks
}

fn pick(service: &Service, asks: &Asks) -> Pick {
    service.pick(&asks.look()).unwrap()
}

fn host(pick: &Pick) -> String {
    pick.server.url.host.clone()
}

/// `lb@file` with a sticky cookie over the servers `a`, `b` and `c`.
fn sticky() -> Value {
    let servers = json!([{"url": "http://a"}, {"url": "http://b/"}, {"url": "http://c:80"}]);
    json!({"services": {"lb@file": {"loadBalancer": {
        "servers": servers, "healthCheck": {}, "sticky": {"cookie": {"name": "lane", "httpOnly": true}},
    }}}})
}

#[test]
fn a_client_stays_with_its_server_and_hears_of_it_once() {
    let table = compiler().compile(&configuration(&sticky()));
    let service = service(&table, "lb@file");
    let first = pick(&service, &asking(&[]));
    let cookie = first.cookies[0].to_str().unwrap();
    assert!(
        cookie.starts_with("lane=") && cookie.ends_with("; Path=/; HttpOnly"),
        "{cookie}"
    );
    for _ in 0..6 {
        let again = pick(&service, &carrying(&first.cookies));
        assert_eq!((host(&again), again.cookies.len()), (host(&first), 0));
    }
    let mut failed = carrying(&first.cookies);
    failed.tried.push(first.server.id());
    let other = pick(&service, &failed);
    assert_ne!(host(&other), host(&first));
    assert_eq!(other.cookies.len(), 1, "it goes on with the other one");
}

#[test]
fn older_values_lead_to_the_same_server_and_are_written_anew() {
    let table = compiler().compile(&configuration(&sticky()));
    let service = service(&table, "lb@file");
    // The second is written http://b/ and nothing else.
    for value in ["http://b/", "x; lane=http://b/", "x; lane=http://b:80"] {
        let mut asks = asking(&[]);
        let line = format!("lane={value}");
        asks.head.headers.insert(header::COOKIE, line.parse().unwrap());
        let picked: BTreeSet<_> = (0..6).map(|_| host(&pick(&service, &asks))).collect();
        assert_eq!(pick(&service, &asks).cookies.len(), 1);
        assert_eq!(
            picked.len() == 1,
            value.ends_with("http://b/"),
            "the first cookie that names a server counts: {value}"
        );
    }
}

#[test]
fn a_client_leaves_a_server_that_is_down_and_stays_with_one_that_drains() {
    let mut compiler = compiler();
    let before = configuration(&sticky());
    let service = service(&compiler.compile(&before), "lb@file");
    let first = pick(&service, &asking(&[]));
    let mut drained = before.clone();
    let name = name_of("lb@file");
    let mut entry = (*drained.services[&name]).clone();
    let mesh_config::model::ServiceKind::LoadBalancer(balancer) = &mut entry.value.kind else {
        unreachable!("it is one");
    };
    for server in &mut balancer.servers {
        if server.url.host == host(&first) {
            server.lifecycle = Lifecycle::Draining;
        }
    }
    drained.services.insert(name, entry.into());
    let service = self::service(&compiler.compile(&drained), "lb@file");
    assert_eq!(host(&pick(&service, &carrying(&first.cookies))), host(&first));
    let strangers: BTreeSet<_> = (0..9).map(|_| host(&pick(&service, &asking(&[])))).collect();
    assert!(!strangers.contains(&host(&first)), "{strangers:?}");
    first
        .server
        .health
        .as_ref()
        .unwrap()
        .set_status(CheckStatus::Down);
    let moved = pick(&service, &carrying(&first.cookies));
    assert_ne!(host(&moved), host(&first));
    assert_eq!(moved.cookies.len(), 1);
}

#[test]
fn each_level_has_a_cookie_of_its_own() {
    let sticky = json!({"cookie": {}});
    let leaf = |hosts: [&str; 2]| {
        let servers: Vec<_> = hosts
            .iter()
            .map(|host| json!({"url": format!("http://{host}")}))
            .collect();
        json!({"loadBalancer": {"servers": servers, "sticky": sticky}})
    };
    let table = compiler().compile(&configuration(&json!({"services": {
        "w@file": {"weighted": {"services": [{"name": "x"}, {"name": "y@file"}], "sticky": sticky}},
        "x@file": leaf(["a", "b"]), "y@file": leaf(["c", "d"]),
    }})));
    let whole = service(&table, "w@file");
    let first = pick(&whole, &asking(&[]));
    assert_eq!(first.cookies.len(), 2);
    let names: BTreeSet<_> = first
        .cookies
        .iter()
        .map(|cookie| cookie.to_str().unwrap().split('=').next().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    for _ in 0..6 {
        let again = pick(&whole, &carrying(&first.cookies));
        assert_eq!((host(&again), again.cookies.len()), (host(&first), 0));
        // With the outer one alone it comes to the same service.
        let outer = pick(&whole, &carrying(&first.cookies[1..]));
        assert_eq!(
            (outer.server.service.clone(), outer.cookies.len()),
            (first.server.service.clone(), 1)
        );
    }
}

#[test]
fn a_failover_goes_to_the_fallback_and_comes_back() {
    let table = compiler().compile(&configuration(&json!({"services": {
        "f@file": {"failover": {"service": "a", "fallback": "b", "healthCheck": {}}},
        "a@file": one("a"), "b@file": one("b"),
    }})));
    let whole = service(&table, "f@file");
    assert_eq!(host(&pick(&whole, &asking(&[]))), "a");
    judge(&service(&table, "a@file"), CheckStatus::Down);
    assert_eq!(host(&pick(&whole, &asking(&[]))), "b");
    judge(&service(&table, "b@file"), CheckStatus::Down);
    let error = whole.pick(&asking(&[]).look()).unwrap_err().to_string();
    assert!(
        error.contains("a@file: none") && error.contains("b@file: none"),
        "{error}"
    );
    assert!(!whole.can_serve());
    judge(&service(&table, "a@file"), CheckStatus::Up);
    assert_eq!(host(&pick(&whole, &asking(&[]))), "a");
}

#[test]
fn clients_keep_their_service_by_weight_and_only_those_of_a_lost_one_move() {
    let table = compiler().compile(&configuration(&json!({"services": {
        "h@file": {"highestRandomWeight": {"services": [
            {"name": "a", "weight": 3}, {"name": "b"}, {"name": "c", "weight": 0},
        ]}},
        "a@file": one("a"), "b@file": one("b"), "c@file": one("c"),
    }})));
    let whole = service(&table, "h@file");
    let of = |client: u32| {
        let mut asks = asking(&[]);
        asks.client = std::net::Ipv4Addr::from_bits(0x0a00_0000 + client).into();
        host(&pick(&whole, &asks))
    };
    let clients = 0..4000;
    let before: Vec<_> = clients.clone().map(of).collect();
    assert_eq!(
        before,
        clients.clone().map(of).collect::<Vec<_>>(),
        "it is always the same"
    );
    let shares = before.iter().fold(BTreeMap::new(), |mut shares, host| {
        *shares.entry(host.as_str()).or_insert(0) += 1;
        shares
    });
    assert!(
        (2800..3200).contains(&shares["a"]) && !shares.contains_key("c"),
        "{shares:?}"
    );
    judge(&service(&table, "b@file"), CheckStatus::Down);
    assert!(clients.clone().all(|client| of(client) == "a"));
    judge(&service(&table, "b@file"), CheckStatus::Up);
    assert_eq!(before, clients.map(of).collect::<Vec<_>>());
}

#[test]
fn copies_go_to_mirrors_by_their_share_and_a_second_attempt_makes_none() {
    let mut compiler = compiler();
    let before = configuration(&json!({
        "services": {
            "m@file": {"mirroring": {"service": "a", "mirrors": [
                {"name": "b", "percent": 50}, {"name": "c", "percent": 10}, {"name": "d"},
            ]}},
            "w@file": {"weighted": {"services": [{"name": "m"}]}},
            "a@file": one("a"), "b@file": one("b"), "c@file": one("c"), "d@file": one("d"),
        },
        "middlewares": {"p@file": {"addPrefix": {"prefix": "/m"}}},
    }));
    let table = compiler.compile(&before);
    let copies = |table: &RoutingTable| {
        let pick = pick(&service(table, "w@file"), &asking(&[]));
        assert_eq!(host(&pick), "a");
        let to = pick
            .beside
            .into_iter()
            .flat_map(|beside| beside.copies)
            .flat_map(|copies| copies.to);
        to.map(|mirror| mirror.service.name.name.to_string())
            .collect::<String>()
    };
    let first: Vec<_> = (0..10).map(|_| copies(&table)).collect();
    assert_eq!(first, ["bc", "", "b", "", "b", "", "b", "", "b", ""]);
    // The count goes on in the next table.
    let with_prefix = changed(
        &before,
        &json!({"services": {"m@file": {
            "mirroring": {"service": "a", "mirrors": [{"name": "c", "percent": 10}]}, "middlewares": ["p"],
        }}}),
    );
    let table = compiler.compile(&with_prefix);
    let second: Vec<_> = (0..11).map(|_| copies(&table)).collect();
    assert_eq!(
        second.iter().map(|to| to.len()).collect::<Vec<_>>(),
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    );
    let whole = service(&table, "w@file");
    let again = asking(&[pick(&service(&table, "b@file"), &asking(&[])).server.id()]);
    assert!((0..30).all(|_| pick(&whole, &again).beside.is_none()));
}

#[test]
fn what_a_pick_notes_of_its_way_counts_from_the_route() {
    let table = compiler().compile(&configuration(&json!({
        "services": {
            "w@file": {"weighted": {"services": [{"name": "f"}], "sticky": {"cookie": {}}}},
            "f@file": {"failover": {"service": "m", "fallback": "b", "errors": {"status": ["500"]}}, "middlewares": ["p"]},
            "m@file": {"mirroring": {"service": "a", "mirrors": [{"name": "b", "percent": 100}]}, "middlewares": ["q"]},
            "a@file": {"loadBalancer": {"servers": [{"url": "http://a"}], "sticky": {"cookie": {}}}, "middlewares": ["p"]},
            "b@file": one("b"),
        },
        "middlewares": {"p@file": {"addPrefix": {"prefix": "/p"}}, "q@file": {"addPrefix": {"prefix": "/q"}}},
    })));
    let pick = pick(&service(&table, "w@file"), &asking(&[]));
    let beside = pick.beside.unwrap();
    assert_eq!((pick.middlewares.len(), pick.cookies.len()), (3, 2));
    assert_eq!(beside.copies[0].chains, 2, "those of f and m");
    assert_eq!(
        (beside.spares[0].chains, beside.spares[0].cookies),
        (1, 1),
        "that of f; that of w"
    );
}

#[test]
fn demands_on_health_are_met_or_the_service_says_what_is_missing() {
    let plain = json!({"loadBalancer": {"servers": [{"url": "http://x"}]}});
    let table = compiler().compile(&configuration(&json!({"services": {
        "plain@file": plain, "checked@file": one("a"),
        "w@file": {"weighted": {"services": [{"name": "checked"}, {"name": "plain"}], "healthCheck": {}}},
        "w2@file": {"weighted": {"services": [{"name": "deaf"}], "healthCheck": {}}},
        "deaf@file": {"weighted": {"services": [{"name": "checked"}]}},
        "m@file": {"mirroring": {"service": "checked", "mirrors": [{"name": "plain"}], "healthCheck": {}}},
        "f@file": {"failover": {"service": "plain", "fallback": "checked"}},
        "f2@file": {"failover": {"service": "plain", "fallback": "plain", "errors": {"status": ["500"]}}},
        "f3@file": {"failover": {"service": "m", "fallback": "plain", "healthCheck": {}}},
        "f4@file": {"failover": {"service": "m", "fallback": "plain"}},
    }})));
    for (name, said) in [
        (
            "w@file",
            "service plain@file does not know its health: give it a healthCheck, or leave out",
        ),
        (
            "w2@file",
            "service deaf@file does not know its health: write healthCheck: {} there, too",
        ),
        ("m@file", ""),
        (
            "f@file",
            "service plain@file does not know its health: give it a healthCheck, or the failover errors.status",
        ),
        ("f2@file", ""),
        ("f3@file", "service plain@file does not know"),
        ("f4@file", ""),
    ] {
        let errors = errors(&table, name);
        assert!(
            errors.contains(said) && errors.is_empty() == said.is_empty(),
            "{name}: {errors}"
        );
    }
}

#[test]
fn a_mistake_below_many_services_is_told_in_short_and_without_a_server_so_is_that() {
    for leaf in [
        json!({"weighted": {"services": [{"name": "missing"}]}}),
        json!({"loadBalancer": {}}),
    ] {
        let mut services = serde_json::Map::new();
        services.insert("d0@file".to_owned(), leaf);
        for level in 1..4 {
            let children: Vec<_> = (0..10)
                .map(|_| json!({"name": format!("d{}", level - 1)}))
                .collect();
            services.insert(
                format!("d{level}@file"),
                json!({"weighted": {"services": children}}),
            );
        }
        for level in 4..9 {
            for column in 0..10 {
                let below = |column| json!({"name": if level == 4 { "d3".to_owned() } else { format!("e{}x{column}", level - 1) }});
                let children: Vec<_> = (0..10).map(below).collect();
                services.insert(
                    format!("e{level}x{column}@file"),
                    json!({"weighted": {"services": children}}),
                );
            }
        }
        let table = compiler().compile(&configuration(&json!({"services": services})));
        let errors = errors(&table, "e8x0@file");
        assert!(
            errors.contains("cannot be used") && errors.len() < 12_000,
            "{}",
            errors.len()
        );
        assert!(
            table
                .runtime()
                .services
                .values()
                .all(|info| info.errors.iter().all(|error| error.len() < 1200))
        );
    }
}

#[test]
fn what_is_nested_too_deep_is_refused_where_it_is_too_deep() {
    let mut services = serde_json::Map::new();
    services.insert("s00@file".to_owned(), one("a"));
    for level in 1..20 {
        let below = format!("s{:02}", level - 1);
        let name = format!("s{level:02}@file");
        services.insert(name, json!({"weighted": {"services": [{"name": below}]}}));
    }
    // Each doubles the ways down: 2^15 of them.
    services.insert("d00@file".to_owned(), one("a"));
    for level in 1..15 {
        let below = format!("d{:02}", level - 1);
        let name = format!("d{level:02}@file");
        services.insert(
            name,
            json!({"weighted": {"services": [{"name": below}, {"name": below}]}}),
        );
    }
    let table = compiler().compile(&configuration(&json!({"services": services})));
    assert_eq!(errors(&table, "s15@file"), "");
    assert!(errors(&table, "s16@file").contains("nested 17 deep, 16 at most"));
    assert_eq!(errors(&table, "d11@file"), "");
    assert!(errors(&table, "d12@file").contains("services are below it, 4096 at most"));
}

#[test]
fn a_long_ring_of_services_is_refused_as_such() {
    let ring = (0..5000).map(|n| {
        let next = format!("s{}", (n + 1) % 5000);
        (
            format!("s{n}@file"),
            json!({"weighted": {"services": [{"name": next}]}}),
        )
    });
    let services: serde_json::Map<_, _> = ring.collect();
    let table = compiler().compile(&configuration(&json!({"services": services})));
    assert!((0..5000).all(|n| !errors(&table, &format!("s{n}@file")).is_empty()));
}

/// Services `s0` to `s5`, each of any kind over any of them.
fn tangle() -> impl Strategy<Value = Vec<Value>> {
    let name = || select(vec!["s0", "s1", "s2", "s3", "s4", "s5"]);
    let kind = prop_oneof![
        Just(one("x")),
        prop::collection::vec((name(), 0..3_u32), 0..3).prop_map(|parts| {
            let parts: Vec<_> = parts
                .iter()
                .map(|(name, weight)| json!({"name": name, "weight": weight}))
                .collect();
            json!({"weighted": {"services": parts}})
        }),
        prop::collection::vec(name(), 1..3).prop_map(|parts| {
            let parts: Vec<_> = parts.iter().map(|name| json!({"name": name})).collect();
            json!({"highestRandomWeight": {"services": parts}})
        }),
        (name(), name()).prop_map(|(main, mirror)| {
            json!({"mirroring": {"service": main, "mirrors": [{"name": mirror, "percent": 50}]}})
        }),
        (name(), name()).prop_map(|(main, fallback)| {
            json!({"failover": {"service": main, "fallback": fallback, "errors": {"status": ["500"]}}})
        }),
    ];
    prop::collection::vec(kind, 6)
}

fn leads_back(services: &[Value], from: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = children(&services[from]);
    while let Some(next) = waiting.pop() {
        if next == from {
            return true;
        }
        if seen.insert(next) {
            waiting.extend(children(&services[next]));
        }
    }
    false
}

fn children(service: &Value) -> Vec<usize> {
    let kind: mesh_config::model::Service = serde_json::from_value(service.clone()).unwrap();
    let names = kind
        .kind
        .children()
        .into_iter()
        .map(|name| name.name.trim_start_matches('s').parse().unwrap());
    names.collect()
}

fn reaches_ring(services: &[Value], from: usize) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut waiting = vec![from];
    while let Some(next) = waiting.pop() {
        if leads_back(services, next) {
            return true;
        }
        waiting.extend(
            children(&services[next])
                .into_iter()
                .filter(|child| seen.insert(*child)),
        );
    }
    false
}

proptest! {
    #[test]
    fn whatever_leads_into_a_ring_is_refused_and_the_rest_finds_a_server_if_it_can_serve(services in tangle()) {
        let named = services.iter().enumerate().map(|(n, service)| (format!("s{n}@file"), service.clone()));
        let document = json!({"services": named.collect::<serde_json::Map<_, _>>()});
        let table = compiler().compile(&configuration(&document));
        for n in 0..services.len() {
            let name = format!("s{n}@file");
            let info = &table.runtime().services[&name_of(&name)];
            prop_assert_eq!(info.service.is_none(), reaches_ring(&services, n), "{}: {:?}", name, info.errors);
            if let Some(service) = &info.service {
                for _ in 0..5 {
                    prop_assert_eq!(service.pick(&asking(&[]).look()).is_ok(), service.can_serve());
                }
            }
        }
    }
}

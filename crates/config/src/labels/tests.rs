//! Labels and tags as users write them.

mod head_middlewares;
mod middlewares;
mod pages;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE};
use proptest::prelude::*;

use super::*;
use crate::{
    instance::LabelSet,
    model::{
        Canary, CanaryStop, Hash, HashKey, HealthCheckMode, Middleware, SameSite, ServerUrl, StickyCookie,
        Strategy, ZonePreference,
    },
    origin::Origin,
};

fn set(origin: &str, labels: &[(&str, &str)]) -> LabelSet {
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    LabelSet {
        origin: Origin::new(origin),
        labels: labels.collect(),
    }
}

fn mesh() -> Vec<String> {
    vec!["mesh".to_owned()]
}

fn labels(labels: &[(&str, &str)]) -> Declaration {
    decode(&[set("tags of web", labels)], &mesh())
}

fn broken(declaration: &Declaration) -> Vec<String> {
    let set_aside = declaration.set_aside.iter();
    let set_aside = set_aside.map(|object| format!("{} {:?}: {}", object.kind, object.name, object.problem));
    let problems = declaration.problems.iter().map(ToString::to_string);
    set_aside.chain(problems).collect()
}

/// The only router, which must be whole.
fn router(declaration: &Declaration) -> &Router {
    assert_eq!(broken(declaration), Vec::<String>::new());
    &declaration.routers.values().next().unwrap().value
}

fn rule(declaration: &Declaration) -> String {
    router(declaration).rule.as_ref().unwrap().to_string()
}

#[test]
fn the_full_tree_declares_routers_services_and_middlewares() {
    let declaration = labels(&[
        ("mesh.enable", "true"),
        ("mesh.http.routers.web.rule", "Host(`a.example`)"),
        ("mesh.HTTP.Routers.Web.EntryPoints", "web, websecure"),
        ("mesh.http.routers.web.middlewares", "auth@file strip"),
        ("mesh.http.routers.web.tls", "true"),
        ("mesh.http.routers.web.tls.options", "mtls@file"),
        ("mesh.http.routers.web.tls.domains[0].main", "a.example"),
        ("mesh.http.routers.web.tls.domains[0].sans", "b.example,c.example"),
        ("mesh.http.routers.web.tls.domains.1.main", "d.example"),
        ("mesh.http.services.web.loadbalancer.server.port", "8080"),
        ("mesh.http.services.web.loadbalancer.server.scheme", "H2C"),
        ("mesh.http.services.web.loadbalancer.passhostheader", "false"),
        ("mesh.http.services.web.loadbalancer.upgrades", "websocket,tcp"),
        ("mesh.http.services.web.loadbalancer.healthcheck.interval", "10s"),
        ("mesh.http.services.web.loadbalancer.healthcheck.mode", "grpc"),
        (
            "mesh.http.services.web.loadbalancer.passivehealthcheck.errorrate",
            "50",
        ),
        ("mesh.http.services.web.loadbalancer.draintimeout", "30s"),
        ("mesh.http.middlewares.strip.stripprefix.prefixes", "/a,/b"),
        ("com.example.other", "ignored"),
    ]);
    assert_eq!(declaration.enable, Some(true));
    let router = router(&declaration);
    assert_eq!(router.entry_points, ["web", "websecure"]);
    assert_eq!(router.middlewares.len(), 2);
    let tls = router.tls.as_ref().unwrap();
    assert_eq!(tls.options, Some("mtls@file".parse().unwrap()));
    let domains = &tls.domains;
    assert_eq!(domains[0].sans, ["b.example", "c.example"]);
    assert_eq!(domains[1].main, "d.example");
    let service = &declaration.services["web"].value;
    assert_eq!(service.server.port, Some(PortChoice::Number(8080)));
    assert_eq!(service.server.scheme, Some(Scheme::H2c));
    assert!(!service.load_balancer.pass_host_header);
    let upgrades: Vec<_> = service.load_balancer.upgrades.iter().collect();
    assert_eq!(upgrades, ["websocket", "tcp"]);
    let check = service.load_balancer.health_check.as_ref().unwrap();
    assert_eq!(
        (check.interval, check.mode),
        (Duration::from_secs(10), HealthCheckMode::Grpc)
    );
    let passive = service.load_balancer.passive_health_check.as_ref().unwrap();
    assert_eq!((passive.error_rate, passive.max_failed_attempts), (50, 1));
    assert_eq!(service.load_balancer.drain_timeout, Duration::from_secs(30));
    assert!(
        matches!(&declaration.middlewares["strip"].value, Middleware::StripPrefix(strip) if strip.prefixes.len() == 2)
    );
    assert_eq!(declaration.routers["Web"].origin.as_str(), "tags of web");
}

#[test]
fn retries_and_time_limits_can_be_declared() {
    let declaration = labels(&[
        ("mesh.http.routers.Web.rule", "Host(`a.example`)"),
        ("mesh.http.routers.Web.timeouts.request", "1m"),
        (
            "mesh.http.services.web.loadbalancer.retry.statuses",
            "500,502-504",
        ),
        ("mesh.http.services.web.loadbalancer.retry.pertrytimeout", "2s"),
        (
            "mesh.http.services.web.loadbalancer.timeouts.responseheader",
            "5s",
        ),
    ]);
    let balancer = &declaration.services["web"].value.load_balancer;
    let (retry, timeouts) = (&balancer.retry, balancer.timeouts);
    assert!(retry.statuses.contains(503) && !retry.statuses.contains(501));
    assert_eq!(
        (retry.per_try_timeout, retry.budget_percent),
        (Duration::from_secs(2), 20)
    );
    assert_eq!(timeouts.response_header, Duration::from_secs(5));
    assert_eq!(router(&declaration).timeouts.request, Duration::from_secs(60));
}

#[test]
fn every_kind_of_service_can_be_declared() {
    let declaration = labels(&[
        ("mesh.http.services.web.loadbalancer.sticky.cookie", "true"),
        ("mesh.http.services.split.weighted.services[0].name", "web"),
        ("mesh.http.services.split.weighted.services[0].weight", "9"),
        ("mesh.http.services.split.weighted.services[1].name", "next@file"),
        ("mesh.http.services.split.weighted.sticky.cookie.name", "lane"),
        ("mesh.http.services.split.weighted.sticky.cookie.samesite", "Lax"),
        ("mesh.http.services.split.weighted.healthcheck", "true"),
        ("mesh.http.services.split.middlewares", "auth"),
        (
            "mesh.http.services.near.HighestRandomWeight.Services.0.Name",
            "web",
        ),
        ("mesh.http.services.copy.mirroring.service", "web"),
        ("mesh.http.services.copy.mirroring.mirrors[0].name", "next"),
        ("mesh.http.services.copy.mirroring.mirrors[0].percent", "10"),
        ("mesh.http.services.spare.failover.service", "web"),
        ("mesh.http.services.spare.failover.fallback", "next"),
        ("mesh.http.services.spare.failover.errors.status", "500,502-504"),
    ]);
    assert_eq!(broken(&declaration), Vec::<String>::new());
    let of = |name: &str| &declaration.services[name].value;
    let cookie = of("web").load_balancer.sticky.clone().unwrap().cookie.unwrap();
    assert_eq!((&*cookie.path, cookie.secure), ("/", false));
    let Some(ServiceKind::Weighted(split)) = &of("split").instead else {
        panic!("{:?}", of("split"));
    };
    assert_eq!((split.services[0].weight, split.services[1].weight), (9, 1));
    let cookie = split.sticky.clone().unwrap().cookie.unwrap();
    assert_eq!((&*cookie.name, cookie.same_site), ("lane", Some(SameSite::Lax)));
    assert!(split.health_check.is_some() && of("split").middlewares.len() == 1);
    let kinds = ["web", "split", "near", "copy", "spare"].map(|name| of(name).kind());
    assert_eq!(
        kinds,
        [
            "loadBalancer",
            "weighted",
            "highestRandomWeight",
            "mirroring",
            "failover"
        ]
    );
    let children = of("split").children();
    assert_eq!(
        children.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["web", "next@file"]
    );
}

#[test]
fn a_service_of_two_kinds_is_set_aside_by_itself() {
    let declaration = labels(&[
        ("mesh.http.services.two.weighted.services[0].name", "web"),
        ("mesh.http.services.two.loadbalancer.server.port", "80"),
        ("mesh.http.services.bad.mirroring.mirrors[0].name", "web"),
        ("mesh.http.services.web.loadbalancer.server.port", "80"),
    ]);
    assert_eq!(declaration.services.keys().collect::<Vec<_>>(), ["web"]);
    let said = broken(&declaration).join("\n");
    assert!(
        said.contains("two: a service has one kind: keep one of loadBalancer"),
        "{said}"
    );
    assert!(said.contains("bad.mirroring"), "{said}");
    let variants = declaration.set_aside.iter().map(|aside| &*aside.outline.variant);
    assert_eq!(variants.collect::<Vec<_>>(), ["mirroring", ""]);
}

#[test]
fn an_empty_list_is_not_the_default_one() {
    let declaration = labels(&[("mesh.http.services.web.loadbalancer.upgrades", "")]);
    let upgrades = &declaration.services["web"].value.load_balancer.upgrades;
    assert_eq!(upgrades.iter().count(), 0);
}

#[test]
fn names_that_differ_by_case_are_one() {
    let declaration = labels(&[
        ("mesh.http.routers.Web.rule", "Host(`a.example`)"),
        ("mesh.http.routers.web.priority", "7"),
    ]);
    assert_eq!(router(&declaration).priority, 7);
    assert_eq!(declaration.routers.keys().collect::<Vec<_>>(), ["Web"]);
}

#[test]
fn simple_tags_make_one_router_and_one_service() {
    let declaration = labels(&[
        ("mesh.host", "a.example b.example"),
        ("mesh.path", "/api"),
        ("mesh.priority", "-3"),
        ("mesh.entrypoints", "web websecure"),
        ("mesh.middlewares", "auth@file gzip"),
        ("mesh.resolver", "le"),
        ("mesh.port", "http"),
        ("mesh.scheme", "https"),
        ("mesh.weight", "20"),
        ("mesh.service", "shop"),
        ("mesh.canary", "true"),
        ("mesh.canary.weight", "10"),
        ("mesh.canary.stop.minrequests", "50"),
        ("mesh.healthcheck.path", "/healthz"),
        ("mesh.healthcheck.timeout", "2s"),
        ("mesh.sticky", "true"),
        ("mesh.strategy", "p2c"),
    ]);
    assert_eq!(
        rule(&declaration),
        "(Host(`a.example`) || Host(`b.example`)) && PathPrefix(`/api`)"
    );
    let router = router(&declaration);
    assert_eq!(
        (
            router.priority,
            router.entry_points.len(),
            router.middlewares.len()
        ),
        (-3, 2, 2)
    );
    assert_eq!(router.tls.as_ref().unwrap().cert_resolver, "le");
    let service = &declaration.services[""].value;
    assert_eq!(service.server.port, Some(PortChoice::Name("http".to_owned())));
    assert_eq!(
        (service.server.scheme, service.server.weight),
        (Some(Scheme::Https), Some(20))
    );
    assert_eq!(
        service.load_balancer.health_check.as_ref().unwrap().path,
        "/healthz"
    );
    let balancer = &service.load_balancer;
    assert_eq!(balancer.strategy, Strategy::P2c);
    let cookie = balancer.sticky.as_ref().unwrap().cookie.as_ref();
    assert_eq!(cookie, Some(&StickyCookie::default()));
    assert_eq!(declaration.group.as_deref(), Some("shop"));
    let stop = CanaryStop {
        min_requests: 50,
        ..CanaryStop::default()
    };
    let canaries = Canary {
        weight: Some(10),
        stop: Some(stop),
    };
    assert_eq!((declaration.canary, declaration.canaries), (true, canaries));
}

#[test]
fn a_simple_cookie_may_have_attributes_and_a_strategy_that_is_none_lists_those_there_are() {
    let declaration = labels(&[("mesh.sticky.name", "shop"), ("mesh.sticky.httponly", "true")]);
    let sticky = declaration.services[""].value.load_balancer.sticky.clone();
    let cookie = sticky.unwrap().cookie.unwrap();
    assert!(cookie.name == "shop" && cookie.http_only && !cookie.secure);
    assert_eq!(
        labels(&[("mesh.sticky", "false"), ("mesh.port", "80")]).services[""]
            .value
            .load_balancer
            .sticky,
        None
    );
    let declaration = labels(&[("mesh.strategy", "random")]);
    let aside = &declaration.set_aside[0].problem;
    let help = aside.help.as_deref().unwrap();
    assert!(
        help.ends_with("known: wrr, p2c, leasttime, leastconn, hrw, consistentHash"),
        "{help}"
    );
}

#[test]
fn one_source_may_call_an_instance_a_canary_and_another_one_give_the_share() {
    let decoded = |weak: &[(&str, &str)], strong: &[(&str, &str)]| {
        let sets = [set("weak", weak), set("strong", strong)];
        let declaration = decode(&sets, &["mesh".to_owned()]);
        (declaration.canary, declaration.canaries.weight)
    };
    let (on, off, share) = (
        &[("mesh.canary", "true")],
        &[("mesh.canary", "false")],
        &[("mesh.canary.weight", "20")],
    );
    assert_eq!(decoded(on, share), (true, Some(20)));
    assert_eq!(decoded(share, on), (true, Some(20)));
    assert_eq!(decoded(on, off), (false, None));
}

#[test]
fn a_canary_is_stopped_by_defaults_by_numbers_or_not_at_all() {
    let stop = |labelled: &[(&str, &str)]| labels(labelled).canaries.stop;
    assert_eq!(stop(&[("mesh.canary.weight", "10")]), None);
    let by_default = Some(CanaryStop::default());
    assert_eq!(stop(&[("mesh.canary.stop", "true")]), by_default);
    assert_eq!(stop(&[("mesh.canary.stop", "false")]), None);
    let both = [("mesh.canary.stop", "true"), ("mesh.canary.stop.margin", "0")];
    assert_eq!(stop(&both).unwrap().margin, 0);
    let declaration = labels(&[
        ("mesh.http.services.s.loadbalancer.canary.weight", "10"),
        ("mesh.http.services.s.loadbalancer.canary.stop", "true"),
    ]);
    let canary = Canary {
        weight: Some(10),
        stop: by_default,
    };
    assert_eq!(declaration.services["s"].value.load_balancer.canary, Some(canary));
}

#[test]
fn several_simple_routers_have_names() {
    let declaration = labels(&[
        ("mesh.routers.admin.rule", "Host:a.com PathPrefix:/admin"),
        ("mesh.routers.admin.priority", "100"),
        ("mesh.routers.admin.middlewares", "auth@file ratelimit"),
        ("mesh.routers.all.host", "a.com"),
        ("mesh.http.routers.full.rule", "Host:b.com"),
    ]);
    assert_eq!(broken(&declaration), Vec::<String>::new());
    let rule_of = |name: &str| declaration.routers[name].value.rule.as_ref().unwrap().to_string();
    assert_eq!(rule_of("admin"), "Host(`a.com`) && PathPrefix(`/admin`)");
    assert_eq!(rule_of("all"), "Host(`a.com`)");
    assert_eq!(rule_of("full"), "Host(`b.com`)");
}

#[test]
fn values_can_be_base64_and_in_parts() {
    let full = "Host(`a.example`) && PathRegexp(`^/[a-z]+$`)";
    let encoded = URL_SAFE.encode(full);
    assert_eq!(rule(&labels(&[("mesh.rule@b64", &encoded)])), full);
    let (one, two) = encoded.split_at(20);
    let parts = [
        ("mesh.routers.x.rule@b64.1", two),
        ("mesh.routers.x.rule@b64", one),
    ];
    assert_eq!(rule(&labels(&parts)), full);
    let parts = [
        ("mesh.rule", "Host:a.com"),
        ("mesh.rule.2", "Path:/x"),
        ("mesh.rule.1", "Method:GET"),
    ];
    assert_eq!(
        rule(&labels(&parts)),
        "Host(`a.com`) && Method(`GET`) && Path(`/x`)"
    );
}

#[test]
fn a_gap_in_the_parts_spoils_only_its_router() {
    let declaration = labels(&[
        ("mesh.rule", "Host:a.com"),
        ("mesh.rule.2", "Path:/x"),
        ("mesh.http.routers.r.rule@b64", "!!!"),
        ("mesh.http.routers.r.priority", "1"),
        ("mesh.routers.good.host", "b.com"),
    ]);
    assert_eq!(declaration.routers.keys().collect::<Vec<_>>(), ["good"]);
    insta::assert_snapshot!(broken(&declaration).join("\n"));
}

#[test]
fn later_sets_win_key_by_key() {
    let sets = [
        set(
            "docker labels",
            &[
                ("mesh.host", "a.com"),
                ("mesh.port", "80"),
                ("mesh.http.routers.R.rule", "Host:x.com"),
            ],
        ),
        set(
            "tags",
            &[("mesh.Host", "b.com"), ("mesh.http.routers.r.priority", "5")],
        ),
    ];
    let declaration = decode(&sets, &mesh());
    assert_eq!(broken(&declaration), Vec::<String>::new());
    let simple = &declaration.routers[""];
    assert_eq!(simple.value.rule.as_ref().unwrap().text(), "Host(`b.com`)");
    assert_eq!(simple.origin.as_str(), "tags");
    assert_eq!(declaration.routers["R"].value.priority, 5);
    assert!(declaration.services.contains_key(""));
}

#[test]
fn for_one_key_the_first_prefix_wins() {
    let prefixes = ["mesh".to_owned(), "edge".to_owned()];
    let both = [
        ("mesh.host", "a.com"),
        ("edge.host", "b.com"),
        ("edge.priority", "3"),
    ];
    let declaration = decode(&[set("tags", &both)], &prefixes);
    assert_eq!(
        (rule(&declaration).as_str(), router(&declaration).priority),
        ("Host(`a.com`)", 3)
    );
    assert_eq!(labels(&[("edge.host", "b.com")]), Declaration::default());
}

#[test]
fn a_locked_no_is_final() {
    let open = set("service", &[("mesh.enable", "true")]);
    let closed = |lock| set("labels", &[("mesh.enable", "false"), ("mesh.lock", lock)]);
    assert_eq!(
        decode(&[closed("true"), open.clone()], &mesh()).enable,
        Some(false)
    );
    assert_eq!(decode(&[closed("false"), open], &mesh()).enable, Some(true));
    assert_eq!(
        labels(&[("mesh.enable", "flase")]).enable,
        None,
        "a slip leaves it to the provider's default"
    );
}

#[test]
fn what_is_wrong_is_said_and_its_neighbours_live() {
    let declaration = labels(&[
        ("mesh.host", "a.com"),
        ("mesh.prot", "80"),
        ("mesh.weight", "lots"),
        ("mesh.canary.weight", "101"),
        ("mesh.canary.stop.margin", "lots"),
        ("mesh.canary.wait", "5"),
        ("mesh.http.router.x.rule", "Host:a.com"),
        ("mesh.http.routers.bad.rule", "Hots(`a.com`)"),
        ("mesh.http.routers.bad.prioritty", "1"),
        ("mesh.http.routers.a@b.rule", "Host:a.com"),
        ("mesh.http.routers.empty", ""),
        ("mesh.http.services.s.loadbalancer.server.port", "0"),
        ("mesh.http.services.t.loadbalancer.server.url", "http://a"),
        ("mesh.http.services.t.loadbalancer.server.port", "1"),
        ("mesh.http.services.u.loadbalancer.sever.port", "1"),
        ("mesh.http.services.v.loadbalancer.server.port", "1"),
        ("mesh.http.middlewares.m.squeeze", "true"),
        ("mesh.routers.both.rule", "Host:a.com"),
        ("mesh.routers.both.host", "a.com"),
        ("mesh.routers.tick.host", "a`b"),
        ("mesh.routers.path.path", "api"),
        ("mesh.docker.network", "front"),
    ]);
    assert_eq!(declaration.routers.keys().collect::<Vec<_>>(), [""]);
    assert_eq!(declaration.services.keys().collect::<Vec<_>>(), ["v"]);
    insta::assert_snapshot!(broken(&declaration).join("\n"));
}

#[test]
fn other_protocols_are_not_served() {
    let tcp = ("mesh.tcp.routers.db.rule", "HostSNI(`*`)");
    let alone = labels(&[tcp]);
    assert!(alone.other_protocols_only);
    assert_eq!(
        broken(&alone),
        ["tags of web: mesh.tcp: not served by this version"]
    );
    assert!(!labels(&[tcp, ("mesh.host", "a.com")]).other_protocols_only);
}

#[test]
fn connect_is_never_exposed_in_the_clear() {
    let declaration = labels(&[("mesh.consulcatalog.connect", "true"), ("mesh.enable", "true")]);
    assert_eq!(declaration.enable, Some(false));
    assert_eq!(declaration.problems.len(), 1);
    assert!(labels(&[("mesh.consulcatalog.canary", "true")]).canary);
    assert!(!labels(&[("mesh.nomad.canary", "false")]).canary);
}

#[test]
fn a_server_can_have_a_literal_url() {
    let declaration = labels(&[
        ("mesh.http.services.s.loadbalancer.server.url", "http://a:1/x"),
        ("mesh.http.services.s.loadbalancer.server.preservePath", "true"),
    ]);
    let server = &declaration.services["s"].value.server;
    assert_eq!(server.url, Some("http://a:1/x".parse::<ServerUrl>().unwrap()));
    assert!(server.preserve_path);
}

#[test]
fn how_servers_are_chosen_can_be_said_in_labels() {
    let declaration = labels(&[
        ("mesh.http.services.s.loadbalancer.strategy", "consistentHash"),
        ("mesh.http.services.s.loadbalancer.hash.source", "header"),
        ("mesh.http.services.s.loadbalancer.hash.name", "X-Tenant"),
        ("mesh.http.services.s.loadbalancer.hash.boundedLoad", "125"),
        ("mesh.http.services.s.loadbalancer.slowstart", "30s"),
        ("mesh.http.services.s.loadbalancer.zonepreference", "true"),
        ("mesh.http.services.s.loadbalancer.panicthreshold", "50"),
        ("mesh.http.services.s.loadbalancer.server.zone", "a"),
    ]);
    assert_eq!(broken(&declaration), Vec::<String>::new());
    let service = &declaration.services["s"].value;
    let balancer = &service.load_balancer;
    assert_eq!(balancer.strategy, Strategy::ConsistentHash);
    assert_eq!(
        balancer.hash,
        Hash {
            key: HashKey::Header("x-tenant".parse().unwrap()),
            bounded_load: 125
        }
    );
    assert_eq!(balancer.slow_start, Duration::from_secs(30));
    assert_eq!(balancer.zone_preference, Some(ZonePreference { threshold: 70 }));
    assert_eq!(balancer.panic_threshold, 50);
    assert_eq!(service.server.zone.as_deref(), Some("a"));
    let spread = labels(&[("mesh.http.services.s.loadbalancer.panicthreshold", "101")]);
    assert!(broken(&spread)[0].contains("0 to 100"), "{:?}", broken(&spread));
}

proptest! {
    #[test]
    fn no_labels_make_the_decoder_panic(
        pairs in proptest::collection::vec(
            ("(mesh)?(\\.(http|routers|services|rule|tls|a|A|host|port|canary|enable|loadbalancer|server|\\[0\\]|x\\[1\\]|1|2|@b64|)){0,6}(@b64)?", ".{0,12}|true|Host:a"),
            0..8,
        ),
        any in proptest::collection::vec((".{0,20}", ".{0,20}"), 0..3),
    ) {
        let labels = pairs.into_iter().chain(any).collect::<Vec<_>>();
        let (weak, strong) = labels.split_at(labels.len() / 2);
        let set = |labels: &[(String, String)]| LabelSet { origin: Origin::default(), labels: labels.to_vec() };
        let _ = decode(&[set(weak), set(strong)], &[String::from("mesh"), String::new()]);
    }
}

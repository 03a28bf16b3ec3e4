//! Documents: neighbours of broken objects live, and what is written reads back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::{collection, option, prelude::*};

use super::*;
use crate::model::{
    AddPrefix, Canary, CanaryStop, Chain, Failover, FailoverErrors, ForwardingTimeouts, Hash, HashKey,
    Headers, HealthCheck, HealthReport, HighestRandomWeight, LoadBalancer, Middleware, Mirror, Mirroring,
    RedirectRegex, RedirectScheme, SameSite, Scheme, Server, ServersTransport, Service, ServiceKind, Sticky,
    StickyCookie, StripPrefix, Weighted, WeightedService, ZonePreference,
};

fn yaml(text: &str) -> Fragment {
    parse("routes.yml", text, Format::Yaml).unwrap()
}

fn broken(fragment: &Fragment) -> Vec<String> {
    let set_aside = fragment.set_aside.iter();
    let set_aside = set_aside.map(|object| format!("{} {:?}: {}", object.kind, object.name, object.problem));
    let problems = fragment.problems.iter().map(ToString::to_string);
    set_aside.chain(problems).collect()
}

#[test]
fn a_broken_object_is_set_aside_and_its_neighbours_live() {
    let fragment = yaml(
        "http:
  routers:
    web:
      rule: Host(`a.example`)
      service: web
    typo:
      rle: Host(`b.example`)
      servce: web
    rule:
      rule: Hots(`c.example`)
      service: web
    bare: {rule: Host(`d.example`)}
    a@b: {rule: Host(`e.example`), service: web}
  services:
    web: {loadBalancer: {servers: [{url: http://10.0.0.1:80}]}}
    none: {}
    bad: {loadBalancer: {servers: [{url: 10.0.0.1}], healthCheck: {interval: often}}}
  middlewares:
    strip: {stripPrefix: {prefixes: /api}}
    nope: {teapot: {}}
  serversTransports:
    t: {forwardingTimeouts: {dialTimeout: 3}}
  router: {}
tcp: {routers: {}}
tls: {}
htpp: {}
",
    );
    assert_eq!(fragment.routers.keys().collect::<Vec<_>>(), ["web"]);
    assert_eq!(fragment.routers["web"].origin.as_str(), "routes.yml:3");
    assert_eq!(fragment.services.keys().collect::<Vec<_>>(), ["web"]);
    assert_eq!(fragment.middlewares.keys().collect::<Vec<_>>(), ["strip"]);
    let timeouts = &fragment.servers_transports["t"].value.forwarding_timeouts;
    assert_eq!(timeouts.dial_timeout, Duration::from_secs(3));
    insta::assert_snapshot!(broken(&fragment).join("\n"));
}

#[test]
fn toml_says_the_same() {
    let fragment = parse(
        "routes.toml",
        "[http.routers.web]\nrule = 'Host(`a.example`)'\nservice = 'web'\npriority = 7\n\
         [[http.services.web.loadBalancer.servers]]\nurl = 'http://10.0.0.1:80'\n\
         [[http.services.web.loadBalancer.servers]]\nurl = '10.0.0.2'\n",
        Format::Toml,
    )
    .unwrap();
    assert_eq!(fragment.routers["web"].value.priority, 7);
    assert_eq!(fragment.routers["web"].origin.as_str(), "routes.toml:1");
    assert!(broken(&fragment)[0].contains("routes.toml:8"), "{fragment:?}");
}

#[test]
fn an_unreadable_text_is_one_problem() {
    assert!(parse("routes.yml", "http: [", Format::Yaml).is_err());
    assert_eq!(yaml(""), Fragment::default());
    assert_eq!(yaml("http:\n  routers:\n"), Fragment::default());
}

#[test]
fn what_may_stand_in_a_part_that_cannot_be_read_is_said() {
    let all: BTreeSet<Kind> = Kind::ALL.into();
    for (text, unread) in [
        ("htp:\n  routers: {}\n", all.clone()),
        ("http: 5\n", all.clone()),
        ("http:\n  ruoters: {}\n", all.clone()),
        ("http:\n  routers: {}\n  Routers: {}\n", all),
        ("http:\n  routers: 7\n", [Kind::Router].into()),
        ("http:\n  routers: {a: 7}\n", BTreeSet::new()),
        ("http:\n  routers:\ntcp: {}\n", BTreeSet::new()),
    ] {
        let fragment = yaml(text);
        assert_eq!(fragment.unread, unread, "{text}");
    }
    let log = ["LOG".to_owned()].into();
    let beside = parse_beside("mesh.yml", "log: {level: info}\n", Format::Yaml, &log).unwrap();
    assert_eq!(beside, Fragment::default());
}

#[test]
fn sections_of_a_static_file_are_read_where_they_stand() {
    let text = "log: {level: info}\nhttp:\n  middlewares:\n    p: {addPrefix: {prefix: /p}}\n";
    let mut layers = Layers::new();
    layers.push(Layer::parse("mesh.yml", text, Format::Yaml).unwrap());
    let fragment = fragment(&layers.take("http"));
    assert_eq!(fragment.middlewares["p"].origin.as_str(), "mesh.yml:4");
    assert_eq!(fragment.problems, []);
}

fn word() -> impl Strategy<Value = String> {
    "[A-Za-z0-9][A-Za-z0-9 ,:#'\"~-]{0,12}[a-z]|null|true|1|~|"
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9._-]{0,8}"
}

fn duration() -> impl Strategy<Value = Duration> {
    (0_u64..1 << 40).prop_map(Duration::from_millis)
}

fn headers() -> impl Strategy<Value = BTreeMap<String, String>> {
    collection::btree_map(name(), word(), 0..3)
}

fn server() -> impl Strategy<Value = Server> {
    let path = prop_oneof![Just(""), Just("/api")];
    let flags = (any::<bool>(), any::<bool>());
    (name(), 1_u16.., path, any::<u32>(), flags, word()).prop_map(
        |(host, port, path, weight, (preserve_path, canary), zone)| Server {
            url: format!("h2c://{host}:{port}{path}").parse().unwrap(),
            weight,
            preserve_path,
            zone,
            canary,
            lifecycle: Default::default(),
            reason: None,
            origin: Default::default(),
        },
    )
}

fn health_check() -> impl Strategy<Value = HealthCheck> {
    // 0 is the default, and would be read back as that.
    let interval = || (1_u64..1 << 40).prop_map(Duration::from_millis);
    let path = "|/[a-z0-9._~-]{0,8}|\\?[a-z]=[a-z0-9:#'~]{0,4}|[a-z]{1,5}/true";
    (
        path,
        headers(),
        interval(),
        option::of(interval()),
        prop_oneof![Just(0_u16), 100_u16..=599],
        any::<bool>(),
    )
        .prop_map(
            |(path, headers, interval, unhealthy_interval, status, follow_redirects)| HealthCheck {
                path,
                headers,
                interval,
                unhealthy_interval,
                status,
                follow_redirects,
                scheme: Some(Scheme::Https),
                ..HealthCheck::default()
            },
        )
}

fn hash() -> impl Strategy<Value = Hash> {
    let key = prop_oneof![
        Just(HashKey::Path),
        name().prop_map(|name| HashKey::Header(name.parse().unwrap())),
        name().prop_map(HashKey::Cookie),
    ];
    (key, 101_u16..).prop_map(|(key, bounded_load)| Hash { key, bounded_load })
}

fn canary() -> impl Strategy<Value = Canary> {
    let stop = (0_u8..100, 1_u32..=1_000_000, option::of(duration())).prop_map(
        |(margin, min_requests, resume_after)| CanaryStop {
            margin,
            min_requests,
            resume_after,
            ..CanaryStop::default()
        },
    );
    (option::of(0_u8..=100), option::of(stop)).prop_map(|(weight, stop)| Canary { weight, stop })
}

fn service() -> impl Strategy<Value = Service> {
    let balancer = (
        collection::vec(server(), 0..3),
        option::of(health_check()),
        any::<bool>(),
        hash(),
        duration(),
        option::of(1_u8..=100),
        0_u8..=100,
        option::of(canary()),
    )
        .prop_map(
            |(servers, health_check, pass_host_header, hash, slow_start, zone, panic_threshold, canary)| {
                ServiceKind::LoadBalancer(Box::new(LoadBalancer {
                    servers,
                    strategy: crate::model::Strategy::ConsistentHash,
                    hash,
                    slow_start,
                    zone_preference: zone.map(|threshold| ZonePreference { threshold }),
                    panic_threshold,
                    canary,
                    health_check,
                    pass_host_header,
                    ..LoadBalancer::default()
                }))
            },
        );
    let composite = composite();
    (prop_oneof![balancer, composite], collection::vec(name(), 0..3)).prop_map(|(kind, middlewares)| {
        Service {
            kind,
            middlewares: middlewares.iter().map(|name| name.parse().unwrap()).collect(),
        }
    })
}

fn sticky() -> impl Strategy<Value = Sticky> {
    (any::<bool>(), option::of(Just(SameSite::Lax)), any::<i64>()).prop_map(|(secure, same_site, max_age)| {
        Sticky {
            cookie: Some(StickyCookie {
                secure,
                same_site,
                max_age,
                ..StickyCookie::default()
            }),
        }
    })
}

fn composite() -> impl Strategy<Value = ServiceKind> {
    let reference = || name().prop_map(|name| name.parse().unwrap());
    let part =
        move || (reference(), any::<u32>()).prop_map(|(name, weight)| WeightedService { name, weight });
    let parts = move || collection::vec(part(), 0..3);
    let report = || option::of(Just(HealthReport {}));
    let mirror = (reference(), 0..=100_u8).prop_map(|(name, percent)| Mirror { name, percent });
    let errors = (100..600_u16, any::<i64>()).prop_map(|(status, max)| FailoverErrors {
        status: vec![format!("{status}-599"), "404".to_owned()]
            .try_into()
            .unwrap(),
        max_request_body_bytes: max,
    });
    prop_oneof![
        (parts(), option::of(sticky()), report()).prop_map(|(services, sticky, health_check)| {
            ServiceKind::Weighted(Weighted {
                services,
                sticky,
                health_check,
            })
        }),
        (parts(), report()).prop_map(|(services, health_check)| {
            ServiceKind::HighestRandomWeight(HighestRandomWeight {
                services,
                health_check,
            })
        }),
        (
            reference(),
            any::<bool>(),
            any::<i64>(),
            collection::vec(mirror, 0..3)
        )
            .prop_map(|(service, mirror_body, max_body_size, mirrors)| {
                ServiceKind::Mirroring(Mirroring {
                    service,
                    mirror_body,
                    max_body_size,
                    mirrors,
                    health_check: None,
                })
            }),
        (reference(), reference(), report(), option::of(errors)).prop_map(
            |(service, fallback, health_check, errors)| {
                ServiceKind::Failover(Failover {
                    service,
                    fallback,
                    health_check,
                    errors,
                })
            }
        ),
    ]
}

fn middleware() -> impl Strategy<Value = Middleware> {
    prop_oneof![
        word().prop_map(|prefix| Middleware::AddPrefix(AddPrefix { prefix })),
        collection::vec(name(), 0..3).prop_map(|names| Middleware::Chain(Chain {
            middlewares: names.iter().map(|name| name.parse().unwrap()).collect()
        })),
        (headers(), headers()).prop_map(|(request, response)| Middleware::Headers(Box::new(Headers {
            custom_request_headers: request,
            custom_response_headers: response,
            ..Headers::default()
        }))),
        (word(), word(), any::<bool>()).prop_map(|(scheme, port, permanent)| {
            Middleware::RedirectScheme(RedirectScheme {
                scheme,
                port,
                permanent,
            })
        }),
        (collection::vec(word(), 0..3), option::of(any::<bool>())).prop_map(|(prefixes, force_slash)| {
            Middleware::StripPrefix(StripPrefix {
                prefixes,
                force_slash,
            })
        }),
        (word(), any::<bool>()).prop_map(|(replacement, permanent)| {
            Middleware::RedirectRegex(RedirectRegex {
                regex: "^/(.*)$".parse().unwrap(),
                replacement,
                permanent,
            })
        }),
    ]
}

fn transport() -> impl Strategy<Value = ServersTransport> {
    (any::<i64>(), duration(), duration()).prop_map(
        |(max_idle_conns_per_host, dial_timeout, read_timeout)| ServersTransport {
            max_idle_conns_per_host,
            forwarding_timeouts: ForwardingTimeouts {
                dial_timeout,
                read_timeout,
                ..ForwardingTimeouts::default()
            },
            ..ServersTransport::default()
        },
    )
}

#[test]
fn what_is_wrong_with_a_service_over_others_is_said_at_its_place() {
    let document = r#"
http:
  services:
    a: {mirroring: {service: x, mirrors: [{name: y, percent: 101}]}}
    b: {failover: {service: x, fallback: y, errors: {status: [5xx]}}}
    c: {failover: {service: x}}
    d: {weighted: {services: [{name: x}], sticky: {cookie: {sameSite: maybe, path: "/;x"}}}}
    e: {weighted: {}, failover: {service: x, fallback: y}}
    f: {highestRandomWeight: {services: [{name: x, wieght: 3}]}}
    g: {weighted: {services: [{name: x}], healthCheck: {path: /}}}
    fine: {weighted: {services: [{name: x}], healthCheck: {}, sticky: {cookie: {}}}}
"#;
    let fragment = parse("routes.yml", document, Format::Yaml).unwrap();
    assert_eq!(fragment.services.keys().collect::<Vec<_>>(), ["fine"]);
    insta::assert_snapshot!(broken(&fragment).join("\n"));
}

proptest! {
    #[test]
    fn what_is_written_as_json_reads_back(
        services in collection::btree_map(name(), service(), 0..3),
        middlewares in collection::btree_map(name(), middleware(), 0..3),
        transports in collection::btree_map(name(), transport(), 0..2),
    ) {
        let document = serde_json::json!({"http": {
            "services": services, "middlewares": middlewares, "serversTransports": transports,
        }});
        let fragment = parse("x.json", &document.to_string(), Format::Yaml).unwrap();
        prop_assert_eq!(broken(&fragment), Vec::<String>::new());
        let values = fragment.services.into_iter().map(|(name, service)| (name, service.value));
        prop_assert_eq!(values.collect::<BTreeMap<_, _>>(), services);
        let values = fragment.middlewares.into_iter().map(|(name, object)| (name, object.value));
        prop_assert_eq!(values.collect::<BTreeMap<_, _>>(), middlewares);
        let values = fragment.servers_transports.into_iter().map(|(name, object)| (name, object.value));
        prop_assert_eq!(values.collect::<BTreeMap<_, _>>(), transports);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(http|tcp|rule|services|: |\n|  |\\{|\\}|- |a|&a|\\*a|<<|\"){0,40}") {
        let _ = parse("x", &text, Format::Yaml);
        let _ = parse("x", &text, Format::Toml);
    }
}

#[test]
fn a_document_with_an_alias_is_read_as_a_whole_and_says_the_same() {
    let text = "\
http:
  routers:
    good: {rule: Host(`a`), service: s}
    nothing:
    broken: {rule: Host(`a`), servcie: s}
    text: a
  services:
    s:
      loadBalancer:
        servers: [{url: 'http://127.0.0.1:1'}, {url: nowhere}]
  middlewares: text
";
    let others = BTreeSet::from(["x".to_owned()]);
    let whole = format!("{text}x: [&a b, *a]\n");
    let whole = parse_beside("routes.yml", &whole, Format::Yaml, &others).unwrap();
    let in_parts = parse("routes.yml", text, Format::Yaml).unwrap();
    assert_eq!(in_parts, whole);
    assert_eq!((in_parts.routers.len(), in_parts.set_aside.len()), (1, 3));
}

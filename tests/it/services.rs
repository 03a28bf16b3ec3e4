//! Services over other services, out of files and out of tags.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use serde_json::{Value, json};

use crate::{
    http,
    mesh::{Mesh, Place, eventually, flags, words},
    server::Server,
};

/// A Consul that never changes; holds whoever waits for a change.
pub(crate) struct Catalog {
    pub(crate) address: SocketAddr,
}

impl Catalog {
    /// With one instance of each service, at this address and with these tags.
    pub(crate) fn of(services: &[(&str, SocketAddr, Vec<String>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let names = services
            .iter()
            .map(|(name, _, tags)| ((*name).to_owned(), json!(tags)));
        // Without itself it would seem to hide something.
        let names = names.chain([("consul".to_owned(), json!([]))]);
        let names = Value::Object(names.collect());
        let instances = services.iter().map(|(name, address, tags)| {
            let instance = json!([{
                "Node": {"Node": "n", "Address": "127.0.0.1", "Datacenter": "dc1"},
                "Service": {
                    "ID": format!("{name}-1"), "Service": name, "Tags": tags,
                    "Address": address.ip().to_string(), "Port": address.port(), "CreateIndex": 1,
                },
                "Checks": [],
            }]);
            (format!("/v1/health/service/{name}"), instance)
        });
        let mut answers: serde_json::Map<_, _> = instances.collect();
        answers.insert("/v1/catalog/services".to_owned(), names);
        answers.insert("/v1/health/service/consul".to_owned(), json!([]));
        answers.insert("/v1/health/state/any".to_owned(), json!([]));
        answers.insert(
            "/v1/catalog/nodes".to_owned(),
            json!([{"Node": "n", "Address": "127.0.0.1"}]),
        );
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answers = answers.clone();
                thread::spawn(move || answer(&stream, &answers));
            }
        });
        Self { address }
    }
}

fn answer(mut stream: &TcpStream, answers: &serde_json::Map<String, Value>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(line) = lines.next() {
        // A head ends in an empty line.
        let _headers = lines.by_ref().take_while(|line| !line.is_empty()).count();
        let target = line.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if query.split('&').any(|pair| pair == "index=7") {
            let _until_the_client_leaves = lines.next();
            return;
        }
        let body = answers.get(path).unwrap_or(&Value::Null).to_string();
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nX-Consul-Index: 7\r\nContent-Type: application/json";
        if write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}").is_err() {
            return;
        }
    }
}

/// What the service `shop` declares beside itself.
const TAGS: [&str; 21] = [
    "mesh.http.routers.split.rule=Host(`split.test`)",
    "mesh.http.routers.split.service=split",
    "mesh.http.services.split.weighted.services[0].name=shop",
    "mesh.http.services.split.weighted.services[0].weight=3",
    "mesh.http.services.split.weighted.services[1].name=shop-next",
    "mesh.http.services.split.weighted.sticky.cookie.name=lane",
    "mesh.http.routers.near.rule=Host(`near.test`)",
    "mesh.http.routers.near.service=near",
    "mesh.http.services.near.highestrandomweight.services[0].name=shop",
    "mesh.http.services.near.highestrandomweight.services[1].name=shop-next",
    "mesh.http.routers.copy.rule=Host(`copy.test`)",
    "mesh.http.routers.copy.service=copy",
    "mesh.http.services.copy.mirroring.service=shop",
    "mesh.http.services.copy.mirroring.mirrors[0].name=shop-next",
    "mesh.http.services.copy.mirroring.mirrors[0].percent=100",
    "mesh.http.routers.spare.rule=Host(`spare.test`)",
    "mesh.http.routers.spare.service=spare",
    "mesh.http.services.spare.failover.service=shop-gone@consulcatalog",
    "mesh.http.services.spare.failover.fallback=shop-next",
    "mesh.http.routers.shop.rule=Host(`shop.test`)",
    "mesh.http.routers.shop.service=shop",
];

#[test]
fn tags_declare_every_kind_of_service() {
    let (place, stable, next) = (Place::new(), Server::named("stable"), Server::named("next"));
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let catalog = Catalog::of(&[
        ("shop", stable.address, TAGS.map(str::to_owned).to_vec()),
        ("shop-next", next.address, Vec::new()),
        ("shop-gone", refused, Vec::new()),
    ]);
    let mut flags = flags(&place.path("unused"));
    flags.pop();
    flags.push(format!(
        "--providers.consulCatalog.endpoint.address={}",
        catalog.address
    ));
    let mesh = place.start(&words(&flags));
    mesh.eventually("shop.test", "/", |answer| answer.body == "stable");
    let first = mesh.eventually("split.test", "/", |answer| answer.status == 200);
    assert!(
        first.header("set-cookie").unwrap().starts_with("lane="),
        "{first:?}"
    );
    let split: Vec<_> = (0..8).map(|_| mesh.get("split.test", "/").body).collect();
    assert_eq!(
        split.iter().filter(|name| *name == "next").count(),
        2,
        "{split:?}"
    );
    let near: BTreeSet<_> = (0..8).map(|_| mesh.get("near.test", "/").body).collect();
    assert_eq!(near.len(), 1, "{near:?}");
    next.hold();
    assert_eq!(mesh.get("copy.test", "/").body, "stable");
    eventually("the copy arrives", || (next.held() == 1).then_some(()));
    next.release();
    let count = |outcome: &str| {
        let labels = r#"service="copy@consulcatalog",mirror="shop-next@consulcatalog""#;
        format!("mesh_service_mirrored_requests_total{{{labels},outcome=\"{outcome}\"}} ")
    };
    eventually("the copy is counted", || {
        let metrics = mesh.ask("/metrics").body;
        assert!(metrics.contains(&format!("{}0\n", count("dropped"))), "{metrics}");
        metrics
            .contains(&format!("{}1\n", count("answered")))
            .then_some(())
    });
    assert_eq!(mesh.get("spare.test", "/").body, "next");
    shows_every_kind(&mesh);
}

/// The API shows what the tags declare.
fn shows_every_kind(mesh: &Mesh) {
    let service = mesh.ask("/api/http/services/split@consulcatalog").json();
    assert_eq!(
        (&service["type"], &service["status"]),
        (&json!("weighted"), &json!("enabled"))
    );
    let children = json!([
        {"name": "shop@consulcatalog", "status": "UP"}, {"name": "shop-next@consulcatalog", "status": "UP"},
    ]);
    assert_eq!(service["childStates"], children);
    assert_eq!(service["weighted"]["sticky"]["cookie"]["name"], "lane");
    let of = |service: &str| {
        mesh.ask(&format!("/api/http/services/{service}@consulcatalog"))
            .json()
    };
    let types = ["near", "copy", "spare", "shop"].map(|name| of(name)["type"].clone());
    assert_eq!(
        types,
        ["highestrandomweight", "mirroring", "failover", "loadbalancer"].map(Value::from)
    );
}

#[test]
fn a_file_nests_services_and_what_is_wrong_with_one_leaves_the_others_alone() {
    let (place, a, b) = (Place::new(), Server::named("a"), Server::named("b"));
    let text = format!(
        r#"
http:
  routers:
    good: {{rule: "Host(`good.test`)", service: good}}
    ring: {{rule: "Host(`ring.test`)", service: ring}}
    deaf: {{rule: "Host(`deaf.test`)", service: deaf}}
  services:
    good: {{weighted: {{services: [{{name: spare}}], sticky: {{cookie: {{secure: true, maxAge: 60}}}}}}}}
    spare: {{failover: {{service: checked, fallback: copied}}}}
    checked: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:1"}}], healthCheck: {{interval: 10ms}}}}}}
    copied: {{mirroring: {{service: near, mirrors: [{{name: b, percent: 100}}]}}}}
    near: {{highestRandomWeight: {{services: [{{name: a}}]}}}}
    a: {{loadBalancer: {{servers: [{{url: "{}"}}], sticky: {{cookie: {{}}}}}}}}
    b: {{loadBalancer: {{servers: [{{url: "{}"}}]}}}}
    ring: {{failover: {{service: ring2, fallback: a, errors: {{status: ["500"]}}}}}}
    ring2: {{weighted: {{services: [{{name: ring}}]}}}}
    deaf: {{failover: {{service: a, fallback: b}}}}
"#,
        a.url(),
        b.url()
    );
    let mesh = place.start(&words(&flags(&place.write("routes.yml", &text))));
    let answer = mesh.eventually("good.test", "/", |answer| answer.body == "a");
    let cookies = answer
        .head
        .lines()
        .filter(|line| line.to_lowercase().starts_with("set-cookie: _"));
    assert_eq!(cookies.count(), 2, "one of each level: {answer:?}");
    assert!(answer.head.contains("; Path=/; Max-Age=60; Secure"), "{answer:?}");
    for (host, said) in [
        ("ring", "recursion detected"),
        ("deaf", "does not know its health: give it a healthCheck"),
    ] {
        assert_eq!(mesh.get(&format!("{host}.test"), "/").status, 503);
        let service = mesh.ask(&format!("/api/http/services/{host}@file")).json();
        let error = service["error"][0].as_str().unwrap();
        assert!(error.contains(said), "{error}");
        assert_eq!(service["status"], "disabled");
        assert!(
            mesh.log()
                .iter()
                .any(|line| line.contains(said) && line.contains("routes.yml:")),
            "the log names the line"
        );
    }
    eventually("the state of children", || {
        let service = mesh.ask("/api/http/services/spare@file").json();
        let states = service["childStates"].as_array().unwrap();
        (states[0]["status"] == "DOWN" && states[1]["status"] == "UP").then_some(())
    });
    let unknown = http::get(mesh.address("mesh"), "localhost", "/api/http/services/none@file");
    assert_eq!(unknown.status, 404);
}

/// Takes every request with its body, and answers how long that was with `status`.
fn measuring(status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || measure(&stream, status));
        }
    });
    address
}

fn measure(mut stream: &TcpStream, status: &str) {
    let mut reader = BufReader::new(stream);
    let mut length = 0_u64;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return;
        }
        if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if line == "\r\n" {
            let seen = io::copy(&mut reader.by_ref().take(length), &mut io::sink()).unwrap_or_default();
            let text = seen.to_string();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            );
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
            length = 0;
        }
    }
}

#[test]
fn a_body_beyond_what_is_kept_is_served_and_neither_copied_nor_replaced() {
    const MEBIBYTE: usize = 1024 * 1024;
    let (place, copied) = (Place::new(), Server::named("copied"));
    let (main, other) = (measuring("503 Busy"), measuring("200 OK"));
    let text = format!(
        r#"
http:
  routers: {{all: {{rule: "PathPrefix(`/`)", service: top}}}}
  services:
    top: {{mirroring: {{service: spare, mirrors: [{{name: copied, percent: 100}}]}}}}
    spare: {{failover: {{service: main, fallback: other, errors: {{status: ["503"]}}}}}}
    main: {{loadBalancer: {{servers: [{{url: "http://{main}"}}]}}}}
    other: {{loadBalancer: {{servers: [{{url: "http://{other}"}}]}}}}
    copied: {{loadBalancer: {{servers: [{{url: "{}"}}]}}}}
"#,
        copied.url()
    );
    let mesh = place.start(&words(&flags(&place.write("routes.yml", &text))));
    mesh.eventually("a.test", "/", |answer| answer.body == "0");
    let ask = |length: usize| {
        let mut client = http::Kept::new(TcpStream::connect(mesh.address("web")).unwrap());
        let mut request = format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n");
        request.extend(std::iter::repeat_n('x', length));
        client.ask(&request).unwrap()
    };
    let dropped = || {
        let metrics = mesh.ask("/metrics").body;
        let line = metrics
            .lines()
            .find(|line| line.contains(r#"outcome="dropped""#))
            .unwrap()
            .to_owned();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(ask(5 * MEBIBYTE), (200, (5 * MEBIBYTE).to_string()));
    assert_eq!(dropped(), "0");
    assert_eq!(ask(70 * MEBIBYTE), (503, (70 * MEBIBYTE).to_string()));
    eventually("the missing copy is counted", || (dropped() == "1").then_some(()));
    // What was kept is free again.
    assert_eq!(ask(20 * MEBIBYTE), (200, (20 * MEBIBYTE).to_string()));
}

#[test]
fn a_task_of_ecs_knows_its_zone_from_its_metadata_unless_it_is_written() {
    let (here, there) = (Server::named("here"), Server::named("there"));
    let metadata = Server::named(r#"{"Cluster": "c", "AvailabilityZone": "eu-central-1a"}"#);
    let place = Place::new();
    let text = format!(
        r#"
http:
  routers: {{all: {{rule: "PathPrefix(`/`)", service: all}}}}
  services:
    all:
      loadBalancer:
        zonePreference: {{threshold: 1}}
        servers:
          - {{url: "{}", zone: eu-central-1a}}
          - {{url: "{}", zone: eu-central-1b}}
"#,
        here.url(),
        there.url()
    );
    let file = place.write("routes.yml", &text);
    for (zone, expected) in [(None, "here"), (Some("--zone=eu-central-1b"), "there")] {
        let flags = flags(&file);
        let mut arguments = words(&flags);
        arguments.extend(zone);
        arguments.push("--log.format=json");
        let mut command = place.command(&arguments);
        command.env("ECS_CONTAINER_METADATA_URI_V4", metadata.url());
        let mesh = Mesh::start(&mut command);
        mesh.eventually("a.test", "/", |answer| answer.body == expected);
        for _ in 0..6 {
            assert_eq!(mesh.get("a.test", "/").body, expected);
        }
    }
}

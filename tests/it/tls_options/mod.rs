//! TLS options as their users meet them: who is let in where, and what servers learn of it.

mod client;

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};

use self::client::{Authority, Open, ask, known, known_by, known_http2, status};
use crate::{
    mesh::{Mesh, Place, eventually, flags, words},
    middlewares::{Noting, ok},
};

/// Mesh in front of one server, with the authority `ca.pem`, by which clients of `verify.test` have to be known.
struct World {
    place: Place,
    server: Noting,
    authority: Authority,
    mesh: Mesh,
}

/// A router over TLS for `<name>.test`, with these options.
fn router(name: &str, options: &str) -> Value {
    json!({"rule": format!("Host(`{name}.test`)"), "service": "s", "tls": {"options": options}})
}

/// What is asked of clients, by whom `ca.pem` vouches for.
fn auth(kind: &str) -> Value {
    json!({"clientAuth": {"caFiles": ["ca.pem"], "clientAuthType": kind}})
}

/// `verify.test` lets in whom the authority knows, `open.test` everybody.
fn usual() -> Value {
    json!({
        "options": {"verify": auth("RequireAndVerifyClientCert")},
        "routers": {
            "verify": router("verify", "verify"),
            "open": {"rule": "Host(`open.test`)", "service": "s", "tls": {}},
        },
    })
}

fn document(parts: &Value, server: &Noting) -> String {
    let server = format!("http://{}", server.address);
    json!({
        "tls": {"options": parts["options"]},
        "http": {
            "routers": parts["routers"],
            "middlewares": {"who": {"passTLSClientCert": {
                "pem": true, "info": {"subject": {"commonName": true}, "sans": true},
            }}},
            "services": {"s": {"loadBalancer": {"servers": [{"url": server}]}}},
        },
    })
    .to_string()
}

impl World {
    fn new(parts: &Value) -> Self {
        Self::started(parts, &[])
    }

    fn started(parts: &Value, further: &[&str]) -> Self {
        let (place, server) = (Place::new(), Noting::new(|_| ok("hello")));
        let authority = Authority::new("Our CA");
        place.write("ca.pem", &authority.pem());
        let file = place.write("dynamic.json", &document(parts, &server));
        let mesh = place.start(&[&words(&flags(&file)), further].concat());
        Self {
            place,
            server,
            authority,
            mesh,
        }
    }

    /// From now on the document says this.
    fn write(&self, parts: &Value) {
        self.place.write("dynamic.json", &document(parts, &self.server));
    }

    /// What the API says of TLS options.
    fn options(&self, name: &str) -> Value {
        self.mesh.ask(&format!("/api/tls/options/{name}@file")).json()
    }

    /// What the API says of a router.
    fn router(&self, name: &str) -> Value {
        self.mesh.ask(&format!("/api/http/routers/{name}@file")).json()
    }
}

#[test]
fn each_kind_of_client_auth_lets_in_whom_it_says() {
    let kinds = [
        ("verify", "RequireAndVerifyClientCert", [0, 200, 0, 0]),
        ("given", "VerifyClientCertIfGiven", [200, 200, 0, 0]),
        ("any", "RequireAnyClientCert", [0, 200, 200, 200]),
        ("request", "RequestClientCert", [200; 4]),
        ("none", "NoClientCert", [200; 4]),
    ];
    let options: serde_json::Map<_, _> = kinds
        .iter()
        .map(|(name, kind, _)| ((*name).to_owned(), auth(kind)))
        .collect();
    let routers: serde_json::Map<_, _> = kinds
        .iter()
        .map(|(name, _, _)| ((*name).to_owned(), router(name, name)))
        .collect();
    let world = World::new(&json!({"options": options, "routers": routers}));
    let good = world.authority.client("good");
    let strange = Authority::new("Our CA").client("strange");
    let expired = world.authority.client_until("expired", 2021);
    let clients = [None, Some(&good), Some(&strange), Some(&expired)];
    for (name, _, expected) in kinds {
        for version in [&TLS12, &TLS13] {
            let found = clients
                .map(|identity| status(&world.mesh, &format!("{name}.test"), &known_by(version, identity)));
            assert_eq!(found, expected, "{name} {version:?}");
        }
    }
}

#[test]
fn servers_are_told_of_the_certificate_and_not_of_what_clients_claim() {
    let mut parts = usual();
    parts["options"]["given"] = auth("VerifyClientCertIfGiven");
    parts["routers"]["given"] = router("given", "given@file");
    parts["routers"]["given"]["middlewares"] = json!(["who"]);
    let world = World::new(&parts);
    let good = world.authority.client("a, b");
    let forged = "X-Forwarded-Tls-Client-Cert: forged\r\nX_Forwarded_Tls_Client_Cert_Info: forged\r\n\
                  X-Forwarded-Tls-Client-Cert-Info: forged\r\nConnection: x-forwarded-tls-client-cert\r\n";
    let pem = STANDARD.encode(&good.der);
    let told = |identity| {
        let mut open = Open::new(&world.mesh, "given.test", &known(identity)).unwrap();
        assert_eq!(open.get("given.test", forged).unwrap(), 200);
        let noted = world.server.last();
        assert!(!noted.head.contains("forged"), "{}", noted.head);
        let header = |name| noted.header(name).map(str::to_owned);
        (
            header("x-forwarded-tls-client-cert"),
            header("x-forwarded-tls-client-cert-info"),
        )
    };
    assert_eq!(told(None), (None, None));
    let info = "Subject%3D%22CN%3Da%5C%2C+b%22%3BSAN%3D%22client.test%22".to_owned();
    assert_eq!(told(Some(&good)), (Some(pem.clone()), Some(info)));
    let open = Open::new(&world.mesh, "given.test", &known_http2(Some(&good))).unwrap();
    assert!(open.get_http2("given.test"));
    let noted = world.server.last();
    assert_eq!(noted.header("x-forwarded-tls-client-cert"), Some(pem.as_str()));
}

#[test]
fn a_connection_for_one_host_is_no_way_to_one_that_asks_for_a_certificate() {
    let world = World::new(&usual());
    let (mesh, good) = (&world.mesh, world.authority.client("good"));
    for name in ["open.test", "unknown.test", "127.0.0.1"] {
        let mut open = Open::new(mesh, name, &known(Some(&good))).unwrap();
        for host in ["verify.test", "VERIFY.test", "verify.test.", "verify.test:443"] {
            assert_eq!(open.get(host, "").unwrap(), 421, "{name} {host}");
        }
        assert_eq!(open.get("open.test", "").unwrap(), 200, "{name}");
        let open = Open::new(mesh, name, &known_http2(None)).unwrap();
        assert!(!open.get_http2("verify.test"), "{name}");
    }
    assert!(
        Open::new(mesh, "open.test", &known_http2(None))
            .unwrap()
            .get_http2("open.test")
    );
    assert_eq!(world.server.noted().len(), 4, "nothing else reached it");
    for name in ["verify.test", "VERIFY.test"] {
        assert_eq!(ask(mesh, name, "verify.test.", &known(Some(&good))).unwrap(), 200);
        assert!(ask(mesh, name, "verify.test", &known(None)).is_err());
        assert_eq!(ask(mesh, name, "open.test", &known(Some(&good))).unwrap(), 421);
        let open = Open::new(mesh, name, &known_http2(Some(&good))).unwrap();
        assert!(open.get_http2("verify.test"));
    }
    let metrics = mesh.ask("/metrics").body;
    let counted = metrics
        .lines()
        .any(|line| line.contains("misdirected") && !line.ends_with(" 0"));
    assert!(counted, "{metrics}");
}

#[test]
fn options_that_do_not_exist_or_cannot_be_used_close_their_hosts_and_no_others() {
    let mut parts = usual();
    parts["options"]["old"] = json!({"minVersion": "VersionTLS10"});
    parts["options"]["broken"] = json!({"clientAuth": {"caFiles": 5, "sni": true}});
    parts["routers"]["lost"] = router("lost", "nowhere@file");
    parts["routers"]["old"] = router("old", "old");
    parts["routers"]["broken"] = router("broken", "broken");
    parts["routers"]["all"] = json!({"rule": "PathPrefix(`/`)", "service": "s", "tls": {}});
    let world = World::new(&parts);
    for name in ["lost", "old", "broken"] {
        let host = format!("{name}.test");
        assert!(Open::new(&world.mesh, &host, &known(None)).is_err(), "{name}");
        assert_eq!(
            ask(&world.mesh, "open.test", &host, &known(None)).unwrap(),
            503,
            "{name}"
        );
        assert_eq!(world.router(name)["status"], "disabled");
    }
    assert_eq!(world.server.noted().len(), 0);
    assert_eq!(status(&world.mesh, "open.test", &known(None)), 200);
    assert_eq!(status(&world.mesh, "other.test", &known(None)), 200);
    let told = world.router("lost")["error"].to_string();
    assert!(told.contains("tls.options nowhere@file does not exist"), "{told}");
    let old = world.options("old");
    assert_eq!(
        (&old["status"], &old["minVersion"]),
        (&json!("disabled"), &json!("VersionTLS10"))
    );
    assert!(old["error"].to_string().contains("write VersionTLS12"), "{old}");
    assert_eq!(world.options("verify")["usedBy"], json!(["verify@file"]));
    let overview = world.mesh.ask("/api/overview").json();
    assert_eq!(
        overview["tls"]["options"],
        json!({"total": 3, "warnings": 0, "errors": 2})
    );
}

#[test]
fn a_broken_router_has_no_say_where_a_wider_one_serves_its_host() {
    let mut parts = usual();
    parts["routers"]["tenants"] = json!({"rule": "Host(`*.tenants.test`)", "service": "s", "tls": {}});
    parts["routers"]["broken"] = json!({
        "rule": "Host(`a.tenants.test`) && Path(`/admin`)", "service": "s", "tls": {"options": "verify"}, "nonsense": 1,
    });
    let world = World::new(&parts);
    assert_eq!(status(&world.mesh, "a.tenants.test", &known(None)), 200);
    assert_eq!(world.router("broken")["status"], "disabled");
}

#[test]
fn what_is_wrong_with_options_is_told_with_its_place() {
    let place = Place::new();
    place.write(
        "routes.yml",
        "tls:\n  options:\n    old:\n      maxVersion: VersionTLS11\n    suites:\n      cipherSuites: [TLS_RSA_WITH_RC4_128_SHA]\n    \
         gone:\n      clientAuth: {caFiles: [gone.pem]}\n    typo:\n      sniStrikt: true\n    \
         none:\n      clientAuth: {clientAuthType: RequireAndVerifyClientCert}\n",
    );
    let check = place.run(&["check", "routes.yml"]);
    assert_eq!(check.code(), 1);
    let told = check.stderr();
    for expected in [
        "routes.yml:3: tls.options.old: maxVersion: TLS 1.1 is not spoken",
        "routes.yml:5: tls.options.suites: cipherSuites: TLS_RSA_WITH_RC4_128_SHA is not spoken",
        "routes.yml:7: tls.options.gone: clientAuth.caFiles: cannot read gone.pem",
        "routes.yml:10: tls.options.typo.sniStrikt",
        "sniStrict",
        "routes.yml:11: tls.options.none: clientAuth.caFiles is empty",
    ] {
        assert!(told.contains(expected), "{expected} is not in {told}");
    }
}

#[test]
fn an_entrypoint_gives_its_options_to_routers_that_have_no_tls_of_their_own() {
    let parts = json!({
        "options": {"verify": auth("RequireAndVerifyClientCert")},
        "routers": {
            "own": {"rule": "Host(`own.test`)", "service": "s", "tls": {}},
            "verify": {"rule": "Host(`verify.test`)", "service": "s"},
            "all": {"rule": "PathPrefix(`/`)", "service": "s"},
        },
    });
    let world = World::started(&parts, &["--entryPoints.web.http.tls.options=verify@file"]);
    let (mesh, good) = (&world.mesh, world.authority.client("good"));
    for (host, without) in [("own.test", 200), ("verify.test", 0), ("unknown.test", 0)] {
        assert_eq!(status(mesh, host, &known(None)), without, "{host}");
        assert_eq!(status(mesh, host, &known(Some(&good))), 200, "{host}");
    }
    assert_eq!(ask(mesh, "own.test", "unknown.test", &known(None)).unwrap(), 421);
}

#[test]
fn authorities_are_read_again_and_a_broken_file_leaves_those_before() {
    let world = World::new(&usual());
    let (mesh, old) = (&world.mesh, world.authority.client("old"));
    let mut open = Open::new(mesh, "verify.test", &known(Some(&old))).unwrap();
    assert_eq!(open.get("verify.test", "").unwrap(), 200);
    world.place.write("ca.pem", "rubbish");
    let told = eventually("the complaint", || {
        world.options("verify")["error"][0].as_str().map(str::to_owned)
    });
    assert!(
        told.contains("clientAuth.caFiles: ca.pem holds no certificate"),
        "{told}"
    );
    assert_eq!(world.options("verify")["status"], "warning");
    assert_eq!(status(mesh, "verify.test", &known(Some(&old))), 200);
    let next = Authority::new("Next CA");
    let new = next.client("new");
    assert_eq!(status(mesh, "verify.test", &known(Some(&new))), 0);
    world.place.write("ca.pem", &next.pem());
    eventually("the new authority", || {
        (status(mesh, "verify.test", &known(Some(&new))) == 200).then_some(())
    });
    assert_eq!(status(mesh, "verify.test", &known(Some(&old))), 0);
    assert_eq!(world.options("verify")["status"], "enabled");
    assert_eq!(open.get("verify.test", "").unwrap(), 200, "open connections stay");
}

#[test]
fn a_change_is_for_new_connections_and_nobody_gets_past_a_new_demand() {
    let mut parts = usual();
    parts["options"]["soft"] = json!({"minVersion": "VersionTLS12"});
    parts["routers"]["soft"] = router("soft", "soft");
    let world = World::new(&parts);
    let (mesh, stranger) = (&world.mesh, known(None));
    let mut open = Open::new(mesh, "soft.test", &stranger).unwrap();
    let mut untouched = Open::new(mesh, "open.test", &stranger).unwrap();
    assert_eq!(open.get("soft.test", "").unwrap(), 200);
    assert_eq!(untouched.get("open.test", "").unwrap(), 200);
    assert_eq!(status(mesh, "soft.test", &known_by(&TLS12, None)), 200);

    parts["options"]["soft"]["minVersion"] = json!("VersionTLS13");
    world.write(&parts);
    eventually("the higher version", || {
        (status(mesh, "soft.test", &known_by(&TLS12, None)) == 0).then_some(())
    });
    assert_eq!(open.get("soft.test", "").unwrap(), 200);

    // The client has a ticket of the time before.
    parts["options"]["soft"]["clientAuth"] = json!({"caFiles": ["ca.pem"]});
    world.write(&parts);
    eventually("the demand", || {
        (status(mesh, "soft.test", &known(None)) == 0).then_some(())
    });
    assert_eq!(status(mesh, "soft.test", &stranger), 0);
    assert_eq!(open.get("soft.test", "").unwrap(), 421);
    let good = world.authority.client("good");
    assert_eq!(status(mesh, "soft.test", &known(Some(&good))), 200);

    parts["options"].as_object_mut().unwrap().remove("soft");
    world.write(&parts);
    eventually("the complaint", || {
        let told = world.router("soft")["error"][0].to_string();
        told.contains("tls.options soft@file does not exist")
            .then_some(())
    });
    assert_eq!(
        status(mesh, "soft.test", &known(None)),
        0,
        "what was good guards on"
    );
    assert_eq!(status(mesh, "soft.test", &known(Some(&good))), 200);
    assert_eq!(untouched.get("open.test", "").unwrap(), 200);
}

#[test]
fn routers_of_one_host_with_other_options_get_the_default_and_nobody_without_a_certificate() {
    let mut parts = usual();
    parts["options"]["modern"] = json!({"minVersion": "VersionTLS13"});
    parts["routers"]["one"] = router("shared", "modern");
    parts["routers"]["two"] =
        json!({"rule": "Host(`shared.test`) && PathPrefix(`/two`)", "service": "s", "tls": {}});
    parts["routers"]["weak"] =
        json!({"rule": "Host(`verify.test`) && PathPrefix(`/weak`)", "service": "s", "tls": {}});
    let world = World::new(&parts);
    let mesh = &world.mesh;
    assert_eq!(status(mesh, "shared.test", &known_by(&TLS12, None)), 200);
    for (name, other) in [("one", "two@file"), ("two", "one@file")] {
        let router = world.router(name);
        assert_eq!(router["status"], "warning", "{router}");
        let told = router["error"][0].as_str().unwrap();
        assert!(
            told.contains(other) && told.contains("host shared.test"),
            "{told}"
        );
    }
    assert_eq!(status(mesh, "verify.test", &known(None)), 503);
    assert_eq!(world.router("verify")["status"], "disabled");
    assert_eq!(world.router("weak")["status"], "warning");
    assert_eq!(world.server.noted().len(), 1);

    world.write(&usual());
    let good = world.authority.client("good");
    eventually("the end of the quarrel", || {
        (status(mesh, "verify.test", &known(Some(&good))) == 200).then_some(())
    });
    assert_eq!(status(mesh, "verify.test", &known(None)), 0);
    assert_eq!(world.router("verify")["status"], "enabled");
}

#[test]
fn versions_protocols_and_names_are_as_options_say() {
    let parts = json!({
        "options": {
            "default": {"sniStrict": true},
            "old": {"maxVersion": "VersionTLS12", "cipherSuites": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
                    "curvePreferences": ["CurveP256"], "disableSessionTickets": true},
            "one": {"alpnProtocols": ["http/1.1", "acme-tls/1"]},
        },
        "routers": {
            "old": router("old", "old"), "one": router("one", "one"),
            "strict": {"rule": "Host(`strict.test`)", "service": "s", "tls": {}},
        },
    });
    let world = World::new(&parts);
    let mesh = &world.mesh;
    assert_eq!(status(mesh, "old.test", &known_by(&TLS12, None)), 200);
    assert_eq!(status(mesh, "old.test", &known_by(&TLS13, None)), 0);
    assert_eq!(status(mesh, "one.test", &known(None)), 200);
    assert!(Open::new(mesh, "one.test", &known_http2(None)).is_err());
    let refused = Open::new(mesh, "strict.test", &known(None)).err().unwrap();
    assert!(
        refused.to_string().to_lowercase().contains("unrecogni"),
        "{refused}"
    );
}

//! Middlewares as labels and tags have them.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE};

use super::{broken, labels};
use crate::{
    labels::Declaration,
    model::{
        Buffering, ClientAuthentication, Compress, Encoding, Hidden, JwtAlgorithm, Middleware, Oidc, OnError,
    },
};

/// A middleware of each kind that guards, with lists, objects and secrets.
fn guards() -> Declaration {
    labels(&[
        (
            "mesh.http.middlewares.a.basicauth.users",
            "ann:$apr1$s3cr3t$x, bob:{SHA}s3cr3t=",
        ),
        ("mesh.http.middlewares.a.basicauth.headerfield", "X-User"),
        ("mesh.http.middlewares.a.basicauth.removeheader", "true"),
        ("mesh.http.middlewares.d.digestauth.users[0]", "ann:mesh:s3cr3t"),
        (
            "mesh.http.middlewares.f.forwardauth.address",
            "http://auth:80/verify",
        ),
        ("mesh.http.middlewares.f.forwardauth.trustForwardHeader", "false"),
        (
            "mesh.http.middlewares.f.forwardauth.authResponseHeaders",
            "X-User,X-Mail",
        ),
        (
            "mesh.http.middlewares.f.forwardauth.authSigninURL",
            "https://sso.test/",
        ),
        (
            "mesh.http.middlewares.f.forwardauth.tls.insecureskipverify",
            "true",
        ),
        ("mesh.http.middlewares.i.inflightreq.amount", "10"),
        (
            "mesh.http.middlewares.i.inflightreq.sourcecriterion.requestheadername",
            "X-Tenant",
        ),
        ("mesh.http.middlewares.r.ratelimit.average", "100"),
        ("mesh.http.middlewares.r.ratelimit.period", "1m"),
        ("mesh.http.middlewares.r.ratelimit.burst", "50"),
        (
            "mesh.http.middlewares.r.ratelimit.sourcecriterion.ipstrategy.depth",
            "2",
        ),
        (
            "mesh.http.middlewares.r.ratelimit.sourcecriterion.ipstrategy.excludedips",
            "10.0.0.0/8,::1",
        ),
        (
            "mesh.http.middlewares.r.ratelimit.sourcecriterion.ipstrategy.ipv6subnet",
            "64",
        ),
        (
            "mesh.http.middlewares.r.ratelimit.redis.endpoints",
            "a:6379,b:6379",
        ),
        ("mesh.http.middlewares.r.ratelimit.redis.password", "s3cr3t"),
        ("mesh.http.middlewares.r.ratelimit.redis.dialTimeout", "1s"),
        ("mesh.http.middlewares.r.ratelimit.redis.onError", "allow"),
    ])
}

#[test]
fn middlewares_that_guard_can_be_declared() {
    let declaration = guards();
    assert_eq!(broken(&declaration), Vec::<String>::new());
    let shown = format!("{:?}", declaration.middlewares);
    assert!(!shown.contains("s3cr3t"), "{shown}");
    let of = |name: &str| &declaration.middlewares[name].value;
    let Middleware::BasicAuth(basic) = of("a") else {
        panic!()
    };
    let users: Vec<_> = basic.users.iter().map(Hidden::expose).collect();
    assert_eq!(users, ["ann:$apr1$s3cr3t$x", "bob:{SHA}s3cr3t="]);
    assert!(basic.remove_header && basic.realm == "mesh");
    let Middleware::ForwardAuth(auth) = of("f") else {
        panic!()
    };
    assert_eq!(
        (auth.trust_forward_header, auth.auth_response_headers.len()),
        (Some(false), 2)
    );
    assert!(auth.tls.as_ref().unwrap().insecure_skip_verify);
    let Middleware::InFlightReq(in_flight) = of("i") else {
        panic!()
    };
    assert_eq!(in_flight.amount, 10);
    let Middleware::RateLimit(limit) = of("r") else {
        panic!()
    };
    assert_eq!(
        (limit.average, limit.period, limit.burst),
        (100, Duration::from_secs(60), 50)
    );
    let strategy = limit.source_criterion.clone().unwrap().ip_strategy.unwrap();
    assert_eq!(
        (strategy.depth, strategy.excluded_ips.len(), strategy.ipv6_subnet),
        (2, 2, Some(64))
    );
    let redis = limit.redis.as_ref().unwrap();
    assert_eq!((redis.endpoints.len(), redis.on_error), (2, OnError::Allow));
    assert_eq!(of("d").kind(), "digestAuth");
}

#[test]
fn what_gateways_count_together_and_keep_can_be_declared() {
    let declaration = labels(&[
        ("mesh.http.middlewares.q.quota.limit", "100"),
        ("mesh.http.middlewares.q.quota.period", "24h"),
        ("mesh.http.middlewares.q.quota.redis.endpoints.0", "a:6379"),
        ("mesh.http.middlewares.q.quota.redis.password", "s3cr3t"),
        ("mesh.http.middlewares.f.forwardauth.address", "http://auth/"),
        ("mesh.http.middlewares.f.forwardauth.cache.ttl", "30s"),
        ("mesh.http.middlewares.f.forwardauth.cache.negativettl", "1s"),
        (
            "mesh.http.middlewares.f.forwardauth.cache.ignoreheaders",
            "User-Agent,Accept",
        ),
        ("mesh.http.middlewares.g.forwardauth.cache", "true"),
    ]);
    assert_eq!(broken(&declaration), Vec::<String>::new());
    let shown = format!("{:?}", declaration.middlewares);
    assert!(!shown.contains("s3cr3t"), "{shown}");
    let of = |name: &str| &declaration.middlewares[name].value;
    let (Middleware::Quota(quota), Middleware::ForwardAuth(auth)) = (of("q"), of("f")) else {
        panic!()
    };
    assert_eq!(quota.redis.as_ref().unwrap().endpoints, ["a:6379"]);
    let cache = auth.cache.as_ref().unwrap();
    assert_eq!(
        (cache.ttl, cache.negative_ttl, cache.ignore_headers.len()),
        (Duration::from_secs(30), Duration::from_secs(1), 2)
    );
    let Middleware::ForwardAuth(usual) = of("g") else {
        panic!()
    };
    assert!(usual.cache.is_some());
}

#[test]
fn hashes_that_tags_cannot_carry_are_written_in_base64() {
    let user = "ann:$2y$05$abcdefghijklmnopqrstuu1Z..wm/IlVbtpza52hgqCBArL1cvSg6";
    let declaration = labels(&[(
        "mesh.http.middlewares.a.basicauth.users.0@b64",
        &URL_SAFE.encode(user),
    )]);
    assert_eq!(broken(&declaration), Vec::<String>::new());
    let Middleware::BasicAuth(basic) = &declaration.middlewares["a"].value else {
        panic!()
    };
    assert_eq!(basic.users, [Hidden::new(user)]);
}

#[test]
fn options_of_middlewares_that_are_wrong_are_named_without_secrets() {
    let declaration = labels(&[
        ("mesh.http.middlewares.a.basicauth.user", "ann:s3cr3t"),
        ("mesh.http.middlewares.i.inflightreq.amount", "-1"),
        (
            "mesh.http.middlewares.j.inflightreq.sourcecriterion.requesthost",
            "true",
        ),
        ("mesh.http.middlewares.r.ratelimit.period", "-1s"),
        ("mesh.http.middlewares.s.ratelimit.redis.onerror", "maybe"),
    ]);
    let said = broken(&declaration).join("\n");
    assert!(declaration.middlewares.is_empty(), "{said}");
    for part in ["users", "amount", "period", "onerror"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("s3cr3t"), "{said}");
}

/// A middleware of each kind of a gateway.
fn gateway() -> Declaration {
    labels(&[
        (
            "mesh.http.middlewares.token.jwt.jwks.url",
            "https://idp.example/keys",
        ),
        ("mesh.http.middlewares.token.jwt.jwks.refreshinterval", "5m"),
        ("mesh.http.middlewares.token.jwt.algorithms", "ES256,EdDSA"),
        ("mesh.http.middlewares.token.jwt.issuers", "https://idp.example"),
        (
            "mesh.http.middlewares.token.jwt.claims[0].name",
            "realm_access.roles",
        ),
        ("mesh.http.middlewares.token.jwt.claims.0.values", "admin,editor"),
        ("mesh.http.middlewares.token.jwt.headers.x-user", "sub"),
        (
            "mesh.http.middlewares.secret.jwt.keys[0].secret",
            "s3cr3t, with a comma",
        ),
        ("mesh.http.middlewares.key.apikey.keys[0].id", "shop"),
        ("mesh.http.middlewares.key.apikey.keys[0].hash", "abc"),
        ("mesh.http.middlewares.key.apikey.keys[0].metadata.team", "a"),
        ("mesh.http.middlewares.key.apikey.headers.x-team", "team"),
        ("mesh.http.middlewares.size.requestlimits.maxbodybytes", "1024"),
        ("mesh.http.middlewares.plan.quota.limit", "1000"),
        ("mesh.http.middlewares.plan.quota.period", "24h"),
        (
            "mesh.http.middlewares.plan.quota.sourcecriterion.requestheadername",
            "X-Team",
        ),
    ])
}

#[test]
fn what_guards_a_router_can_be_declared() {
    let declaration = gateway();
    assert_eq!(broken(&declaration), Vec::<String>::new());
    let Middleware::Jwt(jwt) = &declaration.middlewares["token"].value else {
        panic!("no jwt")
    };
    assert_eq!(jwt.algorithms, [JwtAlgorithm::ES256, JwtAlgorithm::EdDSA]);
    let jwks = jwt.jwks.as_ref().unwrap();
    assert_eq!(jwks.refresh_interval, Duration::from_secs(300));
    assert_eq!(jwt.claims[0].values, ["admin", "editor"]);
    assert_eq!(jwt.headers["x-user"], "sub");
    let Middleware::Jwt(jwt) = &declaration.middlewares["secret"].value else {
        panic!("no jwt")
    };
    let secret = jwt.keys[0].secret.as_ref().unwrap();
    assert_eq!(secret.expose(), "s3cr3t, with a comma");
    assert!(!format!("{jwt:?}").contains("s3cr3t"), "{jwt:?}");
    let Middleware::ApiKey(key) = &declaration.middlewares["key"].value else {
        panic!("no apiKey")
    };
    assert_eq!(
        (key.keys[0].id.as_str(), &*key.keys[0].metadata["team"]),
        ("shop", "a")
    );
    let Middleware::RequestLimits(limits) = &declaration.middlewares["size"].value else {
        panic!("no requestLimits")
    };
    assert_eq!(limits.max_body_bytes, 1024);
    let Middleware::Quota(quota) = &declaration.middlewares["plan"].value else {
        panic!("no quota")
    };
    assert_eq!((quota.limit, quota.period), (1000, Duration::from_secs(86_400)));
    assert_eq!(
        quota.source_criterion.as_ref().unwrap().request_header_name,
        "X-Team"
    );
}

#[test]
fn logins_can_be_declared() {
    let declaration = labels(&[
        ("mesh.http.middlewares.login.oidc.issuer", "https://idp.example"),
        ("mesh.http.middlewares.login.oidc.clientid", "shop"),
        (
            "mesh.http.middlewares.login.oidc.clientsecret",
            "s3cr3t, with a comma",
        ),
        ("mesh.http.middlewares.login.oidc.clientauthentication", "post"),
        ("mesh.http.middlewares.login.oidc.scopes", "openid,groups"),
        ("mesh.http.middlewares.login.oidc.loginparameters.prompt", "login"),
        (
            "mesh.http.middlewares.login.oidc.session.secrets[0]",
            "new s3cr3t",
        ),
        (
            "mesh.http.middlewares.login.oidc.session.secrets[1]",
            "old s3cr3t",
        ),
        ("mesh.http.middlewares.login.oidc.session.lifetime", "8h"),
        ("mesh.http.middlewares.login.oidc.claims[0].name", "groups"),
        ("mesh.http.middlewares.login.oidc.claims[0].values", "staff"),
        ("mesh.http.middlewares.login.oidc.headers.x-user", "email"),
        ("mesh.http.middlewares.login.oidc.forwardaccesstoken", "true"),
    ]);
    assert_eq!(broken(&declaration), Vec::<String>::new());
    let Middleware::Oidc(oidc) = &declaration.middlewares["login"].value else {
        panic!("no oidc")
    };
    assert_eq!((oidc.scopes.len(), oidc.session.secrets.len()), (2, 2));
    assert_eq!(oidc.client_authentication, ClientAuthentication::Post);
    assert_eq!(oidc.login_parameters["prompt"], "login");
    assert_eq!(oidc.session.lifetime, Duration::from_secs(8 * 60 * 60));
    assert_eq!(
        (&*oidc.claims[0].name, &*oidc.headers["x-user"]),
        ("groups", "email")
    );
    assert!(oidc.forward_access_token);
    assert!(!format!("{oidc:?}").contains("s3cr3t"), "{oidc:?}");
    // What is read back from the snapshot has to work.
    let written = serde_json::to_string(oidc).unwrap();
    assert_eq!(serde_json::from_str::<Box<Oidc>>(&written).unwrap(), *oidc);
}

#[test]
fn middlewares_that_change_bodies_are_declared_by_labels() {
    let declaration = labels(&[
        ("mesh.host", "a.com"),
        ("mesh.http.middlewares.plain.compress", "true"),
        ("mesh.http.middlewares.small.compress.encodings", "br zstd"),
        ("mesh.http.middlewares.small.compress.defaultencoding", "zstd"),
        (
            "mesh.http.middlewares.small.compress.minresponsebodybytes",
            "2048",
        ),
        (
            "mesh.http.middlewares.web.grpcweb.alloworigins",
            "https://a.com,https://b.com",
        ),
        ("mesh.http.middlewares.whole.buffering.maxrequestbodybytes", "5"),
        (
            "mesh.http.middlewares.whole.buffering.retryexpression",
            "IsNetworkError() && Attempts() < 2",
        ),
    ]);
    assert_eq!(broken(&declaration), Vec::<String>::new());
    let of = |name: &str| &declaration.middlewares[name].value;
    assert_eq!(of("plain"), &Middleware::Compress(Compress::default()));
    let small = Compress {
        encodings: vec![Encoding::Br, Encoding::Zstd],
        default_encoding: Some(Encoding::Zstd),
        min_response_body_bytes: 2048,
        ..Compress::default()
    };
    assert_eq!(of("small"), &Middleware::Compress(small));
    assert!(matches!(of("web"), Middleware::GrpcWeb(web) if web.allow_origins.len() == 2));
    let whole = Buffering {
        max_request_body_bytes: 5,
        retry_expression: "IsNetworkError() && Attempts() < 2".to_owned(),
        ..Buffering::default()
    };
    assert_eq!(of("whole"), &Middleware::Buffering(whole));
}

//! Guards that tags put on the routers of a running Mesh.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failing helper is a failing test"
)]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mesh_integration::{Backend, Consul, Mesh, until};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::consul_at;

/// Enforced within this time of the new tags.
const WITHIN: Duration = Duration::from_secs(1);

/// SHA-256 of `key`.
const HASH: &str = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";

/// Clients of each host.
const CLIENTS: usize = 2;

/// A key, as a tag shows it, and a token that it signed.
fn issuer() -> (Value, String) {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.der_bytes());
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({"alg": "EdDSA"}));
    let signed = format!("{head}.{}", part(json!({"sub": "me", "exp": 9_999_999_999_u64})));
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()).unwrap());
    (
        json!({"kty": "OKP", "crv": "Ed25519", "x": x}),
        format!("{signed}.{signature}"),
    )
}

/// Asks over one connection until `end`. Every answer has to be 200, and the connection stays. Gives their number.
async fn load(mesh: SocketAddr, request: String, end: Arc<AtomicBool>, asked: Arc<AtomicUsize>) -> usize {
    let mut stream = TcpStream::connect(mesh).await.unwrap();
    let (mut count, mut buffer) = (0, vec![0; 4096]);
    while !end.load(Ordering::Relaxed) {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // All bodies are the word `hello`.
        while !answer.ends_with("\r\n\r\nhello") {
            let length = stream.read(&mut buffer).await.unwrap();
            assert!(
                length > 0,
                "after {count} requests the connection was closed: {answer}"
            );
            answer += std::str::from_utf8(&buffer[..length]).unwrap();
            assert!(
                answer.starts_with("HTTP/1.1 200"),
                "after {count} requests: {answer}"
            );
        }
        count += 1;
        asked.fetch_add(1, Ordering::Relaxed);
    }
    count
}

async fn status(mesh: &Mesh, host: &str) -> u16 {
    mesh.get(host).await.map_or(0, |(status, _)| status.as_u16())
}

/// How long it takes until requests without credentials are refused.
async fn enforced(mesh: &Mesh, host: &str) -> Duration {
    let begin = Instant::now();
    until("a guard", async || status(mesh, host).await == 401).await;
    begin.elapsed()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, step by step")]
async fn tags_put_guards_on_running_routers_within_a_second_and_no_good_request_fails() {
    let Some(consul) = Consul::start().await else {
        return;
    };
    let (open, guarded) = (Backend::start("hello").await, Backend::start("hello").await);
    let rule = |name: &str| format!("mesh.http.routers.{name}.rule=Host(`{name}.test`)");
    // What is kept for an hour tells whether its cache was made anew.
    let cached = [
        rule("open"),
        "mesh.http.routers.open.middlewares=keep".to_owned(),
        "mesh.http.middlewares.keep.cache.defaultttl=1h".to_owned(),
    ];
    let register = async |name: &str, port: u16, tags: &[String]| {
        let tags: Vec<_> = tags.iter().map(String::as_str).collect();
        consul.register(name, &format!("{name}-1"), port, &tags).await;
    };
    register("open", open.port(), &cached).await;
    register("token", guarded.port(), &[rule("token")]).await;
    register("key", guarded.port(), &[rule("key")]).await;
    let mesh = Mesh::start(&consul_at(&consul.address())).await;
    for host in ["open.test", "token.test", "key.test"] {
        until(host, async || status(&mesh, host).await == 200).await;
    }
    let untouched = async || {
        let seen = async |path: &str| mesh.admin(path).await.unwrap().1;
        [
            seen("/api/http/routers/open@consulcatalog").await,
            seen("/api/http/middlewares/keep@consulcatalog").await,
        ]
    };
    let (before, kept) = (untouched().await, open.requests());
    assert!(
        before[0]["rule"].is_string() && before[1].is_object(),
        "{before:?}"
    );

    let (key, token) = issuer();
    let (end, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    let bearer = format!("Authorization: Bearer {token}");
    for (host, credentials) in [
        ("open", "X-None: 1"),
        ("token", &bearer),
        ("key", "X-Api-Key: key"),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}.test\r\n{credentials}\r\n\r\n");
        for _ in 0..CLIENTS {
            clients.spawn(load(mesh.address(), request.clone(), end.clone(), asked.clone()));
        }
    }
    let more = async || {
        let wanted = asked.load(Ordering::Relaxed) + 200;
        until("load", async || asked.load(Ordering::Relaxed) > wanted).await;
    };
    more().await;
    register(
        "token",
        guarded.port(),
        &[
            rule("token"),
            "mesh.http.routers.token.middlewares=signed".to_owned(),
            format!("mesh.http.middlewares.signed.jwt.keys[0].jwk={key}"),
            "mesh.http.middlewares.signed.jwt.algorithms=EdDSA".to_owned(),
        ],
    )
    .await;
    let by_token = enforced(&mesh, "token.test").await;
    more().await;
    register(
        "key",
        guarded.port(),
        &[
            rule("key"),
            "mesh.http.routers.key.middlewares=known".to_owned(),
            "mesh.http.middlewares.known.apikey.keys[0].id=me".to_owned(),
            format!("mesh.http.middlewares.known.apikey.keys[0].hash={HASH}"),
        ],
    )
    .await;
    let by_key = enforced(&mesh, "key.test").await;
    more().await;
    assert_eq!(
        status(&mesh, "token.test").await,
        401,
        "the first guard still stands"
    );
    assert_eq!(
        untouched().await,
        before,
        "the other definitions are as they were"
    );
    assert_eq!(open.requests(), kept, "what the cache had it has");
    end.store(true, Ordering::Relaxed);
    // A client whose request failed, or whose connection was closed, has panicked.
    let counts = clients.join_all().await;
    println!("enforced {by_token:?} and {by_key:?} after the new tags; requests by client: {counts:?}");
    assert!(by_token < WITHIN && by_key < WITHIN, "{by_token:?} {by_key:?}");
}

//! Rate limits and quotas in a real Redis.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::time::{Duration, Instant};

use mesh_integration::{Backend, Mesh, Redis, port, until};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What Mesh runs in Redis for `rateLimit`.
const SCRIPT: &str = include_str!("../../crates/proxy/src/middleware/rate_limit/take.lua");
/// The cases that buckets in Mesh's own memory pass.
const CASES: &str = include_str!("../../crates/proxy/src/middleware/rate_limit/cases.json");

/// The same for `quota`.
const QUOTA_SCRIPT: &str = include_str!("../../crates/proxy/src/middleware/quota/count.lua");
const QUOTA_CASES: &str = include_str!("../../crates/proxy/src/middleware/quota/cases.json");

/// The kinds of middlewares that count in Redis, each with two requests for each Host in less than a lifetime.
fn kinds() -> [(&'static str, Value); 2] {
    let source = json!({"requestHost": true});
    [
        (
            "rateLimit",
            json!({"average": 1, "period": "1h", "burst": 2, "sourceCriterion": source}),
        ),
        (
            "quota",
            json!({"limit": 2, "period": "100000h", "sourceCriterion": source}),
        ),
    ]
}

/// A document whose only router counts its requests in `redis`.
fn document(backend: &Backend, (kind, limit): &(&str, Value), redis: &Value) -> String {
    let mut limit = limit.clone();
    limit
        .as_object_mut()
        .unwrap()
        .insert("redis".to_owned(), redis.clone());
    let limit = serde_json::Map::from_iter([((*kind).to_owned(), limit)]);
    json!({"http": {
        "routers": {"a": {"rule": "PathPrefix(`/`)", "service": "a", "middlewares": ["limit"]}},
        "services": {"a": {"loadBalancer": {"servers": [{"url": format!("http://{}", backend.address())}]}}},
        "middlewares": {"limit": limit},
    }})
    .to_string()
}

struct Limited {
    _backend: Backend,
    _directory: TempDir,
    meshes: Vec<Mesh>,
}

/// So many Meshes that count together by `rateLimit`.
async fn limited(meshes: usize, redis: &Value) -> Limited {
    let [rate_limit, _] = kinds();
    limited_by(&rate_limit, meshes, redis).await
}

/// The same by another kind.
async fn limited_by(limit: &(&str, Value), meshes: usize, redis: &Value) -> Limited {
    let (backend, directory) = (Backend::start("a").await, tempfile::tempdir().unwrap());
    let file = directory.path().join("dynamic.json");
    std::fs::write(&file, document(&backend, limit, redis)).unwrap();
    let mut started = Vec::new();
    for _ in 0..meshes {
        let mesh = Mesh::start(&format!("  file: {{filename: '{}'}}\n", file.display())).await;
        until("the route is there", async || {
            status(&mesh, "first.test").await != 404
        })
        .await;
        started.push(mesh);
    }
    Limited {
        _backend: backend,
        _directory: directory,
        meshes: started,
    }
}

async fn status(mesh: &Mesh, host: &str) -> u16 {
    let answer = mesh.get(host).await;
    answer.map(|(status, _)| status.as_u16()).unwrap_or_default()
}

#[tokio::test]
async fn buckets_in_redis_and_in_memory_pass_the_same_cases() {
    let Some(redis) = Redis::start(&[]).await else {
        return;
    };
    for case in serde_json::from_str::<Vec<Value>>(CASES).unwrap() {
        let number = |key: &str| case[key].as_u64().unwrap() as f64;
        let (rate, burst) = (number("average") * 1000.0 / number("period_ms"), number("burst"));
        let longest = if rate < 1.0 {
            500_000.0
        } else {
            500_000.0 / rate.floor()
        };
        let key = case["name"].as_str().unwrap();
        for request in case["requests"].as_array().unwrap() {
            let now = (request[0].as_u64().unwrap() * 1000).to_string();
            let numbers = [rate, burst, longest].map(|number| number.to_string());
            let [rate, burst, longest] = numbers.each_ref().map(String::as_str);
            let command = ["EVAL", SCRIPT, "1", key, rate, burst, longest, "100000", &now];
            let answer = redis.ask(None, &command).await;
            let millis: u64 = answer[1].parse::<u64>().unwrap() / 1000;
            let written = if answer[0] == "1" {
                millis.to_string()
            } else {
                format!("!{millis}")
            };
            assert_eq!(written, request[1].as_str().unwrap(), "{key}: {request}");
        }
    }
}

#[tokio::test]
async fn quotas_in_redis_and_in_memory_pass_the_same_cases() {
    let Some(redis) = Redis::start(&[]).await else {
        return;
    };
    for case in serde_json::from_str::<Vec<Value>>(QUOTA_CASES).unwrap() {
        let number = |key: &str| case[key].as_u64().unwrap();
        let (limit, period) = (number("limit"), number("period_ms").to_string());
        let key = case["name"].as_str().unwrap();
        for request in case["requests"].as_array().unwrap() {
            let (text, now) = (limit.to_string(), request[0].as_u64().unwrap().to_string());
            let answer = redis
                .ask(None, &["EVAL", QUOTA_SCRIPT, "1", key, &text, &period, &now])
                .await;
            let number = |at: usize| answer[at].parse::<u64>().unwrap();
            let reset = number(2).div_ceil(1000);
            let written = match answer[0] == "1" {
                true => format!("{} {reset}", limit - number(1)),
                false => format!("!{reset}"),
            };
            assert_eq!(written, request[1].as_str().unwrap(), "{key}: {request}");
        }
    }
}

#[tokio::test]
async fn a_quota_is_used_up_by_all_processes_and_told_as_if_there_were_one() {
    let Some(redis) = Redis::start(&[]).await else {
        return;
    };
    let [_, quota] = kinds();
    let here = limited_by(&quota, 2, &json!({"endpoints": [redis.address()]})).await;
    let [one, other] = &here.meshes[..] else { panic!() };
    for (mesh, status, left) in [
        (one, 200, "1"),
        (other, 200, "0"),
        (one, 429, "0"),
        (other, 429, "0"),
    ] {
        let answer = mesh.answer("a.test").await.unwrap();
        let value = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            (answer.status().as_u16(), value("ratelimit-remaining").as_str()),
            (status, left)
        );
        assert_eq!(value("ratelimit-limit"), "2");
        let reset: u64 = value("ratelimit-reset").parse().unwrap();
        assert!((1..=360_000_000).contains(&reset), "{reset}");
        assert_eq!(answer.headers().contains_key("retry-after"), status == 429);
    }
    assert_eq!(status(one, "b.test").await, 200, "another source");
    let count = "quota:limit@file:a.test";
    assert_eq!(redis.ask(None, &["HGET", count, "requests"]).await, ["2"]);
    let left: u64 = redis.ask(None, &["TTL", count]).await[0].parse().unwrap();
    assert!(left > 0, "it is forgotten with its period");
}

#[tokio::test]
async fn several_processes_count_together_in_a_database_behind_a_password() {
    let Some(redis) = Redis::start(&["--requirepass", "hunter2"]).await else {
        return;
    };
    let options = json!({"endpoints": [redis.address()], "password": "hunter2", "db": 3});
    let limited = limited(2, &options).await;
    let [one, other] = &limited.meshes[..] else {
        panic!()
    };
    assert_eq!(
        [status(one, "a.test").await, status(other, "a.test").await],
        [200, 200]
    );
    assert_eq!(
        [status(one, "a.test").await, status(other, "a.test").await],
        [429, 429]
    );
    assert_eq!(status(one, "b.test").await, 200, "another source");
    let ask = async |command: &[&str]| {
        // In database 3 only.
        let select = "redis.call('SELECT', 3) return redis.call(unpack(ARGV))";
        let command: Vec<_> = ["EVAL", select, "0"].iter().chain(command).copied().collect();
        redis.ask(Some("hunter2"), &command).await
    };
    let bucket = "rate:limit@file:a.test";
    assert_eq!(ask(&["EXISTS", bucket]).await, ["1"]);
    let left: u64 = ask(&["TTL", bucket]).await[0].parse().unwrap();
    assert!((7000..=7202).contains(&left), "until it is full: {left} s");
    assert!(!one.log().contains("hunter2"));
}

#[tokio::test]
async fn a_redis_that_is_gone_denies_or_allows_and_counts_again_when_it_is_back() {
    let Some(mut redis) = Redis::start(&[]).await else {
        return;
    };
    for kind in kinds() {
        let options = json!({"endpoints": [redis.address()], "onError": "deny"});
        let denying = limited_by(&kind, 1, &options).await;
        let options = json!({"endpoints": [redis.address()], "onError": "allow"});
        let allowing = limited_by(&kind, 1, &options).await;
        let (denying, allowing) = (&denying.meshes[0], &allowing.meshes[0]);
        assert_eq!(status(denying, "a.test").await, 200);
        redis.kill().await;
        for _ in 0..5 {
            assert_eq!(
                [status(denying, "a.test").await, status(allowing, "a.test").await],
                [500, 200]
            );
        }
        let log = denying.log();
        assert_eq!(log.matches("cannot be counted in Redis").count(), 1, "{log}");
        redis.restart().await;
        until("it denies no more", async || {
            status(denying, "b.test").await != 500
        })
        .await;
        until("it counts again", async || {
            status(allowing, "a.test").await == 429
        })
        .await;
    }
}

#[tokio::test]
async fn a_redis_that_hangs_keeps_nobody_waiting_for_longer_than_its_time() {
    let Some(redis) = Redis::start(&[]).await else {
        return;
    };
    for kind in kinds() {
        let options = json!({"endpoints": [redis.address()], "readTimeout": "150ms", "writeTimeout": "50ms",
            "dialTimeout": "200ms"});
        let limited = limited_by(&kind, 1, &options).await;
        let mesh = &limited.meshes[0];
        assert_eq!(status(mesh, "a.test").await, 200);
        redis.stop(true).await;
        let began = Instant::now();
        for _ in 0..20 {
            assert_eq!(status(mesh, "a.test").await, 500);
        }
        // Each worker waits once for an answer and now and then for a connection, and not for each request.
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        redis.stop(false).await;
        let host = format!("{}.test", kind.0);
        until("it counts again", async || status(mesh, &host).await == 200).await;
    }
}

#[tokio::test]
async fn nodes_of_a_cluster_share_the_sources() {
    let [one_port, two_port, one_bus, two_bus] = port::free();
    let (one_bus, two_bus) = (one_bus.to_string(), two_bus.to_string());
    let [one_options, two_options] =
        [&one_bus, &two_bus].map(|bus| ["--cluster-enabled", "yes", "--cluster-port", bus.as_str()]);
    let [one_directory, two_directory] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let Some(one) = Redis::at(one_port, one_directory, &one_options).await else {
        return;
    };
    let Some(two) = Redis::at(two_port, two_directory, &two_options).await else {
        return;
    };
    one.ask(None, &["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]).await;
    two.ask(None, &["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"])
        .await;
    let port = two_port.to_string();
    one.ask(None, &["CLUSTER", "MEET", "127.0.0.1", &port, &two_bus])
        .await;
    for node in [&one, &two] {
        until("the cluster stands", async || {
            let info = node.ask(None, &["CLUSTER", "INFO"]).await.join("");
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2")
        })
        .await;
    }
    let limited = limited(1, &json!({"endpoints": [one.address(), two.address()]})).await;
    let mesh = &limited.meshes[0];
    for host in ["a.test", "b.test", "c.test", "d.test", "e.test", "f.test"] {
        let statuses = [
            status(mesh, host).await,
            status(mesh, host).await,
            status(mesh, host).await,
        ];
        assert_eq!(statuses, [200, 200, 429], "{host}");
    }
    for node in [&one, &two] {
        let count: u32 = node.ask(None, &["DBSIZE"]).await[0].parse().unwrap();
        assert!(count > 0, "each node has its part");
    }
}

#[tokio::test]
async fn a_redis_that_proves_who_it_is_by_tls_is_believed_and_no_other() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("redis.pem"), certificate.pem()).unwrap();
    std::fs::write(directory.path().join("redis.key"), key.serialize_pem()).unwrap();
    let [port] = port::free();
    let tls_port = port.to_string();
    let options = [
        "--tls-port",
        &tls_port,
        "--tls-cert-file",
        "redis.pem",
        "--tls-key-file",
        "redis.key",
        "--tls-auth-clients",
        "no",
        "--tls-ca-cert-file",
        "redis.pem",
    ];
    let Some(redis) = Redis::at(port, directory, &options).await else {
        return;
    };
    let believing = json!({"endpoints": [redis.address()], "tls": {"ca": certificate.pem()}});
    let believing = limited(1, &believing).await;
    let mesh = &believing.meshes[0];
    assert_eq!(
        [status(mesh, "a.test").await, status(mesh, "a.test").await],
        [200, 200]
    );
    assert_eq!(status(mesh, "a.test").await, 429);
    let doubting = limited(1, &json!({"endpoints": [redis.address()], "tls": {}})).await;
    assert_eq!(status(&doubting.meshes[0], "a.test").await, 500);
    let careless = json!({"endpoints": [redis.address()], "tls": {"insecureSkipVerify": true}});
    assert_eq!(
        status(&limited(1, &careless).await.meshes[0], "b.test").await,
        200
    );
}

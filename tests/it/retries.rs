//! How often servers see a request that none of them answers.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::mesh::{Place, flags, words};

/// A server that takes requests and ends each connection without an answer. Gives its URL and how many came.
fn losing() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            // A head ends in an empty line; whoever only knocks has none.
            if lines.take_while(|line| !line.is_empty()).count() > 0 {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (url, seen)
}

#[test]
fn an_outage_of_all_servers_is_not_multiplied() {
    const REQUESTS: usize = 150;
    let place = Place::new();
    let (servers, seen): (Vec<_>, Vec<_>) = (0..3).map(|_| losing()).unzip();
    let servers: Vec<_> = servers.iter().map(|url| format!("{{url: \"{url}\"}}")).collect();
    let servers = servers.join(", ");
    let file = place.write(
        "routes.yml",
        &format!(
            "http:\n  routers:\n    shop: {{rule: \"Host(`shop.test`)\", service: shop}}\n  services:\n    \
             shop:\n      loadBalancer:\n        servers: [{servers}]\n"
        ),
    );
    let mut flags = flags(&file);
    flags.push("--entryPoints.web.http.reasonHeader".to_owned());
    let mesh = place.start(&words(&flags));
    mesh.eventually("shop.test", "/", |answer| answer.status == 502);
    let sent = || -> usize { seen.iter().map(|count| count.load(Ordering::SeqCst)).sum() };
    let before = sent();
    let mut last = None;
    for _ in 0..REQUESTS {
        let answer = mesh.get("shop.test", "/");
        assert_eq!(answer.status, 502);
        last = Some(answer);
    }
    let sent = sent() - before;
    assert!(
        (REQUESTS..=REQUESTS * 12 / 10).contains(&sent),
        "{sent} for {REQUESTS}"
    );
    let reason = last.unwrap();
    let reason = reason.header("x-mesh-reason").unwrap();
    assert!(
        reason.contains("retry budget of service shop@file is used up"),
        "{reason}"
    );
    let metrics = mesh.ask("/metrics").body;
    let count = |sample: &str| -> usize {
        let line = metrics.lines().find_map(|line| line.strip_prefix(sample));
        line.unwrap_or_else(|| panic!("no {sample}"))
            .trim()
            .parse()
            .unwrap()
    };
    let refused = count(r#"mesh_service_retries_refused_total{service="shop@file"}"#);
    let failed = count(r#"mesh_entrypoint_failed_requests_total{entrypoint="web",reason="retry-budget"}"#);
    assert!(refused > REQUESTS / 2 && failed == refused, "{refused}, {failed}");
}

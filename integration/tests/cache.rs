//! The cache, by the public tests of HTTP caches.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::collections::BTreeMap;

use mesh_integration::{CacheTests, Mesh, until};

/// Tests that the cache does not pass, with the reason: `id: reason`.
const NOT_PASSING: &str = include_str!("../cache-tests/not-passing.txt");

fn known() -> BTreeMap<&'static str, &'static str> {
    let lines = NOT_PASSING.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(": ").unwrap()).collect()
}

#[tokio::test]
async fn the_cache_passes_the_public_tests_but_those_that_it_is_known_not_to() {
    let Some(tests) = CacheTests::start().await else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cache.yml");
    // The tests prepare their server, and ask it what it saw, through the same port.
    let text = format!(
        "http:\n  routers:\n    talk: {{rule: 'PathPrefix(`/config`) || PathPrefix(`/state`)', service: origin}}\n    \
         kept: {{rule: 'PathPrefix(`/test`)', service: origin, middlewares: [keep]}}\n  services:\n    origin: \
         {{loadBalancer: {{servers: [{{url: 'http://{}'}}]}}}}\n  middlewares:\n    keep: {{cache: {{}}}}\n",
        tests.address()
    );
    std::fs::write(&file, text).unwrap();
    let mesh = Mesh::start(&format!("  file: {{filename: '{}'}}\n", file.display())).await;
    until("the routes are there", async || {
        mesh.get("cache.test").await.is_some() && mesh.errors("file").await.is_empty()
    })
    .await;

    let base = format!("http://{}", mesh.address());
    let first = tests.run(&base, &[]).await;
    assert!(first.len() > 300, "these are all tests: {}", first.len());
    let known = known();
    // What a check says is neither good nor bad.
    let counted = first.iter().filter(|test| test.kind != "check");
    let odd: Vec<_> = counted
        .filter(|test| test.passed() == known.contains_key(test.id.as_str()))
        .map(|test| test.id.clone())
        .collect();
    // Seconds matter in many tests; what a busy machine spoils is asked once more, alone.
    let again = match odd.is_empty() {
        true => Vec::new(),
        false => tests.run(&base, &odd).await,
    };
    let again: BTreeMap<_, _> = again.iter().map(|test| (test.id.as_str(), test)).collect();
    let still: Vec<_> = odd
        .iter()
        .filter_map(|id| again.get(id.as_str()))
        .filter(|test| test.passed() == known.contains_key(test.id.as_str()))
        .collect();
    let summary = |kind: &str| {
        let all = first.iter().filter(|test| test.kind == kind);
        let passed = all.clone().filter(|test| test.passed()).count();
        format!("{kind}: {passed} of {}", all.count())
    };
    println!(
        "{}, {}, {}",
        summary("required"),
        summary("optimal"),
        summary("check")
    );
    assert!(
        still.is_empty(),
        "not as integration/cache-tests/not-passing.txt says (it lists what does not pass): {still:#?}"
    );
    let unknown: Vec<_> = known
        .keys()
        .filter(|id| !first.iter().any(|test| test.id == **id))
        .collect();
    assert!(unknown.is_empty(), "there are no such tests: {unknown:?}");
}

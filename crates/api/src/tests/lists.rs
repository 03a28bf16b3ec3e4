//! Filters, order and pages of lists.

use serde_json::{Map, Value, json};

use super::World;
use crate::ApiSettings;

#[tokio::test]
async fn a_list_is_in_the_order_of_names_and_can_be_turned() {
    let world = World::new();
    let names = ["blog/en@nomad", "broken@file", "shop@file"];
    assert_eq!(world.names("/api/http/routers").await, names);
    let turned: Vec<_> = names.iter().rev().copied().collect();
    assert_eq!(world.names("/api/http/routers?direction=DESC").await, turned);
}

#[tokio::test]
async fn lists_sort_by_what_their_objects_have() {
    let world = World::new();
    let priorities = world.names("/api/http/routers?sortBy=priority").await;
    assert_eq!(priorities, ["blog/en@nomad", "broken@file", "shop@file"]);
    let providers = world
        .names("/api/http/routers?sortBy=provider&direction=desc")
        .await;
    assert_eq!(
        providers,
        ["blog/en@nomad", "broken@file", "shop@file"],
        "ties keep the order of names"
    );
    let servers = world
        .names("/api/http/services?sortBy=servers&direction=desc")
        .await;
    assert_eq!(servers, ["shop@file", "blog@nomad"]);
}

#[tokio::test]
async fn lists_are_filtered_by_text_status_and_what_they_refer_to() {
    let world = World::new();
    for (query, names) in [
        (
            "search=EXAMPLE",
            vec!["blog/en@nomad", "broken@file", "shop@file"],
        ),
        ("search=BLOG.ex", vec!["blog/en@nomad"]),
        ("status=Enabled", vec!["blog/en@nomad", "shop@file"]),
        ("serviceName=shop", vec!["shop@file"]),
        ("serviceName=shop@file", vec!["shop@file"]),
        ("middlewareName=auth", vec!["shop@file"]),
        ("middlewareName=au", vec![]),
    ] {
        assert_eq!(
            world.names(&format!("/api/http/routers?{query}")).await,
            names,
            "{query}"
        );
    }
}

/// Routers `r0000@file`, `r0001@file`, …
fn many(count: usize) -> Value {
    let router = |n| {
        (
            format!("r{n:04}@file"),
            json!({"rule": "Host(`a`)", "service": "s"}),
        )
    };
    json!({"routers": (0..count).map(router).collect::<Map<_, _>>()})
}

#[tokio::test]
async fn pages_follow_each_other_and_the_last_points_to_the_first() {
    let world = World::with(&many(250), ApiSettings::default(), Vec::new());
    let mut seen = Vec::new();
    let mut page = 1;
    loop {
        let uri = format!("/api/http/routers?page={page}");
        seen.extend(world.names(&uri).await);
        let answer = world.call("api", "GET", &uri).await;
        page = answer.headers()["x-next-page"].to_str().unwrap().parse().unwrap();
        if page == 1 {
            break;
        }
    }
    assert_eq!(
        seen,
        (0..250).map(|n| format!("r{n:04}@file")).collect::<Vec<_>>()
    );
    assert_eq!(world.names("/api/http/routers?per_page=1000").await.len(), 250);
}

#[tokio::test]
async fn pages_that_cannot_be_are_refused() {
    let world = World::with(&many(3), ApiSettings::default(), Vec::new());
    for query in [
        "page=0",
        "page=-1",
        "page=x",
        "per_page=0",
        "page=2",
        "page=18446744073709551615&per_page=9",
    ] {
        let (status, body) = world.api(&format!("/api/http/routers?{query}")).await;
        assert_eq!(status, 400, "{query}: {body}");
        assert!(
            body["message"].as_str().unwrap().starts_with("invalid request"),
            "{body}"
        );
    }
    assert_eq!(world.api("/api/http/middlewares").await, (200, json!([])));
}

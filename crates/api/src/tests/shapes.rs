//! Single objects, overviews, and what no view shows.

use serde_json::json;

use super::{OBJECTS, World};
use crate::ApiSettings;

#[tokio::test]
async fn a_router_shows_its_definition_and_what_became_of_it() {
    let (status, router) = World::new().api("/api/http/routers/blog%2Fen@nomad").await;
    assert_eq!(status, 200);
    assert_eq!(
        router,
        json!({
            "rule": "Host(`blog.example`)", "priority": 7, "service": "blog", "priorityStr": "7",
            "entryPoints": ["web"], "status": "enabled", "using": ["web"],
            "origin": "routes.yml:1", "name": "blog/en@nomad", "provider": "nomad",
        })
    );
}

#[tokio::test]
async fn a_router_that_lacks_its_service_says_so() {
    let (_, router) = World::new().api("/api/http/routers/broken@file").await;
    assert_ne!(router["status"], "enabled");
    assert!(router["error"][0].as_str().unwrap().contains("gone"), "{router}");
}

#[tokio::test]
async fn a_service_shows_who_uses_it_and_how_its_servers_are() {
    let (_, service) = World::new().api("/api/http/services/shop@file").await;
    assert_eq!(service["usedBy"], json!(["shop@file"]));
    assert_eq!(service["type"], "loadbalancer");
    assert_eq!(service["serverStatus"]["http://10.0.0.2:80"], "DOWN");
    assert_eq!(service["serverStates"][1]["obstacle"], "its weight is 0");
    assert_eq!(
        service["serverStates"][0]["origin"], "routes.yml:1",
        "that of its service"
    );
}

#[tokio::test]
async fn no_view_shows_a_secret() {
    let world = World::new();
    for uri in [
        "/api/rawdata",
        "/api/overview",
        "/api/providers",
        "/api/http/routers",
        "/api/http/services",
        "/api/http/middlewares",
        "/api/http/middlewares/auth@file",
        "/api/explain?url=http://shop.example/&header=Authorization:s3cret",
        "/api/explain?url=http://shop.example/",
    ] {
        let answer = world.call("api", "GET", uri).await;
        let body = String::from_utf8(answer.body().to_vec()).unwrap();
        assert!(
            answer.status().is_success() && !body.contains("s3cret"),
            "{uri}: {body}"
        );
    }
    let (_, middleware) = world.api("/api/http/middlewares/auth@file").await;
    let headers = &middleware["headers"]["customRequestHeaders"];
    assert_eq!(
        (&headers["X-Team"], &headers["Authorization"]),
        (&"shop".into(), &"REDACTED".into())
    );
    for (service, uri) in [("ready", "/ready"), ("prometheus", "/metrics")] {
        let answer = world.call(service, "GET", uri).await;
        assert!(
            !String::from_utf8_lossy(answer.body()).contains("s3cret"),
            "{uri}"
        );
    }
}

#[tokio::test]
async fn the_overview_counts_and_rawdata_holds_everything() {
    let world = World::new();
    let (_, overview) = world.api("/api/overview").await;
    assert_eq!(overview["http"]["routers"]["total"], 3);
    assert_eq!(
        overview["http"]["services"],
        json!({"total": 2, "warnings": 0, "errors": 0})
    );
    assert_eq!(
        overview["features"],
        json!({"tracing": "", "metrics": "Prometheus", "accessLog": false})
    );
    assert_eq!(overview["providers"], json!(["file"]));
    let (_, raw) = world.api("/api/rawdata").await;
    assert_eq!(raw["middlewares"]["auth@file"]["type"], "headers");
    assert_eq!(raw["routers"].as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn providers_show_age_and_error_of_every_scope() {
    let (_, providers) = World::new().api("/api/providers").await;
    let scope = &providers[0]["scopes"][0];
    assert_eq!(
        (&providers[0]["name"], &providers[0]["kind"]),
        (&"file".into(), &"file".into())
    );
    assert_eq!(
        (&scope["scope"], &scope["state"]),
        (&"service web".into(), &"failed".into())
    );
    assert!((90..100).contains(&scope["ageSeconds"].as_u64().unwrap()));
    assert_eq!(
        scope["lastError"],
        "cannot reach http://REDACTED@consul:8500: refused"
    );
    assert!(scope["lastSuccess"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn entrypoints_are_listed_and_found_by_name() {
    let world = World::new();
    assert_eq!(world.names("/api/entrypoints").await, ["mesh", "web"]);
    let (_, web) = world.api("/api/entrypoints/web").await;
    assert_eq!(web["address"], ":8000");
    assert_eq!(
        world.api("/api/version").await.1["startDate"],
        "1970-01-01T00:00:00.000000000Z"
    );
}

#[tokio::test]
async fn what_is_not_there_is_404_and_says_what() {
    let world = World::new();
    let (status, body) = world.api("/api/http/routers/none@file").await;
    assert_eq!(
        (status, body),
        (404, json!({"message": "router not found: none@file"}))
    );
    assert_eq!(world.api("/api/http/routers/no-provider").await.0, 404);
    assert_eq!(world.api("/api/http/routers/%ff@file").await.0, 400);
    assert_eq!(world.api("/api/entrypoints/none").await.0, 404);
    for path in [
        "/api",
        "/api/",
        "/api/none",
        "/api/http",
        "/other",
        "/apioverview",
    ] {
        assert_eq!(world.api(path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn the_base_path_stands_before_every_path() {
    let api = ApiSettings {
        base_path: "/mesh".parse().unwrap(),
        ..ApiSettings::default()
    };
    let world = World::with(&OBJECTS, api, Vec::new());
    assert_eq!(world.api("/mesh/api/version").await.0, 200);
    assert_eq!(world.api("/api/version").await.0, 404);
}

#[tokio::test]
async fn explain_tells_the_router_or_why_there_is_none() {
    let world = World::new();
    let (_, found) = world
        .api("/api/explain?url=http://blog.example:8000/x%3Fa=1&method=post")
        .await;
    assert_eq!(
        (&found["entryPoint"], &found["chosen"]["router"]),
        (&"web".into(), &"blog/en@nomad".into())
    );
    let (_, elsewhere) = world
        .api("/api/explain?url=http://blog.example/&entryPoint=mesh")
        .await;
    assert_eq!(elsewhere["chosen"], json!(null));
    assert_eq!(elsewhere["nearMisses"][0]["reason"]["kind"], "otherEntryPoint");
    let (_, by_host) = world.api("/api/explain?url=/x&header=Host:%20BLOG.example").await;
    assert_eq!(by_host["chosen"]["router"], "blog/en@nomad");
    for query in [
        "",
        "?url=:",
        "?url=shop.example",
        "?url=/&client=x",
        "?url=/&header=x",
        "?url=/&entryPoint=none",
        "?url=/&method=%20",
    ] {
        assert_eq!(world.api(&format!("/api/explain{query}")).await.0, 400, "{query}");
    }
}

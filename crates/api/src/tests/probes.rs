//! Ping, ready, metrics, and what all answers have in common.

use serde_json::{Value, json};

use super::{OBJECTS, World, provider};
use crate::ApiSettings;

fn waiting() -> World {
    World::with(
        &OBJECTS,
        ApiSettings::default(),
        vec![provider("file", true), provider("nomad-eu", false)],
    )
}

async fn ready(world: &World) -> (u16, Value) {
    let answer = world.call("ready", "GET", "/ready").await;
    (
        answer.status().as_u16(),
        serde_json::from_slice(answer.body()).unwrap(),
    )
}

#[tokio::test]
async fn ready_once_every_required_provider_has_synced() {
    assert_eq!(ready(&World::new()).await.0, 200);
    let (status, body) = ready(&waiting()).await;
    assert_eq!((status, &body["ready"]), (503, &json!(false)));
    assert_eq!(body["providers"][1]["waitingFor"], "service web");
}

#[tokio::test]
async fn a_provider_that_is_not_required_holds_nothing_up() {
    let mut optional = provider("nomad", false);
    optional.required = false;
    let world = World::with(&OBJECTS, ApiSettings::default(), vec![optional]);
    assert_eq!(ready(&world).await.0, 200);
}

#[tokio::test]
async fn a_mesh_that_is_stopping_is_not_ready_and_pings_with_its_last_status() {
    let world = World::new();
    assert_eq!(world.call("ping", "POST", "/ping").await.status(), 200);
    assert_eq!(&world.call("ping", "GET", "/ping").await.body()[..], b"OK");
    world.draining.begin();
    assert_eq!(world.call("ping", "GET", "/ping").await.status(), 503);
    assert_eq!(ready(&world).await.0, 503);
}

#[tokio::test]
async fn the_ping_service_answers_ready_by_its_path() {
    let world = waiting();
    assert_eq!(world.call("ping", "GET", "/ping").await.status(), 200);
    assert_eq!(world.call("ping", "GET", "/ready").await.status(), 503);
}

#[tokio::test]
async fn metrics_show_servers_providers_and_lost_lines() {
    let answer = World::new().call("prometheus", "GET", "/metrics").await;
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    for line in [
        r#"mesh_service_server_up{service="shop@file",url="http://10.0.0.2:80"} 0"#,
        r#"mesh_service_server_up{service="blog@nomad",url="http://10.0.0.3:80"} 1"#,
        r#"mesh_provider_errors_total{provider="file"} 2"#,
        r#"mesh_provider_instances{provider="file"} 4"#,
        r#"mesh_provider_failed_scopes{provider="file"} 1"#,
        "mesh_log_dropped_total 3",
    ] {
        assert!(
            text.lines().any(|known| known == line),
            "{line}\nis not in\n{text}"
        );
    }
    let age = r#"mesh_provider_scope_age_seconds{provider="file",scope="service web"} 9"#;
    assert!(text.contains(age), "{text}");
}

#[tokio::test]
async fn views_are_read_only() {
    let world = World::new();
    for (service, uri) in [
        ("api", "/api/version"),
        ("prometheus", "/metrics"),
        ("ready", "/ready"),
    ] {
        assert_eq!(world.call(service, "HEAD", uri).await.status(), 200);
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
            let answer = world.call(service, method, uri).await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["allow"]),
                (405, &"GET, HEAD".parse().unwrap())
            );
        }
    }
    assert_eq!(world.call("noop", "GET", "/").await.status(), 418);
}

#[tokio::test]
async fn no_answer_can_be_framed_sniffed_or_kept() {
    let world = World::new();
    for (service, uri) in [
        ("api", "/api/version"),
        ("api", "/api/none"),
        ("prometheus", "/metrics"),
        ("ping", "/ping"),
        ("ready", "/ready"),
        ("noop", "/"),
    ] {
        let answer = world.call(service, "GET", uri).await;
        let header = |name| answer.headers()[name].to_str().unwrap();
        assert!(
            header("content-security-policy").starts_with("default-src 'none'"),
            "{uri}"
        );
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "no-store");
    }
}

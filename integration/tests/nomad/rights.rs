//! Tokens that may not see everything: Nomad then answers with less, and often with 200.

use mesh_integration::{Job, Mesh, Nomad, until};

const MINE: &str = "mine.example.com";
const THEIRS: &str = "theirs.example.com";
const READ_MINE: &str = r#"namespace "mine" { capabilities = ["read-job"] }"#;
const READ_ALL: &str = r#"namespace "*" { capabilities = ["read-job"] }"#;

fn provider(nomad: &Nomad, token: &str, namespaces: &str) -> String {
    format!(
        "  nomad: {{endpoint: {{address: '{}', token: '{token}', endpointWaitTime: 2s}}, namespaces: {namespaces}}}\n",
        nomad.address()
    )
}

/// A Nomad with a job in each of two namespaces.
async fn two_namespaces() -> Option<Nomad> {
    let nomad = Nomad::start_with_rights().await?;
    for (namespace, host) in [("mine", MINE), ("theirs", THEIRS)] {
        nomad.add_namespace(namespace).await;
        let job = Job {
            namespace,
            count: 1,
            ..Job::of_host("shop", host)
        };
        nomad.run(&job).await;
    }
    Some(nomad)
}

#[tokio::test]
async fn all_namespaces_are_those_that_the_token_may_read_and_grow_with_its_rights() {
    let Some(nomad) = two_namespaces().await else {
        return;
    };
    let token = nomad.token("mesh", READ_MINE).await;
    let mesh = Mesh::start(&provider(&nomad, &token, "['*']")).await;
    until("the readable one answers", async || {
        mesh.who(MINE).await.is_some()
    })
    .await;
    until("mesh is ready", async || mesh.is_ready().await).await;
    assert_eq!(mesh.all(THEIRS).await, ["404"]);
    assert!(!mesh.scopes("nomad-mine").await.is_empty());

    nomad.set_rules("mesh", READ_ALL).await;
    until("the other one answers, too", async || {
        mesh.who(THEIRS).await.is_some()
    })
    .await;

    nomad.set_rules("mesh", READ_MINE).await;
    until("the loss shows", async || {
        !mesh.errors("nomad-theirs").await.is_empty()
    })
    .await;
    assert_eq!(
        mesh.all(THEIRS).await,
        ["v1-0"],
        "a right that is lost loses no route"
    );
}

#[tokio::test]
async fn of_two_namespaces_the_one_that_may_not_be_read_is_failed_and_names_the_right() {
    let Some(nomad) = two_namespaces().await else {
        return;
    };
    let token = nomad.token("mesh", READ_MINE).await;
    let mesh = Mesh::start(&provider(&nomad, &token, "[mine, theirs]")).await;
    until("the readable one answers", async || {
        mesh.who(MINE).await.is_some()
    })
    .await;
    until("the refusal shows", async || {
        let errors = mesh.errors("nomad-theirs").await;
        errors.iter().any(|error| error.contains("403"))
    })
    .await;
    assert!(mesh.errors("nomad-mine").await.is_empty());
    assert!(!mesh.is_ready().await);

    nomad.set_rules("mesh", READ_ALL).await;
    until("the other one answers, too", async || {
        mesh.who(THEIRS).await.is_some()
    })
    .await;
    until("mesh is ready", async || mesh.is_ready().await).await;
}

#[tokio::test]
async fn a_token_that_loses_its_right_loses_no_route_and_an_unknown_one_shows_nowhere() {
    let Some(nomad) = two_namespaces().await else {
        return;
    };
    let token = nomad.token("mesh", READ_MINE).await;
    let mesh = Mesh::start(&provider(&nomad, &token, "[mine]")).await;
    until("the job answers", async || mesh.who(MINE).await.is_some()).await;
    nomad
        .set_rules("mesh", r#"namespace "theirs" { capabilities = ["read-job"] }"#)
        .await;
    nomad
        .run(&Job {
            namespace: "mine",
            ..Job::new("other")
        })
        .await;
    until("the refusal shows", async || {
        !mesh.errors("nomad").await.is_empty()
    })
    .await;
    assert_eq!(mesh.all(MINE).await, ["v1-0"]);
    nomad.set_rules("mesh", READ_MINE).await;
    until("all is well again", async || {
        mesh.errors("nomad").await.is_empty()
    })
    .await;

    let unknown = "deadbeef-0000-0000-0000-000000000000";
    let mesh = Mesh::start(&provider(&nomad, unknown, "[mine]")).await;
    until("the refusal shows", async || {
        let errors = mesh.errors("nomad").await;
        errors.iter().any(|error| error.contains("403"))
    })
    .await;
    for path in ["/api/providers", "/api/rawdata", "/api/overview"] {
        let (_, body) = mesh.admin(path).await.unwrap();
        assert!(!body.to_string().contains(unknown), "{path} shows the token");
    }
    assert!(!mesh.log().contains(unknown));
}

//! Requests reach what jobs run, by the tags of their services.

use mesh_integration::{Backend, Job, Mesh, Nomad, until};

use crate::provider;

const HOST: &str = "shop.example.com";

#[tokio::test]
async fn jobs_and_a_file_answer_side_by_side() {
    let Some(nomad) = Nomad::start().await else {
        return;
    };
    let filed = Backend::start("filed").await;
    let rule = "mesh.http.routers.shop.rule=Host(`shop.example.com`)".to_owned();
    nomad
        .run(&Job {
            tags: vec![rule],
            ..Job::of_host("shop", "")
        })
        .await;
    nomad.run(&Job::new("Plain-One")).await;
    let files = tempfile::tempdir().unwrap();
    let url = format!("http://{}", filed.address());
    let routes = format!(
        "http:\n  routers:\n    filed: {{rule: 'Host(`filed.example.com`)', service: filed}}\n  services:\n    \
         filed: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}\n"
    );
    std::fs::write(files.path().join("routes.yml"), routes).unwrap();
    let providers = provider(&nomad, "") + &format!("  file: {{directory: '{}'}}\n", files.path().display());

    let mesh = Mesh::start(&providers).await;

    until("both instances answer", async || {
        mesh.all(HOST).await == ["v1-0", "v1-1"]
    })
    .await;
    until("the default rule routes", async || {
        mesh.who("plain-one").await.is_some()
    })
    .await;
    until("the server of the file answers", async || {
        mesh.who("filed.example.com").await.as_deref() == Some("filed")
    })
    .await;
    until("mesh is ready", async || mesh.is_ready().await).await;
    assert_eq!(mesh.all("nobody.example.com").await, ["404"]);
}

#[tokio::test]
async fn a_job_that_is_stopped_ends_in_503() {
    let Some(nomad) = Nomad::start().await else {
        return;
    };
    nomad.run(&Job::of_host("shop", HOST)).await;
    let mesh = Mesh::start(&provider(&nomad, "")).await;
    until("both answer", async || mesh.all(HOST).await == ["v1-0", "v1-1"]).await;
    nomad
        .run(&Job {
            count: 1,
            ..Job::of_host("shop", HOST)
        })
        .await;
    until("one is left", async || mesh.all(HOST).await == ["v1-0"]).await;
    nomad.stop("shop").await;
    until("nobody is left", async || mesh.all(HOST).await == ["503"]).await;
}

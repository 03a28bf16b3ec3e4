//! One Mesh, every provider.

use mesh_integration::{Aws, Backend, Consul, Mesh, StandIn, aws, port, until};
use serde_json::json;

/// A host for each provider, and who answers for it.
const SERVED: [(&str, &str); 4] = [
    ("consul.example.com", "of consul"),
    ("ecs.example.com", "of ecs"),
    ("file.example.com", "of a file"),
    ("nomad.example.com", "of nomad"),
];

async fn all_answer(mesh: &Mesh) {
    for (host, name) in SERVED {
        until("its server answers", async || {
            mesh.who(host).await.as_deref() == Some(name)
        })
        .await;
    }
}

#[tokio::test]
async fn tasks_of_ecs_jobs_of_nomad_services_of_consul_and_files_are_served_together_and_outlive_them_all() {
    let Some(consul) = Consul::start().await else {
        return;
    };
    let Some(aws) = Aws::start().await else {
        return;
    };
    let of_consul = Backend::start("of consul").await;
    consul
        .register("c", "c-1", of_consul.port(), &["mesh.host=consul.example.com"])
        .await;
    let [port] = port::free();
    aws.define("e", "awsvpc", port, json!({})).await;
    let deployment = aws.service("e", "e", &[("mesh.host", "ecs.example.com")]).await;
    let task = aws.run("e", "e", true, &deployment).await;
    let _of_ecs = Backend::at(&task.address, "of ecs").await;
    let of_nomad = Backend::start("of nomad").await;
    let nomad = StandIn::start("n", vec!["mesh.host=nomad.example.com".to_owned()]).await;
    nomad.run(of_nomad.address());
    let of_file = Backend::start("of a file").await;
    let files = tempfile::tempdir().unwrap();
    let routes = format!(
        "http:\n  routers:\n    f: {{rule: 'Host(`file.example.com`)', service: f}}\n  services:\n    \
         f: {{loadBalancer: {{servers: [{{url: 'http://{}'}}]}}}}\n",
        of_file.address()
    );
    std::fs::write(files.path().join("routes.yml"), routes).unwrap();
    let providers = format!(
        "  consulCatalog: {{endpoint: {{address: '{}'}}}}\n  \
         ecs: {{clusters: [{}], region: {}, endpoint: '{}', accessKeyID: test, secretAccessKey: test, refreshSeconds: 1s}}\n  \
         nomad: {{endpoint: {{address: '{}'}}}}\n  file: {{directory: '{}'}}\n",
        consul.address(),
        aws::CLUSTER,
        aws::REGION,
        aws.endpoint(),
        nomad.address(),
        files.path().display(),
    );

    let mut mesh = Mesh::start(&providers).await;
    all_answer(&mesh).await;
    until("mesh is ready", async || mesh.is_ready().await).await;
    until("all is kept on disk", async || {
        SERVED.iter().all(|(host, _)| mesh.snapshot().contains(host))
    })
    .await;

    drop((consul, aws, nomad, files));
    mesh.kill().await;
    mesh.restart();

    all_answer(&mesh).await;
    until("mesh is ready", async || mesh.is_ready().await).await;
}

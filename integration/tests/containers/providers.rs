//! Discovery by all providers at once.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use mesh_integration::{Aws, StandIn, aws, images, until};
use serde_json::json;
use tempfile::TempDir;
use testcontainers::{
    ImageExt as _,
    core::{Host, Mount},
};

use crate::{
    HOST,
    front::Front,
    stack::{Consul, Mesh, Stack, address},
};

/// A host for each provider, and who answers for it.
const SERVED: [(&str, &str); 4] = [
    (HOST, "of-consul"),
    ("ecs.example.com", "of-ecs"),
    ("nomad.example.com", "of-nomad"),
    ("file.example.com", "of-a-file"),
];

async fn all_answer(mesh: &Mesh) {
    for (host, who) in SERVED {
        until(who, async || mesh.who(host).await.as_deref() == Some(who)).await;
    }
}

/// A directory with a document that routes to the server of files.
fn routes(stack: &Stack) -> TempDir {
    let files = tempfile::tempdir().unwrap();
    fs::set_permissions(files.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // By name: containers of a network know each other.
    let routes = format!(
        "http:\n  routers:\n    f: {{rule: 'Host(`file.example.com`)', service: f}}\n  services:\n    \
         f: {{loadBalancer: {{servers: [{{url: 'http://{}:8080'}}]}}}}\n",
        stack.name("of-a-file")
    );
    fs::write(files.path().join("routes.yml"), routes).unwrap();
    files
}

/// Settings of the providers beside Consul.
fn others(stack: &Stack, nomad: u16) -> [(&'static str, String); 8] {
    let ecs = format!("http://{}:5000", stack.name("moto"));
    [
        ("MESH_PROVIDERS_ECS_CLUSTERS", aws::CLUSTER.to_owned()),
        ("MESH_PROVIDERS_ECS_REGION", aws::REGION.to_owned()),
        ("MESH_PROVIDERS_ECS_ENDPOINT", ecs),
        ("MESH_PROVIDERS_ECS_ACCESSKEYID", "test".to_owned()),
        ("MESH_PROVIDERS_ECS_SECRETACCESSKEY", "test".to_owned()),
        ("MESH_PROVIDERS_ECS_REFRESHSECONDS", "1s".to_owned()),
        (
            "MESH_PROVIDERS_NOMAD_ENDPOINT_ADDRESS",
            format!("http://nomad:{nomad}"),
        ),
        ("MESH_PROVIDERS_FILE_DIRECTORY", "/config".to_owned()),
    ]
}

/// The servers are containers. The API of Nomad is that of these tests, on this machine: no registry of packages has the
/// real one.
#[tokio::test]
async fn all_providers_are_served_together_and_outlived() {
    let Some(stack) = Stack::start() else { return };
    let consul = Consul::start(&stack).await;
    let moto = stack
        .run("moto", &images::moto(), &[5000], |image| {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("aws/server.py");
            image
                .with_entrypoint("python")
                .with_cmd(["/server.py", "5000", "0.0.0.0"])
                .with_copy_to("/server.py", script)
        })
        .await;
    let aws = Aws::at(moto.get_host_port_ipv4(5000).await.unwrap(), None).await;
    let nomad = StandIn::at("0.0.0.0:0", "n", vec!["mesh.host=nomad.example.com".to_owned()]).await;

    let mut servers = Vec::new();
    for (_, who) in SERVED {
        servers.push(stack.server(who).await);
    }
    let [of_consul, of_ecs, of_nomad, _] = &servers[..] else {
        panic!("one for each provider")
    };
    consul.register("of-consul", address(of_consul).await).await;
    aws.define("e", "awsvpc", 8080, json!({})).await;
    let deployment = aws.service("e", "e", &[("mesh.host", "ecs.example.com")]).await;
    let task = aws.run("e", "e", true, &deployment).await;
    aws.says(&task, json!({"address": address(of_ecs).await})).await;
    nomad.run((address(of_nomad).await, 8080).into());
    let files = routes(&stack);

    let mut settings = consul.settings();
    settings.extend(others(&stack, nomad.port()));
    let config = Mount::bind_mount(files.path().to_str().unwrap(), "/config");
    let mesh = stack
        .mesh_of(&images::mesh(), "mesh", &settings, |image| {
            image.with_mount(config).with_host("nomad", Host::HostGateway)
        })
        .await;
    all_answer(&mesh).await;
    until("mesh is ready", async || mesh.is_ready().await).await;

    let front = Front::start(&[&mesh]).await;
    consul.kill().await;
    moto.rm().await.unwrap();
    drop((nomad, files));
    until("their failures show", async || {
        let mut failed = 0;
        for provider in ["consulcatalog", "ecs", "nomad"] {
            failed += usize::from(!mesh.errors(provider).await.is_empty());
        }
        failed == 3
    })
    .await;
    all_answer(&mesh).await;
    front.end().await;
}

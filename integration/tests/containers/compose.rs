//! The stack of Compose, as it is shipped, with the images of these tests.

use std::{path::Path, process::Command};

use mesh_integration::{Client, images, skip, until};

/// Ports of this machine that are free, where the stack has fixed ones.
const DIFFERENT: &str = r#"
services:
  mesh:
    restart: "no"
    ports: !override ["127.0.0.1::8000", "127.0.0.1::8080"]
"#;

struct Compose {
    project: String,
    different: tempfile::NamedTempFile,
}

impl Compose {
    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/compose/compose.yml");
        let output = Command::new("docker")
            .args(["compose", "--project-name", &self.project, "--file"])
            .arg(file)
            .arg("--file")
            .arg(self.different.path())
            .args(arguments)
            .env("MESH_IMAGE", images::mesh())
            .env("CONSUL_IMAGE", images::consul())
            .env("SERVICE_IMAGE", images::service())
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }

    /// Where this machine reaches a port of Mesh.
    fn port(&self, port: &str) -> u16 {
        let address = self.run(&["port", "mesh", port]).unwrap();
        address.rsplit(':').next().unwrap().parse().unwrap()
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        drop(self.run(&["down", "--volumes", "--timeout", "20"]));
    }
}

#[tokio::test]
async fn the_stack_of_compose_answers_for_both_services_and_goes_on_without_consul() {
    if !skip::has_docker() {
        return;
    }
    let compose = Compose {
        project: format!("mesh-tests-compose-{}", std::process::id()),
        different: tempfile::NamedTempFile::new().unwrap(),
    };
    if compose.run(&["version"]).is_err() {
        return skip::say("docker compose", "install the plugin of Docker");
    }
    std::fs::write(compose.different.path(), DIFFERENT).unwrap();
    compose.run(&["up", "--no-build", "--detach"]).unwrap();
    let mesh = Client::of([compose.port("8000"), compose.port("8080")]);
    for host in ["shop.localhost", "blog.localhost"] {
        until(host, async || {
            mesh.who(host)
                .await
                .is_some_and(|page| page.contains("It works!"))
        })
        .await;
    }
    until("the engine finds it healthy", async || {
        let listed = compose.run(&["ps", "mesh"]);
        listed.is_ok_and(|listed| listed.contains("(healthy)"))
    })
    .await;

    compose.run(&["stop", "consul"]).unwrap();
    until("the failure shows", async || {
        !mesh.errors("consulcatalog").await.is_empty()
    })
    .await;
    assert!(mesh.who("shop.localhost").await.is_some());
}

//! Names of the images that containers are made of.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::mesh;

/// Consul: `CONSUL_IMAGE`.
pub fn consul() -> String {
    named("CONSUL_IMAGE", "docker.io/hashicorp/consul:1.20")
}

/// A Python with moto: `MOTO_IMAGE`.
pub fn moto() -> String {
    named("MOTO_IMAGE", "docker.io/motoserver/moto:5.2.0")
}

/// Redis: `REDIS_IMAGE`.
pub fn redis() -> String {
    named("REDIS_IMAGE", "docker.io/library/redis:7-alpine")
}

/// A web server at port 80: `SERVICE_IMAGE`.
pub fn service() -> String {
    named("SERVICE_IMAGE", "docker.io/library/httpd:2.4-alpine")
}

/// Mesh: `MESH_IMAGE`, or made once by `deploy/Dockerfile` around the binary that the other suites test.
///
/// # Panics
/// When Docker cannot make it.
pub fn mesh() -> String {
    static IMAGE: OnceLock<String> = OnceLock::new();
    let image = IMAGE.get_or_init(|| {
        env::var("MESH_IMAGE").unwrap_or_else(|_| made("mesh", mesh::binary(), "mesh-tests/mesh:built"))
    });
    image.clone()
}

/// A server that says who it is, `src/bin/who.rs`: `WHO_IMAGE`, or made once.
///
/// # Panics
/// When Docker cannot make it.
pub fn who() -> String {
    static IMAGE: OnceLock<String> = OnceLock::new();
    let image = IMAGE.get_or_init(|| {
        env::var("WHO_IMAGE").unwrap_or_else(|_| made("who", &beside("who"), "mesh-tests/who:built"))
    });
    image.clone()
}

fn named(variable: &str, public: &str) -> String {
    env::var(variable).unwrap_or_else(|_| public.to_owned())
}

/// A program that cargo builds beside the tests.
pub(crate) fn beside(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).map(Path::to_path_buf);
    profile
        .expect("<target>/<profile>/deps/<test>")
        .join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

fn made(script: &str, binary: &Path, tag: &str) -> String {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
    let output = Command::new(scripts.join(script))
        .arg(binary)
        .arg(tag)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "images/{script}: {said}");
    tag.to_owned()
}

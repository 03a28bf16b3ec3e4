//! The image: what `deploy/rootfs` puts into it runs without the rest of this machine, as nobody, on a read-only root;
//! and Docker builds it where there is an engine with what it starts from.

use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Command, Stdio},
};

use mesh_integration::{docker::docker, images, mesh, port, skip, until};

use crate::{Running, root, runs, said, text};

/// What becomes the root of the container's file system.
fn rootfs(directory: &Path, base: &str) {
    let output = Command::new(root().join("deploy/rootfs"))
        .arg(mesh::binary())
        .arg(directory)
        .env("BASE", base)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

/// Whether this machine lets us be somebody else in a root of our own.
fn may_change_root() -> bool {
    let may = runs(
        "unshare",
        &["--mount", "chroot", "--userspec=65532:65532", "/", "true"],
    );
    if !may {
        skip::say("right to change the root directory", "run as root");
    }
    may
}

/// `mesh` with `arguments`, as the container runs it.
fn contained(directory: &Path, admin: u16, arguments: &str) -> Command {
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && \
                  exec chroot --userspec=65532:65532 \"$0\" /usr/local/bin/mesh $1";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script])
        .arg(directory)
        .arg(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("MESH_PING", "true")
        .env("MESH_SNAPSHOT_ENABLED", "false")
        .env("MESH_ENTRYPOINTS_WEB_ADDRESS", "127.0.0.1:0")
        .env("MESH_ENTRYPOINTS_MESH_ADDRESS", format!("127.0.0.1:{admin}"))
        .stdin(Stdio::null());
    command
}

#[tokio::test]
async fn mesh_runs_with_what_is_in_the_image_and_finds_itself_healthy() {
    if !may_change_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    rootfs(directory.path(), "scratch");
    let [admin] = port::free();
    let asked = || {
        contained(directory.path(), admin, "healthcheck")
            .output()
            .unwrap()
    };
    assert!(!asked().status.success(), "nobody runs yet");
    let child = contained(directory.path(), admin, "")
        .stderr(Stdio::null())
        .spawn();
    let _running = Running(child.unwrap());
    until("it is healthy", async || asked().status.success()).await;
}

#[test]
fn there_is_nothing_in_the_image_but_mesh_and_what_it_needs() {
    let directory = tempfile::tempdir().unwrap();
    rootfs(directory.path(), "scratch");
    let binaries = directory.path().join("usr/local/bin");
    let names: Vec<_> = binaries
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["mesh"]);
    assert!(!directory.path().join("bin").exists(), "there is no shell");
    assert!(
        directory
            .path()
            .join("etc/ssl/certs/ca-certificates.crt")
            .exists()
    );
    let state = directory.path().join("state").metadata().unwrap();
    assert_eq!((state.uid(), state.mode() & 0o777), (65532, 0o750));
    let other = tempfile::tempdir().unwrap();
    rootfs(other.path(), "docker.io/library/debian:bookworm-slim");
    assert!(
        !other.path().join("etc/passwd").exists(),
        "a base has users of its own"
    );
}

#[test]
fn the_image_is_for_nobody_and_asks_after_its_health() {
    let file = text("deploy/Dockerfile");
    for line in [
        "ARG BASE=scratch",
        "USER 65532:65532",
        "ENTRYPOINT [\"/usr/local/bin/mesh\"]",
        "CMD [\"/usr/local/bin/mesh\", \"healthcheck\"]",
    ] {
        assert!(file.contains(line), "{line}");
    }
}

/// Around the binary that is there, because the build of another takes long; with `MESH_BUILDER_IMAGE`
/// (`docker.io/library/rust:1.95-bookworm` or alike) everything that `deploy/Dockerfile` says.
#[test]
fn docker_builds_an_image_that_runs_on_a_read_only_root() {
    if !skip::has_docker() {
        return;
    }
    let image = match std::env::var("MESH_BUILDER_IMAGE") {
        Err(_) => images::mesh(),
        Ok(builder) => {
            let builder = format!("BUILDER={builder}");
            docker(&[
                "build",
                "--file",
                root().join("deploy/Dockerfile").to_str().unwrap(),
                "--build-arg",
                &builder,
                "--tag",
                "mesh",
                root().to_str().unwrap(),
            ]);
            "mesh".to_owned()
        }
    };
    // A client may miss what a container says that ends at once.
    let version = || docker(&["run", "--rm", "--read-only", "--cap-drop=ALL", &image, "version"]);
    let said = (0..5).map(|_| version()).find(|said| !said.is_empty());
    assert!(
        said.as_ref().is_some_and(|said| said.starts_with("mesh ")),
        "{said:?}"
    );
    let of = |what: &str| docker(&["image", "inspect", "--format", &format!("{{{{{what}}}}}"), &image]);
    assert_eq!(of(".Config.User"), "65532:65532");
    assert_eq!(
        of("json .Config.Healthcheck.Test"),
        r#"["CMD","/usr/local/bin/mesh","healthcheck"]"#
    );
}

//! The units of systemd, by its own tools.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use mesh_integration::{mesh, port, skip, until};
use tempfile::TempDir;

use crate::{Running, files, root, runs, said, text};

/// Most that `systemd-analyze security` may find, in tenths: 0 is sealed, 100 is open.
const MOST_EXPOSED: &str = "20";

/// `systemd-analyze`, if this machine has it.
fn has_systemd() -> bool {
    let found = runs("systemd-analyze", &["--version"]);
    if !found {
        skip::skipped("systemd-analyze", "install systemd");
    }
    found
}

/// The units in a directory of their own, starting the `mesh` that was built.
fn installed() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mesh = mesh::binary().display().to_string();
    for unit in files("deploy/systemd") {
        let name = unit.file_name().unwrap().to_owned();
        let unit = text(unit.to_str().unwrap()).replace("/usr/bin/mesh", &mesh);
        fs::write(directory.path().join(name), unit).unwrap();
    }
    directory
}

#[test]
fn systemd_has_nothing_against_the_units() {
    if !has_systemd() {
        return;
    }
    let directory = installed();
    let units = ["mesh.service", "mesh-web.socket", "mesh-websecure.socket"];
    let output = Command::new("systemd-analyze")
        .arg("verify")
        .args(units.map(|unit| directory.path().join(unit)))
        .output()
        .unwrap();
    // It warns, and counts that as success, of a word that it does not know.
    assert!(
        output.status.success() && said(&output).trim().is_empty(),
        "{}",
        said(&output)
    );
}

#[test]
fn the_service_is_sealed() {
    if !has_systemd() {
        return;
    }
    let directory = installed();
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold", MOST_EXPOSED])
        .arg(directory.path().join("mesh.service"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

/// Starts the service's command as the socket's unit would, by systemd's own hand: on `port`, under the unit's name.
fn activate(directory: &Path, port: u16, admin: u16) -> Running {
    let socket = text("deploy/systemd/mesh-web.socket");
    let name = socket
        .lines()
        .find_map(|line| line.strip_prefix("FileDescriptorName="));
    let settings = text("deploy/systemd/mesh.yml")
        .replace(":443", "127.0.0.1:0")
        .replace("/etc/mesh/dynamic", directory.to_str().unwrap());
    let file = directory.parent().unwrap().join("mesh.yml");
    fs::write(&file, settings).unwrap();
    let child = Command::new("systemd-socket-activate")
        .arg(format!("--listen=127.0.0.1:{port}"))
        .arg(format!("--fdname={}", name.unwrap()))
        .arg(format!(
            "--setenv=MESH_ENTRYPOINTS_MESH_ADDRESS=127.0.0.1:{admin}"
        ))
        .arg("--setenv=MESH_SNAPSHOT_ENABLED=false")
        .arg(mesh::binary())
        .arg(format!("--config={}", file.display()))
        .current_dir(root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Running(child.unwrap())
}

/// What is answered to the first request on `port`.
fn answer(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
        .write_all(b"GET /cart HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[tokio::test]
async fn who_comes_first_starts_mesh_and_is_answered() {
    if !runs("systemd-socket-activate", &["--version"]) {
        return skip::skipped("systemd-socket-activate", "install systemd");
    }
    let directory = tempfile::tempdir().unwrap();
    let dynamic = directory.path().join("dynamic");
    fs::create_dir(&dynamic).unwrap();
    let [port, admin] = port::free();
    let _running = activate(&dynamic, port, admin);
    let mut first = None;
    until("somebody listens", async || {
        first = answer(port);
        first.is_some()
    })
    .await;
    let first = first.unwrap();
    assert!(first.starts_with("HTTP/1.1 301 "), "{first}");
    assert!(first.contains("https://shop.example.com"), "{first}");
}

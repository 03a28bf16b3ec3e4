//! Who asks a task whether it lives: the load balancer, with a PROXY header that names nobody, and ECS from within.

use std::{
    net::{IpAddr, SocketAddr},
    process::{Command, Stdio},
};

use mesh_integration::{mesh, port, until};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use crate::{Running, settings::of_the_task};

/// An address of the load balancer, as far as the task knows.
const LOAD_BALANCER: &str = "127.0.0.2";

/// A header of version 2 that says `LOCAL`: this connection is nobody else's.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// `mesh` with the settings of the task definition, on this machine.
fn task(command: &str, [web, admin]: [u16; 2]) -> Command {
    let mut settings = of_the_task();
    for (name, value) in [
        ("MESH_ENTRYPOINTS_WEB_ADDRESS", format!("127.0.0.1:{web}")),
        ("MESH_ENTRYPOINTS_MESH_ADDRESS", format!("127.0.0.1:{admin}")),
        (
            "MESH_ENTRYPOINTS_WEB_PROXYPROTOCOL_TRUSTEDIPS",
            LOAD_BALANCER.to_owned(),
        ),
        (
            "MESH_ENTRYPOINTS_MESH_PROXYPROTOCOL_TRUSTEDIPS",
            LOAD_BALANCER.to_owned(),
        ),
    ] {
        assert!(
            settings.insert(name.to_owned(), value).is_some(),
            "{name} is not in the task definition"
        );
    }
    let mut task = Command::new(mesh::binary());
    task.arg(command)
        .env_clear()
        .envs(settings)
        // Nobody answers there.
        .env("MESH_PROVIDERS_ECS_ENDPOINT", "http://127.0.0.1:1")
        .env("MESH_SNAPSHOT_ENABLED", "false")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    task
}

/// What `from` is answered that begins with `header`.
async fn answer(from: &str, to: u16, header: &[u8]) -> Option<String> {
    let socket = TcpSocket::new_v4().unwrap();
    let from: IpAddr = from.parse().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], to).into()).await.ok()?;
    let request = b"GET /ping HTTP/1.1\r\nHost: 10.20.2.7:8080\r\nConnection: close\r\n\r\n";
    stream.write_all(&[header, request].concat()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn a_task_is_asked_by_the_load_balancer_and_by_ecs() {
    let ports = port::free();
    let _running = Running(task("run", ports).spawn().unwrap());
    until("ECS finds it healthy", async || {
        task("healthcheck", ports)
            .status()
            .is_ok_and(|status| status.success())
    })
    .await;
    let of_the_load_balancer = answer(LOAD_BALANCER, ports[1], LOCAL).await.unwrap();
    assert!(
        of_the_load_balancer.starts_with("HTTP/1.1 200 "),
        "{of_the_load_balancer}"
    );
    // It always sends one: who comes from there without is somebody else.
    let without = answer(LOAD_BALANCER, ports[1], b"").await.unwrap_or_default();
    assert!(!without.starts_with("HTTP/1.1 200 "), "{without}");
    let of_a_stranger = answer("127.0.0.3", ports[1], LOCAL).await.unwrap_or_default();
    assert!(!of_a_stranger.starts_with("HTTP/1.1 200 "), "{of_a_stranger}");
}

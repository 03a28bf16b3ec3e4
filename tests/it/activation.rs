//! Sockets that outlive the router: handed over at its start, as systemd does it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener},
    },
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    http,
    mesh::{Mesh, Place, eventually, flags, routes, words},
    server::Server,
};

/// Puts the socket that comes as standard input where systemd puts it, under every one of the names.
const HAND_OVER: &str = r#"exec 3<&0 4<&0 0</dev/null; LISTEN_PID=$$ exec "$0" "$@""#;

/// Mesh as systemd starts it: `socket` is handed over by one or two `names`.
fn command(place: &Place, socket: &TcpListener, names: &str, flags: &[String]) -> Command {
    command_with(place, socket.try_clone().unwrap().into(), names, flags)
}

/// The same for a socket of any kind.
fn command_with(place: &Place, socket: OwnedFd, names: &str, flags: &[String]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", HAND_OVER, env!("CARGO_BIN_EXE_mesh")])
        .args(flags)
        .arg("--log.format=json")
        .current_dir(place.path(""))
        .env_clear()
        .env("LISTEN_FDS", names.split(':').count().to_string())
        .env("LISTEN_FDNAMES", names)
        .stdin(Stdio::from(socket));
    command
}

/// A socket as systemd would open it.
fn socket() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn told(mesh: &Mesh, text: &str) -> bool {
    mesh.log().iter().any(|line| line.contains(text))
}

#[test]
fn who_connects_before_the_router_runs_is_answered_by_it() {
    let (place, a, (socket, address)) = (Place::new(), Server::named("a"), socket());
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let mut early = TcpStream::connect(address).unwrap();
    early
        .write_all(b"GET / HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mesh = Mesh::start(&mut command(&place, &socket, "WEB", &flags(&file)));
    let mut answer = String::new();
    early.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    early.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with('a'),
        "{answer}"
    );
    assert_eq!(
        mesh.address("web"),
        address,
        "the address of the settings says nothing"
    );
    assert!(
        told(&mesh, "no socket of this name"),
        "the other entrypoint binds: {:?}",
        mesh.log()
    );
    assert_eq!(mesh.ask("/ping").status, 200);
}

#[test]
fn a_restart_on_the_same_socket_refuses_nobody() {
    let (place, a, (socket, address)) = (Place::new(), Server::named("a"), socket());
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let flags = flags(&file);
    let mut mesh = Mesh::start(&mut command(&place, &socket, "web", &flags));
    let done = Arc::new(AtomicBool::new(false));
    let clients = (0..4).map(|_| {
        let done = done.clone();
        thread::spawn(move || {
            let mut answers = 0;
            while !done.load(Ordering::Relaxed) {
                let answer = http::try_request(address, "GET", "one.test", "/").unwrap();
                assert_eq!((answer.status, &*answer.body), (200, "a"));
                answers += 1;
            }
            answers
        })
    });
    let clients: Vec<_> = clients.collect();
    for _ in 0..8 {
        mesh.eventually("one.test", "/", |answer| answer.body == "a");
        mesh.signal("-TERM");
        assert_eq!(mesh.wait().code(), Some(0), "{:?}", mesh.log());
        mesh = Mesh::start(&mut command(&place, &socket, "web", &flags));
    }
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    done.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.join().unwrap() > 8);
    }
}

#[test]
fn sockets_that_fit_no_entrypoint_and_doubles_are_named() {
    let (place, a, (socket, address)) = (Place::new(), Server::named("a"), socket());
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let double = Mesh::start(&mut command(&place, &socket, "web:web", &flags(&file)));
    assert_eq!(double.address("web"), address);
    assert!(told(&double, "two sockets of this name"), "{:?}", double.log());
    double.eventually("one.test", "/", |answer| answer.body == "a");
    let strange = Mesh::start(&mut command(&place, &socket, "web:wbe", &flags(&file)));
    let stranger = |line: &String| line.contains("no entrypoint has the name") && line.contains("wbe");
    assert!(strange.log().iter().any(stranger), "{:?}", strange.log());
    let plain = place.start(&words(&flags(&file)));
    assert!(!told(&plain, "handed over"), "{:?}", plain.log());
    let mut of_another = place.command(&words(&flags(&file)));
    of_another
        .env("LISTEN_FDS", "1")
        .env("LISTEN_PID", "1")
        .arg("--log.format=json");
    let of_another = Mesh::start(&mut of_another);
    assert!(!told(&of_another, "handed over"), "{:?}", of_another.log());
}

#[test]
fn a_socket_that_is_none_of_tcp_is_named_and_the_entrypoint_opens_its_own() {
    let (place, a) = (Place::new(), Server::named("a"));
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let unix = UnixListener::bind(place.path("web.sock")).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    for socket in [OwnedFd::from(unix), OwnedFd::from(udp)] {
        let mesh = Mesh::start(&mut command_with(&place, socket, "web", &flags(&file)));
        assert!(told(&mesh, "write ListenStream= with a port"), "{:?}", mesh.log());
        assert!(told(&mesh, "opening one on its address"), "{:?}", mesh.log());
        mesh.eventually("one.test", "/", |answer| answer.body == "a");
    }
}

#[test]
fn systemd_is_told_when_the_router_answers_and_when_it_stops() {
    let (place, a, (socket, _)) = (Place::new(), Server::named("a"), socket());
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let notices = UnixDatagram::bind(place.path("notify")).unwrap();
    notices.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let notice = || {
        let mut text = [0; 64];
        let length = notices.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).trim().to_owned()
    };
    let mut command = command(&place, &socket, "web", &flags(&file));
    let mut mesh = Mesh::start(command.env("NOTIFY_SOCKET", place.path("notify")));
    assert_eq!(notice(), "READY=1");
    eventually("an answer", || {
        (mesh.get("one.test", "/").status == 200).then_some(())
    });
    mesh.signal("-TERM");
    assert_eq!(notice(), "STOPPING=1");
    assert_eq!(mesh.wait().code(), Some(0));
}

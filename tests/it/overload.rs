//! More than the entrypoint takes.

use std::{net::TcpStream, thread};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::{
    http::{self, Kept},
    measure::descriptors,
    mesh::{Mesh, Place, eventually, flags, routes, words},
    server::Server,
};

/// Mesh with these flags and one worker, in front of a server that answers `a`.
fn start(place: &Place, server: &Server, more: &str) -> Mesh {
    let file = place.write("routes.yml", &routes(&[("one", &server.url())]));
    let flags = flags(&file);
    let mesh = place.start(&[&words(&flags)[..], &["--workers=1", more]].concat());
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    mesh
}

/// The number that Mesh counts for `sample`.
fn counted(mesh: &Mesh, sample: &str) -> u64 {
    let text = mesh.ask("/metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix(sample));
    line.unwrap_or_else(|| panic!("no {sample} in {text}"))
        .trim()
        .parse()
        .unwrap()
}

/// Warnings that name `option`, once there is one.
fn warnings(mesh: &Mesh, option: &str) -> usize {
    eventually("a warning", || {
        let named = mesh.log().into_iter().filter(|line| line.contains(option));
        let warnings = named.filter(|line| line.contains("\"level\":\"warn\"")).count();
        (warnings > 0).then_some(warnings)
    })
}

#[test]
fn requests_beyond_the_limit_are_refused_cheaply_counted_and_named_in_the_log_once() {
    let (place, a) = (Place::new(), Server::named("a"));
    let mesh = start(&place, &a, "--entryPoints.web.http.maxInFlightRequests=2");
    a.hold();
    let web = mesh.address("web");
    let held: Vec<_> = (0..2)
        .map(|_| thread::spawn(move || http::get(web, "one.test", "/slow")))
        .collect();
    eventually("two requests in flight", || (a.held() == 2).then_some(()));
    let mut kept = Kept::new(TcpStream::connect(web).unwrap());
    for _ in 0..20 {
        let (status, _) = kept.get("one.test", "/").unwrap();
        assert_eq!(status, 503);
    }
    assert_eq!(mesh.get("one.test", "/").header("retry-after"), Some("5"));
    assert_eq!(a.held(), 2);
    let refused = "mesh_entrypoint_refused_requests_total{entrypoint=\"web\",reason=\"overload\"}";
    assert_eq!(counted(&mesh, refused), 21);
    assert_eq!(warnings(&mesh, "entryPoints.web.http.maxInFlightRequests"), 1);
    a.release();
    for held in held {
        assert_eq!(held.join().unwrap().body, "a");
    }
    assert_eq!(kept.get("one.test", "/").unwrap().0, 200);
    assert_eq!(counted(&mesh, refused), 21);
}

#[test]
fn connections_beyond_the_limit_wait_are_counted_and_named_in_the_log() {
    let (place, a) = (Place::new(), Server::named("a"));
    let mesh = start(&place, &a, "--entryPoints.web.maxConnections=1");
    let web = mesh.address("web");
    let waited = "mesh_entrypoint_waited_connections_total{entrypoint=\"web\"}";
    // The test's own first requests may have met each other.
    eventually("no connection", || {
        let open = "mesh_open_connections{entrypoint=\"web\",protocol=\"TCP\"}";
        (counted(&mesh, open) == 0).then_some(())
    });
    let before = counted(&mesh, waited);
    let mut first = Kept::new(TcpStream::connect(web).unwrap());
    first.get("one.test", "/").unwrap();
    let second = thread::spawn(move || http::get(web, "one.test", "/"));
    eventually("a connection that waits", || {
        (counted(&mesh, waited) == before + 1).then_some(())
    });
    assert_eq!(first.get("one.test", "/").unwrap().1, "a");
    assert!(!second.is_finished());
    assert_eq!(warnings(&mesh, "entryPoints.web.maxConnections"), 1);
    drop(first);
    assert_eq!(second.join().unwrap().body, "a");
}

#[test]
#[cfg(target_os = "linux")]
fn clients_wait_while_the_system_has_no_descriptors_left_and_the_log_says_so() {
    let (place, a) = (Place::new(), Server::named("a"));
    let mesh = start(&place, &a, "--log.level=INFO");
    let few = u64::try_from(descriptors(&mesh) + 10).unwrap();
    let limit = Rlimit {
        current: Some(few),
        maximum: Some(few),
    };
    let process = Pid::from_raw(i32::try_from(mesh.id()).unwrap());
    prlimit(process, Resource::Nofile, limit).unwrap();
    let web = mesh.address("web");
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(web).unwrap()).collect();
    assert_eq!(warnings(&mesh, "no room for connections"), 1);
    let late = thread::spawn(move || http::get(web, "one.test", "/"));
    assert!(!late.is_finished());
    drop(silent);
    assert_eq!(late.join().unwrap().body, "a");
    assert_eq!(warnings(&mesh, "no room for connections"), 1);
}

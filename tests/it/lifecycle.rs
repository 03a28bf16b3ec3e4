//! Starting, stopping, starting again.

use std::{
    net::{SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use crate::{
    http,
    mesh::{Place, eventually, flags, routes, words},
    server::Server,
};

#[test]
fn a_stop_lets_a_request_in_flight_finish_and_fails_readiness_first() {
    let (place, a) = (Place::new(), Server::named("a"));
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let mut flags = flags(&file);
    flags.push("--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=5s".to_owned());
    let mut mesh = place.start(&words(&flags));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    a.hold();
    let web = mesh.address("web");
    let slow = thread::spawn(move || http::get(web, "one.test", "/slow"));
    eventually("a request in flight", || (a.held() > 0).then_some(()));
    mesh.signal("-TERM");
    eventually("the end of readiness", || {
        (mesh.ask("/ready").status == 503).then_some(())
    });
    assert!(!slow.is_finished());
    a.release();
    assert_eq!(slow.join().unwrap().body, "a");
    assert_eq!(mesh.wait().code(), Some(0), "{:?}", mesh.log());
}

/// What became of one request after the other, each over a connection of its own, until nobody accepts any more.
fn traffic(web: SocketAddr) -> Vec<(Instant, bool)> {
    let mut outcomes = Vec::new();
    loop {
        let answer = http::try_request(web, "GET", "one.test", "/");
        let served = answer.is_ok_and(|answer| answer.status == 200 && answer.body == "a");
        outcomes.push((Instant::now(), served));
        if !served {
            return outcomes;
        }
    }
}

#[test]
fn readiness_fails_from_the_start_of_the_grace_time_and_no_request_before_its_end() {
    let (place, a) = (Place::new(), Server::named("a"));
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let grace = Duration::from_secs(2);
    let mut flags = flags(&file);
    flags.push("--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=2s".to_owned());
    let mut mesh = place.start(&words(&flags));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    let web = mesh.address("web");
    let clients: Vec<_> = (0..4).map(|_| thread::spawn(move || traffic(web))).collect();
    eventually("readiness", || (mesh.ask("/ready").status == 200).then_some(()));
    let signalled = Instant::now();
    mesh.signal("-TERM");
    eventually("the end of readiness", || {
        (mesh.ask("/ready").status == 503).then_some(())
    });
    let unready = Instant::now();
    assert!(unready < signalled + grace / 2, "readiness failed late");
    for outcomes in clients.into_iter().map(|client| client.join().unwrap()) {
        let (end, _) = outcomes.last().unwrap();
        assert!(
            *end >= signalled + grace,
            "a request failed within the grace time"
        );
        let served = outcomes.iter().filter(|(at, served)| *served && *at > unready);
        assert!(served.count() > 1, "nothing was served while readiness failed");
    }
    assert_eq!(mesh.wait().code(), Some(0), "{:?}", mesh.log());
}

#[test]
fn requests_that_are_accepted_while_stopping_follow_the_configuration_of_that_time() {
    let (place, a, b) = (Place::new(), Server::named("a"), Server::named("b"));
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let mut flags = flags(&file);
    flags.push("--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=10s".to_owned());
    let mesh = place.start(&words(&flags));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    mesh.signal("-TERM");
    eventually("the notice", || {
        mesh.log()
            .iter()
            .any(|line| line.contains("stopping"))
            .then_some(())
    });
    place.write("routes.yml", &routes(&[("one", &b.url())]));
    mesh.eventually("one.test", "/", |answer| answer.body == "b");
}

#[test]
fn a_second_signal_stops_at_once() {
    let (place, a) = (Place::new(), Server::named("a"));
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let mut mesh = place.start(&words(&flags(&file)));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    a.hold();
    let web = mesh.address("web");
    let slow = thread::spawn(move || http::try_request(web, "GET", "one.test", "/slow"));
    eventually("a request in flight", || (a.held() > 0).then_some(()));
    mesh.signal("-TERM");
    eventually("the notice", || {
        mesh.log()
            .iter()
            .any(|line| line.contains("stopping"))
            .then_some(())
    });
    let start = Instant::now();
    mesh.signal("-TERM");
    assert_eq!(mesh.wait().code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(slow.join().unwrap().is_err());
    a.release();
}

#[test]
fn a_killed_process_starts_again_on_the_same_port_at_once_and_soon_answers() {
    let (place, a) = (Place::new(), Server::named("a"));
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let first = place.start(&words(&flags(&file)));
    first.eventually("one.test", "/", |answer| answer.body == "a");
    let port = first.address("web").port();
    first.signal("-KILL");
    drop(first);
    let mut flags = flags(&file);
    flags.push(format!("--entryPoints.web.address=127.0.0.1:{port}"));
    let start = Instant::now();
    let second = place.start(&words(&flags));
    second.eventually("one.test", "/", |answer| answer.body == "a");
    // The promise is 200 ms for a release build.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(second.address("web").port(), port);
}

#[test]
fn an_address_in_use_ends_with_1_and_is_named_once() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = place.run(&[
        &format!("--entryPoints.web.address={address}"),
        "--snapshot.enabled=false",
    ]);
    assert_eq!(run.code(), 1);
    assert!(
        run.stderr().contains(&address.replace("127.0.0.1", "")),
        "{}",
        run.stderr()
    );
    assert_eq!(run.stderr().matches("in use").count(), 1, "{}", run.stderr());
}

#[test]
fn a_hang_up_reads_files_again_that_are_not_watched() {
    let (place, a, b) = (Place::new(), Server::named("a"), Server::named("b"));
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let mut flags = flags(&file);
    flags.push("--providers.file.watch=false".to_owned());
    let mesh = place.start(&words(&flags));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    place.write("routes.yml", &routes(&[("one", &b.url())]));
    mesh.signal("-HUP");
    mesh.eventually("one.test", "/", |answer| answer.body == "b");
}

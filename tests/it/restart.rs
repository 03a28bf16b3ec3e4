//! What one run leaves to the next.

use crate::{
    mesh::{Mesh, Place, eventually, flags, routes, words},
    server::Server,
};

/// A run whose files are named by `source`, with a snapshot.
fn start(place: &Place, source: &str) -> Mesh {
    start_without("", place, source)
}

/// The same without one of the usual flags.
fn start_without(flag: &str, place: &Place, source: &str) -> Mesh {
    let mut flags = flags(&place.path("unused"));
    flags.pop();
    flags.retain(|usual| usual != flag);
    flags.push("--snapshot.enabled=true".to_owned());
    flags.push("--snapshot.interval=5ms".to_owned());
    flags.push(format!(
        "--snapshot.path={}",
        place.path("snapshot.json").display()
    ));
    flags.push(format!("--providers.file.{source}"));
    place.start(&words(&flags))
}

/// Ends a run as it should.
fn stop(mut mesh: Mesh) {
    mesh.signal("-TERM");
    assert_eq!(mesh.wait().code(), Some(0), "{:?}", mesh.log());
}

#[test]
fn a_cold_start_serves_the_last_known_routes_from_the_snapshot() {
    let (place, a) = (Place::new(), Server::named("a"));
    place.write("routes/one.yml", &routes(&[("one", &a.url())]));
    let first = start(&place, "directory=routes");
    first.eventually("one.test", "/", |answer| answer.body == "a");
    stop(first);
    assert!(place.path("snapshot.json").is_file());
    std::fs::rename(place.path("routes"), place.path("gone")).unwrap();
    let second = start(&place, "directory=routes");
    second.eventually("one.test", "/", |answer| answer.body == "a");
}

#[test]
fn files_that_another_run_was_told_to_read_leave_nothing_behind() {
    let (place, a, b) = (Place::new(), Server::named("a"), Server::named("b"));
    let text = |host: &str, server: &Server| routes(&[("one", &server.url())]).replace("one.test", host);
    place.write("a.yml", &text("old.test", &a));
    place.write("b.yml", &text("new.test", &b));
    place.write("routes/a.yml", &text("old.test", &a));
    for (source, host) in [
        ("filename=a.yml", "old.test"),
        ("filename=./b.yml", "new.test"),
        ("directory=routes", "old.test"),
    ] {
        let first = start(&place, source);
        first.eventually(host, "/", |answer| answer.status == 200);
        stop(first);
        let second = start(&place, "filename=b.yml");
        second.eventually("new.test", "/", |answer| answer.body == "b");
        second.eventually("old.test", "/", |answer| answer.status == 404);
        let scopes = &second.ask("/api/providers").json()[0]["scopes"];
        assert_eq!(scopes.as_array().unwrap().len(), 2, "{source}: {scopes}");
        stop(second);
        std::fs::remove_file(place.path("snapshot.json")).unwrap();
    }
}

#[test]
fn the_first_answer_after_a_restart_follows_the_files_of_now() {
    let (place, a, b) = (Place::new(), Server::named("a"), Server::named("b"));
    place.write("a.yml", &routes(&[("one", &a.url())]));
    let first = start(&place, "filename=a.yml");
    first.eventually("one.test", "/", |answer| answer.body == "a");
    assert_eq!(first.ask("/api/overview").status, 200);
    stop(first);
    place.write("a.yml", &routes(&[("one", &b.url())]));
    let (answer, view) = eventually("a start in time", || {
        let second = start_without("--api.insecure", &place, "filename=a.yml");
        let answers = (
            second.get("one.test", "/").body,
            second.ask("/api/overview").status,
        );
        // On a busy machine even a file may take longer than a start waits for it.
        let late = second.log().iter().any(|line| line.contains("slow to answer"));
        second.signal("-KILL");
        (!late).then_some(answers)
    });
    assert_eq!(answer, "b");
    assert_eq!(view, 404, "a view that is off");
}

#[test]
fn a_run_that_is_killed_while_it_writes_leaves_a_snapshot_that_serves() {
    let (place, a, b) = (Place::new(), Server::named("a"), Server::named("b"));
    let changing = |server: &Server| place.write("routes/two.yml", &routes(&[("two", &server.url())]));
    place.write("routes/one.yml", &routes(&[("one", &a.url())]));
    changing(&a);
    for round in 0..5 {
        let mesh = start(&place, "directory=routes");
        // Each change is written down at once; the last one may be cut off anywhere.
        for change in 0..=round {
            let (server, name) = if change % 2 == 0 { (&b, "b") } else { (&a, "a") };
            changing(server);
            mesh.eventually("two.test", "/", |answer| answer.body == name);
        }
        mesh.signal("-KILL");
        drop(mesh);
        std::fs::rename(place.path("routes"), place.path("gone")).unwrap();
        let blind = start(&place, "directory=routes");
        for host in ["one.test", "two.test"] {
            blind.eventually(host, "/", |answer| answer.status == 200);
        }
        let damaged = blind
            .log()
            .iter()
            .any(|line| line.contains("without the snapshot"));
        assert!(!damaged, "{:?}", blind.log());
        drop(blind);
        std::fs::rename(place.path("gone"), place.path("routes")).unwrap();
    }
}

#[test]
fn a_snapshot_that_cannot_be_used_is_named_once_and_the_files_are_served() {
    let (place, a) = (Place::new(), Server::named("a"));
    place.write("a.yml", &routes(&[("one", &a.url())]));
    let newer = "{\"version\":99,\"sha256\":\"00\"}\n{}\n";
    for (text, reason) in [
        (newer, "version 99"),
        ("", "cut short"),
        ("{\"version\"", "cut short"),
    ] {
        place.write("snapshot.json", text);
        let mesh = start(&place, "filename=a.yml");
        mesh.eventually("one.test", "/", |answer| answer.body == "a");
        let told = mesh
            .log()
            .into_iter()
            .filter(|line| line.contains("snapshot.json"));
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told.iter().all(|line| line.contains(reason)), "{told:?}");
        assert_eq!(
            std::fs::read_to_string(place.path("snapshot.json.bad")).unwrap(),
            text
        );
        stop(mesh);
    }
}

#[test]
fn where_no_snapshot_can_be_written_one_warning_says_so_and_mesh_runs() {
    let (place, a) = (Place::new(), Server::named("a"));
    place.write("a.yml", &routes(&[("one", &a.url())]));
    let mut flags = flags(&place.path("a.yml"));
    flags.retain(|flag| flag != "--snapshot.enabled=false");
    flags.push(format!(
        "--snapshot.path={}",
        place.path("a.yml/snapshot.json").display()
    ));
    let mesh = place.start(&words(&flags));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    let told: Vec<_> = mesh
        .log()
        .into_iter()
        .filter(|line| line.contains("no snapshot is kept"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told.iter()
            .all(|line| line.contains("a.yml/snapshot.json") && line.contains("snapshot.path")),
        "{told:?}"
    );
    assert_eq!(mesh.ask("/ready").status, 200);
}

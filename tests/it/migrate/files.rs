//! What becomes of the files themselves.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::mesh::Place;

#[test]
fn a_second_run_changes_nothing() {
    for (name, text) in [
        (
            "a.txt",
            "traefik.http.routers.a.rule=Hots(`a`)\ntraefik.http.routers.a.entrypoints=web\n",
        ),
        (
            "b.hcl",
            "tags = [\"urlprefix-/x proto=https\", \"urlprefix-/y\", \"urlprefix-/z auth=me\"]\n",
        ),
        (
            "c.txt",
            "traefik.http.routers.a.rule=Path(`/a`)\ntraefik.http.routers.a.middlewares=x@docker\ntraefik.http.routers.a.observability.metrics=false\n",
        ),
    ] {
        let place = Place::new();
        place.write(name, text);
        place.run(&["migrate", name, "--write", name, "--force"]);
        let first = fs::read_to_string(place.path(name)).unwrap();
        assert_ne!(first, text);
        place.run(&["migrate", name, "--write", name, "--force"]);
        assert_eq!(fs::read_to_string(place.path(name)).unwrap(), first);
    }
}

#[test]
fn a_file_keeps_its_mode_its_line_endings_and_its_byte_order_mark() {
    let place = Place::new();
    let path = place.write(
        "a.yml",
        "\u{feff}labels:\r\n  - traefik.http.routers.a.rule=Host(`a.com`,`b.com`)\r\n",
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("a.yml", place.path("link.yml")).unwrap();
    let run = place.run(&["migrate", "link.yml", "--write", "link.yml", "--force"]);
    assert_eq!(run.code(), 0, "{}{}", run.stdout(), run.stderr());
    assert!(place.path("link.yml").is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "\u{feff}labels:\r\n  - mesh.http.routers.a.rule=(Host(`a.com`) || Host(`b.com`))\r\n  - mesh.http.routers.a.priority=21\r\n"
    );
}

#[test]
fn a_read_only_file_stays_as_it_is() {
    let place = Place::new();
    let path = place.write("a.txt", "traefik.enable=true\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let run = place.run(&["migrate", "a.txt", "--write", "a.txt", "--force"]);
    assert_eq!(run.code(), 78, "{}", run.stdout());
    assert!(run.stderr().contains("read-only"), "{}", run.stderr());
    assert_eq!(fs::read_to_string(&path).unwrap(), "traefik.enable=true\n");
}

#[test]
fn json_may_be_a_list_and_dollars_are_escaped_as_the_file_does() {
    let place = Place::new();
    place.write(
        "a.json",
        r#"[{"services":[{"name":"y","tags":["traefik.http.routers.b.rule=Path(`/{id}`)"]}]}]"#,
    );
    let run = place.run(&["migrate", "a.json", "--write", "b.json"]);
    assert_eq!(run.code(), 0, "{}{}", run.stdout(), run.stderr());
    let written: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(place.path("b.json")).unwrap()).unwrap();
    let tags = written.pointer("/0/services/0/tags").unwrap();
    assert_eq!(tags[0], "mesh.http.routers.b.rule=PathRegexp(`^/[^/]+$`)");
    assert_eq!(tags[1], "mesh.http.routers.b.priority=13");
    place.write(
        "c.yml",
        "services:\n  s:\n    labels:\n      traefik.http.routers.a.rule: HostRegexp(`{x:[a-z]+}.com`)\n",
    );
    assert_eq!(place.run(&["migrate", "c.yml", "--write", "d.yml"]).code(), 0);
    let written = fs::read_to_string(place.path("d.yml")).unwrap();
    assert!(written.contains("\\\\.com$$`"), "{written}");
}

#[test]
fn routes_of_fabio_keep_names_apart_and_say_how_to_speak_once() {
    let place = Place::new();
    place.write(
        "a.hcl",
        "tags = [\"urlprefix-a.com/x-y auth=me\", \"urlprefix-a.com/x/y proto=https\", \"urlprefix-a.com/ proto=https\"]\n",
    );
    let run = place.run(&["migrate", "a.hcl", "--write", "b.hcl"]);
    assert_eq!(run.code(), 1, "{}", run.stdout());
    let written = fs::read_to_string(place.path("b.hcl")).unwrap();
    assert!(
        written.contains("PathPrefix(`/x-y`)") && written.contains("PathPrefix(`/x/y`)"),
        "{written}"
    );
    assert_eq!(
        written.matches("loadbalancer.server.scheme=https").count(),
        1,
        "{written}"
    );
    assert_eq!(written.matches("not-translated").count(), 1, "{written}");
}

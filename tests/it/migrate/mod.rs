//! `mesh migrate` as its users call it.

mod files;
mod guards;

use std::{fs, io::Write as _, process::Stdio};

use crate::mesh::Place;

#[test]
fn a_nomad_job_keeps_everything_but_its_tags() {
    let place = Place::new();
    let job = "job \"shop\" {\n  # a comment\n  service {\n    name = \"shop\"\n    tags = [\n      \"traefik.enable=true\",\n      \
               \"traefik.http.routers.shop.rule=Host(`shop.example.com`)\",\n    ]\n  }\n}\n";
    place.write("shop.nomad.hcl", job);
    let run = place.run(&["migrate", "shop.nomad.hcl", "--write", "out.hcl"]);
    assert_eq!(run.code(), 0, "{}{}", run.stdout(), run.stderr());
    assert!(run.stdout().contains("service shop"), "{}", run.stdout());
    assert_eq!(
        fs::read_to_string(place.path("out.hcl")).unwrap(),
        job.replace("traefik.", "mesh.")
    );
}

#[test]
fn nothing_is_overwritten_unless_forced() {
    let place = Place::new();
    place.write("labels", "traefik.enable=true\n");
    place.write("out", "mine\n");
    let run = place.run(&["migrate", "labels", "--write", "out"]);
    assert_eq!(run.code(), 78, "{}", run.stdout());
    assert!(run.stderr().contains("--force"), "{}", run.stderr());
    assert_eq!(fs::read_to_string(place.path("out")).unwrap(), "mine\n");
    let run = place.run(&["migrate", "labels", "--write", "out", "--force"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(
        fs::read_to_string(place.path("out")).unwrap(),
        "mesh.enable=true\n"
    );
}

#[test]
fn several_files_go_to_a_directory() {
    let place = Place::new();
    place.write("a.txt", "traefik.enable=true\n");
    place.write("b.txt", "traefik.enable=false\n");
    let run = place.run(&["migrate", "a.txt", "b.txt", "--write", "out"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(
        fs::read_to_string(place.path("out/b.txt")).unwrap(),
        "mesh.enable=false\n"
    );
}

#[test]
fn a_translated_dynamic_file_passes_the_check() {
    let place = Place::new();
    let text = "http:\n  routers:\n    a:\n      rule: Host(`a.com`, `b.com`)\n      ruleSyntax: v2\n      service: a\n  \
                services:\n    a:\n      loadBalancer:\n        servers: [{url: 'http://127.0.0.1:1'}]\n";
    place.write("routes.yml", text);
    assert_eq!(place.run(&["check", "routes.yml"]).code(), 1);
    let run = place.run(&["migrate", "routes.yml", "--write", "new.yml"]);
    assert_eq!(run.code(), 0, "{}{}", run.stdout(), run.stderr());
    let check = place.run(&["check", "new.yml"]);
    assert_eq!(check.code(), 0, "{}", check.stderr());
}

#[test]
fn a_static_file_is_reported_with_file_and_line() {
    let place = Place::new();
    place.write(
        "old.yml",
        "entryPoints:\n  web: {address: ':80'}\nproviders:\n  docker:\n    network: front\n",
    );
    let run = place.run(&["migrate", "old.yml", "--write", "new.yml"]);
    assert_eq!(run.code(), 1, "{}", run.stdout());
    assert!(run.stdout().contains("old.yml:4"), "{}", run.stdout());
    assert!(!place.path("new.yml").exists());
}

#[test]
fn labels_come_from_the_standard_input_and_the_report_is_json() {
    let place = Place::new();
    let mut command = place.command(&["migrate", "-", "--json"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let labels = "traefik.enable=true\ntraefik.http.routers.a.nonsense=1\n";
    child.stdin.take().unwrap().write_all(labels.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["translated"], &report["refused"]),
        (&1.into(), &1.into()),
        "{report}"
    );
    assert_eq!(report["files"][0]["items"][1]["place"], "-:2", "{report}");
}

#[test]
fn labels_are_offered_as_they_are_only_where_some_translate() {
    let place = Place::new();
    for (labels, offered) in [
        ("traefik.http.routers.a.rule=Host(`a.com`)\n", true),
        ("traefik.tcp.routers.a.rule=HostSNI(`*`)\n", false),
    ] {
        place.write("labels", labels);
        let run = place.run(&["migrate", "labels"]);
        assert_eq!(
            run.stdout().contains("labelPrefixes"),
            offered,
            "{}",
            run.stdout()
        );
    }
}

#[test]
fn what_cannot_be_migrated_says_so() {
    let place = Place::new();
    place.write("empty.txt", "nothing here\n");
    place.write("binary", "traefik.a=\u{0}\n");
    fs::write(place.path("latin"), [0xff, 0xfe]).unwrap();
    for (file, code, why) in [
        ("missing", 78, "missing"),
        ("empty.txt", 78, "nothing to migrate"),
        ("latin", 78, "UTF-8"),
        (".", 78, ""),
    ] {
        let run = place.run(&["migrate", file]);
        assert_eq!(run.code(), code, "{file}: {}", run.stdout());
        assert!(run.stderr().contains(why), "{file}: {}", run.stderr());
    }
    assert_eq!(place.run(&["migrate"]).code(), 64);
    assert_eq!(place.run(&["migrate", "x", "--frob"]).code(), 64);
    assert_eq!(place.run(&["migrate", "x", "--force"]).code(), 64);
}

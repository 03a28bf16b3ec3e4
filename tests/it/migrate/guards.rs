//! What was guarded is never written without its guard, however it stands in the file; routers keep their order.

use std::fs;

use crate::mesh::Place;

/// The exit code, the report and what was written of `text` in a file called `name`.
fn migrated(name: &str, text: &str) -> (i32, String, String) {
    let place = Place::new();
    place.write(name, text);
    let target = format!("new-{name}");
    let run = place.run(&["migrate", name, "--write", &target]);
    let written = fs::read_to_string(place.path(&target)).unwrap_or_default();
    (run.code(), run.stdout(), written)
}

/// Fails where `written` has the rule of router `a` under Mesh's prefix without its middlewares.
fn is_guarded(text: &str, written: &str) {
    assert!(
        !written.contains("mesh.http.routers.a.rule") || written.contains("mesh.http.routers.a.middlewares"),
        "{text}\nbecame\n{written}"
    );
}

#[test]
fn middlewares_that_span_lines_go_with_their_router() {
    for text in [
        "labels:\n  - \"traefik.http.routers.a.rule=Host(`a.com`)\"\n  - \"traefik.http.routers.a.middlewares=auth@file,\n     x@file\"\n",
        "labels:\n  - traefik.http.routers.a.rule=Host(`a.com`)\n  - traefik.http.routers.a.middlewares=auth@file,\n    x@file\n",
        "labels:\n  traefik.http.routers.a.rule: Host(`a.com`)\n  traefik.http.routers.a.middlewares:\n    auth@file\n",
        "Tags:\n  - Value: auth@file\n    Key: traefik.http.routers.a.middlewares\n  - Value: Host(`a.com`)\n    Key: traefik.http.routers.a.rule\n",
    ] {
        let (code, said, written) = migrated("a.yml", text);
        assert_eq!(code, 0, "{said}");
        assert_eq!(written, text.replace("traefik.", "mesh."), "{said}");
    }
}

#[test]
fn middlewares_that_cannot_be_read_close_their_service() {
    let rule =
        "labels:\n  traefik.http.routers.a.rule: Path(`/admin`)\n  traefik.http.routers.b.rule: Path(`/`)\n";
    for value in [
        " >-\n    auth@file,\n    x@file\n",
        " [auth@file, x@file]\n",
        "\n    - auth@file\n",
    ] {
        let text = format!("{rule}  traefik.http.routers.a.middlewares:{value}");
        let (code, said, written) = migrated("a.yml", &text);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("a.yml:4: NOT TRANSLATED"), "{said}");
        assert!(
            !written.contains("mesh.http") && written.contains("mesh.enable: \"false\""),
            "{written}"
        );
    }
    let block = "labels:\n  - |\n    traefik.http.routers.a.rule=Path(`/x`)\n    traefik.http.routers.a.middlewares=auth@file\n  - traefik.http.routers.b.rule=Path(`/`)\n";
    let (code, said, written) = migrated("a.yml", block);
    assert_eq!(code, 1, "{said}");
    assert!(!written.contains("mesh.http"), "{said}{written}");
}

#[test]
fn pairs_and_lists_of_hcl_are_read_in_any_order() {
    let pairs = "resource \"x\" \"y\" {\n  tag {\n    key = \"traefik.http.routers.a.rule\"\n    value = \"Path(`/a`)\"\n  }\n  tag {\n    key = \"traefik.http.routers.a.middlewares\"\n    propagate_at_launch = true\n    value = \"auth@file\"\n  }\n  tag {\n    value = \"true\"\n    key = \"traefik.enable\"\n  }\n}\n";
    let (code, said, written) = migrated("a.tf", pairs);
    assert_eq!(code, 0, "{said}");
    assert_eq!(written, pairs.replace("traefik.", "mesh."));
    let parts = "tags = concat([\"traefik.http.routers.a.rule=Path(`/a`)\"], [\"traefik.http.routers.a.middlewares=auth@docker\"])\n";
    let (code, said, written) = migrated("a.hcl", parts);
    assert_eq!(code, 1, "{said}");
    is_guarded(parts, &written);
    let expression = "tags = {\n  \"traefik.http.routers.a.rule\" = \"Path(`/a`)\"\n  \"traefik.http.routers.a.middlewares\" = join(\",\", [\"x\"])\n}\n";
    let (code, said, written) = migrated("a.tf", expression);
    assert_eq!(code, 1, "{said}");
    assert!(
        written.contains("join(") && written.contains("\"mesh.enable\" = \"false\""),
        "{written}"
    );
    is_guarded(expression, &written);
}

#[test]
fn labels_in_comments_count_for_nothing() {
    let text = "tags = [\n  # \"traefik.http.routers.a.middlewares=x\",\n  \"traefik.http.routers.a.rule=Path(`/a`)\", # \"traefik.http.routers.a.priority=1\"\n  /* \"traefik.enable=false\", */\n]\n";
    let (code, said, written) = migrated("a.hcl", text);
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        written,
        text.replace("\"traefik.http.routers.a.rule", "\"mesh.http.routers.a.rule")
    );
}

#[test]
fn a_guard_behind_an_anchor_closes_the_router_that_takes_it_in() {
    let text = "x: &common\n  traefik.http.routers.a.middlewares: auth@docker\nservices:\n  s:\n    labels:\n      <<: *common\n      traefik.http.routers.a.rule: Path(`/a`)\n";
    let (code, said, written) = migrated("a.yml", text);
    assert_eq!(code, 1, "{said}");
    assert!(
        written.contains("mesh.http.routers.a.middlewares: \"not-translated\""),
        "{written}"
    );
}

#[test]
fn a_rewritten_rule_keeps_the_priority_of_the_old_one() {
    let (code, said, written) = migrated(
        "a.txt",
        "traefik.http.routers.a.rule=Host(`a.com`,`b.com`)\ntraefik.http.routers.b.rule=Host(`a.com`,`b.com`)\ntraefik.http.routers.b.priority=7\n",
    );
    assert_eq!(code, 0, "{said}");
    assert!(written.contains("mesh.http.routers.a.priority=21\n"), "{written}");
    assert!(written.contains("mesh.http.routers.b.priority=7\n"), "{written}");
    assert_eq!(written.matches("priority").count(), 2, "{written}");
    let (code, said, written) = migrated(
        "a.yml",
        "labels:\n  traefik.http.routers.a.rule: Host(`${A}`,`b.com`)\n",
    );
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("write its priority first"), "{said}");
    assert!(!written.contains("mesh.http"), "{written}");
}

#[test]
fn documents_keep_the_order_of_their_routers() {
    let services = "  services:\n    s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}\n";
    let text = format!(
        "http:\n  routers:\n    a: {{rule: \"Host(`a.com`,`b.com`)\", service: s}}\n    b:\n      rule: Path(`/{{id}}`)\n      service: s\n      ruleSyntax: v2\n    c:\n      rule: HostRegexp(`^c$`)\n      service: s\n{services}"
    );
    let place = Place::new();
    place.write("a.yml", &text);
    let run = place.run(&["migrate", "a.yml", "--write", "b.yml"]);
    assert_eq!(run.code(), 0, "{}{}", run.stdout(), run.stderr());
    let written = fs::read_to_string(place.path("b.yml")).unwrap();
    assert!(
        written.contains("(Host(`a.com`) || Host(`b.com`))\", priority: 21, service"),
        "{written}"
    );
    assert!(
        written.contains("PathRegexp(`^/[^/]+$`)\"\n      priority: 13\n"),
        "{written}"
    );
    assert!(written.contains("rule: HostRegexp(`^c$`)\n"), "{written}");
    assert_eq!(place.run(&["check", "b.yml"]).code(), 0);
}

#[test]
fn labels_of_the_first_version_close_their_service() {
    let (code, said, written) = migrated("a.yml", "labels:\n  - traefik.frontend.rule=Host:a.com\n");
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("version 1") && said.contains("mesh.enable=false"),
        "{said}"
    );
    assert!(written.ends_with("  - mesh.enable=false\n"), "{written}");
}

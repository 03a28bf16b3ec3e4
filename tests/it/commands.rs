//! `check`, `explain`, `healthcheck`, `version`, `completions`, `--help`.

use crate::{
    mesh::{Place, eventually, flags, routes, words},
    server::Server,
};

#[test]
fn check_says_what_is_wrong_with_line_reason_and_suggestion() {
    let place = Place::new();
    let text = "http:\n  routers:\n    a:\n      rule: Hots(`a`)\n      service: a\n    b:\n      rule: Host(`b`)\n      service: missing\n  \
                services:\n    a:\n      loadBalancer:\n        servers:\n          - url: nonsense\n";
    let file = place.write("routes.yml", text);
    let run = place.run(&["check", file.to_str().unwrap()]);
    let told = run.stderr();
    assert_eq!(run.code(), 1, "{told}");
    for part in [
        "routes.yml:4",
        "Hots",
        "Host",
        "routes.yml:13",
        "nonsense",
        "missing",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    place.write("routes.yml", &routes(&[("one", "http://127.0.0.1:1")]));
    let run = place.run(&["check", file.to_str().unwrap()]);
    assert_eq!(
        (run.code(), run.stdout().as_str()),
        (0, "ok: 1 router, 1 service, 0 middlewares\n"),
        "{}",
        run.stderr()
    );
}

#[test]
fn check_refuses_upgrades_within_which_further_requests_would_come() {
    let place = Place::new();
    let allowing = |names: &str| {
        let text = format!(
            "http:\n  services:\n    a:\n      loadBalancer:\n        upgrades: [{names}]\n        servers: [{{url: \"http://a\"}}]\n"
        );
        let file = place.write("routes.yml", &text);
        place.run(&["check", file.to_str().unwrap()])
    };
    for names in ["websocket, tcp", ""] {
        assert_eq!(allowing(names).code(), 0, "{names}: {}", allowing(names).stderr());
    }
    for name in ["h2c", "TLS/1.0", "HTTP/2.0"] {
        let run = allowing(&format!("websocket, {name}"));
        let told = run.stderr();
        assert_eq!(run.code(), 1, "{told}");
        assert!(told.contains("routes.yml:5") && told.contains(name), "{told}");
        assert!(told.contains("cannot be allowed"), "{told}");
    }
}

#[test]
fn check_tells_of_a_file_that_cannot_be_read() {
    let place = Place::new();
    let file = place.write("routes.yml", "http: [");
    let run = place.run(&["check", file.to_str().unwrap()]);
    assert_eq!(run.code(), 1);
    assert!(run.stderr().contains("routes.yml"), "{}", run.stderr());
    assert_eq!(place.run(&["check", "nowhere.yml"]).code(), 1);
}

#[test]
fn no_command_log_or_view_shows_what_a_rule_compares_with_a_secret_header() {
    const SECRET: &str = "hunter2";
    let place = Place::new();
    let router = |name: &str, rule: &str| format!("    {name}: {{service: a, rule: '{rule}'}}\n");
    let text = [
        "http:\n  routers:\n".to_owned(),
        router("whole", "Header(`Authorization`, `hunter2`)"),
        router("open", "Header(`Authorization`, `hunter2"),
        router("word", "Query(`token`, `hunter2`) && Hots(`a.test`)"),
        "  services:\n    a: {loadBalancer: {servers: [{url: \"http://u:hunter2@127.0.0.1\"}]}}\n".to_owned(),
    ];
    let file = place.write("routes.yml", &text.concat());
    let file_name = file.to_str().unwrap();
    let check = place.run(&["check", file_name]);
    let explain = place.run(&["explain", "GET", "http://a.test/", file_name]);
    let mesh = place.start(&words(&flags(&file)));
    let problems = || {
        mesh.log()
            .iter()
            .filter(|line| line.contains("has a problem"))
            .count()
    };
    eventually("the log of three problems", || (problems() == 3).then_some(()));
    let told = [
        check.stderr() + &check.stdout(),
        explain.stderr() + &explain.stdout(),
        mesh.log().concat(),
        mesh.ask("/api/overview").body,
        mesh.ask("/api/rawdata").body,
        mesh.ask("/api/explain?url=http://a.test/").body,
    ];
    for told in told {
        assert!(!told.contains(SECRET), "{told}");
    }
    for useful in [
        "routes.yml:4",
        "Authorization",
        "no closing backtick",
        "Hots",
        "did you mean Host?",
    ] {
        assert!(
            check.stderr().contains(useful),
            "{useful} is missing in {}",
            check.stderr()
        );
    }
}

#[test]
fn explain_names_the_router_offline_and_by_its_exit_code_whether_there_is_one() {
    let place = Place::new();
    let file = place.write("routes.yml", &routes(&[("one", "http://127.0.0.1:1")]));
    let file = file.to_str().unwrap();
    let found = place.run(&["explain", "GET", "http://one.test/x", file]);
    assert_eq!(found.code(), 0, "{}", found.stderr());
    assert!(
        found.stdout().contains("one@file") && found.stdout().contains("http://127.0.0.1:1"),
        "{}",
        found.stdout()
    );
    let by_header = place.run(&[
        "explain",
        "GET",
        "/x",
        file,
        "--header",
        "Host=one.test",
        "--json",
    ]);
    let json: serde_json::Value = serde_json::from_str(&by_header.stdout()).unwrap();
    assert_eq!(json["chosen"]["router"], "one@file");
    assert_eq!(place.run(&["explain", "GET", "http://two.test/", file]).code(), 1);
    assert_eq!(place.run(&["explain", "GET", "http://:x:/", file]).code(), 78);
}

#[test]
fn explain_takes_a_file_that_is_not_there_for_bad_input() {
    let place = Place::new();
    let file = place.write("routes.yml", &routes(&[("one", "http://127.0.0.1:1")]));
    for arguments in [
        &[file.to_str().unwrap(), "nowhere.yml"][..],
        &["--providers.file.filename=nowhere.yml"],
        &["--providers.file.directory=nowhere.yml"],
    ] {
        let run = place.run(&[&["explain", "GET", "http://one.test/"], arguments].concat());
        assert_eq!(run.code(), 78, "{}", run.stderr());
        assert!(
            run.stderr().contains("error: nowhere.yml: does not exist"),
            "{}",
            run.stderr()
        );
    }
}

#[test]
fn explain_and_healthcheck_ask_a_running_mesh() {
    let (place, a) = (Place::new(), Server::named("a"));
    let file = place.write("routes.yml", &routes(&[("one", &a.url())]));
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("one.test", "/", |answer| answer.body == "a");
    let api = format!("http://{}", mesh.address("mesh"));
    let explained = place.run(&[
        "explain",
        "GET",
        "http://one.test/",
        "--entrypoint",
        "web",
        "--api",
        &api,
    ]);
    assert_eq!(
        explained.code(),
        0,
        "{}{}",
        explained.stdout(),
        explained.stderr()
    );
    assert!(explained.stdout().contains("one@file"));
    let address = format!("--entryPoints.mesh.address={}", mesh.address("mesh"));
    assert_eq!(place.run(&["healthcheck", "--ping", &address]).code(), 0);
    drop(mesh);
    assert_eq!(place.run(&["healthcheck", "--ping", &address]).code(), 1);
}

#[test]
fn version_help_and_completions_print_and_end_well() {
    let place = Place::new();
    assert!(place.run(&["version"]).stdout().starts_with("mesh "));
    let help = place.run(&["--help"]);
    assert_eq!(help.code(), 0);
    assert!(
        help.stdout().contains("--entryPoints.<name>.address") && help.stdout().contains("(default: INFO)")
    );
    let script = place.run(&["completions", "bash"]);
    assert_eq!(script.code(), 0);
    assert!(script.stdout().contains("explain") && script.stdout().contains("--log.level"));
}

#[test]
fn flags_are_completed_after_every_command_that_takes_them() {
    let place = Place::new();
    let script = place.run(&["completions", "bash"]).stdout();
    for command in [
        "mesh",
        "mesh__subcmd__run",
        "mesh__subcmd__check",
        "mesh__subcmd__explain",
    ] {
        let (_, after) = script
            .split_once(&format!("        {command})\n"))
            .expect(command);
        let words = after.lines().next().unwrap();
        for flag in [" --config ", " --log.level ", " --providers.file.filename "] {
            assert!(words.contains(flag), "{flag} is missing after {command}");
        }
    }
    assert!(script.contains("common genericCLF json"), "words to choose from");
}

#[test]
fn fish_is_told_of_no_option_that_its_parser_refuses() {
    let script = Place::new().run(&["completions", "fish"]).stdout();
    let mut specs = script.lines().filter(|line| line.contains("string join"));
    let known = specs.next().unwrap();
    assert!(known.contains(" config= ") && !known.contains('.'), "{known}");
    assert!(!script.contains("argparse -s (") && script.contains("argparse -s -i ("));
    assert!(script.contains("-l providers.file.filename"));
}

#[test]
fn help_lists_a_word_once() {
    let help = Place::new().run(&["--help"]).stdout();
    assert!(help.contains("--accessLog.format=<common|genericCLF|json>"));
    let old = Place::new().run(&["check", "--accessLog.format=genericClf"]);
    assert_eq!(old.code(), 0, "{}", old.stderr());
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    assert_eq!(Place::new().run(&["fly"]).code(), 64);
}

#[test]
fn explain_routes_and_refuses_odd_paths_as_the_running_proxy_does() {
    let (place, a) = (Place::new(), Server::named("a"));
    let (admin, rest) = (Server::named("admin"), Server::named("rest"));
    let text = format!(
        "http:\n  routers:\n    rest: {{rule: 'PathPrefix(`/`)', service: rest}}\n    \
         admin: {{rule: 'PathPrefix(`/admin`)', service: admin}}\n    \
         api: {{rule: 'PathPrefix(`/api`)', service: a, middlewares: [strip]}}\n  \
         middlewares:\n    strip: {{stripPrefix: {{prefixes: [/api]}}}}\n  services:\n    \
         rest: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n    \
         admin: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n    \
         a: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n",
        rest.url(),
        admin.url(),
        a.url()
    );
    let file = place.write("routes.yml", &text);
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("x.test", "/", |answer| answer.body == "rest");
    for path in [
        "/x/../admin",
        "//admin",
        "/api/%2e%2e/admin",
        "/x/..%2fadmin",
        "/a%00b",
        "/adm%zz",
        "/api../admin",
        "/x#/admin",
        "/api/x",
        "/%61dmin",
    ] {
        let served = mesh.get("x.test", path);
        let run = place.run(&[
            "explain",
            "GET",
            &format!("http://x.test{path}"),
            file.to_str().unwrap(),
            "--json",
        ]);
        let explained: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
        if served.status == 200 {
            let service = if served.body == "a" { "api" } else { &served.body };
            assert_eq!(explained["chosen"]["router"], format!("{service}@file"), "{path}");
            assert_eq!(run.code(), 0, "{path}");
        } else {
            assert_eq!(
                explained["refused"]["status"], served.status,
                "{path}: {explained}"
            );
            assert_eq!(run.code(), 1, "{path}");
        }
    }
}

#[test]
fn check_names_options_that_do_nothing_and_does_not_fail() {
    let place = Place::new();
    let text = r#"
http:
  routers:
    a: {rule: "Host(`a.test`)", service: a}
  services:
    a: {loadBalancer: {servers: [{url: "http://127.0.0.1:1"}], hash: {boundedLoad: 150}, healthCheck: {mode: tcp, path: /x}}}
    b: {loadBalancer: {servers: [{url: "http://127.0.0.1:1#part"}]}}
"#;
    let file = place.write("routes.yml", text);
    let run = place.run(&["check", file.to_str().unwrap()]);
    let told = run.stderr();
    assert_eq!(run.code(), 1, "{told}");
    assert!(told.contains("it has a fragment"), "{told}");
    place.write("routes.yml", text.split("    b:").next().unwrap());
    let run = place.run(&["check", file.to_str().unwrap()]);
    let told = run.stderr();
    assert_eq!(run.code(), 0, "{told}");
    for option in [
        "http.services.a: hash has no effect with strategy wrr",
        "http.services.a: healthCheck.path has no effect with mode tcp",
    ] {
        assert!(told.contains("warning: ") && told.contains(option), "{told}");
    }
}

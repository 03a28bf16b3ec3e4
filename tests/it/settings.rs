//! Static settings: sources, layers, errors.

use crate::mesh::{Mesh, Place, eventually};

const PORTS: &str = "entryPoints:\n  Web:\n    address: '127.0.0.1:0'\nsnapshot: {enabled: false}\n";

#[test]
fn flags_win_over_variables_and_these_over_the_file() {
    let place = Place::new();
    place.write("mesh.yml", &format!("{PORTS}log: {{level: ERROR}}\n"));
    // At level ERROR nobody would say where it listens.
    let mut command = place.command(&["--log.format=json"]);
    let by_variable = Mesh::start(command.env("MESH_LOG_LEVEL", "info"));
    assert_eq!(by_variable.addresses().into_keys().collect::<Vec<_>>(), ["Web"]);
    let mut command = place.command(&["--log.format=json", "-LOG.Level", "Info"]);
    let by_flag = Mesh::start(command.env("MESH_LOG_LEVEL", "error"));
    assert_eq!(by_flag.addresses().len(), 1);
}

#[test]
fn no_file_is_needed_and_a_name_in_a_variable_takes_the_spelling_of_the_file() {
    let place = Place::new();
    let mut command = place.command(&["--log.format=json", "--snapshot.enabled=false"]);
    let mesh = Mesh::start(command.env("MESH_ENTRYPOINTS_WEB_ADDRESS", "127.0.0.1:0"));
    assert_eq!(mesh.addresses().into_keys().collect::<Vec<_>>(), ["web"]);
    drop(mesh);
    place.write(
        "mesh.toml",
        "snapshot.enabled = false\n[entryPoints.Web]\naddress = '127.0.0.1:1'\n",
    );
    let mut command = place.command(&["--log.format=json"]);
    let mesh = Mesh::start(command.env("MESH_ENTRYPOINTS_WEB_ADDRESS", "127.0.0.1:0"));
    assert_eq!(mesh.addresses().into_keys().collect::<Vec<_>>(), ["Web"]);
}

#[test]
fn every_mistake_of_a_file_is_told_with_its_line_and_what_was_meant() {
    let place = Place::new();
    let file = "entryPoints:\n  web:\n    adress: ':80'\nlog:\n  levle: INFO\ndiscovery:\n  drain: 5 parsecs\napi: 3\n";
    place.write("mesh.yml", file);
    let run = place.run(&[]);
    let told = run.stderr();
    assert_eq!(run.code(), 78, "{told}");
    for part in [
        "mesh.yml:3: entryPoints.web.adress: unknown key",
        "did you mean address?",
        "mesh.yml:5: log.levle",
        "did you mean level?",
        "mesh.yml:7: discovery.drain",
        "\"5 parsecs\"",
        "mesh.yml:8: api",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
}

#[test]
fn mistakes_in_variables_and_flags_name_them() {
    let place = Place::new();
    let by_flag = place.run(&["--discovery.drain=x"]);
    assert_eq!(
        (by_flag.code(), by_flag.stderr().contains("--discovery.drain")),
        (78, true)
    );
    let output = place
        .command(&[])
        .env("MESH_DISCOVERY_DRAIN", "x")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("MESH_DISCOVERY_DRAIN"));
}

#[test]
fn an_unknown_flag_is_a_usage_error_with_the_nearest_one() {
    let run = Place::new().run(&["--entryPoints.web.adress=:80"]);
    assert_eq!(run.code(), 64);
    assert!(
        run.stderr().contains("--entryPoints.web.address"),
        "{}",
        run.stderr()
    );
}

#[test]
fn a_variable_that_names_no_option_is_a_warning() {
    let place = Place::new();
    place.write("mesh.yml", PORTS);
    let mut command = place.command(&["--log.format=json"]);
    let mesh = Mesh::start(command.env("MESH_METRICS_PORT_80_TCP", "tcp://10.0.0.1:80"));
    assert!(
        mesh.log()
            .iter()
            .any(|line| line.contains("MESH_METRICS_PORT_80_TCP")),
        "{:?}",
        mesh.log()
    );
}

#[test]
fn a_named_file_that_does_not_exist_is_an_error() {
    let run = Place::new().run(&["--configFile=nowhere.yml"]);
    assert_eq!(
        (run.code(), run.stderr().contains("nowhere.yml")),
        (78, true),
        "{}",
        run.stderr()
    );
}

#[test]
fn dynamic_sections_need_the_file_provider_to_name_the_same_file() {
    let place = Place::new();
    let routes = format!("{PORTS}http:\n  routers: {{}}\n");
    place.write("mesh.yml", &routes);
    let refused = place.run(&["check"]);
    assert_eq!(refused.code(), 1);
    assert!(
        refused.stderr().contains("providers.file.filename"),
        "{}",
        refused.stderr()
    );
    place.write(
        "mesh.yml",
        &format!("{routes}providers: {{file: {{filename: mesh.yml}}}}\n"),
    );
    let taken = place.run(&["check"]);
    assert_eq!(taken.code(), 0, "{}", taken.stderr());
    // Paths begin where Mesh is started, which the file lies below now.
    std::fs::create_dir(place.path("below")).unwrap();
    std::fs::rename(place.path("mesh.yml"), place.path("below/mesh.yml")).unwrap();
    let refused = place.run(&["check", "--config", "below/mesh.yml"]).stderr();
    assert!(refused.contains("start it beside the file"), "{refused}");
}

#[test]
fn a_secret_is_not_in_the_message_about_it() {
    let place = Place::new();
    place.write(
        "mesh.yml",
        "providers:\n  consulCatalog:\n    endpoint:\n      token: [hunter2]\n",
    );
    let run = place.run(&[]);
    assert_eq!(run.code(), 78);
    assert!(!run.stderr().contains("hunter2"), "{}", run.stderr());
}

#[test]
fn a_block_is_switched_like_a_switch() {
    let place = Place::new();
    place.write("mesh.yml", &format!("{PORTS}api: {{basePath: /nowhere}}\n"));
    let ports = ["--entryPoints.mesh.address=127.0.0.1:0", "--api.insecure"];
    for (off, status) in [("--metrics.prometheus=0", 404), ("--metrics.prometheus=1", 200)] {
        let mesh = place.start(&[ports[0], ports[1], off]);
        assert_eq!(mesh.ask("/metrics").status, status, "{off}");
        assert_eq!(mesh.ask("/nowhere/api/version").status, 200);
    }
    let both = place.run(&["check", "--api=false", "--api.insecure"]);
    assert!(
        both.stderr().starts_with("error: --api: api: switched off"),
        "{}",
        both.stderr()
    );
}

#[test]
fn what_cannot_be_started_says_what_can() {
    for (flags, told) in [
        (
            &["--ping.entryPoint=wbe"][..],
            "error: --ping.entryPoint: ping.entryPoint: \"wbe\" is no entrypoint\n  help: known: http, mesh\n",
        ),
        (
            &["--ping.entryPoint=wbe", "--entryPoints.web.address=:80"],
            "error: --ping.entryPoint: ping.entryPoint: \"wbe\" is no entrypoint\n  \
             help: did you mean web? known: web, mesh\n",
        ),
        (
            &["--workers=0"],
            "error: --workers: workers: \"0\" cannot be used: write a whole number from 1 to 1024\n",
        ),
        (
            &["--accessLog.bufferingSize=99999999999"],
            "error: --accessLog.bufferingSize: accessLog.bufferingSize: \"99999999999\" cannot be used: write a whole \
             number from 0 to 1000000\n",
        ),
        (
            &[
                "--entryPoints.web.address=:80",
                "--entryPoints.web.maxConnections=0",
            ],
            "error: --entryPoints.web.maxConnections: entryPoints.web.maxConnections: \"0\" cannot be used: write a \
             whole number from 1 to 10000000\n",
        ),
        (
            &["--providers.consulCatalog.endpoint.endpointWaitTime=1ms"],
            "error: command line: providers.consulCatalog: endpoint.endpointWaitTime is 1ms: use 1s to 10m\n",
        ),
        (
            &["--providers.nomad.maxWatches=120"],
            "error: command line: providers.nomad: maxWatches is 120: use 90 or less: Nomad takes 100 connections of one \
             address\n",
        ),
        (
            &["--providers.file"],
            "error: --providers.file: providers.file: no source is named: set filename or directory\n",
        ),
    ] {
        let run = Place::new().run(flags);
        assert_eq!((run.code(), run.stderr().as_str()), (78, told));
    }
}

#[test]
fn an_instance_of_a_provider_inherits_and_is_checked() {
    for (provider, outer, inner) in [
        ("consulCatalog", "stale: true", "requireConsistent: true"),
        ("nomad", "watch: false", "throttleDuration: 1s"),
    ] {
        let place = Place::new();
        let file =
            format!("providers:\n  {provider}:\n    {outer}\n    instances:\n      east:\n        {inner}\n");
        place.write("mesh.yml", &file);
        let run = place.run(&["check"]);
        assert_eq!(run.code(), 1);
        let (told, key) = (run.stderr(), inner.split(':').next().unwrap());
        assert!(told.contains("instances.east") && told.contains(key), "{told}");
    }
}

#[test]
fn instances_whose_objects_would_have_one_name_are_refused() {
    for namespaces in ["[b, c]", "['*']"] {
        let place = Place::new();
        let file = format!(
            "providers:\n  nomad:\n    instances:\n      a: {{namespaces: {namespaces}}}\n      a-b: {{namespaces: [x]}}\n"
        );
        place.write("mesh.yml", &file);
        let run = place.run(&[]);
        assert_eq!(run.code(), 78);
        assert!(
            run.stderr()
                .contains("nomad-a-b would be the name of two providers"),
            "{}",
            run.stderr()
        );
        place.write("mesh.yml", &file.replace("a-b", "d"));
        assert_eq!(place.run(&["check"]).code(), 0);
    }
}

#[test]
fn nomad_is_looked_for_where_its_own_variables_say() {
    let place = Place::new();
    place.write("mesh.yml", PORTS);
    let own = "--entryPoints.mesh.address=127.0.0.1:0";
    let mut command = place.command(&["--log.format=json", "--providers.nomad", "--api.insecure", own]);
    command.env("NOMAD_ADDR", "http://127.0.0.1:1");
    let mesh = Mesh::start(command.env("NOMAD_TOKEN", "hunter2"));
    let told = eventually("the failure", || {
        let told = mesh.ask("/api/providers").body;
        told.contains("127.0.0.1:1").then_some(told)
    });
    assert!(told.contains(r#""name":"nomad""#), "{told}");
    let log = mesh.log().join("\n");
    assert!(!told.contains("hunter2") && !log.contains("hunter2"), "{log}");
}

//! Where a task is, and how far in its life.

use mesh_config::instance::{Instance, Lifecycle};
use mesh_provider_ecs::{Placed, Translation};
use serde_json::{Value, json};

use crate::tasks::{definition, host, instance, service, task, translate};

fn address(instance: &Instance) -> String {
    let port = instance.endpoints.first().map_or(0, |endpoint| endpoint.port);
    format!("{}:{port}", instance.address.as_ref().unwrap())
}

/// The one instance of a task in `mode` on a machine at 10.1.1.1, with these mappings and bindings.
fn on_machine(mode: &str, mappings: Value, bindings: Value) -> Instance {
    let container = json!([{"name": "app", "lastStatus": "RUNNING", "networkBindings": bindings}]);
    let task = task(json!({"containers": container, "containerInstanceArn": "ci/1"}));
    let containers = json!([{"name": "app", "portMappings": mappings}]);
    let definition = definition(json!({"networkMode": mode, "containerDefinitions": containers}));
    translate(
        &task,
        &definition,
        Some(&service(&[("mesh.enable", "true")])),
        Some(&host("10.1.1.1")),
    )
    .remove(0)
}

#[test]
fn states_of_tasks_are_states_of_instances() {
    for (desired, last, expected) in [
        ("RUNNING", "PROVISIONING", None),
        ("RUNNING", "PENDING", None),
        ("RUNNING", "ACTIVATING", Some(Lifecycle::Starting)),
        ("RUNNING", "RUNNING", Some(Lifecycle::Ready)),
        ("STOPPED", "RUNNING", Some(Lifecycle::Draining)),
        ("STOPPED", "DEACTIVATING", Some(Lifecycle::Draining)),
        ("RUNNING", "DEACTIVATING", Some(Lifecycle::Draining)),
        ("STOPPED", "STOPPING", Some(Lifecycle::Draining)),
        ("STOPPED", "DEPROVISIONING", Some(Lifecycle::Draining)),
        ("STOPPED", "STOPPED", None),
    ] {
        let task = task(json!({"desiredStatus": desired, "lastStatus": last}));
        let found = translate(&task, &definition(json!({})), None, None);
        let state = found.first().map(|instance| instance.lifecycle);
        assert_eq!(state, expected, "{desired} {last}");
        let reasons = found
            .iter()
            .filter(|instance| instance.lifecycle != Lifecycle::Ready)
            .map(|instance| &instance.reason);
        assert!(reasons.into_iter().all(Option::is_some));
    }
}

#[test]
fn the_health_of_the_routed_container_counts_and_not_that_of_its_neighbours() {
    let containers = |app: &str, log: &str| {
        json!({"containers": [
            {"name": "app", "lastStatus": "RUNNING", "healthStatus": app,
             "networkInterfaces": [{"privateIpv4Address": "10.0.0.7"}]},
            {"name": "log", "lastStatus": "RUNNING", "healthStatus": log},
        ]})
    };
    assert_eq!(
        instance(containers("HEALTHY", "UNHEALTHY")).lifecycle,
        Lifecycle::Ready
    );
    assert_eq!(
        instance(containers("UNKNOWN", "UNHEALTHY")).lifecycle,
        Lifecycle::Ready
    );
    let sick = instance(containers("UNHEALTHY", "HEALTHY"));
    assert_eq!(sick.lifecycle, Lifecycle::Unhealthy);
    assert_eq!(sick.reason.unwrap(), "container app fails its health check");
}

#[test]
fn a_container_whose_check_has_not_spoken_yet_is_starting_unless_ecs_lost_sight_of_it() {
    let containers = json!([{"name": "app", "portMappings": [{"containerPort": 80}], "healthCheck": {"command": ["CMD"]}}]);
    let checked = definition(json!({"containerDefinitions": containers}));
    let state = |over: Value| translate(&task(over), &checked, None, None).remove(0).lifecycle;
    assert_eq!(state(json!({})), Lifecycle::Starting);
    assert_eq!(state(json!({"connectivity": "DISCONNECTED"})), Lifecycle::Ready);
}

#[test]
fn with_healthy_tasks_only_a_container_without_a_check_gets_no_requests() {
    let strict = Translation {
        healthy_only: true,
        ..Translation::default()
    };
    let (task, definition) = (task(json!({})), definition(json!({})));
    let placed = Placed {
        task: &task,
        definition: &definition,
        host: None,
        created: 1,
    };
    let found = strict.instances("web", None, &[placed]).remove(0);
    assert_eq!(found.lifecycle, Lifecycle::Unhealthy);
    assert!(found.reason.unwrap().contains("healthyTasksOnly"));
}

#[test]
fn an_awsvpc_task_is_at_its_own_address_ipv4_first() {
    let at = |interface: Value| {
        let container = json!({"name": "app", "lastStatus": "RUNNING", "networkInterfaces": [interface]});
        address(&instance(json!({"containers": [container]})))
    };
    assert_eq!(
        at(json!({"privateIpv4Address": "10.0.0.7", "ipv6Address": "2001:db8::7"})),
        "10.0.0.7:8080"
    );
    assert_eq!(at(json!({"ipv6Address": "2001:db8::7"})), "[2001:db8::7]:8080");
}

#[test]
fn a_bridge_task_is_at_the_port_of_its_machine_that_leads_to_it() {
    let mappings = json!([{"name": "http", "containerPort": 8080, "hostPort": 0}]);
    let bindings = json!([
        {"bindIP": "0.0.0.0", "containerPort": 9000, "hostPort": 31000, "protocol": "udp"},
        {"bindIP": "0.0.0.0", "containerPort": 8080, "hostPort": 32768, "protocol": "tcp"},
        {"bindIP": "::", "containerPort": 8080, "hostPort": 32768, "protocol": "tcp"},
    ]);
    let found = on_machine("bridge", mappings.clone(), bindings);
    assert_eq!(address(&found), "10.1.1.1:32768");
    assert_eq!(found.endpoints.len(), 1);
    assert_eq!(
        (
            found.endpoints[0].name.as_deref(),
            found.endpoints[0].declared_port
        ),
        (Some("http"), 8080)
    );

    let unbound = on_machine("", mappings, json!([]));
    assert_eq!(unbound.reason.unwrap(), "no port of its machine leads to it yet");
}

#[test]
fn a_range_of_ports_is_as_many_ports() {
    let mappings = json!([{"containerPortRange": "8000-8002"}]);
    let bindings =
        json!([{"containerPortRange": "8000-8002", "hostPortRange": "40000-40002", "protocol": "tcp"}]);
    let found = on_machine("bridge", mappings, bindings);
    assert!(found.reason.unwrap().contains("8000 8001 8002"));
}

#[test]
fn a_host_task_is_at_its_machine_with_bindings_or_without() {
    let mappings = json!([{"containerPort": 7000, "hostPort": 7000}]);
    assert_eq!(
        address(&on_machine("host", mappings.clone(), json!([]))),
        "10.1.1.1:7000"
    );
    let bindings = json!([{"containerPort": 7000, "hostPort": 7000, "protocol": "tcp"}]);
    assert_eq!(address(&on_machine("host", mappings, bindings)), "10.1.1.1:7000");
}

#[test]
fn without_a_network_or_a_known_machine_it_says_why() {
    let mappings = json!([{"containerPort": 7000}]);
    let unreachable = on_machine("none", mappings, json!([]));
    assert_eq!(unreachable.lifecycle, Lifecycle::Unhealthy);
    assert_eq!(unreachable.reason.unwrap(), "its network mode is none");

    let bridge = definition(json!({"networkMode": "bridge"}));
    let lost = translate(&task(json!({})), &bridge, None, None).remove(0);
    assert_eq!(lost.lifecycle, Lifecycle::Unhealthy);
}

#[test]
fn of_several_ports_the_one_that_speaks_http_is_the_default() {
    let ports = |app_protocol: &str| json!([{"containerPort": 9000}, {"containerPort": 8080, "appProtocol": app_protocol}, {"containerPort": 53, "protocol": "udp"}]);
    assert_eq!(
        address(&on_machine("host", ports("http2"), json!([]))),
        "10.1.1.1:8080"
    );
    let unclear = on_machine("host", ports(""), json!([]));
    assert!(unclear.endpoints.is_empty());
    assert_eq!(
        unclear.reason.unwrap(),
        "container app has several ports: say which by mesh.port, one of 9000 8080"
    );
}

#[test]
fn a_machine_that_drains_is_left_when_there_is_somewhere_else_to_go() {
    let (mut leaving, staying) = (host("10.1.1.1"), host("10.1.1.2"));
    leaving.draining = true;
    let bridge = definition(json!({"networkMode": "bridge"}));
    let bound = json!([{"name": "app", "lastStatus": "RUNNING",
        "networkBindings": [{"containerPort": 8080, "hostPort": 32768, "protocol": "tcp"}]}]);
    let (one, other) = (
        task(json!({"taskArn": "task/shop/1", "containers": bound})),
        task(json!({"taskArn": "task/shop/2", "containers": bound})),
    );
    let placed = |task, host| Placed {
        task,
        definition: &bridge,
        host: Some(host),
        created: 1,
    };
    let states = |placed: &[Placed<'_>]| -> Vec<Lifecycle> {
        let found = Translation::default().instances("web", None, placed);
        found.iter().map(|instance| instance.lifecycle).collect()
    };
    assert_eq!(
        states(&[placed(&one, &leaving), placed(&other, &staying)]),
        [Lifecycle::Draining, Lifecycle::Ready]
    );
    assert_eq!(
        states(&[placed(&one, &leaving), placed(&other, &leaving)]),
        [Lifecycle::Ready; 2]
    );
}

//! Real answers of Nomad, translated.

use mesh_config::{
    instance::{Address, Lifecycle},
    labels::decode,
};
use mesh_provider_nomad::{Allocation, Registered, Table, Translation};
use serde_json::{Value, json};

fn translation() -> Translation {
    Translation {
        prefixes: vec!["mesh".to_owned()],
    }
}

/// The body and the index of a recorded answer.
fn recorded(name: &str) -> (Value, u64) {
    let path = format!("{}/tests/it/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let answer: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let index = answer
        .pointer("/headers/X-Nomad-Index")
        .unwrap()
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    (answer.get("body").unwrap().clone(), index)
}

fn recorded_table(name: &str) -> Table {
    let (body, index) = recorded(name);
    Table::new(serde_json::from_value(body).unwrap(), index)
}

fn registered(value: Value) -> Registered {
    serde_json::from_value(value).unwrap()
}

/// How far the only instance is when its allocation is `value`.
fn standing(value: Value) -> (Lifecycle, Option<String>) {
    let mut allocation =
        json!({"ID": "a", "ClientStatus": "running", "DesiredStatus": "run", "JobType": "service"});
    let fields = value.as_object().unwrap().clone();
    allocation.as_object_mut().unwrap().extend(fields);
    let allocation: Allocation = serde_json::from_value(allocation).unwrap();
    let registration = registered(json!({"ID": "i", "ServiceName": "w", "AllocID": "a", "CreateIndex": 5}));
    Table::new(vec![allocation], 10).standing(&registration)
}

#[test]
fn whole_answers_become_whole_instances() {
    for (services, allocations) in [
        ("service-web", "allocations-stubs"),
        ("service-web-canary", "allocations-stubs"),
        ("service-web", "allocations-after-crash"),
    ] {
        let registered: Vec<Registered> = serde_json::from_value(recorded(services).0).unwrap();
        let table = recorded_table(allocations);
        let instances: Vec<_> = registered
            .iter()
            .map(|registration| translation().instance(registration, &table))
            .collect();
        insta::assert_json_snapshot!(format!("{services}_{allocations}"), instances);
    }
}

#[test]
fn an_allocation_that_runs_is_ready_once_nomad_has_found_it_healthy() {
    let healthy =
        |healthy: Value| standing(json!({"DeploymentStatus": {"Healthy": healthy, "Canary": false}}));
    assert_eq!(healthy(json!(true)), (Lifecycle::Ready, None));
    assert_eq!(healthy(Value::Null).0, Lifecycle::Starting);
    assert_eq!(healthy(json!(false)).0, Lifecycle::Starting);
    assert_eq!(standing(json!({"DeploymentStatus": null})).0, Lifecycle::Starting);
    for kind in ["system", "batch", "sysbatch"] {
        assert_eq!(
            standing(json!({"JobType": kind})),
            (Lifecycle::Ready, None),
            "{kind}"
        );
    }
}

#[test]
fn an_allocation_that_is_known_not_to_run_gets_nothing() {
    for status in ["pending", "failed", "lost", "complete", "whatever"] {
        let health = json!({"Healthy": true});
        let (lifecycle, reason) = standing(json!({"ClientStatus": status, "DeploymentStatus": health}));
        assert_eq!(lifecycle, Lifecycle::Unhealthy, "{status}");
        assert!(reason.unwrap().contains(status));
    }
    let reason = standing(json!({"ClientStatus": "pending", "ClientDescription": "Tasks are restarting"})).1;
    assert!(reason.unwrap().ends_with("pending (Tasks are restarting)"));
}

#[test]
fn an_allocation_that_is_to_move_or_out_of_sight_stands_in() {
    let healthy = json!({"Healthy": true});
    for change in [
        json!({"DesiredTransition": {"Migrate": true}}),
        json!({"ClientStatus": "unknown"}),
    ] {
        let mut change = change;
        change["DeploymentStatus"] = healthy.clone();
        assert_eq!(standing(change.clone()).0, Lifecycle::Starting, "{change}");
    }
}

#[test]
fn an_allocation_that_is_being_stopped_drains_until_it_runs_no_longer() {
    for health in [json!(true), json!(false), Value::Null] {
        for wanted in ["stop", "evict"] {
            let stopped = |status: &str| {
                let health = json!({"Healthy": health});
                standing(json!({"DesiredStatus": wanted, "ClientStatus": status, "DeploymentStatus": health}))
                    .0
            };
            assert_eq!(stopped("running"), Lifecycle::Draining, "{wanted} {health}");
            assert_eq!(stopped("complete"), Lifecycle::Unhealthy, "{wanted} {health}");
        }
    }
}

#[test]
fn an_allocation_that_is_not_listed_is_new_or_unknown_and_never_dead() {
    let registration = registered(json!({"ID": "i", "ServiceName": "w", "AllocID": "a", "CreateIndex": 5}));
    let listed_before = Table::new(Vec::new(), 4).standing(&registration);
    assert_eq!(listed_before.0, Lifecycle::Starting);
    let listed_after = Table::new(Vec::new(), 5).standing(&registration);
    assert_eq!(listed_after, (Lifecycle::Ready, None));
    assert_eq!(Table::Blind.standing(&registration), (Lifecycle::Ready, None));
}

#[test]
fn a_registration_without_a_usable_port_or_address_keeps_its_place() {
    for port in [json!(0), json!(70_000), json!(-1), Value::Null] {
        let registration = registered(json!({"ID": "i", "ServiceName": "w", "Port": port, "Address": ""}));
        let found = translation().instance(&registration, &Table::Blind);
        assert!(found.endpoints.is_empty() && found.address.is_none(), "{found:?}");
    }
}

#[test]
fn addresses_may_be_of_any_kind() {
    for (text, expected) in [
        ("2001:db8::1", Address::Ip("2001:db8::1".parse().unwrap())),
        ("node.internal", Address::Name("node.internal".to_owned())),
    ] {
        let registration = registered(json!({"ID": "i", "ServiceName": "w", "Port": 1, "Address": text}));
        let found = translation().instance(&registration, &Table::Blind);
        assert_eq!(found.address, Some(expected));
    }
}

#[test]
fn tags_are_labels_and_a_canary_of_a_deployment_is_one_unless_its_tags_say_otherwise() {
    let canary: Allocation = serde_json::from_value(
        json!({"ID": "a", "ClientStatus": "running", "DeploymentStatus": {"Canary": true}}),
    )
    .unwrap();
    let registration = registered(json!({
        "ID": "i", "ServiceName": "w", "AllocID": "a", "Tags": ["plain", " edge.host = a.example.com", "edge.rule=Host(`a=b`)"],
    }));
    let edge = Translation {
        prefixes: vec!["edge".to_owned(), "mesh".to_owned()],
    };
    let found = edge.instance(&registration, &Table::new(vec![canary], 1));
    let labels: Vec<_> = found.labels.iter().flat_map(|set| &set.labels).collect();
    let labels: Vec<_> = labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        labels,
        [
            ("edge.canary", "true"),
            ("edge.host", "a.example.com"),
            ("edge.rule", "Host(`a=b`)")
        ]
    );
    assert_eq!(found.tags[0], "plain");
}

#[test]
fn of_recorded_allocations_the_one_that_was_placed_as_a_canary_is_one_by_its_flag_alone() {
    let canaries = |tag: &str| -> Vec<bool> {
        let mut body = recorded("service-web-canary").0;
        for registration in body.as_array_mut().unwrap() {
            let tags = registration["Tags"].as_array_mut().unwrap();
            tags.retain(|tag| tag != "mesh.nomad.canary=true");
            tags.push(json!(tag));
        }
        let registered: Vec<Registered> = serde_json::from_value(body).unwrap();
        let table = recorded_table("allocations-stubs");
        let instances = registered
            .iter()
            .map(|registration| translation().instance(registration, &table));
        let prefixes = ["mesh".to_owned()];
        let flags = instances.map(|instance| decode(&instance.labels, &prefixes).canary);
        flags.collect()
    };
    assert_eq!(canaries("mesh.canary.weight=10"), [true, false, false]);
    assert_eq!(canaries("mesh.canary=false"), [false, false, false]);
}

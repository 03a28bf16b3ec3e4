//! Real answers of Consul 1.8.7, translated.

use mesh_config::instance::{Address, Instance, Lifecycle};
use mesh_provider_consul::{Check, Entry, Translation};
use serde_json::{Value, json};

fn translation() -> Translation {
    Translation {
        prefixes: vec!["mesh".to_owned()],
        accepted: vec![Check::Passing, Check::Warning],
    }
}

fn entries(text: &str) -> Vec<Entry> {
    serde_json::from_str(text).unwrap()
}

/// The one instance that `service` and `checks` become.
fn instance(service: Value, checks: Value) -> Instance {
    let node = json!({"Node": "node-a", "Address": "192.0.2.7"});
    let entry = json!([{"Node": node, "Service": service, "Checks": checks}]);
    translation()
        .instances(&serde_json::from_value::<Vec<Entry>>(entry).unwrap())
        .remove(0)
}

#[test]
fn whole_answers_become_whole_instances() {
    insta::glob!("fixtures/health-*.json", |path| {
        let entries = entries(&std::fs::read_to_string(path).unwrap());
        insta::assert_json_snapshot!(translation().instances(&entries));
    });
}

#[test]
fn a_zone_is_what_the_meta_of_the_node_says_else_the_datacenter() {
    let zone = |node: Value| {
        let entry = json!([{"Node": node, "Service": {"ID": "w", "Service": "w"}, "Checks": []}]);
        let instances = translation().instances(&serde_json::from_value::<Vec<Entry>>(entry).unwrap());
        instances[0].zone.as_deref().map(str::to_owned)
    };
    let node = |meta: Value| json!({"Node": "a", "Address": "192.0.2.7", "Datacenter": "dc1", "Meta": meta});
    assert_eq!(zone(node(json!({"zone": "rack-7"}))).as_deref(), Some("rack-7"));
    assert_eq!(
        zone(node(json!({"availability-zone": "az2"}))).as_deref(),
        Some("az2")
    );
    assert_eq!(zone(node(json!(null))).as_deref(), Some("dc1"));
    assert_eq!(zone(json!({"Node": "a", "Address": "192.0.2.7"})), None);
}

#[test]
fn the_worst_check_decides_and_maintenance_is_worse_than_critical() {
    let checks = json!([
        {"CheckID": "serfHealth", "Status": "passing"},
        {"CheckID": "disk", "Name": "disk", "Status": "critical", "Output": "95% full\nsda1"},
        {"CheckID": "cpu", "Name": "cpu", "Status": "warning"},
    ]);
    let critical = instance(json!({"ID": "w", "Service": "w"}), checks.clone());
    assert_eq!(critical.lifecycle, Lifecycle::Unhealthy);
    assert_eq!(critical.reason.unwrap(), "check \"disk\" is critical: 95% full");

    let mut checks = checks.as_array().unwrap().clone();
    checks.push(json!({"CheckID": "_node_maintenance", "Status": "critical", "Notes": "new kernel"}));
    let maintained = instance(json!({"ID": "w", "Service": "w"}), checks.into());
    assert_eq!(maintained.lifecycle, Lifecycle::Unhealthy);
    assert_eq!(maintained.reason.unwrap(), "in maintenance: new kernel");
}

#[test]
fn maintenance_of_an_instance_that_serves_lets_it_finish_what_it_has() {
    for id in ["_node_maintenance", "_service_maintenance:w"] {
        let checks = json!([
            {"CheckID": "serfHealth", "Status": "passing"},
            {"CheckID": id, "Status": "critical", "Notes": "new kernel"},
        ]);
        let maintained = instance(json!({"ID": "w", "Service": "w"}), checks);
        assert_eq!(maintained.lifecycle, Lifecycle::Draining);
        assert_eq!(maintained.reason.unwrap(), "in maintenance: new kernel");
    }
}

#[test]
fn a_critical_node_takes_all_its_services_out() {
    let checks = json!([{"CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "critical"}]);
    assert_eq!(
        instance(json!({"ID": "w", "Service": "w"}), checks).lifecycle,
        Lifecycle::Unhealthy
    );
}

#[test]
fn a_warning_keeps_serving_with_its_own_weight() {
    let service = json!({"ID": "w", "Service": "w", "Weights": {"Passing": 10, "Warning": 3}});
    let warning = instance(service.clone(), json!([{"CheckID": "c", "Status": "warning"}]));
    assert_eq!((warning.lifecycle, warning.weight), (Lifecycle::Ready, 3));
    assert_eq!(instance(service, json!([])).weight, 10);
}

#[test]
fn a_state_that_strict_checks_leaves_out_gets_no_requests_and_says_why() {
    let strict = Translation {
        accepted: vec![Check::Passing],
        ..translation()
    };
    let entry = json!([{
        "Node": {"Node": "a"}, "Service": {"ID": "w", "Service": "w"},
        "Checks": [{"CheckID": "cpu", "Status": "warning"}],
    }]);
    let entries: Vec<Entry> = serde_json::from_value(entry).unwrap();
    let found = strict.instances(&entries).remove(0);
    assert_eq!(found.lifecycle, Lifecycle::Unhealthy);
    assert_eq!(found.reason.unwrap(), "check \"cpu\" is warning");
    let lenient = Translation {
        accepted: vec![Check::Any],
        ..translation()
    };
    assert_eq!(lenient.instances(&entries).remove(0).lifecycle, Lifecycle::Ready);
}

#[test]
fn the_address_is_the_services_own_else_the_nodes() {
    let own = instance(
        json!({"ID": "w", "Service": "w", "Address": "db.internal"}),
        json!([]),
    );
    assert_eq!(own.address, Some(Address::Name("db.internal".to_owned())));
    let nodes = instance(json!({"ID": "w", "Service": "w", "Address": ""}), Value::Null);
    assert_eq!(nodes.address, Some(Address::Ip("192.0.2.7".parse().unwrap())));
}

#[test]
fn a_service_without_a_usable_port_keeps_its_place_and_has_no_endpoint() {
    for port in [json!(0), json!(70_000), json!(-1), Value::Null] {
        let service = json!({"ID": "w", "Service": "w", "Port": port});
        assert!(instance(service, json!([])).endpoints.is_empty(), "{port}");
    }
}

#[test]
fn meta_counts_as_labels_weaker_than_tags() {
    let service = json!({
        "ID": "w", "Service": "w", "Meta": {"mesh_weight": "2"}, "Tags": ["plain", "mesh.weight=3", "mesh.rule=Host(`a=b`)"],
    });
    let found = instance(service, json!([]));
    let labels: Vec<_> = found.labels.iter().flat_map(|set| &set.labels).collect();
    let expected = [
        ("mesh.weight", "2"),
        ("mesh.weight", "3"),
        ("mesh.rule", "Host(`a=b`)"),
    ];
    assert!(
        labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .eq(expected),
        "{labels:?}"
    );
    assert_eq!(found.tags[0], "plain");
}

#[test]
fn sidecars_and_gateways_are_no_instances() {
    let entry = |kind: &str| json!([{"Node": {"Node": "a"}, "Service": {"ID": "w", "Service": "w", "Kind": kind}, "Checks": []}]);
    for (kind, count) in [("", 1), ("connect-proxy", 0), ("mesh-gateway", 0)] {
        let entries: Vec<Entry> = serde_json::from_value(entry(kind)).unwrap();
        assert_eq!(translation().instances(&entries).len(), count, "{kind}");
    }
}

#[test]
fn an_instance_tagged_for_connect_gets_nothing_in_the_clear() {
    let service = json!({"ID": "w", "Service": "w", "Tags": ["mesh.consulcatalog.connect=true"]});
    let found = instance(service, json!([{"CheckID": "c", "Status": "passing"}]));
    assert_eq!(found.lifecycle, Lifecycle::Unhealthy);
    assert!(found.reason.unwrap().contains("Connect"));
}

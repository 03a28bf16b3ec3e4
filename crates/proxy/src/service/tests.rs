//! Services as tables hold them.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{CheckStatus, Kind, Service};
use crate::{
    fixture::{asking, changed, compiler, configuration, name_of},
    table::RoutingTable,
};

fn service(table: &RoutingTable, name: &str) -> Arc<Service> {
    table.runtime().services[&name_of(name)].service.clone().unwrap()
}

/// `w@file` over `a@file` (weight 3) and `b@file` (weight 1), each of one checked server.
fn weighted() -> Value {
    let one = |url: &str| {
        json!({
            "loadBalancer": {"servers": [{"url": url}], "healthCheck": {}},
            "middlewares": ["m"],
        })
    };
    json!({
        "services": {
            "a@file": one("http://a"),
            "b@file": one("http://b"),
            "w@file": {"weighted": {"services": [
                {"name": "a", "weight": 3}, {"name": "b"}, {"name": "none"}, {"name": "b", "weight": 0},
            ]}},
            "none@file": {"loadBalancer": {}},
        },
        "middlewares": {"m@file": {"addPrefix": {"prefix": "/m"}}},
    })
}

fn shares(service: &Service, picks: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..picks {
        let server = service.pick(&asking(&[]).look()).unwrap().server;
        *shares.entry(server.url.host.clone()).or_default() += 1;
    }
    shares
}

fn judge(service: &Service, verdict: CheckStatus) {
    let Kind::Balancer(balancer) = &service.kind else {
        panic!("{} is no balancer", service.label);
    };
    balancer.servers()[0].health.as_ref().unwrap().set_status(verdict);
}

#[test]
fn weighted_services_share_by_weight_among_those_that_can_serve() {
    let table = compiler().compile(&configuration(&weighted()));
    let whole = service(&table, "w@file");
    assert_eq!(
        shares(&whole, 40),
        BTreeMap::from([("a".to_owned(), 30), ("b".to_owned(), 10)])
    );
    judge(&service(&table, "a@file"), CheckStatus::Down);
    assert_eq!(shares(&whole, 4), BTreeMap::from([("b".to_owned(), 4)]));
    judge(&service(&table, "a@file"), CheckStatus::Up);
    assert_eq!(
        shares(&whole, 40),
        BTreeMap::from([("a".to_owned(), 30), ("b".to_owned(), 10)])
    );
}

#[test]
fn a_request_moves_on_to_another_share_when_one_has_no_server_left_for_it() {
    let table = compiler().compile(&configuration(&weighted()));
    let whole = service(&table, "w@file");
    let mut tried = Vec::new();
    while let Ok(pick) = whole.pick(&asking(&tried).look()) {
        assert_eq!(
            pick.middlewares.len(),
            1,
            "the share's own middlewares come with the pick"
        );
        tried.push(pick.server.id());
    }
    assert_eq!(tried.len(), 2);
}

#[test]
fn a_weighted_service_without_server_says_why_of_each_share() {
    let table = compiler().compile(&configuration(&weighted()));
    judge(&service(&table, "a@file"), CheckStatus::Down);
    judge(&service(&table, "b@file"), CheckStatus::Down);
    let error = service(&table, "w@file")
        .pick(&asking(&[]).look())
        .unwrap_err()
        .to_string();
    for part in [
        "service w@file",
        "a@file: none of its 1 servers",
        "none@file: it has no servers",
        "weight 0",
    ] {
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
}

#[test]
fn verdicts_survive_tables_until_the_definition_of_checks_changes() {
    let mut compiler = compiler();
    let before = configuration(&weighted());
    judge(&service(&compiler.compile(&before), "a@file"), CheckStatus::Down);
    let two = |check: Value| {
        let servers = json!([{"url": "http://new"}, {"url": "http://a"}]);
        changed(
            &before,
            &json!({"services": {"a@file": {"loadBalancer": {"servers": servers, "healthCheck": check}}}}),
        )
    };
    let kept = service(&compiler.compile(&two(json!({}))), "a@file");
    assert_eq!(kept.servers()[1].status, "DOWN");
    assert_eq!(shares(&kept, 4), BTreeMap::from([("new".to_owned(), 4)]));
    let anew = service(&compiler.compile(&two(json!({"path": "/other"}))), "a@file");
    assert_eq!(anew.servers()[1].status, "UP");
}

#[test]
fn a_verdict_reaches_every_table_that_holds_the_server() {
    let mut compiler = compiler();
    let before = configuration(&weighted());
    let old = service(&compiler.compile(&before), "a@file");
    let two = json!([{"url": "http://b"}, {"url": "http://a"}]);
    let after = json!({"services": {"a@file": {"loadBalancer": {"servers": two, "healthCheck": {}}}}});
    let new = service(&compiler.compile(&changed(&before, &after)), "a@file");
    judge(&old, CheckStatus::Down);
    assert!(!old.can_serve());
    assert_eq!(shares(&new, 4), BTreeMap::from([("b".to_owned(), 4)]));
}

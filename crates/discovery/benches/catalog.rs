//! 10,000 instances of 1,000 services with six labels each: all of them at once, and a change of one.
//!
//! `cargo bench -p mesh-discovery`

use std::time::SystemTime;

use divan::{Bencher, black_box};
use mesh_config::{
    Configuration, Origin, ProviderName,
    instance::{Address, Endpoint, Instance, LabelSet, Lifecycle},
};
use mesh_discovery::{Catalog, Content, DiscoverySettings, ExposureSettings, Report, Scope};

const SERVICES: u32 = 1000;
const COPIES: u32 = 10;

fn main() {
    divan::main();
}

fn labels(service: u32) -> Vec<(String, String)> {
    let router = format!("mesh.http.routers.s{service}");
    let balancer = format!("mesh.http.services.s{service}.loadbalancer");
    [
        ("mesh.enable".to_owned(), "true".to_owned()),
        (
            format!("{router}.rule"),
            format!("Host(`s{service}.example.com`) && PathPrefix(`/api`)"),
        ),
        (format!("{router}.entrypoints"), "web,websecure".to_owned()),
        (format!("{router}.middlewares"), "auth@file".to_owned()),
        (format!("{balancer}.server.port"), "8080".to_owned()),
        (format!("{balancer}.passhostheader"), "false".to_owned()),
    ]
    .into()
}

fn instances(service: u32) -> Vec<Instance> {
    let instance = |copy| {
        let number = service * COPIES + copy;
        let origin = Origin::new(format!("consul service s{service}-{copy}"));
        Instance {
            id: format!("s{service}-{copy}").into(),
            service: format!("s{service}").into(),
            address: Some(Address::Ip(std::net::Ipv4Addr::from(0x0a00_0000 + number).into())),
            endpoints: vec![Endpoint {
                name: None,
                declared_port: 8080,
                port: 8080,
            }],
            lifecycle: Lifecycle::Ready,
            reason: None,
            weight: 1,
            zone: None,
            created: u64::from(copy),
            labels: vec![LabelSet {
                origin: origin.clone(),
                labels: labels(service),
            }],
            tags: Vec::new(),
            origin,
        }
    };
    (0..COPIES).map(instance).collect()
}

fn replace(scope: &str, instances: Vec<Instance>) -> Report {
    Report::Replace {
        scope: Scope::new(scope),
        content: Content::Instances(instances),
    }
}

fn consul() -> ProviderName {
    ProviderName::new("consul")
}

fn empty() -> Catalog {
    let mut catalog = Catalog::new(&DiscoverySettings::default());
    catalog.register(consul(), true, ExposureSettings::default().build().ok());
    catalog
}

fn everything() -> Vec<Report> {
    (0..SERVICES)
        .map(|service| replace(&format!("s{service}"), instances(service)))
        .collect()
}

fn told(reports: Vec<Report>) -> Catalog {
    let mut catalog = empty();
    for report in reports {
        catalog.apply(&consul(), report, SystemTime::UNIX_EPOCH);
    }
    catalog
}

/// One change, and the configuration that follows.
fn change(catalog: &mut Catalog, report: Report) -> Configuration {
    catalog.apply(&consul(), report, SystemTime::UNIX_EPOCH);
    catalog.configuration()
}

#[divan::bench(sample_count = 10)]
fn full_rebuild(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(everything)
        .bench_values(|reports| black_box(told(reports).configuration()));
}

#[divan::bench(sample_count = 50)]
fn one_instance_in_a_scope_of_its_service(bencher: Bencher<'_, '_>) {
    let mut catalog = told(everything());
    let mut weight = 1;
    bencher.bench_local(|| {
        weight += 1;
        let mut copies = instances(500);
        copies.iter_mut().take(1).for_each(|copy| copy.weight = weight);
        change(&mut catalog, replace("s500", copies))
    });
}

#[divan::bench(sample_count = 20)]
fn one_instance_in_a_scope_of_everything(bencher: Bencher<'_, '_>) {
    let all = || (0..SERVICES).flat_map(instances).collect::<Vec<_>>();
    let mut catalog = told(vec![replace("cluster", all())]);
    let mut weight = 1;
    bencher
        .with_inputs(|| {
            weight += 1;
            let mut all = all();
            all.iter_mut()
                .skip(5003)
                .take(1)
                .for_each(|copy| copy.weight = weight);
            replace("cluster", all)
        })
        .bench_local_values(|report| change(&mut catalog, report));
}

//! What a lookup costs, and that it does not grow with the number of routers. `cargo bench -p mesh-proxy`

#[allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]
mod fixture;

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use divan::{Bencher, black_box};
use http::{HeaderMap, Method, Request, StatusCode};
use mesh_proxy::{Asking, Attempt, Outcome, RequestView, RoutingTable};

fn main() {
    divan::main();
}

/// Asks for the route of each host in turn; hosts differ, so that no cache answers for the index.
fn look_up(bencher: Bencher<'_, '_>, table: &RoutingTable, requests: &[(String, &str)], found: bool) {
    let headers = HeaderMap::new();
    let mut turns = requests.iter().cycle();
    bencher.bench_local(|| {
        let Some((host, path)) = turns.next() else {
            return;
        };
        let request = RequestView {
            host,
            path,
            query: None,
            method: &Method::GET,
            headers: &headers,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure: false,
        };
        let route = black_box(table.route(0, black_box(&request)));
        assert_eq!(route.is_some(), found);
    });
}

/// 64 hosts out of `count`, so that the memory of requests is the same for every count.
fn hosts(count: usize) -> Vec<(String, &'static str)> {
    let hosts = (0..64).map(|step| (step * 7919) % count);
    hosts
        .map(|number| (format!("app-{number}.example.com"), "/"))
        .collect()
}

#[divan::bench(args = [1, 1_000, 100_000], sample_size = 1000)]
fn by_host(bencher: Bencher<'_, '_>, count: usize) {
    let table = fixture::compiler().compile(&fixture::configuration(count));
    look_up(bencher, &table, &hosts(count), true);
}

#[divan::bench(args = [1, 1_000, 100_000], sample_size = 1000)]
fn of_an_unknown_host(bencher: Bencher<'_, '_>, count: usize) {
    let table = fixture::compiler().compile(&fixture::configuration(count));
    look_up(bencher, &table, &[("nobody.example.com".to_owned(), "/")], false);
}

#[divan::bench(args = [1, 1_000, 10_000], sample_size = 1000)]
fn by_path_of_one_host(bencher: Bencher<'_, '_>, count: usize) {
    let mut configuration = fixture::configuration(1);
    for number in 0..count {
        let rule = format!("Host(`a.example.com`) && PathPrefix(`/team-{number}/`)");
        configuration
            .routers
            .insert(fixture::name(number), fixture::router(&rule, 0));
    }
    let table = fixture::compiler().compile(&configuration);
    look_up(
        bencher,
        &table,
        &[("a.example.com".to_owned(), "/team-0/index.html")],
        true,
    );
}

/// Choosing a server out of so many, of weights that are the same or not.
#[divan::bench(
    args = [
        "wrr", "p2c", "leastconn", "leasttime", "hrw",
        "weighted wrr", "weighted p2c", "weighted leastconn", "weighted leasttime", "weighted hrw",
    ],
    consts = [2, 10, 100]
)]
fn server_of_a_service<const COUNT: usize>(bencher: Bencher<'_, '_>, strategy: &str) {
    let mut configuration = fixture::configuration(1);
    let service = fixture::balancer(strategy, COUNT);
    configuration.services.insert(fixture::name(0), service);
    let table = fixture::compiler().compile(&configuration);
    let service = table
        .runtime()
        .services
        .values()
        .find_map(|info| info.service.clone());
    let (head, ()) = Request::new(()).into_parts();
    let asking = Asking {
        head: &head,
        client: Ipv4Addr::LOCALHOST.into(),
        tried: &[],
        is_wary: false,
        is_spent: false,
        now: Instant::now(),
    };
    // Each was asked before.
    for _ in 0..20 * COUNT {
        if let Some(Ok(pick)) = service.as_ref().map(|service| service.pick(&asking)) {
            Attempt::begin(&pick.server, asking.now).end(Outcome::Answered(StatusCode::OK));
        }
    }
    bencher.bench_local(|| {
        black_box(&service)
            .as_ref()
            .map(|service| service.pick(black_box(&asking)))
    });
}

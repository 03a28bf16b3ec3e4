//! What a new table costs: all of it, and after a change of one object. `cargo bench -p mesh-proxy`

#[allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]
mod fixture;

use divan::Bencher;

fn main() {
    divan::main();
}

#[divan::bench(args = [1_000, 10_000], sample_count = 20)]
fn whole_table(bencher: Bencher<'_, '_>, count: usize) {
    let configuration = fixture::configuration(count);
    bencher
        .with_inputs(fixture::compiler)
        .bench_local_refs(|compiler| compiler.compile(&configuration));
}

#[divan::bench(args = [1_000, 10_000], sample_count = 20)]
fn after_one_service_changed(bencher: Bencher<'_, '_>, count: usize) {
    let mut configuration = fixture::configuration(count);
    let mut compiler = fixture::compiler();
    compiler.compile(&configuration);
    let mut version = 1;
    bencher.bench_local(|| {
        version = version % 200 + 1;
        configuration
            .services
            .insert(fixture::name(count / 2), fixture::service(count / 2, version));
        compiler.compile(&configuration)
    });
}

#[divan::bench(args = [1_000, 10_000], sample_count = 20)]
fn after_one_router_changed(bencher: Bencher<'_, '_>, count: usize) {
    let mut configuration = fixture::configuration(count);
    let mut compiler = fixture::compiler();
    compiler.compile(&configuration);
    let mut version = 0;
    bencher.bench_local(|| {
        version += 1;
        let router = fixture::router(&format!("Host(`v{version}.example.com`)"), 0);
        configuration.routers.insert(fixture::name(count / 2), router);
        compiler.compile(&configuration)
    });
}

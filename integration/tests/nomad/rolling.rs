//! A rolling deploy as Nomad's API tells of it.

use std::{net::SocketAddr, time::Duration};

use mesh_integration::{
    StandIn,
    rolling::{self, Cluster},
};

struct Allocations<'n>(&'n StandIn);

impl Cluster for Allocations<'_> {
    const SHUTDOWN_DELAY: Duration = Duration::from_secs(1);

    async fn place(&mut self) -> String {
        "127.0.0.1:0".to_owned()
    }

    async fn listens(&mut self, address: SocketAddr) {
        self.0.run(address);
    }

    async fn retires(&mut self, address: SocketAddr) {
        self.0.stop(address);
    }

    async fn stopped(&mut self, address: SocketAddr) {
        self.0.end(address, "complete");
    }

    async fn crashed(&mut self, address: SocketAddr) {
        self.0.end(address, "failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_deploy_with_kills_fails_no_request() {
    let nomad = StandIn::start("shop", rolling::tags()).await;
    let provider = format!("  nomad: {{endpoint: {{address: '{}'}}}}\n", nomad.address());
    rolling::roll(&mut Allocations(&nomad), &provider)
        .await
        .assert_nothing_failed();
}

//! A rolling deploy with a real Consul.

use std::{net::SocketAddr, time::Duration};

use mesh_integration::{
    Consul,
    rolling::{self, Cluster},
};

use crate::consul_at;

struct Services<'c>(&'c Consul);

impl Cluster for Services<'_> {
    const SHUTDOWN_DELAY: Duration = Duration::from_secs(1);

    async fn place(&mut self) -> String {
        "127.0.0.1:0".to_owned()
    }

    async fn listens(&mut self, address: SocketAddr) {
        let tags = rolling::tags();
        let tags: Vec<_> = tags.iter().map(String::as_str).collect();
        self.0
            .register("shop", &address.to_string(), address.port(), &tags)
            .await;
    }

    async fn retires(&mut self, address: SocketAddr) {
        self.0.deregister(&address.to_string()).await;
    }

    async fn stopped(&mut self, _: SocketAddr) {}

    async fn crashed(&mut self, address: SocketAddr) {
        self.0.deregister(&address.to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_deploy_with_kills_fails_no_request() {
    let Some(consul) = Consul::start().await else {
        return;
    };
    let provider = consul_at(&consul.address());
    rolling::roll(&mut Services(&consul), &provider)
        .await
        .assert_nothing_failed();
}

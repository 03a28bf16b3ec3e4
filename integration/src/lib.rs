//! Real servers, the built `mesh` and the sockets between them, for the suites in `tests/`.
//!
//! Nothing here knows Mesh from inside. A suite whose server is not on this machine says so and passes, unless
//! `MESH_INTEGRATION=required`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing helper is a failing test"
)]

pub mod aws;
pub mod backend;
pub mod browser;
pub mod cache_tests;
pub mod client;
pub mod consul;
pub mod docker;
pub mod images;
pub mod job;
pub mod load;
pub mod mesh;
pub mod nomad;
pub mod openid;
pub mod port;
pub mod redis;
pub mod rolling;
pub mod skip;
pub mod stand_in;
pub mod times;
pub mod wait;

pub use aws::Aws;
pub use backend::Backend;
pub use browser::{Browser, Page};
pub use cache_tests::CacheTests;
pub use client::Client;
pub use consul::Consul;
pub use job::Job;
pub use load::Load;
pub use mesh::Mesh;
pub use mesh_testkit::{Fault, FaultProxy};
pub use nomad::Nomad;
pub use openid::OpenId;
pub use redis::Redis;
pub use stand_in::StandIn;
pub use times::Times;
pub use wait::until;

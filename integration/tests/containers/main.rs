//! Mesh's own image among real containers, each test in a network of its own.
//!
//! `integration/setup/docker` finds or starts an engine, `integration/images/prepare` gets the images.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing helper is a failing test"
)]

mod absent;
mod compose;
mod front;
mod network;
mod providers;
mod replicas;
mod rolling;
mod stack;
mod upgrade;

/// The host that services of these tests are asked by.
const HOST: &str = "shop.example.com";

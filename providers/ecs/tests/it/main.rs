//! The ECS provider against an AWS that the tests control: in memory where time is paused, over HTTP where answers
//! break.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failing helper is a failing test"
)]

mod events;
mod figures;
mod following;
mod http;
mod labels;
mod lagging;
mod laws;
mod matrix;
mod policy;
mod queues;
mod recorded;
mod rollout;
mod tasks;
mod translation;
mod upkeep;
mod watch;
mod world;

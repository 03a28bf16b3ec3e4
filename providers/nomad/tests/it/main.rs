//! The Nomad provider against a Nomad that the tests control: in memory where time is paused, over HTTP where
//! answers break.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod following;
mod http;
mod lifecycle;
mod matrix;
mod namespaces;
mod reports;
mod translation;
mod world;

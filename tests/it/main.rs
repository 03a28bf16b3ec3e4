//! The built binary from outside: offline, in seconds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by a panic, in what it shares with others, too"
)]

mod activation;
mod commands;
mod demo;
mod docs;
mod floods;
mod http;
mod lifecycle;
mod mesh;
mod restart;
mod routing;
mod server;
mod settings;
mod strict;
mod tls;
mod views;
mod websocket;

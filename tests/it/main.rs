//! The built binary from outside: offline, in seconds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by a panic, in what it shares with others, too"
)]

mod activation;
mod advice;
mod canaries;
mod commands;
mod demo;
mod docs;
mod drain;
mod floods;
mod health;
mod http;
mod http2;
mod lifecycle;
mod measure;
mod mesh;
mod middlewares;
mod migrate;
mod overload;
mod peer;
mod reload;
mod restart;
mod retries;
mod routing;
mod server;
mod services;
mod settings;
mod soak;
mod strict;
mod tls;
mod tls_options;
mod views;
mod websocket;
mod websockets;

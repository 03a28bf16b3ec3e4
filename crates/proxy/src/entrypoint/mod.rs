//! Entrypoints: listening sockets and the connections they accept.
//!
//! A connection stays on the worker that accepted it. It ends by itself, by a time limit, or by the drain.

mod accept;
mod client;
mod connection;
mod drive;
mod handshake;
mod http1;
mod http2;
mod io;
mod listener;
mod phase;
mod proxy_protocol;
mod sniff;
mod wire;

pub(crate) use accept::{Entry, accept};
pub(crate) use client::{Client, Rest};
pub(crate) use handshake::Turns;
pub use listener::BindError;
pub(crate) use listener::{Bound, bind};
use phase::Phases;

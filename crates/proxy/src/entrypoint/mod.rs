//! Entrypoints: listening sockets and the connections they accept.
//!
//! A connection stays on the worker that accepted it. It ends by itself, by a time limit, or by the drain.

mod accept;
mod client;
mod connection;
mod corked;
mod drive;
mod handshake;
mod http1;
mod http2;
mod incoming;
mod inherited;
mod io;
mod listener;
mod overload;
mod phase;
mod proxy_protocol;
mod sniff;
mod wire;

pub(crate) use accept::{Entry, accept};
pub(crate) use client::{Client, Rest};
pub(crate) use handshake::Turns;
pub(crate) use http2::carry;
pub(crate) use incoming::{Broken, Incoming};
pub use inherited::Inherited;
pub(crate) use inherited::adopt;
pub use listener::BindError;
pub(crate) use listener::{Bound, bind};
pub(crate) use overload::{Reminders, Room};
use phase::Phases;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    //! What fuzz targets reach of what clients send.
    pub(crate) use super::{
        http1::fuzzing as http1, http2::fuzzing as http2, proxy_protocol::fuzzing as proxy_protocol,
    };
}

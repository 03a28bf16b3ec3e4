//! Those who ask: clients that speak HTTP/1.1 as cheaply as can be, and HTTP/2.

mod client;
mod h1;
mod h2;
mod pace;

pub(crate) use client::{Client, Conn, Front, Protocol};
pub(crate) use h1::{Requests, one_each, open, probe, saturate};
pub(crate) use h2::{open as open_h2, saturate as saturate_h2};
pub(crate) use pace::at_rate;

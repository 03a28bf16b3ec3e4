//! Ports for servers that cannot choose one themselves.

use std::net::TcpListener;

/// `N` ports that were free a moment ago.
///
/// # Panics
/// When there are none.
pub fn free<const N: usize>() -> [u16; N] {
    // All are held at once, so that none comes twice.
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    held.map(|listener| listener.local_addr().expect("a bound socket").port())
}

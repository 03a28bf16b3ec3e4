//! Hosts: what is taken is one host with a port of its own, in every reader's eyes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_proxy::fuzzing::{host_is_valid, host_port};

fuzz_target!(|bytes: &[u8]| {
    if !host_is_valid(bytes) {
        return;
    }
    let host = std::str::from_utf8(bytes).expect("a valid host is ASCII");
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~[]:".contains(&byte);
    assert!(host.bytes().all(fits), "{host}");
    let port = host_port(host);
    if let Some(port) = port {
        port.parse::<u16>().expect("the port of a valid host is a number");
    }
    let authority: http::uri::Authority = host.trim_end_matches(':').parse().expect("an authority");
    assert_eq!(
        authority.port().map(|port| port.as_str().to_owned()).as_deref(),
        port
    );
    let bare = authority.host().to_owned();
    assert!(
        host_is_valid(bare.as_bytes()) && host_port(&bare).is_none(),
        "{bare}"
    );
});

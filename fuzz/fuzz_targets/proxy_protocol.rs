//! Headers of the PROXY protocol: what is read, written again, reads the same.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use mesh_proxy::fuzzing::{proxy_header_in_binary, proxy_header_in_text};

fn in_text(client: SocketAddr) -> String {
    let (family, other) = if client.is_ipv4() {
        ("TCP4", "0.0.0.0")
    } else {
        ("TCP6", "::")
    };
    format!("PROXY {family} {} {other} {} 443", client.ip(), client.port())
}

fn in_binary(client: SocketAddr) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    let (family, length, octets) = match client.ip() {
        IpAddr::V4(ip) => (0x11, 12, ip.octets().to_vec()),
        IpAddr::V6(ip) => (0x21, 36, ip.octets().to_vec()),
    };
    bytes.extend([family, 0, length]);
    bytes.extend(&octets);
    bytes.extend(&octets);
    bytes.extend(client.port().to_be_bytes());
    bytes.extend(client.port().to_be_bytes());
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let of_text = proxy_header_in_text(bytes).flatten();
    let of_binary = proxy_header_in_binary(bytes).and_then(|(client, _)| client);
    for client in of_text.into_iter().chain(of_binary) {
        assert_eq!(
            proxy_header_in_text(in_text(client).as_bytes()),
            Some(Some(client))
        );
        let binary = in_binary(client);
        assert_eq!(
            proxy_header_in_binary(&binary),
            Some((Some(client), binary.len()))
        );
    }
    if let Some((client, length)) = proxy_header_in_binary(bytes) {
        // What follows is not its business.
        assert_eq!(proxy_header_in_binary(&bytes[..length]), Some((client, length)));
    }
});

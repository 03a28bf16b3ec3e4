//! The key of a request by which `hrw` and `consistentHash` choose.

use http::header;
use mesh_config::model::HashKey;

use super::Asking;

/// A number for the part of the request that `key` names; for the client's address when the request has no such part.
/// The same in every Mesh of every version.
pub(super) fn of(key: &HashKey, asking: &Asking<'_>) -> u64 {
    let head = asking.head;
    let found = match key {
        HashKey::ClientIp => None,
        HashKey::Header(name) => head.headers.get(name).map(http::HeaderValue::as_bytes),
        HashKey::Cookie(name) => head
            .headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
            .find_map(|pair| value(pair.trim_ascii(), name.as_bytes())),
        HashKey::Query(name) => head
            .uri
            .query()
            .into_iter()
            .flat_map(|query| query.as_bytes().split(|byte| *byte == b'&'))
            .find_map(|pair| value(pair, name.as_bytes())),
        HashKey::Path => Some(head.uri.path().as_bytes()),
    };
    match (found, asking.client) {
        (Some(bytes), _) => fnv(bytes),
        (None, std::net::IpAddr::V4(ip)) => fnv(&ip.octets()),
        (None, std::net::IpAddr::V6(ip)) => fnv(&ip.octets()),
    }
}

/// What stands behind `name=`.
fn value<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    pair.strip_prefix(name)?.strip_prefix(b"=")
}

/// FNV-1a.
pub(super) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Asks, asking};

    fn with(uri: &str, headers: &[(&'static str, &str)]) -> Asks {
        let mut asks = asking(&[]);
        asks.head.uri = uri.parse().unwrap();
        for (name, value) in headers {
            asks.head.headers.append(*name, value.parse().unwrap());
        }
        asks
    }

    #[test]
    fn each_source_is_found_where_it_stands() {
        let asks = with(
            "/a/b?idx=1&id=7&id=8",
            &[("cookie", "xsid=0; sid=me"), ("x-tenant", "blue")],
        );
        let of = |key: HashKey| of(&key, &asks.look());
        assert_eq!(of(HashKey::Path), fnv(b"/a/b"));
        assert_eq!(of(HashKey::Query("id".to_owned())), fnv(b"7"));
        assert_eq!(of(HashKey::Cookie("sid".to_owned())), fnv(b"me"));
        assert_eq!(of(HashKey::Header("x-tenant".parse().unwrap())), fnv(b"blue"));
        assert_eq!(of(HashKey::ClientIp), fnv(&[127, 0, 0, 1]));
    }

    #[test]
    fn a_request_without_the_part_goes_by_its_client() {
        let asks = with("/", &[]);
        for key in [HashKey::Query("id".to_owned()), HashKey::Cookie("sid".to_owned())] {
            assert_eq!(of(&key, &asks.look()), fnv(&[127, 0, 0, 1]));
        }
    }
}

//! Headers of the PROXY protocol, versions 1 and 2, as its specification (HAProxy, 2020/03/05) has them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a header of version 1 begins with.
pub(super) const TEXT: &[u8] = b"PROXY ";

/// What a header of version 2 begins with.
pub(super) const BINARY: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Longest header of version 1, with its end.
pub(super) const MAX_TEXT: usize = 107;

/// Longest header of version 2.
pub(super) const MAX_BINARY: usize = 536;

/// Bytes of a header of version 2 before those that its length counts.
pub(super) const FIXED: usize = 16;

/// Why a header is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderError {
    /// It begins like neither version.
    #[error("there is no PROXY header")]
    Missing,
    /// It goes on for too long.
    #[error("the PROXY header is too long")]
    Long,
    /// Something in it makes no sense.
    #[error("the PROXY header is malformed")]
    Malformed,
}

/// The client that a whole `line` of version 1 names, without its end; `None` when it names nobody.
pub(super) fn of_text(line: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    let text = std::str::from_utf8(line).map_err(|_| HeaderError::Malformed)?;
    let mut words = text.split(' ');
    if words.next() != Some("PROXY") {
        return Err(HeaderError::Missing);
    }
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Ok(None);
    }
    let (Some(from), Some(to), Some(port), Some(to_port), None) = (
        words.next(),
        words.next(),
        words.next(),
        words.next(),
        words.next(),
    ) else {
        return Err(HeaderError::Malformed);
    };
    let address = |text: &str| match family {
        Some("TCP4") => text.parse::<Ipv4Addr>().map(IpAddr::from).ok(),
        Some("TCP6") => text.parse::<Ipv6Addr>().map(IpAddr::from).ok(),
        _ => None,
    };
    let (from, _) = address(from).zip(address(to)).ok_or(HeaderError::Malformed)?;
    let (port, _) = number(port).zip(number(to_port)).ok_or(HeaderError::Malformed)?;
    Ok(Some(SocketAddr::new(from, port)))
}

fn number(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}

/// The bytes that follow the fixed part of a header of version 2.
pub(super) fn rest_of_binary(fixed: &[u8; FIXED]) -> Result<usize, HeaderError> {
    let [.., high, low] = *fixed;
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + rest > MAX_BINARY {
        return Err(HeaderError::Long);
    }
    Ok(rest)
}

/// The client that a whole header of version 2 names; `None` when it names nobody. What follows the addresses (TLVs)
/// is passed over, a checksum included.
pub(super) fn of_binary(fixed: &[u8; FIXED], rest: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    let [signature @ .., command, family, _, _] = fixed;
    if signature != BINARY {
        return Err(HeaderError::Missing);
    }
    match (command, family) {
        // The peer speaks for itself; what else it wrote means nothing.
        (0x20, _) => Ok(None),
        (0x21, 0x11) => client::<4>(rest).map(Some),
        (0x21, 0x21) => client::<16>(rest).map(Some),
        // Unknown, datagrams, and sockets of files: nobody that a request could come from.
        (0x21, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => Ok(None),
        _ => Err(HeaderError::Malformed),
    }
}

/// The first of two addresses of `N` bytes, with its port.
fn client<const N: usize>(rest: &[u8]) -> Result<SocketAddr, HeaderError>
where
    IpAddr: From<[u8; N]>,
{
    let address = rest.first_chunk::<N>();
    let ports = rest.get(2 * N..).and_then(|ports| ports.first_chunk::<4>());
    let (address, [high, low, ..]) = address.zip(ports).ok_or(HeaderError::Malformed)?;
    Ok(SocketAddr::new(
        IpAddr::from(*address),
        u16::from_be_bytes([*high, *low]),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header of version 2 for a client.
    fn binary(command: u8, from: SocketAddr, more: &[u8]) -> ([u8; FIXED], Vec<u8>) {
        let (family, mut rest) = match from.ip() {
            IpAddr::V4(ip) => (0x11, [ip.octets(), [127, 0, 0, 1]].concat()),
            IpAddr::V6(ip) => (0x21, [ip.octets(), Ipv6Addr::LOCALHOST.octets()].concat()),
        };
        rest.extend(from.port().to_be_bytes());
        rest.extend(80_u16.to_be_bytes());
        rest.extend(more);
        let mut fixed = [0; FIXED];
        fixed[..12].copy_from_slice(BINARY);
        fixed[12] = command;
        fixed[13] = family;
        fixed[14..].copy_from_slice(&u16::try_from(rest.len()).unwrap().to_be_bytes());
        (fixed, rest)
    }

    #[test]
    fn lines_that_name_nobody_are_headers_too() {
        for line in [
            "PROXY UNKNOWN",
            "PROXY UNKNOWN ffff::1 ::1 1 2",
            "PROXY UNKNOWN whatever",
        ] {
            assert_eq!(of_text(line.as_bytes()), Ok(None), "{line}");
        }
    }

    #[test]
    fn lines_that_can_be_read_in_two_ways_are_none() {
        for line in [
            "PROXY",
            "PROXY ",
            "proxy TCP4 1.1.1.1 1.1.1.1 1 1",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 ",
            "PROXY TCP4  1.1.1.1 1.1.1.1 1 1",
            "PROXY TCP4 ::1 ::1 1 1",
            "PROXY TCP6 1.1.1.1 1.1.1.1 1 1",
            "PROXY TCP4 1.1.1.1 1.1.1.1 01 1",
            "PROXY TCP4 1.1.1.1 1.1.1.1 +1 1",
            "PROXY TCP4 1.1.1.1 1.1.1.1 70000 1",
            "PROXY TCP4 1.1.1.01 1.1.1.1 1 1",
            "PROXY UDP4 1.1.1.1 1.1.1.1 1 1",
            "PROXY TCP4 1.1.1.1\t1.1.1.1 1 1",
        ] {
            assert!(of_text(line.as_bytes()).is_err(), "{line} was taken");
        }
    }

    #[test]
    fn a_local_header_names_nobody_whatever_it_holds() {
        let (mut fixed, rest) = binary(0x20, "1.2.3.4:5".parse().unwrap(), &[]);
        for family in [0x11, 0x21, 0x00, 0x41] {
            fixed[13] = family;
            for rest in [&rest[..], &rest[..3], &[]] {
                assert_eq!(of_binary(&fixed, rest), Ok(None));
            }
        }
    }

    #[test]
    fn a_binary_header_has_a_known_version_family_and_length() {
        let client = "1.2.3.4:5".parse().unwrap();
        let (fixed, rest) = binary(0x21, client, &[]);
        assert!(of_binary(&fixed, &rest[..11]).is_err());
        for (place, byte) in [(12, 0x11), (12, 0x22), (13, 0x13), (13, 0x41), (0, 0)] {
            let mut broken = fixed;
            broken[place] = byte;
            assert!(of_binary(&broken, &rest).is_err(), "{place} {byte}");
        }
        let mut long = fixed;
        long[14..].copy_from_slice(&521_u16.to_be_bytes());
        assert_eq!(rest_of_binary(&long), Err(HeaderError::Long));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(ip: IpAddr, port: u16, more in prop::collection::vec(any::<u8>(), 0..40)) {
            let client = SocketAddr::new(ip, port);
            let (fixed, rest) = binary(0x21, client, &more);
            prop_assert_eq!(rest_of_binary(&fixed), Ok(rest.len()));
            prop_assert_eq!(of_binary(&fixed, &rest), Ok(Some(client)));
            let (family, other) = if ip.is_ipv4() { ("TCP4", "0.0.0.0") } else { ("TCP6", "::") };
            let line = format!("PROXY {family} {ip} {other} {port} 443");
            prop_assert!(line.len() + 2 <= MAX_TEXT);
            prop_assert_eq!(of_text(line.as_bytes()), Ok(Some(client)));
        }

        #[test]
        fn no_bytes_make_it_panic(fixed: [u8; FIXED], rest in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = of_text(&rest);
            let _ = rest_of_binary(&fixed);
            let mut signed = fixed;
            signed[..12].copy_from_slice(BINARY);
            let _ = of_binary(&signed, &rest);
        }
    }
}

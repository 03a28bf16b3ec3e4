//! Which addresses may be asked.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use mesh_config::ProviderName;
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// Whose word it is that somebody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The operator's: anybody but metadata services.
    Operator,
    /// A tenant's, by labels: public addresses only.
    Tenant,
}

/// Addresses of metadata services that are not link-local: AWS over IPv6, Alibaba, Oracle, Azure, Google over IPv6.
const METADATA: [IpAddr; 5] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254)),
];

impl Reach {
    /// That of definitions of `provider`.
    pub(crate) fn of(provider: &ProviderName) -> Self {
        match provider.as_str() {
            "file" | ProviderName::INTERNAL => Self::Operator,
            _ => Self::Tenant,
        }
    }

    /// True if `address` may be asked.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        let address = plain(address);
        if METADATA.contains(&address) || is_link_local(address) {
            return false;
        }
        match self {
            Self::Operator => !address.is_unspecified() && !address.is_multicast(),
            Self::Tenant => is_public(address),
        }
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = *self;
        Box::pin(async move {
            // The port comes from the URL.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let known = found.len();
            let allowed: Vec<_> = found
                .into_iter()
                .filter(|found| reach.allows(found.ip()))
                .collect();
            if allowed.is_empty() && known > 0 {
                let refused = format!("{} leads to addresses that Mesh does not ask", name.as_str());
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, refused).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The address that stands in `url` itself.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The IPv4 address that an IPv6 one stands for, by whatever way it is reached.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    match v6.segments() {
        // Mapped, compatible, and translated (RFC 6052, RFC 8215).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0, 0, high @ (1..), low]
        | [0x64, 0xff9b, _, _, _, _, high, low] => {
            let bits = u32::from(high) << 16 | u32::from(low);
            IpAddr::V4(Ipv4Addr::from_bits(bits))
        }
        _ => address,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// True for addresses that lead out of any network.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            let is_assigned_for_protocols = (a, b, c) == (192, 0, 0) || (a, b, c) == (192, 88, 99);
            let is_for_benchmarks = a == 198 && (b == 18 || b == 19);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_documentation()
                || a == 0
                || a >= 224
                || is_shared
                || is_assigned_for_protocols
                || is_for_benchmarks)
        }
        // What is delegated to registries, less tunnels (Teredo, 6to4), special purposes and documentation.
        IpAddr::V6(v6) => match v6.segments() {
            [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x2002, ..] | [0x3fff, 0..=0x0fff, ..] => {
                false
            }
            [first, ..] => first & 0xe000 == 0x2000,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(text: &str) -> (bool, bool) {
        let address = text.parse().unwrap();
        (Reach::Operator.allows(address), Reach::Tenant.allows(address))
    }

    #[test]
    fn nobody_has_metadata_services_asked() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fe80::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "::",
            "224.0.0.1",
        ] {
            assert_eq!(reach(address), (false, false), "{address}");
        }
    }

    #[test]
    fn only_operators_have_the_inside_asked() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "fd12::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "2001::1",
        ] {
            assert_eq!(reach(address), (true, false), "{address}");
        }
        for address in [
            "1.1.1.1",
            "2606:4700::1",
            "192.0.1.1",
            "172.32.0.1",
            "2a00:1450::1",
        ] {
            assert_eq!(reach(address), (true, true), "{address}");
        }
    }
}

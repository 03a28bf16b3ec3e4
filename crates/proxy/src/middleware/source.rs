//! Whose request it is: what several middlewares count, limit or let pass by.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::{IpNet, Ipv4Net};
use mesh_config::model;

use super::InvalidMiddleware;
use crate::{sanitize::Peer, table::canonical_host};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What tells sources apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// The client's address.
    Ip(IpStrategy),
    /// The value of a header.
    Header(HeaderName),
    /// The Host that is asked for.
    Host,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key<'r> {
    /// An address; `None` when it cannot be told.
    Ip(Option<IpAddr>),
    /// A header's value, empty without one.
    Text(&'r [u8]),
    /// A user whom a middleware in front found. The name may be that of an address, and stands for none.
    User(&'r str),
    /// The host that is asked for, as rules see it.
    Host(Cow<'r, str>),
}

/// Which address is the client's.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct IpStrategy {
    depth: usize,
    excluded: Vec<IpNet>,
    ipv6_subnet: Option<u8>,
}

impl Source {
    /// What `settings` say, `default` if they say nothing.
    pub(super) fn new(
        settings: Option<&model::SourceCriterion>,
        default: Self,
    ) -> Result<Self, InvalidMiddleware> {
        let Some(settings) = settings else {
            return Ok(default);
        };
        let name = settings.request_header_name.as_str();
        match (&settings.ip_strategy, name, settings.request_host) {
            (None, "", false) => Ok(default),
            (Some(strategy), "", false) => IpStrategy::new(strategy).map(Self::Ip),
            (None, "", true) => Ok(Self::Host),
            (None, name, false) => name
                .parse()
                .map(Self::Header)
                .map_err(|_| invalid("sourceCriterion.requestHeaderName", name, "is no header name")),
            _ => Err(invalid(
                "sourceCriterion",
                "",
                "names more than one criterion; keep one of ipStrategy, requestHeaderName, requestHost",
            )),
        }
    }

    /// Whose request it is.
    pub(super) fn key<'r>(&self, headers: &'r HeaderMap, peer: &Peer) -> Key<'r> {
        let text = |name| Key::Text(headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default());
        match self {
            Self::Ip(strategy) => Key::Ip(strategy.client(headers, peer)),
            Self::Header(name) => text(name),
            // One host is one source, however it is spelled.
            Self::Host => {
                let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
                Key::Host(canonical_host(host.unwrap_or_default()))
            }
        }
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(Some(ip)) => ip.fmt(f),
            Self::Ip(None) => Ok(()),
            Self::Text(text) => text.escape_ascii().fmt(f),
            Self::User(name) => write!(f, "user:{}", name.escape_debug()),
            Self::Host(host) => host.fmt(f),
        }
    }
}

impl IpStrategy {
    pub(super) fn new(settings: &model::IpStrategy) -> Result<Self, InvalidMiddleware> {
        let ipv6_subnet = settings.ipv6_subnet.map(|bits| match u8::try_from(bits) {
            Ok(bits @ 1..=128) => Ok(bits),
            _ => Err(invalid(
                "ipStrategy.ipv6Subnet",
                &bits.to_string(),
                "is no length of a prefix; write 1 to 128, such as 64",
            )),
        });
        Ok(Self {
            depth: usize::try_from(settings.depth).unwrap_or(usize::MAX),
            excluded: ranges("ipStrategy.excludedIPs", &settings.excluded_ips)?,
            ipv6_subnet: ipv6_subnet.transpose()?,
        })
    }

    /// The address of the client; `None` when it cannot be told.
    pub(super) fn client(&self, headers: &HeaderMap, peer: &Peer) -> Option<IpAddr> {
        if self.depth > 0 {
            let found = forwarded_for(headers).nth(self.depth - 1);
            return Some(self.masked(found.and_then(address)?));
        }
        if self.excluded.is_empty() {
            return Some(self.masked(peer.ip));
        }
        let is_foreign = |entry: &&str| {
            address(entry).is_none_or(|ip| !self.excluded.iter().any(|range| range.contains(&ip)))
        };
        let found = forwarded_for(headers).find(is_foreign);
        found.and_then(address)
    }

    fn masked(&self, ip: IpAddr) -> IpAddr {
        match (ip, self.ipv6_subnet) {
            (IpAddr::V6(ip), Some(bits @ 1..=127)) => {
                Ipv6Addr::from_bits(ip.to_bits() & !(u128::MAX >> bits)).into()
            }
            (ip, _) => ip,
        }
    }
}

/// Ranges of addresses as users list them; a single address is one.
pub(super) fn ranges(key: &'static str, texts: &[String]) -> Result<Vec<IpNet>, InvalidMiddleware> {
    let ranges = texts.iter().map(|text| {
        let range = text.trim().parse::<IpNet>();
        range
            .map(canonical)
            .or_else(|_| text.trim().parse().map(|ip: IpAddr| ip.to_canonical().into()))
            .map_err(|_| {
                invalid(
                    key,
                    text,
                    "is no range of addresses; write 10.0.0.0/8 or 10.0.0.1",
                )
            })
    });
    ranges.collect()
}

/// A range of IPv4 addresses written as one of IPv6 is one of IPv4: so are the addresses it is compared with.
fn canonical(range: IpNet) -> IpNet {
    let IpNet::V6(mapped) = range else {
        return range;
    };
    let (bits, ip) = (
        mapped.prefix_len().checked_sub(96),
        mapped.network().to_ipv4_mapped(),
    );
    let range_of_ipv4 = bits.zip(ip).and_then(|(bits, ip)| Ipv4Net::new(ip, bits).ok());
    range_of_ipv4.map_or(range, IpNet::V4)
}

/// The entries of `X-Forwarded-For`, last first: without this hop, which is added later.
fn forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(&X_FORWARDED_FOR).iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    // What is no text is no address, and hides no other entry.
    entries.map(|entry| std::str::from_utf8(entry).unwrap_or_default().trim())
}

/// The address in an entry, with or without a port.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip = bare.unwrap_or(entry).parse::<IpAddr>();
    let ip = ip.or_else(|_| entry.parse::<SocketAddr>().map(|address| address.ip()));
    ip.ok().map(|ip| ip.to_canonical())
}

fn invalid(key: &'static str, found: &str, reason: &'static str) -> InvalidMiddleware {
    InvalidMiddleware {
        key,
        found: found.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::peer, *};
    use crate::settings::ForwardedHeaders;

    fn strategy(depth: u32, excluded: &[&str], ipv6_subnet: Option<u32>) -> IpStrategy {
        IpStrategy::new(&model::IpStrategy {
            depth,
            excluded_ips: excluded.iter().map(ToString::to_string).collect(),
            ipv6_subnet,
        })
        .unwrap()
    }

    fn headers(forwarded_for: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !forwarded_for.is_empty() {
            headers.insert(&X_FORWARDED_FOR, forwarded_for.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_client_is_found_among_those_that_forwarded() {
        let told = "6.6.6.6, 1.1.1.1:80,[2001:db8::1]:8080, ::ffff:10.0.0.2 , 10.0.0.1";
        let trusted: &[&str] = &["10.0.0.0/8", "2001:db8::1"];
        let cases: &[(u32, &[&str], &str, Option<&str>)] = &[
            (0, &[], told, Some("10.0.0.9")),
            (1, &[], told, Some("10.0.0.1")),
            (2, &[], told, Some("10.0.0.2")),
            (3, &[], told, Some("2001:db8::1")),
            (4, trusted, told, Some("1.1.1.1")),
            (5, &[], told, Some("6.6.6.6")),
            (6, &[], told, None),
            (1, &[], "", None),
            (1, &[], "unknown", None),
            (0, trusted, told, Some("1.1.1.1")),
            (0, trusted, "10.0.0.1, 10.0.0.2", None),
            (0, trusted, "1.1.1.1, unknown, 10.0.0.1", None),
            (0, trusted, "", None),
            (1, &[], "\u{e9}, 1.1.1.1", Some("1.1.1.1")),
        ];
        for (depth, excluded, told, client) in cases {
            let found = strategy(*depth, excluded, None).client(&headers(told), &peer());
            assert_eq!(
                found,
                client.map(|it| it.parse().unwrap()),
                "{depth} {excluded:?} {told}"
            );
        }
    }

    #[test]
    fn an_ipv6_network_is_one_source_and_ipv4_stays() {
        let at = |ip: &str| {
            let server = http::HeaderValue::from_static("mesh");
            Peer::new(ip.parse().unwrap(), server, &ForwardedHeaders::default())
        };
        let masked = |bits, ip| {
            let client = strategy(0, &[], Some(bits)).client(&HeaderMap::new(), &at(ip));
            client.unwrap().to_string()
        };
        assert_eq!(masked(64, "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(masked(128, "2001:db8::6"), "2001:db8::6");
        assert_eq!(masked(64, "192.0.2.1"), "192.0.2.1");
        let forwarded = strategy(1, &[], Some(48)).client(&headers("2001:db8:1:2::3"), &peer());
        assert_eq!(forwarded, Some("2001:db8:1::".parse().unwrap()));
    }

    #[test]
    fn one_criterion_tells_sources_apart() {
        let mut head = headers("");
        head.insert("x-tenant", "blue".parse().unwrap());
        head.insert("host", "A.Test.:80".parse().unwrap());
        let of = |settings: model::SourceCriterion| {
            let source = Source::new(Some(&settings), Source::Ip(IpStrategy::default()));
            source.map(|source| source.key(&head, &peer()).to_string())
        };
        let none = model::SourceCriterion::default();
        let header = |name: &str| model::SourceCriterion {
            request_header_name: name.to_owned(),
            ..none.clone()
        };
        let host = model::SourceCriterion {
            request_host: true,
            ..none.clone()
        };
        assert_eq!(of(none.clone()).unwrap(), "10.0.0.9");
        assert_eq!(of(header("X-Tenant")).unwrap(), "blue");
        assert_eq!(of(header("X-Other")).unwrap(), "");
        assert_eq!(of(host.clone()).unwrap(), "a.test");

        let both = model::SourceCriterion {
            request_header_name: "X-Tenant".to_owned(),
            ..host
        };
        assert!(of(both).unwrap_err().to_string().contains("keep one of"));
        assert!(of(header("a b")).unwrap_err().to_string().contains("a b"));
    }

    proptest! {
        #[test]
        fn no_header_breaks_it_and_only_the_depth_counts(
            told in prop::collection::vec("[0-9a-f.:\\[\\]]{0,12}|unknown|192\\.0\\.2\\.[0-9]", 0..5),
            depth in 1..6_u32,
        ) {
            let place = told.len().checked_sub(usize::try_from(depth).unwrap());
            let entry = place.map(|place| told[place].as_str());
            let found = strategy(depth, &["192.0.2.0/24"], None).client(&headers(&told.join(", ")), &peer());
            prop_assert_eq!(found, entry.and_then(address));
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for (subnet, excluded) in [
            (Some(0), vec![]),
            (Some(129), vec![]),
            (None, vec!["10.0.0.0/33"]),
        ] {
            let settings = model::IpStrategy {
                excluded_ips: excluded.iter().map(ToString::to_string).collect(),
                ipv6_subnet: subnet,
                depth: 0,
            };
            assert!(IpStrategy::new(&settings).is_err(), "{settings:?}");
        }
    }
}

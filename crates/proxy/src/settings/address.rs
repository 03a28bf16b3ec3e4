//! The address an entrypoint listens on.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// `[host]:port[/tcp]`. An empty host means every interface, IPv4 and IPv6; port 0 lets the system choose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// A name or an address, an IPv6 address without brackets; empty for every interface.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Why a text is not an address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not of the form at all.
    #[error("{0:?} is not an address: write :80, 127.0.0.1:80 or [::1]:80")]
    Malformed(String),
    /// The port is no number from 0 to 65535.
    #[error("{0:?} has no usable port: write a number from 0 to 65535 after the last colon")]
    Port(String),
    /// A protocol that does not exist.
    #[error("{0:?} names an unknown protocol: the suffix is /tcp, or nothing")]
    Protocol(String),
    /// UDP, which exists but is not served.
    #[error("{0:?} is a UDP address, which this version does not serve: use a TCP address")]
    Udp(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (place, protocol) = match text.trim().split_once('/') {
            Some((place, protocol)) => (place, protocol),
            None => (text.trim(), "tcp"),
        };
        if protocol.eq_ignore_ascii_case("udp") {
            return Err(AddressError::Udp(text.to_owned()));
        }
        if !protocol.eq_ignore_ascii_case("tcp") {
            return Err(AddressError::Protocol(text.to_owned()));
        }
        let malformed = || AddressError::Malformed(text.to_owned());
        let (host, port) = place.rsplit_once(':').ok_or_else(malformed)?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').ok_or_else(malformed)?,
            None if host.contains(':') => return Err(malformed()),
            None => host,
        };
        if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AddressError::Port(text.to_owned()));
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.parse().map_err(|_| AddressError::Port(text.to_owned()))?,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_with_and_without_host_and_protocol() {
        for (text, host, port) in [
            (":80", "", 80),
            ("127.0.0.1:0", "127.0.0.1", 0),
            ("[::1]:8080/tcp", "::1", 8080),
            ("localhost:8443/TCP", "localhost", 8443),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port), "{text}");
        }
    }

    #[test]
    fn a_udp_address_is_refused_by_name() {
        let error = ":53/udp".parse::<Address>().unwrap_err();
        assert!(error.to_string().contains("does not serve"), "{error}");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "", "80", "::1:80", ":http", ":", ":70000", ":80/sctp", "[::1:80", ":+80",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?} was taken");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back(host in "([a-z]{0,8}|::1|10\\.0\\.0\\.1)", port in 0_u16..) {
            let address = Address { host, port };
            proptest::prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }
}

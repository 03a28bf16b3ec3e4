//! Services: what answers a request.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Hash, HealthCheck, PassiveHealthCheck, Strategy, Upgrades, ZonePreference, is_default};
use crate::{instance::Lifecycle, name::Reference, origin::Origin, redact};

/// What answers the requests of a router. Written with exactly one of its kinds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawService", into = "RawService")]
pub struct Service {
    /// How it answers.
    pub kind: ServiceKind,
    /// Middlewares that run after the router's and before a server is chosen.
    pub middlewares: Vec<Reference>,
}

/// The kinds of service.
#[derive(Debug, Clone, PartialEq)]
pub enum ServiceKind {
    /// Spreads requests over servers.
    LoadBalancer(Box<LoadBalancer>),
    /// Spreads requests over other services.
    Weighted(Weighted),
}

/// A service as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawService {
    #[serde(skip_serializing_if = "Option::is_none")]
    load_balancer: Option<LoadBalancer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weighted: Option<Weighted>,
    #[serde(skip_serializing_if = "is_default")]
    middlewares: Vec<Reference>,
}

impl TryFrom<RawService> for Service {
    type Error = &'static str;

    fn try_from(raw: RawService) -> Result<Self, Self::Error> {
        let kind = match (raw.load_balancer, raw.weighted) {
            (Some(balancer), None) => ServiceKind::LoadBalancer(Box::new(balancer)),
            (None, Some(weighted)) => ServiceKind::Weighted(weighted),
            (None, None) => return Err("a service needs a kind: add loadBalancer or weighted"),
            (Some(_), Some(_)) => return Err("a service has one kind: keep either loadBalancer or weighted"),
        };
        Ok(Self {
            kind,
            middlewares: raw.middlewares,
        })
    }
}

impl From<Service> for RawService {
    fn from(service: Service) -> Self {
        let mut raw = Self {
            middlewares: service.middlewares,
            ..Self::default()
        };
        match service.kind {
            ServiceKind::LoadBalancer(balancer) => raw.load_balancer = Some(*balancer),
            ServiceKind::Weighted(weighted) => raw.weighted = Some(weighted),
        }
        raw
    }
}

/// Spreads requests over servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LoadBalancer {
    /// The servers.
    pub servers: Vec<Server>,
    /// How one is chosen.
    pub strategy: Strategy,
    /// What `hrw` and `consistentHash` go by.
    #[serde(skip_serializing_if = "is_default")]
    pub hash: Hash,
    /// How long a server that becomes ready is given less than its share, growing; 0 means not at all.
    #[serde(with = "crate::duration", skip_serializing_if = "is_default")]
    pub slow_start: Duration,
    /// Prefer servers in Mesh's own zone; absent means that zones do not matter.
    #[serde(skip_serializing_if = "is_default")]
    pub zone_preference: Option<ZonePreference>,
    /// With less than this part of the servers ready, in per cent, requests go to those that are not, too; 0 means
    /// never.
    #[serde(
        deserialize_with = "crate::whole::within::<_, _, 0, 100>",
        skip_serializing_if = "is_default"
    )]
    pub panic_threshold: u8,
    /// Active probes; absent means none.
    #[serde(skip_serializing_if = "is_default")]
    pub health_check: Option<HealthCheck>,
    /// What requests tell of their server; absent means nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub passive_health_check: Option<PassiveHealthCheck>,
    /// How long connections to a server that leaves may go on; 0 is without limit.
    #[serde(with = "crate::duration")]
    pub drain_timeout: Duration,
    /// Send the client's Host; off, the server's own host and port are sent.
    pub pass_host_header: bool,
    /// Protocols that a client may go on with in place of HTTP/1.1.
    #[serde(skip_serializing_if = "is_default")]
    pub upgrades: Upgrades,
    /// How answers are passed on.
    pub response_forwarding: ResponseForwarding,
    /// The servers transport; absent means `default@internal`.
    #[serde(skip_serializing_if = "is_default")]
    pub servers_transport: Option<Reference>,
}

/// For downloads and conversations to come to their end, and for clients to notice where they do not.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(300);

impl Default for LoadBalancer {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            strategy: Strategy::default(),
            hash: Hash::default(),
            slow_start: Duration::ZERO,
            zone_preference: None,
            panic_threshold: 0,
            health_check: None,
            passive_health_check: None,
            drain_timeout: DRAIN_TIMEOUT,
            pass_host_header: true,
            upgrades: Upgrades::default(),
            response_forwarding: ResponseForwarding::default(),
            servers_transport: None,
        }
    }
}

/// How answers are passed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ResponseForwarding {
    /// Accepted for compatibility: Mesh passes every part of an answer on as it comes.
    #[serde(with = "crate::duration")]
    pub flush_interval: Duration,
}

impl Default for ResponseForwarding {
    fn default() -> Self {
        Self {
            flush_interval: Duration::from_millis(100),
        }
    }
}

/// One server of a load balancer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Server {
    /// Where it is.
    pub url: ServerUrl,
    /// Its share; 0 takes it out.
    #[serde(default = "one")]
    pub weight: u32,
    /// Put the path of `url` in front of the request's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub preserve_path: bool,
    /// The zone it is in; empty where that is not known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub zone: String,
    /// What its provider knows of it; always ready in documents.
    #[serde(skip)]
    pub lifecycle: Lifecycle,
    /// Why it is not ready.
    #[serde(skip)]
    pub reason: Option<String>,
    /// Who it is: `consul service web-1 on node-a`; `None` where its service says all there is.
    #[serde(skip)]
    pub origin: Option<Origin>,
}

fn one() -> u32 {
    1
}

/// How to speak to a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// HTTP/1.1 in the clear.
    #[default]
    Http,
    /// TLS, version by ALPN.
    Https,
    /// HTTP/2 in the clear, by prior knowledge.
    H2c,
}

impl Scheme {
    /// As written in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
        }
    }

    /// The port meant when none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http | Self::H2c => 80,
            Self::Https => 443,
        }
    }
}

/// The URL of a server: scheme, host, port and an optional path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerUrl {
    /// How to speak to it.
    pub scheme: Scheme,
    /// Host name or address; an IPv6 address without brackets.
    pub host: String,
    /// The port; the scheme's own when none was written.
    pub port: u16,
    /// The path; empty when none was written.
    pub path: String,
}

/// Why a text is not the URL of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a server URL: {reason}; write http://host:port")]
pub struct ServerUrlError {
    text: String,
    reason: &'static str,
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        let error = |reason| ServerUrlError {
            text: redact::url(text),
            reason,
        };
        let uri: http::Uri = text.trim().parse().map_err(|_| error("it does not parse"))?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some("h2c") => Scheme::H2c,
            Some(_) => return Err(error("its scheme is none of http, https, h2c")),
            None => return Err(error("it has no scheme")),
        };
        let authority = uri.authority().ok_or_else(|| error("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(error("user names and passwords do not belong in it"));
        }
        if uri.query().is_some() {
            return Err(error("it has a query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(error("it has no host"));
        }
        let port = match authority.port_u16() {
            Some(0) => return Err(error("port 0 cannot be reached")),
            Some(port) => port,
            None if authority.as_str() != authority.host() => {
                return Err(error("its port is not a number from 1 to 65535"));
            }
            None => scheme.default_port(),
        };
        let path = if uri.path() == "/" { "" } else { uri.path() };
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }
}

impl ServerUrl {
    /// `host:port`, with brackets around an IPv6 address.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.path)
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ServerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Spreads requests over other services.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Weighted {
    /// The services and their shares.
    pub services: Vec<WeightedService>,
}

/// One share of a weighted service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct WeightedService {
    /// The service.
    pub name: Reference,
    /// Its share; 0 takes it out.
    #[serde(default = "one")]
    pub weight: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_urls_keep_scheme_host_port_and_path() {
        let url: ServerUrl = "https://[::1]/api".parse().unwrap();
        assert_eq!(
            (url.scheme, url.host.as_str(), url.port, url.path.as_str()),
            (Scheme::Https, "::1", 443, "/api")
        );
        assert_eq!(url.to_string(), "https://[::1]:443/api");
    }

    #[test]
    fn a_password_in_a_url_is_not_quoted() {
        let error = "http://u:hunter2@a/x"
            .parse::<ServerUrl>()
            .unwrap_err()
            .to_string();
        assert!(
            !error.contains("hunter2") && error.contains("http://REDACTED@a/x"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_server_url_is_refused() {
        for text in [
            "",
            "10.0.0.1:80",
            "ftp://a",
            "http://",
            "http://a:0",
            "http://a:99999",
            "http://u:p@a",
            "http://a/?q",
        ] {
            assert!(text.parse::<ServerUrl>().is_err(), "{text:?} was taken");
        }
    }
}

//! Servers transports: how Mesh connects to servers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CertificatePair, Pem, is_default};

/// How connections to servers are made and kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ServersTransport {
    /// Idle connections kept for each server, for the whole process; negative keeps none.
    pub max_idle_conns_per_host: i64,
    /// The name that servers have to prove, and are asked for; empty means the host of their URL.
    #[serde(skip_serializing_if = "is_default")]
    pub server_name: String,
    /// Believe every server.
    #[serde(skip_serializing_if = "is_default")]
    pub insecure_skip_verify: bool,
    /// Who is believed to vouch for servers; none means whom the system believes.
    #[serde(rename = "rootCAs", skip_serializing_if = "is_default")]
    pub root_cas: Vec<Pem>,
    /// By which Mesh proves who it is.
    #[serde(skip_serializing_if = "is_default")]
    pub certificates: Vec<CertificatePair>,
    /// Cipher suites that may be used; none means all that are safe.
    #[serde(skip_serializing_if = "is_default")]
    pub cipher_suites: Vec<String>,
    /// Lowest version of TLS; absent means 1.2.
    #[serde(skip_serializing_if = "is_default")]
    pub min_version: Option<TlsVersion>,
    /// Highest version of TLS; absent means 1.3.
    #[serde(skip_serializing_if = "is_default")]
    pub max_version: Option<TlsVersion>,
    /// Speak HTTP/1.1 to `https` servers that could do HTTP/2.
    #[serde(rename = "disableHTTP2", skip_serializing_if = "is_default")]
    pub disable_http2: bool,
    /// Names of which a server has to prove one, instead of that of its URL.
    #[serde(rename = "peerCertSANs", skip_serializing_if = "is_default")]
    pub peer_cert_sans: Vec<PeerCertSan>,
    /// The same for one URI.
    #[serde(rename = "peerCertURI", skip_serializing_if = "is_default")]
    pub peer_cert_uri: String,
    /// Time limits.
    pub forwarding_timeouts: ForwardingTimeouts,
}

/// A name in a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PeerCertSan {
    /// What kind of name.
    #[serde(rename = "type")]
    pub kind: SanType,
    /// The name.
    pub value: String,
}

/// A kind of name in a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SanType {
    /// Of a machine.
    #[serde(rename = "DNSName")]
    DnsName,
    /// A URI, as SPIFFE has them.
    #[serde(rename = "URI")]
    Uri,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TlsVersion {
    /// 1.0, which is not spoken.
    #[serde(rename = "VersionTLS10")]
    Tls10,
    /// 1.1, which is not spoken.
    #[serde(rename = "VersionTLS11")]
    Tls11,
    /// 1.2
    #[serde(rename = "VersionTLS12")]
    Tls12,
    /// 1.3
    #[serde(rename = "VersionTLS13")]
    Tls13,
}

impl Default for ServersTransport {
    fn default() -> Self {
        Self {
            max_idle_conns_per_host: 200,
            server_name: String::new(),
            insecure_skip_verify: false,
            root_cas: Vec::new(),
            certificates: Vec::new(),
            cipher_suites: Vec::new(),
            min_version: None,
            max_version: None,
            disable_http2: false,
            peer_cert_sans: Vec::new(),
            peer_cert_uri: String::new(),
            forwarding_timeouts: ForwardingTimeouts::default(),
        }
    }
}

/// Time limits towards servers; zero means none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ForwardingTimeouts {
    /// Until a connection stands.
    #[serde(with = "crate::duration")]
    pub dial_timeout: Duration,
    /// From the end of the request until the head of the answer.
    #[serde(with = "crate::duration")]
    pub response_header_timeout: Duration,
    /// How long an idle connection is kept.
    #[serde(with = "crate::duration")]
    pub idle_conn_timeout: Duration,
    /// Silence after which an HTTP/2 connection is asked whether it is still there.
    #[serde(with = "crate::duration")]
    pub read_idle_timeout: Duration,
    /// How long it may take to say so.
    #[serde(with = "crate::duration")]
    pub ping_timeout: Duration,
    /// Longest silence of a server in the middle of an answer's body.
    #[serde(with = "crate::duration")]
    pub read_timeout: Duration,
    /// Longest wait until a server takes further bytes of a request.
    #[serde(with = "crate::duration")]
    pub write_timeout: Duration,
    /// The same for a server that has answered completely: then the rest of the request is given up.
    #[serde(with = "crate::duration")]
    pub early_answer_timeout: Duration,
}

impl Default for ForwardingTimeouts {
    fn default() -> Self {
        Self {
            dial_timeout: Duration::from_secs(30),
            response_header_timeout: Duration::ZERO,
            idle_conn_timeout: Duration::from_secs(90),
            read_idle_timeout: Duration::ZERO,
            ping_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_secs(60 * 60),
            write_timeout: Duration::from_secs(10 * 60),
            early_answer_timeout: Duration::from_secs(30),
        }
    }
}

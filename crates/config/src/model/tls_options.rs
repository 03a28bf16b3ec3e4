//! TLS options: how handshakes with clients are made.

use serde::{Deserialize, Serialize};

use super::{Pem, TlsVersion, is_default};

/// How handshakes with the clients of some hosts are made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TlsOptions {
    /// Lowest version; absent means 1.2.
    #[serde(skip_serializing_if = "is_default")]
    pub min_version: Option<TlsVersion>,
    /// Highest version; absent means 1.3.
    #[serde(skip_serializing_if = "is_default")]
    pub max_version: Option<TlsVersion>,
    /// Cipher suites of TLS 1.2 that may be used; none means all that are safe. Those of 1.3 are always there.
    #[serde(skip_serializing_if = "is_default")]
    pub cipher_suites: Vec<String>,
    /// Groups in which keys are agreed on; none means all that there are.
    #[serde(skip_serializing_if = "is_default")]
    pub curve_preferences: Vec<String>,
    /// Whether clients have to prove who they are.
    #[serde(skip_serializing_if = "is_default")]
    pub client_auth: ClientAuth,
    /// Turn away clients for whose name there is no certificate.
    #[serde(skip_serializing_if = "is_default")]
    pub sni_strict: bool,
    /// Protocols to agree on, the better one first; none means HTTP/2 and HTTP/1.1.
    #[serde(skip_serializing_if = "is_default")]
    pub alpn_protocols: Vec<String>,
    /// Make every handshake a full one.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_session_tickets: bool,
    /// Means nothing; taken so that files that have it can be used.
    #[serde(skip_serializing_if = "is_default")]
    pub prefer_server_cipher_suites: bool,
}

/// Whether clients have to prove who they are, and who is believed to vouch for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientAuth {
    /// Who is believed to vouch for clients.
    #[serde(skip_serializing_if = "is_default")]
    pub ca_files: Vec<Pem>,
    /// What is asked of them; absent means a certificate that one of `ca_files` vouches for, and nothing where there
    /// are none.
    #[serde(skip_serializing_if = "is_default")]
    pub client_auth_type: Option<ClientAuthType>,
}

/// What is asked of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientAuthType {
    /// Nothing.
    #[serde(rename = "NoClientCert")]
    None,
    /// A certificate, if they have one; nobody has to vouch for it.
    #[serde(rename = "RequestClientCert")]
    Request,
    /// A certificate; nobody has to vouch for it.
    #[serde(rename = "RequireAnyClientCert")]
    RequireAny,
    /// A certificate that somebody vouches for, if they have one.
    #[serde(rename = "VerifyClientCertIfGiven")]
    VerifyIfGiven,
    /// A certificate that somebody vouches for.
    #[serde(rename = "RequireAndVerifyClientCert")]
    RequireAndVerify,
}

impl ClientAuthType {
    /// Clients without a certificate are turned away.
    pub fn requires(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }

    /// Somebody has to vouch for a certificate.
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }
}

impl ClientAuth {
    /// What is asked of clients.
    pub fn effective(&self) -> ClientAuthType {
        self.client_auth_type.unwrap_or(match self.ca_files.is_empty() {
            true => ClientAuthType::None,
            false => ClientAuthType::RequireAndVerify,
        })
    }
}

//! Options of `passTLSClientCert`.

use serde::{Deserialize, Serialize};

use crate::model::is_default;

/// Tells servers by which certificate a client proved who it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PassTlsClientCert {
    /// The certificates themselves, in `X-Forwarded-Tls-Client-Cert`.
    #[serde(skip_serializing_if = "is_default")]
    pub pem: bool,
    /// What they say, in `X-Forwarded-Tls-Client-Cert-Info`.
    #[serde(skip_serializing_if = "is_default")]
    pub info: Option<TlsClientCertInfo>,
}

/// What is told of certificates.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own, as users write them"
)]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TlsClientCertInfo {
    /// After when it is not valid.
    #[serde(skip_serializing_if = "is_default")]
    pub not_after: bool,
    /// Before when it is not valid.
    #[serde(skip_serializing_if = "is_default")]
    pub not_before: bool,
    /// The names and addresses that it is for.
    #[serde(skip_serializing_if = "is_default")]
    pub sans: bool,
    /// Its number.
    #[serde(skip_serializing_if = "is_default")]
    pub serial_number: bool,
    /// Whom it is about.
    #[serde(skip_serializing_if = "is_default")]
    pub subject: Option<TlsClientCertSubject>,
    /// Who signed it.
    #[serde(skip_serializing_if = "is_default")]
    pub issuer: Option<TlsClientCertIssuer>,
}

/// What is told of whom a certificate is about.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own, as users write them"
)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TlsClientCertSubject {
    /// `C`.
    #[serde(skip_serializing_if = "is_default")]
    pub country: bool,
    /// `ST`.
    #[serde(skip_serializing_if = "is_default")]
    pub province: bool,
    /// `L`.
    #[serde(skip_serializing_if = "is_default")]
    pub locality: bool,
    /// `O`.
    #[serde(skip_serializing_if = "is_default")]
    pub organization: bool,
    /// `OU`.
    #[serde(skip_serializing_if = "is_default")]
    pub organizational_unit: bool,
    /// `CN`.
    #[serde(skip_serializing_if = "is_default")]
    pub common_name: bool,
    /// `SN`.
    #[serde(skip_serializing_if = "is_default")]
    pub serial_number: bool,
    /// `DC`.
    #[serde(skip_serializing_if = "is_default")]
    pub domain_component: bool,
}

/// What is told of who signed a certificate.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own, as users write them"
)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TlsClientCertIssuer {
    /// `C`.
    #[serde(skip_serializing_if = "is_default")]
    pub country: bool,
    /// `ST`.
    #[serde(skip_serializing_if = "is_default")]
    pub province: bool,
    /// `L`.
    #[serde(skip_serializing_if = "is_default")]
    pub locality: bool,
    /// `O`.
    #[serde(skip_serializing_if = "is_default")]
    pub organization: bool,
    /// `CN`.
    #[serde(skip_serializing_if = "is_default")]
    pub common_name: bool,
    /// `SN`.
    #[serde(skip_serializing_if = "is_default")]
    pub serial_number: bool,
    /// `DC`.
    #[serde(skip_serializing_if = "is_default")]
    pub domain_component: bool,
}

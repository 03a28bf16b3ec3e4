//! Certificates of this side, by which clients know Mesh.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::is_default;

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Certificate {
    /// The certificate, followed by those that signed it.
    pub cert_file: Pem,
    /// Its key.
    pub key_file: Pem,
    /// Stores it is in; none means `default`, which is the only one that serves.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stores: Vec<String>,
    /// It is shown to clients for whom there is no other one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub default: bool,
}

/// The same without a place in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CertificatePair {
    /// The certificate, followed by those that signed it.
    pub cert_file: Pem,
    /// Its key.
    pub key_file: Pem,
}

impl From<CertificatePair> for Certificate {
    fn from(pair: CertificatePair) -> Self {
        Self {
            cert_file: pair.cert_file,
            key_file: pair.key_file,
            stores: Vec::new(),
            default: false,
        }
    }
}

impl Certificate {
    /// What it is called where it has no name of its own: its file, or a print of its text.
    pub fn name(&self) -> String {
        match &self.cert_file {
            Pem::File(path) => path.display().to_string(),
            Pem::Inline(text) => {
                let print = Sha256::digest(text.as_bytes());
                let hex: Vec<_> = print.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
                format!("inline-{}", hex.concat())
            }
        }
    }
}

/// Text in PEM format, or the file that holds it. Never shown in Debug: it may be a key.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// Read from this file, again whenever it changes.
    File(PathBuf),
    /// As written.
    Inline(String),
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Inline(_) => f.write_str("inline"),
        }
    }
}

impl<'de> Deserialize<'de> for Pem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.trim_start().starts_with("-----BEGIN ") {
            true => Self::Inline(text),
            false => Self::File(text.into()),
        })
    }
}

impl Serialize for Pem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::File(path) => path.serialize(serializer),
            Self::Inline(text) => text.serialize(serializer),
        }
    }
}

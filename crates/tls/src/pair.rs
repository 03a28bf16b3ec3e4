//! One certificate and its key.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use mesh_config::model::{Certificate, Pem};
use rustls::{SignatureAlgorithm, crypto::CryptoProvider, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use x509_parser::{extensions::GeneralName, prelude::parse_x509_certificate};

/// Largest file that is read for a certificate or a key, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// A file cannot be read.
    #[error("cannot read {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// There is no certificate in it.
    #[error("{0} holds no certificate in PEM format")]
    NoCertificate(String),
    /// There is no key in it.
    #[error("{0} holds no private key in PEM format")]
    NoKey(String),
    /// What is there makes no sense.
    #[error("{0} holds a certificate that cannot be read")]
    Malformed(String),
    /// Certificate and key do not belong together, or are of no use to TLS.
    #[error("{certificate} and {key} cannot be used together: {reason}")]
    Mismatch {
        /// The certificate.
        certificate: String,
        /// The key.
        key: String,
        /// What the library says.
        reason: String,
    },
}

/// A certificate that is ready to be shown.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) key: Arc<CertifiedKey>,
    /// The names it is for, in lower case; `*.a.example` for all of one more label.
    pub(crate) names: Vec<String>,
    /// The addresses it is for.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) elliptic: bool,
}

/// The texts of a certificate and its key, as they are at one moment.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Texts")
    }
}

/// What tells that a file may have changed, without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp([Option<(SystemTime, u64, u64)>; 2]);

impl Stamp {
    /// Of the files of `certificate`, followed through links.
    pub(crate) fn of(certificate: &Certificate) -> Self {
        let stamp = |pem: &Pem| match pem {
            Pem::File(path) => of_file(path).ok(),
            Pem::Inline(_) => None,
        };
        Self([stamp(&certificate.cert_file), stamp(&certificate.key_file)])
    }
}

fn of_file(path: &Path) -> io::Result<(SystemTime, u64, u64)> {
    let metadata = fs::metadata(path)?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let inode = 0;
    Ok((metadata.modified()?, metadata.len(), inode))
}

impl Texts {
    pub(crate) fn read(certificate: &Certificate) -> Result<Self, PairError> {
        Ok(Self {
            certificate: read(&certificate.cert_file)?,
            key: read(&certificate.key_file)?,
        })
    }

    /// The pair that the texts of `certificate` make.
    pub(crate) fn pair(
        &self,
        certificate: &Certificate,
        provider: &CryptoProvider,
    ) -> Result<Pair, PairError> {
        let (shown, key_shown) = (shown(&certificate.cert_file), shown(&certificate.key_file));
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| PairError::Malformed(shown.clone()))?;
        let Some(own) = chain.first() else {
            return Err(PairError::NoCertificate(shown));
        };
        let (names, addresses) = subjects(own).ok_or_else(|| PairError::Malformed(shown.clone()))?;
        let key =
            PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| PairError::NoKey(key_shown.clone()))?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| PairError::Mismatch {
            certificate: shown,
            key: key_shown,
            reason: error.to_string(),
        })?;
        Ok(Pair {
            elliptic: key.key.algorithm() != SignatureAlgorithm::RSA,
            key: Arc::new(key),
            names,
            addresses,
        })
    }
}

fn read(pem: &Pem) -> Result<Vec<u8>, PairError> {
    let path = match pem {
        Pem::Inline(text) => return Ok(text.clone().into_bytes()),
        Pem::File(path) => path,
    };
    let failed = |reason: String| PairError::File {
        path: path.clone(),
        reason,
    };
    let metadata = fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() {
        return Err(failed("it is no file".to_owned()));
    }
    if metadata.len() > MAX_FILE {
        return Err(failed(format!("it is larger than {MAX_FILE} bytes")));
    }
    fs::read(path).map_err(|error| failed(error.to_string()))
}

/// How a text is named in messages.
pub(crate) fn shown(pem: &Pem) -> String {
    match pem {
        Pem::File(path) => path.display().to_string(),
        Pem::Inline(_) => "the text in place".to_owned(),
    }
}

/// The names and addresses a certificate is for. Its common name counts only where it has no others.
fn subjects(certificate: &CertificateDer<'_>) -> Option<(Vec<String>, Vec<IpAddr>)> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    for name in alternatives.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
            _ => {}
        }
    }
    if names.is_empty() && addresses.is_empty() {
        let common = certificate.subject().iter_common_name();
        names.extend(common.filter_map(|name| Some(name.as_str().ok()?.to_ascii_lowercase())));
    }
    Some((names, addresses))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

//! One certificate and its key.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use mesh_config::model::{Certificate, Pem};
use rustls::{RootCertStore, crypto::CryptoProvider, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::Facts;

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
    pub(crate) facts: Arc<Facts>,
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
pub struct Stamp(Vec<Option<Seen>>);

/// When its content changed, its length, and where the system tells it: which file it is, and when anything of it
/// changed, so that a permission that was mended counts.
type Seen = (SystemTime, u64, Option<(u64, i64, i64)>);

impl Stamp {
    /// Of the files of `certificate`, followed through links.
    pub(crate) fn of(certificate: &Certificate) -> Self {
        Self::of_all([&certificate.cert_file, &certificate.key_file])
    }

    /// The same of `pems`.
    pub fn of_all<'p>(pems: impl IntoIterator<Item = &'p Pem>) -> Self {
        let stamp = |pem: &Pem| match pem {
            Pem::File(path) => of_file(path).ok(),
            Pem::Inline(_) => None,
        };
        Self(pems.into_iter().map(stamp).collect())
    }
}

fn of_file(path: &Path) -> io::Result<Seen> {
    let metadata = fs::metadata(path)?;
    #[cfg(unix)]
    let further = {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
    };
    #[cfg(not(unix))]
    let further = None;
    Ok((metadata.modified()?, metadata.len(), further))
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
        let facts = Facts::of(own).ok_or_else(|| PairError::Malformed(shown.clone()))?;
        let key =
            PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| PairError::NoKey(key_shown.clone()))?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| PairError::Mismatch {
            certificate: shown,
            key: key_shown,
            reason: error.to_string(),
        })?;
        Ok(Pair {
            key: Arc::new(key),
            facts: Arc::new(facts),
        })
    }
}

/// What is written there, or in the file that it names.
pub(crate) fn read(pem: &Pem) -> Result<Vec<u8>, PairError> {
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

/// Those who are believed to vouch for others: the certificates of `texts`, which the `option` names as `pems`.
pub(crate) fn believed(option: &str, pems: &[Pem], texts: &[Vec<u8>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (pem, text) in pems.iter().zip(texts) {
        let certificates = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|error| format!("{option}: {}: {error}", shown(pem)))?;
        if certificates.is_empty() {
            return Err(format!(
                "{option}: {} holds no certificate in PEM format",
                shown(pem)
            ));
        }
        for certificate in certificates {
            roots
                .add(certificate)
                .map_err(|error| format!("{option}: {}: {error}", shown(pem)))?;
        }
    }
    Ok(roots)
}

/// How a text is named in messages.
pub(crate) fn shown(pem: &Pem) -> String {
    match pem {
        Pem::File(path) => path.display().to_string(),
        Pem::Inline(_) => "the text in place".to_owned(),
    }
}

//! Keeps certificates as configurations and files say.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use mesh_config::{Configuration, Entry, Origin, QualifiedName, model::Certificate};
use rustls::crypto::CryptoProvider;

use crate::{
    Certificates, Shown, Tls, TlsError,
    generated::generate,
    pair::{Pair, PairError, Stamp, Texts},
    server::provider,
};

type CertificateEntry = Arc<Entry<Certificate>>;

/// Reads certificates, and puts them in use together.
#[derive(Debug)]
pub struct Keeper {
    provider: Arc<CryptoProvider>,
    generated: Pair,
    known: BTreeMap<QualifiedName, Known>,
    certificates: Arc<ArcSwap<Certificates>>,
    shown: Arc<ArcSwap<Vec<Shown>>>,
}

/// One certificate of the configuration.
#[derive(Debug)]
struct Known {
    entry: CertificateEntry,
    stamp: Stamp,
    texts: Option<Texts>,
    /// The newest version that can be used.
    good: Option<Pair>,
    /// What is wrong with the version that is written.
    error: Option<PairError>,
}

/// What is wrong with one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The certificate.
    pub name: QualifiedName,
    /// Where it was written.
    pub origin: Origin,
    /// The reason.
    pub error: PairError,
    /// A version from before serves on.
    pub serves: bool,
}

impl Keeper {
    /// A keeper of no certificates, but for one that it makes itself.
    ///
    /// # Errors
    /// When that one cannot be made.
    pub fn new() -> Result<Self, TlsError> {
        let provider = provider();
        let certificate = generate()?;
        let generated = Texts::read(&certificate)?.pair(&certificate, &provider)?;
        let certificates = Certificates::new([], &generated);
        Ok(Self {
            provider,
            generated,
            known: BTreeMap::new(),
            certificates: Arc::new(ArcSwap::from_pointee(certificates)),
            shown: Arc::default(),
        })
    }

    /// TLS with whatever this keeps.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn tls(&self) -> Result<Tls, TlsError> {
        Tls::new(self.certificates.clone())
    }

    /// Takes over the certificates of `configuration`. What cannot be read goes on with its version before.
    pub fn update(&mut self, configuration: &Configuration) {
        let mut changed = false;
        let mut before = std::mem::take(&mut self.known);
        for (name, entry) in &configuration.certificates {
            let known = match before.remove(name) {
                Some(known) if Arc::ptr_eq(&known.entry, entry) => known,
                known => {
                    changed = true;
                    self.read(name, entry.clone(), known)
                }
            };
            self.known.insert(name.clone(), known);
        }
        if changed || !before.is_empty() {
            self.publish();
        }
    }

    /// Reads again the files that changed, and those that could not be used: what was in the way (permissions, no file
    /// descriptor left) may be gone although the file looks the same. True if there is anything new.
    pub fn refresh(&mut self) -> bool {
        let stale = self
            .known
            .iter()
            .filter(|(_, known)| known.error.is_some() || known.stamp != Stamp::of(&known.entry.value));
        let stale: Vec<_> = stale.map(|(name, _)| name.clone()).collect();
        let mut changed = false;
        for name in stale {
            let Some(known) = self.known.remove(&name) else {
                continue;
            };
            let (texts, error) = (known.texts.clone(), known.error.clone());
            let known = self.read(&name, known.entry.clone(), Some(known));
            changed |= known.texts != texts || known.error != error;
            self.known.insert(name, known);
        }
        if changed {
            self.publish();
        }
        changed
    }

    /// Everything that cannot be used as it is written.
    pub fn troubles(&self) -> Vec<Trouble> {
        let troubles = self.known.iter().filter_map(|(name, known)| {
            Some(Trouble {
                name: name.clone(),
                origin: known.entry.origin.clone(),
                error: known.error.clone()?,
                serves: known.good.is_some(),
            })
        });
        troubles.collect()
    }

    /// What there is at the moment of a call, for those who look at it again and again.
    pub fn shown(&self) -> impl Fn() -> Arc<Vec<Shown>> + Send + Sync + 'static {
        let shown = self.shown.clone();
        move || shown.load_full()
    }

    fn read(&self, name: &QualifiedName, entry: CertificateEntry, before: Option<Known>) -> Known {
        // Before the texts: what changes while they are read is read again.
        let stamp = Stamp::of(&entry.value);
        let read = Texts::read(&entry.value).and_then(|texts| {
            let pair = texts.pair(&entry.value, &self.provider)?;
            Ok((texts, pair))
        });
        let (told, before) = match before {
            Some(before) => (before.error, before.good.zip(before.texts)),
            None => (None, None),
        };
        match read {
            Ok((texts, pair)) => {
                if before.as_ref().is_none_or(|(_, known)| *known != texts) {
                    let names = pair.facts.names.join(", ");
                    tracing::info!(certificate = %name, names, "certificate is in use");
                }
                Known {
                    entry,
                    stamp,
                    texts: Some(texts),
                    good: Some(pair),
                    error: None,
                }
            }
            Err(error) => {
                if told.as_ref() != Some(&error) {
                    let serves = before.is_some();
                    tracing::error!(
                        certificate = %name, origin = %entry.origin, %error, serves_as_before = serves,
                        "certificate cannot be used"
                    );
                }
                let (good, texts) = before.unzip();
                Known {
                    entry,
                    stamp,
                    texts,
                    good,
                    error: Some(error),
                }
            }
        }
    }

    fn publish(&self) {
        let mut defaults = self.known.iter().filter(|(_, known)| known.entry.value.default);
        let default = defaults.find(|(_, known)| known.good.is_some());
        let pairs = self.known.values().filter_map(|known| known.good.as_ref());
        let good = default.and_then(|(_, known)| known.good.as_ref());
        let set = Certificates::new(pairs, good.unwrap_or(&self.generated));
        self.certificates.store(Arc::new(set));
        let default = default.map(|(name, _)| name);
        let shown = self.known.iter().map(|(name, known)| known.shown(name, default));
        self.shown.store(Arc::new(shown.collect()));
    }
}

impl Known {
    /// For those who look, where `default` is for everyone else.
    fn shown(&self, name: &QualifiedName, default: Option<&QualifiedName>) -> Shown {
        let mut errors: Vec<_> = self.error.iter().map(ToString::to_string).collect();
        let is_default = default == Some(name);
        if let Some(default) = default.filter(|_| self.entry.value.default && !is_default) {
            let error =
                format!("{default} is the default certificate already; this one is for its own names only");
            tracing::warn!(certificate = %name, origin = %self.entry.origin, %error);
            errors.push(error);
        }
        errors.extend(self.entry.problems.iter().map(ToString::to_string));
        Shown {
            name: name.clone(),
            origin: self.entry.origin.clone(),
            default: is_default,
            facts: self.good.as_ref().map(|pair| pair.facts.clone()),
            errors,
        }
    }
}

#[cfg(test)]
mod tests;

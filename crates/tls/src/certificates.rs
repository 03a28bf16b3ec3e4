//! Certificates by the names they are for.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use rustls::{SignatureAlgorithm, SignatureScheme, sign::CertifiedKey};

use crate::pair::Pair;

/// Every certificate there is at one moment.
#[derive(Debug)]
pub struct Certificates {
    names: HashMap<String, Keys>,
    addresses: HashMap<IpAddr, Keys>,
    default: Keys,
}

/// The certificates for one name: those with the shorter signatures first, and in the order in which they came.
#[derive(Debug, Default)]
struct Keys(Vec<Arc<CertifiedKey>>);

impl Keys {
    fn add(&mut self, pair: &Pair) {
        let is_long = |key: &CertifiedKey| key.key.algorithm() == SignatureAlgorithm::RSA;
        let place = self
            .0
            .partition_point(|known| is_long(known) <= is_long(&pair.key));
        self.0.insert(place, pair.key.clone());
    }

    /// The first one that the client takes.
    fn choose(&self, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        self.0.iter().find(fits).or_else(|| self.0.first()).cloned()
    }
}

impl Certificates {
    /// The set of `pairs`, where the first for a name has it, with `default` for everyone else.
    pub(crate) fn new<'p>(pairs: impl IntoIterator<Item = &'p Pair>, default: &Pair) -> Self {
        let mut set = Self {
            names: HashMap::new(),
            addresses: HashMap::new(),
            default: Keys::default(),
        };
        set.default.add(default);
        for pair in pairs {
            for name in &pair.facts.names {
                set.names.entry(name.clone()).or_default().add(pair);
            }
            for address in &pair.facts.addresses {
                set.addresses.entry(*address).or_default().add(pair);
            }
        }
        set
    }

    /// The certificate for a client that asks for `name`, or for nobody at `address`, and takes `schemes`.
    pub(crate) fn find(
        &self,
        name: Option<&str>,
        address: Option<IpAddr>,
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let known = self.known(name, address);
        known.unwrap_or(&self.default).choose(schemes)
    }

    /// True if one of them is for a client that asks for `name`, or for nobody at `address`.
    pub(crate) fn know(&self, name: Option<&str>, address: Option<IpAddr>) -> bool {
        self.known(name, address).is_some()
    }

    fn known(&self, name: Option<&str>, address: Option<IpAddr>) -> Option<&Keys> {
        match name {
            Some(name) => self.of_name(name),
            None => address.and_then(|address| self.addresses.get(&address.to_canonical())),
        }
    }

    /// An exact name before a wildcard, which stands for one label.
    fn of_name(&self, name: &str) -> Option<&Keys> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        self.names.get(&name).or_else(|| {
            let (_, rest) = name.split_once('.')?;
            self.names.get(&format!("*.{rest}"))
        })
    }
}

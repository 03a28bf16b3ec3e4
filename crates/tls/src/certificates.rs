//! Certificates by the names they are for.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use rustls::{SignatureScheme, sign::CertifiedKey};

use crate::pair::Pair;

/// Every certificate there is at one moment.
#[derive(Debug)]
pub struct Certificates {
    names: HashMap<String, Keys>,
    addresses: HashMap<IpAddr, Keys>,
    default: Keys,
}

/// The certificates for one name: one of each family of algorithms, the first there was.
#[derive(Debug, Default, Clone)]
struct Keys {
    elliptic: Option<Arc<CertifiedKey>>,
    other: Option<Arc<CertifiedKey>>,
}

impl Keys {
    fn add(&mut self, pair: &Pair) {
        let place = match pair.elliptic {
            true => &mut self.elliptic,
            false => &mut self.other,
        };
        place.get_or_insert_with(|| pair.key.clone());
    }

    /// The shorter one where the client takes it.
    fn choose(&self, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let both = || self.elliptic.iter().chain(&self.other);
        both().find(fits).or_else(|| both().next()).cloned()
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
            for name in &pair.names {
                set.names.entry(name.clone()).or_default().add(pair);
            }
            for address in &pair.addresses {
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
        let known = match name {
            Some(name) => self.of_name(name),
            None => address.and_then(|address| self.addresses.get(&address.to_canonical())),
        };
        known.unwrap_or(&self.default).choose(schemes)
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

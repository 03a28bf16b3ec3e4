//! Servers transports by name.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use mesh_config::{Entry, ProviderName, QualifiedName, Reference, model::ServersTransport};

/// The transports of the newest configuration. A definition that did not change keeps its `Arc`, so that
/// connections go on being used.
#[derive(Debug)]
pub(super) struct Transports {
    known: HashMap<QualifiedName, Arc<ServersTransport>>,
    default: Arc<ServersTransport>,
}

impl Transports {
    pub(super) fn new(default: ServersTransport) -> Self {
        Self {
            known: HashMap::new(),
            default: Arc::new(default),
        }
    }

    pub(super) fn update(&mut self, definitions: &BTreeMap<QualifiedName, Arc<Entry<ServersTransport>>>) {
        let mut before = std::mem::take(&mut self.known);
        let transports = definitions.iter().map(|(name, entry)| {
            let transport = match before.remove(name) {
                Some(transport) if *transport == entry.value => transport,
                _ => Arc::new(entry.value.clone()),
            };
            (name.clone(), transport)
        });
        self.known = transports.collect();
    }

    /// The transport that a service of `home` calls `reference`; the default one when it names none.
    pub(super) fn resolve(
        &self,
        reference: Option<&Reference>,
        home: &ProviderName,
    ) -> Result<Arc<ServersTransport>, String> {
        let Some(name) = reference.map(|reference| reference.resolve(home)) else {
            return Ok(self.default.clone());
        };
        match self.known.get(&name) {
            Some(transport) => Ok(transport.clone()),
            None if &*name.name == "default" && name.provider.as_str() == ProviderName::INTERNAL => {
                Ok(self.default.clone())
            }
            None => Err(format!("serversTransport {name} does not exist")),
        }
    }
}

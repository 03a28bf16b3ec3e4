//! Servers transports by name.

use std::{collections::BTreeMap, sync::Arc};

use mesh_config::{Entry, Kind, ProviderName, QualifiedName, Reference, model::ServersTransport};

use super::{difference::Difference, missing::Missing};
use crate::upstream::Transport;

/// The transports of the newest configuration. A definition that did not change keeps its `Arc`, so that
/// connections go on being used.
#[derive(Debug)]
pub(super) struct Transports {
    known: BTreeMap<QualifiedName, Compiled>,
    default: Arc<Transport>,
    changed: bool,
}

#[derive(Debug)]
struct Compiled {
    entry: Arc<Entry<ServersTransport>>,
    transport: Arc<Transport>,
}

impl Transports {
    pub(super) fn new(default: ServersTransport) -> Self {
        Self {
            known: BTreeMap::new(),
            default: Arc::new(Transport::new(default)),
            changed: false,
        }
    }

    pub(super) fn update(&mut self, definitions: &BTreeMap<QualifiedName, Arc<Entry<ServersTransport>>>) {
        let same = |known: &Compiled, entry: &Arc<_>| Arc::ptr_eq(&known.entry, entry);
        self.changed = !Difference::new(&self.known, definitions, same).is_empty();
        if !self.changed {
            return;
        }
        let mut before = std::mem::take(&mut self.known);
        let transports = definitions.iter().map(|(name, entry)| {
            let transport = match before.remove(name) {
                Some(before) if **before.transport == entry.value => before.transport,
                _ => Arc::new(Transport::new(entry.value.clone())),
            };
            let entry = entry.clone();
            (name.clone(), Compiled { entry, transport })
        });
        self.known = transports.collect();
    }

    /// True if the last update changed anything.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    /// The transport that a service of `home` calls `reference`; the default one when it names none.
    pub(super) fn resolve(
        &self,
        reference: Option<&Reference>,
        home: &ProviderName,
        missing: &Missing,
    ) -> Result<Arc<Transport>, String> {
        let Some(name) = reference.map(|reference| reference.resolve(home)) else {
            return Ok(self.default.clone());
        };
        match self.known.get(&name) {
            Some(compiled) => Ok(compiled.transport.clone()),
            None if &*name.name == "default" && name.provider.as_str() == ProviderName::INTERNAL => {
                Ok(self.default.clone())
            }
            None => Err(missing.why(Kind::ServersTransport, &name)),
        }
    }
}

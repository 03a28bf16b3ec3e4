//! Servers transports by name.

use std::{collections::BTreeMap, sync::Arc};

use mesh_config::{
    Entry, Kind, Origin, Problem, ProviderName, QualifiedName, Reference, model::ServersTransport,
};

use super::{difference::Difference, missing::Missing};
use crate::upstream::{Renewed, Transport};

/// The transports of the newest configuration. A definition that did not change keeps its `Arc`, so that
/// connections go on being used.
#[derive(Debug)]
pub(super) struct Transports {
    known: BTreeMap<QualifiedName, Compiled>,
    default: Arc<Transport>,
    /// Files of some were read anew since the last update.
    renewed: bool,
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
            renewed: false,
            changed: false,
        }
    }

    /// Looks at the files of all of them. True if something is to be done about it: an update takes over what is new.
    pub(super) fn refresh(&mut self) -> bool {
        let mut changed = renew(&mut self.default, &"serversTransport", &mut self.renewed);
        for (name, compiled) in &mut self.known {
            changed |= renew(&mut compiled.transport, name, &mut self.renewed);
        }
        changed
    }

    /// What is wrong with files while those before serve on.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        let default = self.default.trouble();
        let default = default.map(|trouble| Problem::new(Origin::default(), "serversTransport", trouble));
        let known = self.known.iter().filter_map(|(name, compiled)| {
            let key = format!("http.serversTransports.{}", name.name);
            let trouble = compiled.transport.trouble()?;
            Some(Problem::new(compiled.entry.origin.clone(), key, trouble))
        });
        default.into_iter().chain(known)
    }

    pub(super) fn update(&mut self, definitions: &BTreeMap<QualifiedName, Arc<Entry<ServersTransport>>>) {
        let same = |known: &Compiled, entry: &Arc<_>| Arc::ptr_eq(&known.entry, entry);
        self.changed = !Difference::new(&self.known, definitions, same).is_empty();
        self.changed |= std::mem::take(&mut self.renewed);
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

/// Puts a transport in the place of `transport` if its files have changed. True if there is anything to tell.
fn renew(transport: &mut Arc<Transport>, name: &impl std::fmt::Display, renewed: &mut bool) -> bool {
    match transport.renewed() {
        Renewed::Same => return false,
        Renewed::Trouble => match transport.trouble() {
            Some(error) => {
                tracing::warn!(servers_transport = %name, %error, "files of a servers transport cannot be used");
            }
            None => {
                tracing::info!(servers_transport = %name, "files of a servers transport are in order again")
            }
        },
        Renewed::New(new) => {
            if new.tls().is_ok() {
                tracing::info!(servers_transport = %name, "files of a servers transport are in use");
            }
            *transport = new;
            *renewed = true;
        }
    }
    true
}

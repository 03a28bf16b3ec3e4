//! What a provider says, one report after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use mesh_config::{
    ProviderName,
    instance::{Instance, Lifecycle},
};
use mesh_discovery::{Content, Provider, ProviderError, Report};
use mesh_provider_nomad::{Settings, with_client};

use crate::world::World;

/// The only provider of `world`.
pub(crate) fn provider(world: &World, settings: &Settings) -> Arc<dyn Provider> {
    let name = ProviderName::new("nomad");
    let mut providers = with_client(&name, settings, world.clone()).unwrap();
    providers.remove(0).provider
}

/// The reports of a provider, and what follows from those that came.
pub(crate) struct Reports<'a> {
    stream: BoxStream<'a, Report>,
    /// Instances by scope.
    pub(crate) known: BTreeMap<String, Vec<Instance>>,
    pub(crate) scopes: BTreeSet<String>,
}

impl<'a> Reports<'a> {
    pub(crate) fn of(provider: &'a dyn Provider) -> Self {
        Self {
            stream: provider.reports(),
            known: BTreeMap::new(),
            scopes: BTreeSet::new(),
        }
    }

    pub(crate) async fn next(&mut self) -> Report {
        let report = self.stream.next().await.unwrap();
        if let Report::Replace { scope, content } = &report {
            match content {
                Content::Instances(instances) => {
                    self.known.insert(scope.to_string(), instances.clone());
                }
                Content::Scopes(scopes) => {
                    self.scopes = scopes.iter().map(ToString::to_string).collect();
                    let listed = self.scopes.clone();
                    self.known.retain(|scope, _| listed.contains(scope));
                }
                Content::Fragment(_) | Content::Members(_) => {}
            }
        }
        report
    }

    /// The allocations behind the instances of `service`, with their states.
    pub(crate) fn states(&self, service: &str) -> Vec<(String, Lifecycle)> {
        let instances = self
            .known
            .get(&format!("service {service}"))
            .into_iter()
            .flatten();
        instances
            .map(|instance| {
                let id = instance.id.trim_start_matches("_nomad-task-");
                (id.split('-').next().unwrap().to_owned(), instance.lifecycle)
            })
            .collect()
    }

    /// Waits until `service` has exactly these states.
    pub(crate) async fn until(&mut self, service: &str, wanted: &[(&str, Lifecycle)]) {
        let same = |states: Vec<(String, Lifecycle)>| {
            let mut states: Vec<_> = states.iter().map(|(id, state)| (id.as_str(), *state)).collect();
            states.sort();
            states == wanted
        };
        while !same(self.states(service)) {
            let next = tokio::time::timeout(Duration::from_secs(600), self.next()).await;
            assert!(next.is_ok(), "{service}: {:?}, not {wanted:?}", self.known);
        }
    }

    /// Waits until exactly these scopes are listed.
    pub(crate) async fn until_scopes(&mut self, wanted: &[&str]) {
        let wanted: BTreeSet<_> = wanted.iter().map(ToString::to_string).collect();
        while self.scopes != wanted {
            let next = tokio::time::timeout(Duration::from_secs(600), self.next()).await;
            assert!(next.is_ok(), "{:?}, not {wanted:?}", self.scopes);
        }
    }

    pub(crate) async fn failure(&mut self) -> (String, ProviderError) {
        loop {
            if let Report::Failed { scope, error } = self.next().await {
                return (scope.to_string(), error);
            }
        }
    }

    /// True when nothing fails for `time`.
    pub(crate) async fn well_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.failure()).await.is_err()
    }
}

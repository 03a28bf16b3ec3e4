//! What a provider says, as the catalog would take it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use mesh_config::{ProviderName, instance::Instance};
use mesh_discovery::{Content, Provider, ProviderError, Report};
use mesh_provider_ecs::{Ecs, Settings};
use tokio::time::timeout;

use crate::world::World;

pub(crate) fn settings() -> Settings {
    Settings {
        clusters: vec!["shop".to_owned()],
        ..Settings::default()
    }
}

pub(crate) fn provider(world: &World, settings: &Settings) -> Ecs<World> {
    Ecs::with_client(ProviderName::new("ecs"), settings, world.clone()).unwrap()
}

/// All that was said, in as far as it still counts.
pub(crate) struct Watch<'a> {
    reports: BoxStream<'a, Report>,
    pub(crate) scopes: BTreeMap<String, Vec<Instance>>,
    pub(crate) failed: BTreeMap<String, ProviderError>,
    /// Scopes whose content shrank, ever.
    pub(crate) shrunk: BTreeSet<String>,
    pub(crate) listed: Option<BTreeSet<String>>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(provider: &'a Ecs<World>) -> Self {
        Self {
            reports: provider.reports(),
            scopes: BTreeMap::new(),
            failed: BTreeMap::new(),
            shrunk: BTreeSet::new(),
            listed: None,
        }
    }

    pub(crate) async fn next(&mut self) {
        match self.reports.next().await.unwrap() {
            Report::Failed { scope, error } => drop(self.failed.insert(scope.to_string(), error)),
            Report::History { .. } => panic!("ECS says no such thing"),
            Report::Replace { scope, content } => {
                let scope = scope.to_string();
                self.failed.remove(&scope);
                match content {
                    Content::Instances(instances) => self.replace(scope, instances),
                    Content::Scopes(listed) => {
                        let listed: BTreeSet<String> = listed.iter().map(ToString::to_string).collect();
                        let gone: Vec<_> = self
                            .scopes
                            .keys()
                            .filter(|scope| !listed.contains(*scope))
                            .cloned()
                            .collect();
                        for scope in gone {
                            self.replace(scope.clone(), Vec::new());
                            self.scopes.remove(&scope);
                        }
                        self.listed = Some(listed);
                    }
                    Content::Fragment(_) | Content::Members(_) => panic!("ECS says no such thing"),
                }
            }
        }
    }

    fn replace(&mut self, scope: String, instances: Vec<Instance>) {
        let old = self.scopes.insert(scope.clone(), instances);
        let stays = |instance: &Instance| self.scopes[&scope].iter().any(|new| new.id == instance.id);
        if !old.iter().flatten().all(stays) {
            self.shrunk.insert(scope);
        }
    }

    /// Takes in all that is said within `time`.
    pub(crate) async fn pass(&mut self, time: Duration) {
        let forever = async {
            loop {
                self.next().await;
            }
        };
        let _: Result<(), _> = timeout(time, forever).await;
    }

    pub(crate) async fn until(&mut self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let reached = async {
            while !wanted(self) {
                self.next().await;
            }
        };
        assert!(
            timeout(Duration::from_secs(86_400), reached).await.is_ok(),
            "{what}"
        );
    }

    /// The instances of a service of the cluster `shop`.
    pub(crate) fn of(&self, service: &str) -> &[Instance] {
        let scope = format!("service shop/{service}");
        self.scopes.get(&scope).map_or(&[], Vec::as_slice)
    }
}

//! What the catalog promises, one behaviour each.

mod closed;
mod conflicts;
mod declarations;
mod documents;
mod laws;
mod lifecycle;
mod persistence;
mod rolling;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use mesh_config::{
    Configuration, Entry, Origin, Problem, ProviderName, QualifiedName,
    instance::{Address, Endpoint, Instance, LabelSet, Lifecycle},
    model::{Canary, LoadBalancer, Router, Server, Service, ServiceKind},
};

use super::Catalog;
use crate::{
    exposure::ExposureSettings,
    provider::{Content, ProviderError, Report, Scope},
    settings::DiscoverySettings,
    status::{ProviderStatus, ScopeState},
};

/// A catalog, its clock, and one provider `consul` of instances beside `file` of documents.
pub(super) struct World {
    catalog: Catalog,
    now: SystemTime,
}

impl World {
    pub(super) fn new() -> Self {
        Self::exposing(&ExposureSettings::default())
    }

    pub(super) fn exposing(exposure: &ExposureSettings) -> Self {
        Self::with(&DiscoverySettings::default(), exposure)
    }

    pub(super) fn with(settings: &DiscoverySettings, exposure: &ExposureSettings) -> Self {
        let mut catalog = Catalog::new(settings);
        let exposure = exposure.build().unwrap();
        catalog.register(consul(), true, Some(exposure.clone()));
        catalog.register(ProviderName::new("nomad"), true, Some(exposure));
        catalog.register(file(), true, None);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        Self { catalog, now }
    }

    pub(super) fn apply(&mut self, provider: &ProviderName, scope: &str, content: Content) {
        let scope = Scope::new(scope);
        self.catalog
            .apply(provider, Report::Replace { scope, content }, self.now);
    }

    /// `consul` lists these instances in `scope`.
    pub(super) fn replace(&mut self, scope: &str, instances: impl Into<Vec<Instance>>) {
        self.apply(&consul(), scope, Content::Instances(instances.into()));
    }

    /// `consul` says how far it is.
    pub(super) fn history(&mut self, index: u64) {
        self.catalog.apply(&consul(), Report::History { index }, self.now);
    }

    /// `consul` lists its scopes.
    pub(super) fn list(&mut self, scopes: &[&str]) {
        let scopes = scopes.iter().map(|scope| Scope::new(*scope)).collect();
        self.apply(&consul(), "catalog", Content::Scopes(scopes));
    }

    /// `file` reads a document.
    pub(super) fn document(&mut self, name: &str, text: &str) {
        let format = mesh_config::layer::Format::Yaml;
        let fragment = mesh_config::document::parse(name, text, format).unwrap();
        self.apply(&file(), name, Content::Fragment(Arc::new(fragment)));
    }

    /// `file` lists its documents.
    pub(super) fn files(&mut self, listing: &str, names: &[&str]) {
        let names = names.iter().map(|name| Scope::new(*name)).collect();
        self.apply(&file(), listing, Content::Scopes(names));
    }

    /// `provider` finds something in `scope` that it cannot make use of.
    pub(super) fn fail_to_read(&mut self, provider: &ProviderName, scope: &str) {
        let error = ProviderError::Unreadable {
            path: scope.to_owned(),
            reason: "not YAML".to_owned(),
        };
        let scope = Scope::new(scope);
        self.catalog
            .apply(provider, Report::Failed { scope, error }, self.now);
    }

    pub(super) fn fail(&mut self, provider: &ProviderName, scope: &str) {
        let scope = Scope::new(scope);
        let error = ProviderError::Unreachable {
            endpoint: "127.0.0.1:8500".to_owned(),
            reason: "refused".to_owned(),
        };
        self.catalog
            .apply(provider, Report::Failed { scope, error }, self.now);
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.catalog.tick(self.now);
    }

    pub(super) fn configuration(&self) -> Configuration {
        self.catalog.configuration()
    }

    pub(super) fn router(&self, name: &str) -> Option<Arc<Entry<Router>>> {
        self.configuration().routers.get(&qualified(name)).cloned()
    }

    pub(super) fn service(&self, name: &str) -> Option<Arc<Entry<Service>>> {
        self.configuration().services.get(&qualified(name)).cloned()
    }

    /// The rule of a router; empty when there is no such router.
    pub(super) fn rule(&self, name: &str) -> String {
        let rule = self.router(name).and_then(|entry| entry.value.rule.clone());
        rule.map(|rule| rule.text().to_owned()).unwrap_or_default()
    }

    fn balancer(&self, name: &str) -> LoadBalancer {
        let service = self.service(name).expect("no such service");
        match &service.value.kind {
            ServiceKind::LoadBalancer(balancer) => (**balancer).clone(),
            kind => panic!("{} has no servers", kind.name()),
        }
    }

    pub(super) fn servers(&self, name: &str) -> Vec<Server> {
        self.balancer(name).servers
    }

    pub(super) fn canary(&self, name: &str) -> Option<Canary> {
        self.balancer(name).canary
    }

    /// Authority and lifecycle of the servers.
    pub(super) fn lives(&self, name: &str) -> Vec<(String, Lifecycle)> {
        self.servers(name)
            .iter()
            .map(|server| (server.url.authority(), server.lifecycle))
            .collect()
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        self.configuration().unusable().cloned().collect()
    }

    pub(super) fn status(&self, provider: &ProviderName) -> ProviderStatus {
        let mut all = self.catalog.status().into_iter();
        all.find(|status| status.name == *provider).unwrap()
    }

    pub(super) fn state(&self, scope: &str) -> ScopeState {
        let status = self.status(&consul());
        let mut scopes = status.scopes.into_iter();
        scopes.find(|status| status.scope == scope).unwrap().state
    }
}

pub(super) fn consul() -> ProviderName {
    ProviderName::new("consul")
}

pub(super) fn file() -> ProviderName {
    ProviderName::new("file")
}

/// `web` means `web@consul`.
pub(super) fn qualified(name: &str) -> QualifiedName {
    let (name, provider) = name.split_once('@').unwrap_or((name, "consul"));
    QualifiedName::new(name, ProviderName::new(provider))
}

/// A ready instance `<service>-<number>` at 10.0.0.<number>:80, created at <number>.
pub(super) fn instance(service: &str, number: u8) -> Instance {
    let id = format!("{service}-{number}");
    Instance {
        service: service.into(),
        address: Some(Address::Ip([10, 0, 0, number].into())),
        endpoints: vec![Endpoint {
            name: None,
            declared_port: 80,
            port: 80,
        }],
        lifecycle: Lifecycle::Ready,
        reason: None,
        weight: 1,
        zone: None,
        created: u64::from(number),
        labels: Vec::new(),
        tags: Vec::new(),
        origin: Origin::new(format!("consul service {id}")),
        id: id.into(),
    }
}

pub(super) trait With {
    fn labels(self, labels: &[(&str, &str)]) -> Self;
    fn life(self, lifecycle: Lifecycle) -> Self;
}

impl With for Instance {
    fn labels(mut self, labels: &[(&str, &str)]) -> Self {
        self.labels = vec![LabelSet {
            origin: Origin::new(format!("tags of {}", self.origin)),
            labels: labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        }];
        self
    }

    fn life(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }
}

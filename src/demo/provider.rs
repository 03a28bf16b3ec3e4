//! The demo's provider: two servers and their weights, as a document.

use std::{sync::Arc, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use mesh_config::{
    Fragment, Origin, ProviderName, Reference,
    fragment::Declared,
    instance::Lifecycle,
    model::{HealthCheck, LoadBalancer, Router, Scheme, Server, ServerUrl, Service, ServiceKind, Written},
    rule::Rule,
};
use mesh_discovery::{Content, Provider, Report, Scope};

use super::server::Servers;
use crate::settings::OWN_ENTRY_POINT;

/// Short, so that whoever plays sees the effect.
const INTERVAL: Duration = Duration::from_millis(500);

/// Tells of the servers, and serves them while it is followed.
#[derive(Debug)]
pub(crate) struct DemoProvider {
    name: ProviderName,
    servers: Arc<Servers>,
    /// What else there is.
    more: Fragment,
}

impl DemoProvider {
    /// The provider of `servers`, and of what is in `more`.
    pub(crate) fn new(servers: Arc<Servers>, more: Fragment) -> Self {
        Self {
            name: ProviderName::new("demo"),
            servers,
            more,
        }
    }

    fn report(&self) -> Report {
        let mut fragment = self.more.clone();
        let routers = [
            ("whoami", "PathPrefix(`/`)", "web", "whoami"),
            ("control", "PathPrefix(`/demo`)", OWN_ENTRY_POINT, "demo@internal"),
        ];
        for (name, rule, entry_point, service) in routers {
            // Both are ours and parse; the tests of the demo say so.
            let (Ok(rule), Ok(service)) = (rule.parse::<Rule>(), service.parse::<Reference>()) else {
                continue;
            };
            let value = Router {
                entry_points: vec![entry_point.to_owned()],
                rule: Some(rule),
                service: Some(service),
                ..Router::default()
            };
            fragment.routers.insert(
                name.to_owned(),
                Declared {
                    value,
                    origin: origin(),
                },
            );
        }
        fragment.services.insert(
            "whoami".to_owned(),
            Declared {
                value: self.service(),
                origin: origin(),
            },
        );
        Report::Replace {
            scope: Scope::new("servers"),
            content: Content::Fragment(Arc::new(fragment)),
        }
    }

    fn service(&self) -> Service {
        let servers = self.servers.all().iter().map(|server| Server {
            url: ServerUrl {
                scheme: Scheme::Http,
                host: server.address.ip().to_string(),
                port: server.address.port(),
                path: String::new(),
                written: Written::default(),
            },
            weight: server.weight(),
            preserve_path: false,
            canary: false,
            zone: String::new(),
            lifecycle: Lifecycle::Ready,
            reason: None,
            origin: Some(Origin::new(format!("server {} of the demo", server.name))),
        });
        let health_check = HealthCheck {
            path: "/health".to_owned(),
            interval: INTERVAL,
            ..HealthCheck::default()
        };
        let balancer = LoadBalancer {
            servers: servers.collect(),
            health_check: Some(health_check),
            ..LoadBalancer::default()
        };
        Service {
            kind: ServiceKind::LoadBalancer(Box::new(balancer)),
            middlewares: Vec::new(),
        }
    }
}

impl Provider for DemoProvider {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn reports(&self) -> BoxStream<'_, Report> {
        let changes = self.servers.changes();
        let first = stream::once(async { self.report() });
        let later = stream::unfold(changes, |mut changes| async {
            changes.changed().await.ok()?;
            Some((self.report(), changes))
        });
        // The servers answer on the control plane, for as long as somebody listens to their reports.
        let serving = stream::once(self.servers.serve()).filter_map(|()| async { None });
        stream::select(first.chain(later), serving).boxed()
    }
}

fn origin() -> Origin {
    Origin::new("mesh demo")
}

//! Tasks from AWS ECS.
//!
//! ECS has nothing to wait on, so every cluster is read again and again, within a budget that leaves most of what
//! AWS grants to others. Each service is a scope of its own: one that cannot be read keeps what is known of it, and
//! the others go on. A task is gone when ECS says so of the task itself, not when a list leaves it out. Events, where
//! there are any, say what to read sooner.

mod answer;
mod budget;
mod calls;
mod client;
mod cluster;
mod clusters;
mod definitions;
mod endpoints;
mod events;
mod instances;
mod known;
mod labels;
mod machines;
mod pace;
mod rollout;
mod sdk;
mod settings;

use std::collections::BTreeSet;

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use mesh_config::ProviderName;
use mesh_discovery::{Provider, Report};

pub use answer::{
    Attachment, Binding, Cluster, Container, ContainerDefinition, ContainerInstance, Deployment, Described,
    Detail, Interface, Machine, Page, PortMapping, Service, Tag, Task, TaskDefinition,
};
use calls::Calls;
pub use client::{Action, Client};
use clusters::Clusters;
use definitions::Definitions;
use events::Events;
pub use events::{EventsSettings, Message, QueueAction, Queues, Subscription};
pub use instances::{Host, Placed, Translation};
use pace::Pace;
pub use sdk::SdkClient;
pub use settings::{Settings, SettingsError};

/// Delivers the tasks of some clusters in one region.
#[derive(Debug)]
pub struct Ecs<C = SdkClient> {
    name: ProviderName,
    followed: Followed<C>,
}

/// What the readers of all clusters share.
#[derive(Debug)]
struct Followed<C> {
    calls: Calls<C>,
    pace: Pace,
    definitions: Definitions,
    selection: Selection,
    translation: Translation,
    /// Machines of ECS Anywhere are looked up.
    anywhere: bool,
    /// Where changes are heard of before the next read.
    events: Option<Events>,
}

/// Which clusters to read.
#[derive(Debug)]
enum Selection {
    /// These.
    Named(BTreeSet<String>),
    /// Those that AWS lists.
    All,
}

impl Ecs {
    /// The provider that `settings` ask for. Nothing is asked before its first report.
    ///
    /// # Errors
    /// When the settings contradict themselves.
    pub fn new(name: ProviderName, settings: &Settings) -> Result<Self, SettingsError> {
        Self::with_client(name, settings, SdkClient::new(settings))
    }
}

impl<C: Client> Ecs<C> {
    /// The same with another way to ask AWS.
    ///
    /// # Errors
    /// When the settings contradict themselves.
    pub fn with_client(name: ProviderName, settings: &Settings, client: C) -> Result<Self, SettingsError> {
        settings.validate()?;
        let events = Events::new(name.as_str(), &settings.events);
        Ok(Self {
            name,
            followed: Followed {
                calls: Calls::new(client),
                pace: Pace::new(settings.refresh_seconds),
                definitions: Definitions::default(),
                selection: match settings.auto_discover_clusters {
                    true => Selection::All,
                    false => Selection::Named(settings.clusters.iter().cloned().collect()),
                },
                translation: Translation {
                    prefixes: settings.exposure()?.label_prefixes,
                    healthy_only: settings.healthy_tasks_only,
                },
                anywhere: settings.ecs_anywhere,
                events,
            },
        })
    }
}

impl<C> Followed<C> {
    /// The name of the service that a group of tasks is. With more than one cluster its cluster's name comes first,
    /// so that no name changes when another cluster gains a service.
    fn name_of(&self, cluster: &str, group: &str) -> String {
        let name = known::service_name(group).unwrap_or(group);
        match &self.selection {
            Selection::Named(clusters) if clusters.len() == 1 => name.to_owned(),
            Selection::Named(_) | Selection::All => format!("{}/{name}", calls::short(cluster)),
        }
    }
}

impl<C: Client + Queues> Provider for Ecs<C> {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn reports(&self) -> BoxStream<'_, Report> {
        let clusters = Clusters::new(&self.followed);
        stream::unfold(clusters, async |mut clusters| {
            let report = clusters.next().await?;
            Some((report, clusters))
        })
        .boxed()
    }

    fn end(&self) -> BoxFuture<'_, ()> {
        let Followed { calls, events, .. } = &self.followed;
        async move {
            if let Some(events) = events {
                events.end(calls.client()).await;
            }
        }
        .boxed()
    }
}

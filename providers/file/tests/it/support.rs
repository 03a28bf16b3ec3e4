//! A provider on a temporary directory, and what it reports.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use mesh_config::Fragment;
use mesh_discovery::{Content, Provider, ProviderError, Report};
use mesh_provider_file::{FileProvider, Files, Settings};

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(10);

/// Longest time from a change to the report of it.
pub(crate) const PROMPT: Duration = Duration::from_millis(100);

/// A file with one router, to this service.
pub(crate) fn routed_to(service: &str) -> String {
    format!("http:\n  routers:\n    r:\n      rule: Host(`example.com`)\n      service: {service}\n")
}

pub(crate) fn provider(settings: Settings) -> FileProvider {
    FileProvider::new(settings, BTreeSet::new()).unwrap()
}

pub(crate) fn of_file(path: &Path) -> FileProvider {
    provider(Settings {
        filename: Some(path.to_owned()),
        ..Settings::default()
    })
}

/// Finds changes by events alone: no poll comes in time to help.
pub(crate) fn of_directory(path: &Path) -> FileProvider {
    let poll_interval = Duration::from_secs(3600);
    provider(Settings {
        directory: Some(path.to_owned()),
        poll_interval,
        ..Settings::default()
    })
}

/// True for a report of the file called `name`.
pub(crate) fn is_of(report: &Report, name: &str) -> bool {
    match report {
        Report::Replace { scope, .. } | Report::Failed { scope, .. } => scope.as_str().ends_with(name),
        Report::History { .. } => false,
    }
}

pub(crate) struct Reports<'a>(pub(crate) BoxStream<'a, Report>);

impl<'a> Reports<'a> {
    pub(crate) fn of(provider: &'a FileProvider<impl Files>) -> Self {
        Self(provider.reports())
    }

    pub(crate) async fn next(&mut self) -> Report {
        tokio::time::timeout(DEADLINE, self.0.next())
            .await
            .unwrap()
            .unwrap()
    }

    /// The next content of the file called `name`.
    pub(crate) async fn file(&mut self, name: &str) -> Fragment {
        loop {
            if let Report::Replace {
                scope,
                content: Content::Fragment(fragment),
            } = self.next().await
                && scope.as_str().ends_with(name)
            {
                return Arc::unwrap_or_clone(fragment);
            }
        }
    }

    /// The services that the routers of the file called `name` lead to.
    pub(crate) async fn targets(&mut self, name: &str) -> Vec<String> {
        let routers = self.file(name).await.routers.into_values();
        let services = routers.filter_map(|router| router.value.service);
        services.map(|service| service.to_string()).collect()
    }

    /// The file names of the next listing.
    pub(crate) async fn listing(&mut self) -> Vec<String> {
        loop {
            if let Report::Replace {
                content: Content::Scopes(scopes),
                ..
            } = self.next().await
            {
                let names = scopes.iter().map(|scope| PathBuf::from(scope.as_str()));
                return names
                    .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
                    .collect();
            }
        }
    }

    pub(crate) async fn failure(&mut self) -> ProviderError {
        loop {
            if let Report::Failed { error, .. } = self.next().await {
                return error;
            }
        }
    }
}

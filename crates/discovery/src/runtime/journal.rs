//! What the log says of providers and problems: each thing once, when it begins and when it ends.

use std::collections::{BTreeMap, BTreeSet};

use mesh_config::{Configuration, Problem, ProviderName, redact};
use tracing::{info, warn};

use crate::provider::{Content, Report, Scope};

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Journal {
    failures: BTreeMap<(ProviderName, Scope), String>,
    problems: BTreeSet<String>,
}

impl Journal {
    /// Says that a scope fails, again only when the reason changes, and that it recovered.
    pub(super) fn report(&mut self, provider: &ProviderName, report: &Report) {
        match report {
            Report::Failed { scope, error } => {
                let text = redact::text(&error.to_string()).into_owned();
                let key = (provider.clone(), scope.clone());
                if self.failures.get(&key) != Some(&text) {
                    warn!(%provider, %scope, error = text, "provider failed; what it last said stays in force");
                    self.failures.insert(key, text);
                }
            }
            Report::Replace { scope, content } => {
                if let Content::Scopes(listed) = content {
                    self.failures
                        .retain(|(who, what), _| who != provider || what == scope || listed.contains(what));
                }
                let key = (provider.clone(), scope.clone());
                if self.failures.remove(&key).is_some() {
                    info!(%provider, %scope, "provider recovered");
                }
            }
        }
    }

    /// Says which problems are new and which are gone.
    pub(super) fn problems(&mut self, configuration: &Configuration) {
        let now: BTreeSet<String> = problems(configuration).map(ToString::to_string).collect();
        for problem in now.difference(&self.problems) {
            warn!(problem, "configuration has a problem");
        }
        for problem in self.problems.difference(&now) {
            info!(problem, "problem is gone");
        }
        self.problems = now;
    }
}

fn problems(configuration: &Configuration) -> impl Iterator<Item = &Problem> {
    let routers = configuration.routers.values().flat_map(|entry| &entry.problems);
    let services = configuration.services.values().flat_map(|entry| &entry.problems);
    let middlewares = configuration
        .middlewares
        .values()
        .flat_map(|entry| &entry.problems);
    let transports = configuration
        .servers_transports
        .values()
        .flat_map(|entry| &entry.problems);
    configuration
        .problems
        .iter()
        .chain(routers)
        .chain(services)
        .chain(middlewares)
        .chain(transports)
}

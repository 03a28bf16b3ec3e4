//! What the log says of providers and problems: each thing once, when it begins and when it ends.

use std::collections::BTreeSet;

use mesh_config::{Configuration, Problem, ProviderName, redact};
use tracing::{info, warn};

use super::failures::Failures;
use crate::provider::{Content, Report};

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Journal {
    failures: Failures,
    problems: BTreeSet<String>,
}

impl Journal {
    /// Says that a scope fails for a reason that was not said yet, and that the last one with it recovered.
    pub(super) fn report(&mut self, provider: &ProviderName, report: &Report) {
        match report {
            Report::Failed { scope, error } => {
                let text = redact::text(&error.to_string()).into_owned();
                if self.failures.begin(provider, scope, &text) {
                    warn!(%provider, %scope, error = text, "provider failed; what it last said stays in force");
                }
            }
            Report::History { .. } => {}
            Report::Replace { scope, content } => {
                let over = self.failures.end(provider, scope);
                if let Content::Scopes(listed) = content {
                    self.failures.retain(provider, listed);
                }
                if let Some(reason) = over {
                    info!(%provider, %scope, from = %reason, "provider recovered");
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
    let certificates = configuration
        .certificates
        .values()
        .flat_map(|entry| &entry.problems);
    let tls_options = configuration
        .tls_options
        .values()
        .flat_map(|entry| &entry.problems);
    configuration
        .unusable()
        .chain(routers)
        .chain(services)
        .chain(middlewares)
        .chain(transports)
        .chain(certificates)
        .chain(tls_options)
}

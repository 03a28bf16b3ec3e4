//! A service for when another one cannot answer.

use std::sync::Arc;

use mesh_config::model::StatusRanges;

use super::{Asking, Pick, Service};

/// A service, and the one that answers in its place.
#[derive(Debug)]
pub struct Failover {
    main: Arc<Service>,
    fallback: Arc<Service>,
    /// Answers of the main service that do not count.
    errors: Option<FailoverErrors>,
}

/// Answers that do not count.
#[derive(Debug, Clone)]
pub struct FailoverErrors {
    /// Their status.
    pub status: Arc<StatusRanges>,
    /// Requests with a longer body, in bytes, are refused; `None` sets no limit of its own.
    pub max_body: Option<u64>,
}

/// Who answers in place of a service whose answer does not count.
#[derive(Debug, Clone)]
pub struct Spare {
    /// The one.
    pub service: Arc<Service>,
    /// When.
    pub errors: FailoverErrors,
    /// How many of the chains on the way to the server are above it.
    pub chains: usize,
    /// How many of the cookies are of services above it.
    pub cookies: usize,
}

impl Failover {
    pub(crate) fn new(main: Arc<Service>, fallback: Arc<Service>, errors: Option<FailoverErrors>) -> Self {
        Self {
            main,
            fallback,
            errors,
        }
    }

    /// The service that answers.
    pub fn main(&self) -> &Arc<Service> {
        &self.main
    }

    /// The one that answers in its place.
    pub fn fallback(&self) -> &Arc<Service> {
        &self.fallback
    }

    /// A server of the main service; of the other one when that has none left for the request.
    pub(super) fn pick(&self, asking: &Asking<'_>) -> Option<Pick> {
        // Others do not answer in its place while it has servers that were not asked.
        let pick = self.main.choose(asking);
        let pick = pick.or_else(|| self.main.choose(&asking.wary(false)));
        let Some(pick) = pick else {
            let anew = Asking {
                is_spent: false,
                ..*asking
            };
            let pick = self.fallback.choose(&anew)?;
            return Some(pick.through(&self.fallback).instead());
        };
        let pick = pick.through(&self.main);
        let Some(errors) = &self.errors else {
            return Some(pick);
        };
        Some(pick.with_spare(Spare {
            service: self.fallback.clone(),
            errors: errors.clone(),
            chains: 0,
            cookies: 0,
        }))
    }
}

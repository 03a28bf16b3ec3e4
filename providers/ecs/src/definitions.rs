//! Revisions of task definitions, read once each: they never change. Their tags may, and are read again hourly.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mesh_discovery::ProviderError;
use tokio::time::Instant;

use crate::{answer::TaskDefinition, calls::Calls, client::Client};

/// Most revisions that are kept.
const MAX: usize = 5000;

/// How old tags may become.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// What was read, by ARN.
#[derive(Debug, Default)]
pub(crate) struct Definitions(Mutex<BTreeMap<String, Cached>>);

#[derive(Debug, Clone)]
struct Cached {
    definition: Arc<TaskDefinition>,
    read: Instant,
    used: Instant,
}

/// How many revisions may be read again in this turn, so that those of one age do not come all at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Renewals(pub(crate) usize);

impl Definitions {
    /// The revision, as it was read before if possible.
    pub(crate) async fn get<C: Client>(
        &self,
        calls: &Calls<C>,
        revision: &str,
        renewals: &mut Renewals,
    ) -> Result<Arc<TaskDefinition>, ProviderError> {
        let now = Instant::now();
        let known = self.locked(|all| {
            let cached = all.get_mut(revision)?;
            cached.used = now;
            Some(cached.clone())
        });
        if let Some(known) = &known
            && (now.duration_since(known.read) < MAX_AGE || renewals.0 == 0)
        {
            return Ok(known.definition.clone());
        }
        renewals.0 = renewals.0.saturating_sub(usize::from(known.is_some()));
        match (calls.describe_task_definition(revision).await, known) {
            (Ok(definition), _) => {
                let definition = Arc::new(definition);
                self.keep(revision, definition.clone());
                Ok(definition)
            }
            // All but its tags is as true as ever.
            (Err(_), Some(known)) => Ok(known.definition),
            (Err(error), None) => Err(error),
        }
    }

    /// The revision, if it was read before.
    pub(crate) fn known(&self, revision: &str) -> Option<Arc<TaskDefinition>> {
        self.locked(|all| all.get(revision).map(|cached| cached.definition.clone()))
    }

    fn keep(&self, revision: &str, definition: Arc<TaskDefinition>) {
        let now = Instant::now();
        self.locked(|all| {
            let longest_unused = all.iter().min_by_key(|(_, cached)| cached.used);
            let evicted = longest_unused
                .filter(|_| all.len() >= MAX)
                .map(|(revision, _)| revision.clone());
            if let Some(evicted) = evicted {
                all.remove(&evicted);
            }
            let cached = Cached {
                definition,
                read: now,
                used: now,
            };
            all.insert(revision.to_owned(), cached);
        });
    }

    fn locked<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Cached>) -> T) -> T {
        // The map is whole after every single step, so a panic in between leaves nothing half done.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

//! Follows the allocations of a namespace, which say of every instance whether it runs: the scope `allocations`. It
//! holds nothing itself; its age and errors tell how blind Mesh is.

use std::{collections::BTreeMap, time::Duration};

use futures::{Stream, stream};
use mesh_discovery::{Content, ProviderError, Report, Scope};
use mesh_remote::Settle;
use tokio::time::Instant;
use tracing::warn;

use crate::{Followed, answer::Allocation, client::Client, cursor::Cursor, is_forbidden, table::Table};

/// The scope of the allocations.
pub(crate) const SCOPE: &str = "allocations";

/// Answers in a row that pass without a pause, and a second after that: a deployment changes allocations a few times a
/// second, and their list is large where a lot runs.
const PACE: (f64, f64) = (20.0, 2.0);

/// Where the watch stands.
struct Position {
    cursor: Cursor,
    settle: Settle,
    known: BTreeMap<String, Allocation>,
    /// They could be read at some time.
    seen: bool,
    /// They may not be read, and that was told.
    told: bool,
}

/// Passes on to the join what is known of allocations.
pub(crate) fn reports<C: Client>(followed: &Followed<C>) -> impl Stream<Item = Report> + Send + '_ {
    let position = Position {
        cursor: Cursor::new(followed.bucket(PACE), followed.list_watch()),
        settle: Settle::default(),
        known: BTreeMap::new(),
        seen: false,
        told: false,
    };
    stream::unfold(position, async move |mut position| {
        let scope = Scope::new(SCOPE);
        let replaced = |scope| Report::Replace {
            scope,
            content: Content::Instances(Vec::new()),
        };
        let report = match position.next(followed).await {
            Ok(table) => {
                followed.join(|join| join.learn(table, Instant::now()));
                replaced(scope)
            }
            Err(error) => {
                position.cursor.restart();
                let forbidden = is_forbidden(&error);
                followed.join(|join| match forbidden {
                    true => join.learn(Table::Blind, Instant::now()),
                    false => join.table_failed(),
                });
                match forbidden && !position.seen {
                    true => {
                        position.tell(followed);
                        replaced(scope)
                    }
                    false => Report::Failed { scope, error },
                }
            }
        };
        followed.opened.send_replace(true);
        followed.changed.notify_one();
        if matches!(report, Report::Replace { .. }) {
            let _ = followed.listed.subscribe().wait_for(|listed| *listed).await;
        }
        Some((report, position))
    })
}

impl Position {
    async fn next<C: Client>(&mut self, followed: &Followed<C>) -> Result<Table, ProviderError> {
        let wait = self.settle.limit(followed.wait);
        let pause = tokio::time::sleep(followed.refresh_interval);
        self.cursor.turn(!self.told, pause).await;
        let mut table = self.read(followed, wait).await?;
        if followed.join(|join| join.doubts(&table)) {
            self.cursor.restart();
            table = self.read(followed, wait).await?;
            if followed.join(|join| join.doubts(&table)) {
                return Err(ProviderError::Unauthorized {
                    endpoint: followed.client.endpoint().to_owned(),
                    reason: format!(
                        "its list of allocations lacks those of all registered instances: the token needs \
                         namespace \"{}\" {{ capabilities = [\"read-job\"] }}",
                        followed.namespace
                    ),
                });
            }
        }
        if let (
            true,
            Table::Known {
                allocations, current, ..
            },
        ) = (self.settle.is_on(), &mut table)
        {
            *current = false;
            for (id, allocation) in &self.known {
                let missing = allocations.entry(id.clone());
                missing.or_insert_with(|| allocation.clone());
            }
        }
        if let Table::Known { allocations, .. } = &table {
            self.known.clone_from(allocations);
        }
        (self.seen, self.told) = (true, false);
        Ok(table)
    }

    async fn read<C: Client>(
        &mut self,
        followed: &Followed<C>,
        wait: Duration,
    ) -> Result<Table, ProviderError> {
        let query = |index| followed.client.allocations(&followed.namespace, index, wait);
        let (allocations, back) = self.cursor.ask(followed.stale, query).await?;
        if back && self.seen {
            self.settle.begin();
        }
        Ok(Table::new(allocations, self.cursor.index()))
    }

    fn tell<C: Client>(&mut self, followed: &Followed<C>) {
        if !self.told {
            warn!(
                nomad = followed.client.endpoint(),
                namespace = followed.namespace,
                "the token may not read allocations: every registered instance counts as ready, and only health \
                 checks of services find those that do not run; grant read-job"
            );
        }
        self.told = true;
    }
}

//! Notices changes of all services by one query, where there are too many for a query each: the scope `checks`.

use std::collections::BTreeMap;

use futures::{Stream, stream};
use mesh_discovery::{Content, ProviderError, Report, Scope};

use mesh_remote::{Bucket, Index, ask};

use crate::{Followed, answer::CheckResult, client::Client};

/// The scope of the checks. It holds nothing; its age and errors tell how blind Mesh is.
pub(crate) const SCOPE: &str = "checks";

/// What identifies a check, its service, and what tells that it changed.
type Checks = BTreeMap<(String, String), (String, u64)>;

/// Wakes the followers of services whose checks changed.
pub(crate) fn reports<C: Client>(followed: &Followed<C>) -> impl Stream<Item = Report> + Send + '_ {
    let start = (Index::START, Bucket::new(), Checks::new());
    stream::unfold(start, async move |(mut index, mut bucket, known)| {
        bucket.ready().await;
        let scope = Scope::new(SCOPE);
        Some(match read(followed, &mut index).await {
            Ok(checks) => {
                wake(followed, &known, &checks);
                let content = Content::Instances(Vec::new());
                (Report::Replace { scope, content }, (index, bucket, checks))
            }
            Err(error) => (
                Report::Failed { scope, error },
                (index.from_anew(), bucket, known),
            ),
        })
    })
}

async fn read<C: Client>(followed: &Followed<C>, index: &mut Index) -> Result<Checks, ProviderError> {
    let query = |index| followed.client.checks(index, followed.wait);
    let (checks, _) = ask(index, followed.stale, query).await?;
    Ok(checks.into_iter().map(key).collect())
}

fn key(check: CheckResult) -> ((String, String), (String, u64)) {
    ((check.node, check.id), (check.service_name, check.modify_index))
}

/// A check that came, went or changed concerns its service; one of a node concerns whatever runs there.
fn wake<C: Client>(followed: &Followed<C>, known: &Checks, checks: &Checks) {
    let changed = checks
        .iter()
        .filter(|(key, value)| known.get(*key) != Some(*value));
    let gone = known.iter().filter(|(key, _)| !checks.contains_key(*key));
    for ((node, _), (service, _)) in changed.chain(gone) {
        if service.is_empty() {
            let there = followed.places.on(node);
            there.iter().for_each(|service| followed.notices.wake(service));
        } else {
            followed.notices.wake(service);
        }
    }
}

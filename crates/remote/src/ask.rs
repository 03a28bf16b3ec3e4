//! Asks a blocking query, and asks again where a server that lags behind answered.

use std::{future::Future, time::Duration};

use mesh_discovery::ProviderError;

use crate::{History, Index};

/// An answer and its place in the history of the one who gave it.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// `X-Consul-Index`, `X-Nomad-Index`.
    pub index: u64,
    /// What was asked for.
    pub value: T,
}

/// How long a server that lags gets to catch up.
const LAG: Duration = Duration::from_secs(1);

/// The next answer to believe, and whether the history went back before it. `query` is asked from `index`,
/// which follows the answers; `stale` if any server may give them.
///
/// # Errors
/// Those of `query`.
pub async fn ask<T, F>(
    index: &mut Index,
    stale: bool,
    query: impl Fn(Index) -> F,
) -> Result<(T, bool), ProviderError>
where
    F: Future<Output = Result<Answer<T>, ProviderError>>,
{
    loop {
        let answer = query(*index).await?;
        let (next, history) = index.after(answer.index, stale);
        *index = next;
        match history {
            History::Onward => return Ok((answer.value, false)),
            History::Back => return Ok((answer.value, true)),
            History::Behind => tokio::time::sleep(LAG).await,
        }
    }
}

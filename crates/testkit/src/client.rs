//! What every client has to make of the answers of a broken system.
//!
//! `ask` sends one question through a [`FaultProxy`](crate::FaultProxy) with the fault and counts what it got: the
//! system behind it has one instance.

use std::{future::Future, time::Duration};

use mesh_discovery::ProviderError;

use crate::faults::Fault;

/// A late answer is an answer.
pub async fn late_answers<F>(ask: impl Fn(Fault) -> F)
where
    F: Future<Output = Result<usize, ProviderError>>,
{
    assert_eq!(ask(Fault::None).await, Ok(1));
    assert_eq!(ask(Fault::Slow(Duration::from_millis(300))).await, Ok(1));
}

/// Refusals keep their status, their words and the time to wait.
pub async fn refusals<F>(ask: impl Fn(Fault) -> F)
where
    F: Future<Output = Result<usize, ProviderError>>,
{
    for (fault, status, words) in [
        (Fault::Forbidden, 403, "Permission denied"),
        (Fault::Throttled, 429, "too many"),
        (Fault::ServerError, 500, "No cluster leader"),
        (Fault::Missing, 404, "not found"),
    ] {
        let answer = ask(fault).await;
        assert!(
            matches!(
                &answer,
                Err(ProviderError::Refused { status: found, reason, retry_after, .. })
                    if *found == status
                        && reason.contains(words)
                        && retry_after.is_some() == (fault == Fault::Throttled)
            ),
            "{fault:?}: {answer:?}"
        );
    }
}

/// Answers that are cut, no JSON, or a web page are malformed.
pub async fn broken_answers<F>(ask: impl Fn(Fault) -> F)
where
    F: Future<Output = Result<usize, ProviderError>>,
{
    for fault in [Fault::Truncated, Fault::MalformedJson, Fault::Html] {
        let answer = ask(fault).await;
        assert!(
            matches!(answer, Err(ProviderError::Malformed { .. })),
            "{fault:?}: {answer:?}"
        );
    }
}

/// Nobody there is unreachable.
pub async fn nobody_there<F>(ask: impl Fn(Fault) -> F)
where
    F: Future<Output = Result<usize, ProviderError>>,
{
    let answer = ask(Fault::Refused).await;
    assert!(
        matches!(&answer, Err(ProviderError::Unreachable { reason, .. }) if reason.contains("refused")),
        "{answer:?}"
    );
}

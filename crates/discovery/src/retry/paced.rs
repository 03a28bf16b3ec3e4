//! Pauses in a stream of reports.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};

use super::Backoff;
use crate::provider::Report;

/// Passes `reports` on and waits after each [`Report::Failed`] before it asks for the next one.
///
/// Put it around the stream of *one scope* and merge the results, so that a scope that fails holds up no other.
/// The failure itself is passed on at once. The time that `reports` takes to find the next report is not
/// counted: a stream that waits by itself waits in addition.
pub fn paced<'a>(reports: impl Stream<Item = Report> + Send + 'a) -> impl Stream<Item = Report> + Send + 'a {
    let state = (reports.boxed(), Backoff::new(), Duration::ZERO);
    stream::unfold(state, |(mut reports, mut backoff, wait)| async move {
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let report = reports.next().await?;
        let wait = match &report {
            Report::Failed { error, .. } => backoff.wait_after(error),
            Report::Replace { .. } | Report::History { .. } => {
                backoff.reset();
                Duration::ZERO
            }
        };
        Some((report, (reports, backoff, wait)))
    })
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::{
        provider::{Content, ProviderError, Scope},
        retry::{BASE, CAP},
    };

    fn failed(retry_after: Option<u64>) -> Report {
        Report::Failed {
            scope: Scope::new("web"),
            error: ProviderError::Refused {
                endpoint: "consul".to_owned(),
                status: 500,
                reason: String::new(),
                retry_after: retry_after.map(Duration::from_secs),
            },
        }
    }

    fn replaced() -> Report {
        Report::Replace {
            scope: Scope::new("web"),
            content: Content::Instances(Vec::new()),
        }
    }

    /// When each report of `reports` came through, counted from the start.
    async fn arrivals(reports: Vec<Report>) -> Vec<Duration> {
        let start = Instant::now();
        paced(stream::iter(reports))
            .map(|_| start.elapsed())
            .collect()
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn successes_pass_without_delay() {
        assert_eq!(
            arrivals(vec![replaced(), replaced(), replaced()]).await,
            [Duration::ZERO; 3]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_passes_at_once_and_delays_what_follows() {
        let times = arrivals(vec![failed(Some(4)), replaced(), replaced()]).await;
        assert_eq!(times[0], Duration::ZERO);
        assert!(times[1] >= Duration::from_secs(4), "{times:?}");
        assert!(times[1] <= Duration::from_secs(4) + 2 * BASE, "{times:?}");
        assert_eq!(times[1], times[2]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_never_gives_up_and_no_wait_exceeds_the_cap() {
        let times = arrivals((0..200).map(|_| failed(None)).collect()).await;
        assert_eq!(times.len(), 200);
        // The timer has a resolution of a millisecond.
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(longest <= CAP + Duration::from_millis(2), "{longest:?}");
        assert!(longest > CAP / 4, "{longest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_shortens_the_next_wait_again() {
        let mut reports: Vec<_> = (0..10).map(|_| failed(None)).collect();
        reports.extend([replaced(), failed(None), replaced()]);
        let times = arrivals(reports).await;
        assert!(
            times[12] - times[11] <= BASE + Duration::from_millis(2),
            "{times:?}"
        );
    }
}

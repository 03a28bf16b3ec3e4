//! Waiting for a condition, never for luck.

use std::time::{Duration, Instant};

/// Longest wait for anything: longer than a provider pauses after failures (30 s, and the same again).
pub const DEADLINE: Duration = Duration::from_secs(90);

/// Asks again and again until `holds`; gives the time that it took.
///
/// # Panics
/// When it does not hold within [`DEADLINE`].
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

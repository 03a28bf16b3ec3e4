//! Slows a watch down that gets answers in a storm, and leaves a single change alone.

use std::time::Duration;

use rand::Rng as _;
use tokio::time::Instant;

/// Answers in a row that pass without a pause.
const BURST: f64 = 5.0;

/// Answers a second after that.
const RATE: f64 = 1.0;

/// Spreads watches that were woken together.
const MAX_JITTER: Duration = Duration::from_millis(100);

/// A token bucket.
#[derive(Debug)]
pub struct Bucket {
    burst: f64,
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl Default for Bucket {
    fn default() -> Self {
        Self::new()
    }
}

impl Bucket {
    /// A full one.
    pub fn new() -> Self {
        Self::with(BURST, RATE)
    }

    /// One that lets `burst` answers in a row pass, and `rate` a second after that.
    pub fn with(burst: f64, rate: f64) -> Self {
        Self {
            burst,
            rate,
            tokens: burst,
            filled: Instant::now(),
        }
    }

    /// Waits until the next question may be asked.
    pub async fn ready(&mut self) {
        let now = Instant::now();
        let gained = now.duration_since(self.filled).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(self.burst) - 1.0;
        self.filled = now;
        if self.tokens < 0.0 {
            let pause = Duration::from_secs_f64(-self.tokens / self.rate);
            let jitter = rand::rng().random_range(Duration::ZERO..=MAX_JITTER);
            tokio::time::sleep(pause + jitter).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn elapsed(questions: u32, apart: Duration) -> Duration {
        let mut bucket = Bucket::new();
        let start = Instant::now();
        for _ in 0..questions {
            bucket.ready().await;
            tokio::time::sleep(apart).await;
        }
        start.elapsed() - apart * questions
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_by_itself_does_not_wait() {
        assert_eq!(elapsed(100, Duration::from_secs(1)).await, Duration::ZERO);
        assert_eq!(elapsed(5, Duration::ZERO).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_is_held_to_one_a_second() {
        let waited = elapsed(65, Duration::ZERO).await;
        assert!(
            (Duration::from_secs(58)..Duration::from_secs(68)).contains(&waited),
            "{waited:?}"
        );
    }
}

//! How many calls Mesh makes: at most a quarter of what AWS grants an account in a region, since its console,
//! autoscalers and deployments draw from the same.

use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

use crate::client::Action;

/// Calls in a row that pass without a pause.
const BURST: f64 = 25.0;

/// Calls a second after that.
const RATE: f64 = 5.0;

/// One bucket for each that AWS keeps.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    clusters: Bucket,
    services: Bucket,
    resources: Bucket,
    definitions: Bucket,
    machines: Bucket,
    managed: Bucket,
}

#[derive(Debug)]
struct Bucket(Mutex<Level>);

#[derive(Debug)]
struct Level {
    tokens: f64,
    filled: Instant,
}

impl Default for Bucket {
    fn default() -> Self {
        Self(Mutex::new(Level {
            tokens: BURST,
            filled: Instant::now(),
        }))
    }
}

impl Budget {
    /// Waits until `action` may be called.
    pub(crate) async fn ready(&self, action: Action) {
        let pause = self.bucket(action).level().await.take();
        tokio::time::sleep(pause).await;
    }

    /// AWS throttled `action`: what is left is not ours.
    pub(crate) async fn throttled(&self, action: Action) {
        let mut level = self.bucket(action).level().await;
        level.tokens = level.tokens.min(0.0);
    }

    fn bucket(&self, action: Action) -> &Bucket {
        match action {
            Action::ListClusters | Action::DescribeClusters => &self.clusters,
            Action::DescribeServices => &self.services,
            Action::ListTasks | Action::DescribeTasks | Action::DescribeContainerInstances => &self.resources,
            Action::DescribeTaskDefinition => &self.definitions,
            Action::DescribeInstances => &self.machines,
            Action::DescribeInstanceInformation => &self.managed,
        }
    }
}

impl Bucket {
    async fn level(&self) -> tokio::sync::MutexGuard<'_, Level> {
        let mut level = self.0.lock().await;
        let now = Instant::now();
        let gained = now.duration_since(level.filled).as_secs_f64() * RATE;
        level.tokens = (level.tokens + gained).min(BURST);
        level.filled = now;
        level
    }
}

impl Level {
    /// Takes a token, on credit if need be: those who wait are served in their order.
    fn take(&mut self) -> Duration {
        self.tokens -= 1.0;
        Duration::from_secs_f64((-self.tokens).max(0.0) / RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn elapsed(budget: &Budget, action: Action, calls: usize) -> Duration {
        let start = Instant::now();
        for _ in 0..calls {
            budget.ready(action).await;
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_five_a_second_after_it() {
        let budget = Budget::default();
        assert_eq!(elapsed(&budget, Action::ListTasks, 25).await, Duration::ZERO);
        let waited = elapsed(&budget, Action::DescribeTasks, 50).await;
        assert!(
            (Duration::from_secs(9)..=Duration::from_secs(11)).contains(&waited),
            "{waited:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn buckets_of_other_actions_are_untouched() {
        let budget = Budget::default();
        elapsed(&budget, Action::ListTasks, 100).await;
        assert_eq!(
            elapsed(&budget, Action::DescribeTaskDefinition, 25).await,
            Duration::ZERO
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_bucket_is_empty() {
        let budget = Budget::default();
        budget.throttled(Action::ListTasks).await;
        assert!(elapsed(&budget, Action::ListTasks, 1).await >= Duration::from_millis(190));
    }
}

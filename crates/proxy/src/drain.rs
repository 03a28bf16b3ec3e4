//! How serving ends: live work is finished, up to a limit.

use std::{cell::Cell, time::Duration};

use tokio::{sync::Notify, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::settings::LifeCycle;

/// How long connections that are cut may take to be gone.
const CUT_LIMIT: Duration = Duration::from_secs(1);

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// All work was finished.
    Clean,
    /// So many connections outlived the grace period and were cut.
    Cut(usize),
}

impl Drained {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Clean, other) | (other, Self::Clean) => other,
            (Self::Cut(one), Self::Cut(two)) => Self::Cut(one + two),
        }
    }
}

/// Ends one entrypoint, on all workers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    /// Accept no more; finish what is there.
    pub(crate) drain: CancellationToken,
    /// Finish nothing more.
    pub(crate) cut: CancellationToken,
    /// Everything that is there: connections, and listeners while they accept.
    pub(crate) live: TaskTracker,
}

impl Stop {
    /// Goes through all stages, as `life_cycle` says.
    pub(crate) async fn drain(&self, life_cycle: &LifeCycle) -> Drained {
        tokio::time::sleep(life_cycle.request_accept_grace_timeout).await;
        self.drain.cancel();
        self.live.close();
        if timeout(life_cycle.grace_time_out, self.live.wait()).await.is_ok() {
            return Drained::Clean;
        }
        let cut = self.live.len();
        self.cut.cancel();
        if timeout(CUT_LIMIT, self.live.wait()).await.is_err() {
            tracing::warn!("connections do not end although they were cut");
        }
        if cut == 0 {
            Drained::Clean
        } else {
            Drained::Cut(cut)
        }
    }
}

/// Where in its life an entrypoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Accepting.
    Open,
    /// Finishing.
    Draining,
    /// Over.
    Cut,
}

/// The stage of an entrypoint as one worker knows it: read by every connection on every turn, so it costs no
/// more than a read.
#[derive(Debug)]
pub(crate) struct StageCell {
    stage: Cell<Stage>,
    changed: Notify,
}

impl StageCell {
    pub(crate) fn new() -> Self {
        Self {
            stage: Cell::new(Stage::Open),
            changed: Notify::new(),
        }
    }

    /// The stage now.
    pub(crate) fn get(&self) -> Stage {
        self.stage.get()
    }

    /// Ends when the stage changes after this call.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Ends when `stage` is reached.
    pub(crate) async fn reached(&self, stage: Stage) {
        loop {
            let changed = self.changed();
            if self.get() >= stage {
                return;
            }
            changed.await;
        }
    }

    /// Follows `stop` to the end.
    pub(crate) async fn follow(&self, stop: &Stop) {
        stop.drain.cancelled().await;
        self.enter(Stage::Draining);
        stop.cut.cancelled().await;
        self.enter(Stage::Cut);
    }

    fn enter(&self, stage: Stage) {
        self.stage.set(stage);
        self.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life_cycle() -> LifeCycle {
        LifeCycle::default()
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_in_time_is_a_clean_end() {
        let stop = Stop::default();
        let drain = stop.drain.clone();
        stop.live.spawn(async move { drain.cancelled().await });
        assert_eq!(stop.drain(&life_cycle()).await, Drained::Clean);
    }

    #[tokio::test(start_paused = true)]
    async fn what_outlives_the_grace_period_is_cut_and_counted() {
        let stop = Stop::default();
        for _ in 0..2 {
            let cut = stop.cut.clone();
            stop.live.spawn(async move { cut.cancelled().await });
        }
        assert_eq!(stop.drain(&life_cycle()).await, Drained::Cut(2));
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_accepted_for_as_long_as_settings_say() {
        let stop = Stop::default();
        let before = tokio::time::Instant::now();
        let life_cycle = LifeCycle {
            request_accept_grace_timeout: Duration::from_secs(7),
            ..LifeCycle::default()
        };
        tokio::join!(stop.drain(&life_cycle), async {
            stop.drain.cancelled().await;
            assert_eq!(before.elapsed(), Duration::from_secs(7));
        });
    }
}

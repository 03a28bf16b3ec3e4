//! How long a file must rest before what it holds counts.

use std::{collections::BTreeSet, fmt, path::Path, time::Duration};

use tokio::time::Instant;

/// How long a file must rest before a change in it counts, and the shortest time between two readings.
pub(crate) const QUIET: Duration = Duration::from_millis(20);

/// How long it must rest before something in it is given up, or while somebody still writes it.
pub(crate) const CALM: Duration = Duration::from_secs(2);

/// A file that never rests is taken as it is after this time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// One reading of all files.
pub(crate) struct Round<'a> {
    /// Nothing of it was read before.
    pub(crate) started: Instant,
    /// Nothing of it was read after.
    pub(crate) ended: Instant,
    /// The first one: there is nothing to lose, and a start must not wait.
    pub(crate) first: bool,
    /// A directory tells which files there are.
    pub(crate) listed: bool,
    /// What did not change is to be told again.
    pub(crate) refresh: bool,
    /// Whether somebody has a file open and wrote to it.
    pub(crate) is_written: &'a dyn Fn(&Path) -> bool,
    /// Root keys of the static settings.
    pub(crate) static_keys: &'a BTreeSet<String>,
}

impl Round<'_> {
    /// True when what is there `since` then has rested for `time`.
    pub(crate) fn has_rested(&self, since: Instant, time: Duration) -> bool {
        self.started.saturating_duration_since(since) >= time
    }

    /// The next time at which this may matter for something that is there `since` then.
    pub(crate) fn next(&self, since: Instant) -> Option<Instant> {
        let times = [QUIET, CALM, PATIENCE].map(|time| since + time);
        times.into_iter().find(|time| *time > self.started)
    }
}

impl fmt::Debug for Round<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Round")
            .field("started", &self.started)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

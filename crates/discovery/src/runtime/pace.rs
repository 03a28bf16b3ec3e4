//! When to publish.

use std::time::Duration;

use tokio::time::Instant;

use crate::settings::PublishSettings;

/// No more changes than this in one window are no storm. One event of the outside world is often two here: a list
/// and what it lists.
const CALM: u32 = 2;

/// Neither are changes that are further apart than this many shortest windows.
const APART: u32 = 4;

/// Publishes an isolated change at once and collects those that follow closely.
#[derive(Debug)]
pub(super) struct Pace {
    min: Duration,
    max: Duration,
    /// Time of collecting after the last publication.
    window: Duration,
    /// End of that time.
    next: Option<Instant>,
    /// Changes that wait to be published.
    pending: u32,
}

impl Pace {
    pub(super) fn new(settings: &PublishSettings) -> Self {
        Self {
            min: settings.min,
            max: settings.max.max(settings.min),
            window: settings.min,
            next: None,
            pending: 0,
        }
    }

    /// There is something to publish.
    pub(super) fn changed(&mut self) {
        self.pending = self.pending.saturating_add(1);
    }

    /// When to publish; `None` when there is nothing.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.pending > 0).then(|| self.next.unwrap_or_else(Instant::now))
    }

    /// Something was published.
    pub(super) fn published(&mut self, now: Instant) {
        let late = self.next.is_some_and(|next| now > next + self.window);
        self.window = match std::mem::take(&mut self.pending) {
            _ if late => self.min,
            changes if changes > CALM && self.window < self.min * APART * changes => {
                (self.window * 2).min(self.max)
            }
            _ => (self.window / 2).max(self.min),
        };
        self.next = Some(now + self.window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Publication times in milliseconds when something changes at each of `changes`.
    fn publications(changes: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = Pace::new(&PublishSettings::default());
        let mut published = Vec::new();
        for change in changes.into_iter().map(Some).chain([None]) {
            // What was waiting went out when it was due.
            if let Some(due) = pace
                .due()
                .filter(|due| change.is_none_or(|change| *due <= at(change)))
            {
                published.push(due);
                pace.published(due);
            }
            let Some(change) = change else { break };
            pace.changed();
            if pace.due().is_some_and(|due| due <= at(change)) {
                published.push(at(change));
                pace.published(at(change));
            }
        }
        let millis = |time: Instant| time.duration_since(start).as_millis().try_into().unwrap();
        published.into_iter().map(millis).collect()
    }

    #[test]
    fn isolated_changes_are_published_at_once() {
        assert_eq!(publications([0, 100, 1000, 5000]), [0, 100, 1000, 5000]);
    }

    #[test]
    fn a_second_change_waits_for_the_end_of_the_window() {
        assert_eq!(publications([0, 10, 20]), [0, 50]);
    }

    #[test]
    fn a_storm_is_collected_in_ever_longer_windows_up_to_the_longest() {
        let times = publications((0..20_000).step_by(5));
        assert_eq!(&times[..6], [0, 50, 150, 350, 750, 1550]);
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert_eq!(longest, Some(2000));
    }

    #[test]
    fn changes_that_come_one_by_one_are_no_storm() {
        // The next one begins 100 ms after the last one was published.
        assert_eq!(
            publications([0, 40, 150, 190, 300, 340, 450]),
            [0, 50, 150, 200, 300, 350, 450]
        );
    }

    #[test]
    fn a_storm_that_abates_is_collected_in_shorter_windows() {
        let storm = (0..5_000).step_by(5);
        let times = publications(storm.chain((5_000..30_000).step_by(400)));
        let last = &times[times.len() - 10..];
        assert!(last.windows(2).all(|pair| pair[1] - pair[0] <= 400), "{last:?}");
    }

    #[test]
    fn after_quiet_a_change_is_published_at_once_again() {
        let times = publications((0..10_000).step_by(5).chain([20_000, 20_010]));
        assert_eq!(&times[times.len() - 2..], [20_000, 20_050]);
    }
}

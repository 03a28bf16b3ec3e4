//! How long things took.

use std::{fmt, time::Duration};

/// Durations, the shortest first.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// What that share of them did not exceed; nothing took no time.
    pub fn at(&self, share: f64) -> Duration {
        let place = (self.0.len() as f64 * share) as usize;
        self.0.get(place).or(self.0.last()).copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<T: IntoIterator<Item = Duration>>(times: T) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort();
        Self(times)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99, max) = (self.at(0.5), self.at(0.99), self.at(1.0));
        write!(
            f,
            "{} changes: p50 {p50:?}, p99 {p99:?}, max {max:?}",
            self.0.len()
        )
    }
}

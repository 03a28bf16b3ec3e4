//! How many threads serve requests.

use std::{num::NonZeroUsize, str::FromStr};

use serde::Deserialize;

/// More threads than any machine has cores; what is above is a slip.
const MOST: usize = 1024;

/// A number of worker threads that can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Workers(NonZeroUsize);

/// Why text is no number of workers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no number of workers: write a whole number from 1 to {MOST}, or leave it out for one for each core"
)]
pub(crate) struct WorkersError(String);

impl Workers {
    /// The number.
    pub(crate) fn count(self) -> NonZeroUsize {
        self.0
    }
}

impl FromStr for Workers {
    type Err = WorkersError;

    fn from_str(text: &str) -> Result<Self, WorkersError> {
        let count = text.trim().parse::<NonZeroUsize>().ok();
        count
            .filter(|count| count.get() <= MOST)
            .map(Self)
            .ok_or_else(|| WorkersError(text.to_owned()))
    }
}

impl TryFrom<String> for Workers {
    type Error = WorkersError;

    fn try_from(text: String) -> Result<Self, WorkersError> {
        text.parse()
    }
}

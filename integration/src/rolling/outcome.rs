//! What a rolling deploy did to its clients.

use std::{
    fmt,
    time::{Duration, Instant},
};

use super::{load::Request, server::Runs};
use crate::Times;

/// A server that was killed is noticed by those connected to it within this time, on a machine that is busy.
const NOTICED: Duration = Duration::from_millis(100);

/// Figures of a rolling deploy.
#[derive(Debug)]
pub struct Outcome {
    replacements: usize,
    lasted: Duration,
    requests: usize,
    times: Times,
    /// Requests that had to succeed and did not, with what went wrong.
    pub failed: Vec<String>,
    /// POSTs that were under way when a server was killed: they fail, once.
    cut: usize,
    /// POSTs that servers got more than once.
    pub repeated: Vec<String>,
    /// Requests and failures of the client that asks the registered servers itself.
    pub direct: (usize, usize),
    /// What its requests took, to tell what the machine alone did.
    direct_times: Times,
}

impl Outcome {
    pub(super) fn new(
        replacements: usize,
        lasted: Duration,
        through: &[Request],
        direct: &[Request],
        kills: &[Instant],
        runs: &Runs,
    ) -> Self {
        let failures = || through.iter().filter(|request| request.failure.is_some());
        let is_cut = |request: &&Request| {
            let end = request.due + request.took;
            request.is_post
                && kills
                    .iter()
                    .any(|kill| request.due <= *kill + NOTICED && end >= *kill)
        };
        let failed = failures().filter(|request| !is_cut(request));
        let runs = runs.lock().unwrap();
        let repeated = runs
            .iter()
            .filter(|(id, count)| id.starts_with("mesh-") && **count > 1);
        Self {
            replacements,
            lasted,
            requests: through.len(),
            times: through.iter().map(|request| request.took).collect(),
            failed: failed.map(|request| format!("{request:?}")).collect(),
            cut: failures().filter(is_cut).count(),
            repeated: repeated.map(|(id, _)| id.clone()).collect(),
            direct: (
                direct.len(),
                direct.iter().filter(|request| request.failure.is_some()).count(),
            ),
            direct_times: direct.iter().map(|request| request.took).collect(),
        }
    }

    /// Tells the figures, and that nothing failed.
    ///
    /// # Panics
    /// When something did, or a POST ran twice.
    #[expect(clippy::print_stdout, reason = "figures for the manual")]
    pub fn assert_nothing_failed(&self) {
        println!("{self}");
        assert!(self.failed.is_empty(), "{:#?}", self.failed);
        assert!(
            self.repeated.is_empty(),
            "POSTs that ran twice: {:?}",
            self.repeated
        );
        // Else the servers that were killed had nothing to do, and this test nothing to show.
        assert!(self.direct.1 > 0, "killed servers were missed by nobody");
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |times: &Times| {
            let (p50, p99, max) = (times.at(0.5), times.at(0.99), times.at(1.0));
            format!("p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?}")
        };
        let (asked, missed) = self.direct;
        write!(
            f,
            "{} replacements in {:.0?}: {} requests, {} failed, {} POSTs cut by a kill, {}; without Mesh: {asked} \
             requests, {missed} failed, {}",
            self.replacements,
            self.lasted,
            self.requests,
            self.failed.len(),
            self.cut,
            times(&self.times),
            times(&self.direct_times),
        )
    }
}

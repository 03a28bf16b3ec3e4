//! Copies of requests for other services.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Asking, Pick, Service};

/// A service that answers, and those that get copies of its requests.
#[derive(Debug)]
pub struct Mirroring {
    main: Arc<Service>,
    mirrors: Vec<Mirror>,
    body: MirroredBody,
    /// Requests so far; survives tables.
    requests: Arc<AtomicU64>,
}

/// One that gets copies.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// The service.
    pub service: Arc<Service>,
    /// Of a hundred requests, how many it gets.
    pub percent: u8,
    /// What became of its copies; survives tables.
    pub counts: Arc<CopyCounts>,
}

/// What became of copies.
#[derive(Debug, Default)]
pub struct CopyCounts([AtomicU64; CopyOutcome::ALL.len()]);

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyOutcome {
    /// The mirror answered, whatever it said.
    Answered,
    /// It did not, or not in time.
    Failed,
    /// It was not sent: its body is too long or did not come, or there was no room.
    Dropped,
}

impl CopyOutcome {
    /// Every one, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::Answered, Self::Failed, Self::Dropped];

    /// As metrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

impl CopyCounts {
    /// This became of one.
    pub(crate) fn count(&self, outcome: CopyOutcome) {
        if let Some(count) = self.0.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Of how many this became.
    pub fn of(&self, outcome: CopyOutcome) -> u64 {
        let count = self.0.get(outcome as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// What copies have of the bodies of their requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirroredBody {
    /// Nothing.
    None,
    /// All of it, unless it is longer than this many bytes: then there are no copies.
    UpTo(u64),
}

/// Copies of one request.
#[derive(Debug, Clone)]
pub struct Copies {
    /// Who gets one, in this order.
    pub to: Vec<Mirror>,
    /// What they have of the body.
    pub body: MirroredBody,
    /// How many of the chains on the way to the server the copies have passed, too.
    pub chains: usize,
}

impl Mirroring {
    /// Sends copies to services, each for so many requests in a hundred. Counts on from `previous`.
    pub(crate) fn new(
        main: Arc<Service>,
        mirrors: impl Iterator<Item = (Arc<Service>, u8)>,
        body: MirroredBody,
        previous: Option<&Self>,
    ) -> Self {
        let former = previous.map_or_else(Vec::new, |previous| previous.mirrors.clone());
        let mut known = Vec::new();
        for (service, percent) in mirrors {
            let same = |mirror: &&Mirror| mirror.service.name == service.name;
            let before = known.iter().chain(&former).find(same);
            known.push(Mirror {
                counts: before.map_or_else(Arc::default, |mirror| mirror.counts.clone()),
                service,
                percent,
            });
        }
        Self {
            main,
            mirrors: known,
            body,
            requests: previous.map_or_else(Arc::default, |previous| previous.requests.clone()),
        }
    }

    /// The service that answers.
    pub fn main(&self) -> &Arc<Service> {
        &self.main
    }

    /// Those that get copies.
    pub fn mirrors(&self) -> &[Mirror] {
        &self.mirrors
    }

    /// A server of the main service. The first attempt of a request makes the copies.
    pub(super) fn pick(&self, asking: &Asking<'_>) -> Option<Pick> {
        let pick = self.main.choose(asking)?.through(&self.main);
        if !asking.tried.is_empty() {
            return Some(pick);
        }
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        let due = |mirror: &&Mirror| is_due(request, mirror.percent);
        let to: Vec<_> = self.mirrors.iter().filter(due).cloned().collect();
        if to.is_empty() {
            return Some(pick);
        }
        Some(pick.with_copies(Copies {
            to,
            body: self.body,
            chains: 0,
        }))
    }
}

/// True when one of `percent` in a hundred gets the request after `before` others: the first one, and then as evenly
/// as can be.
fn is_due(before: u64, percent: u8) -> bool {
    let place = before % 100;
    let had = |requests: u64| (requests * u64::from(percent)).div_ceil(100);
    had(place + 1) > had(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_at_any_point_and_start_at_once() {
        for percent in 0..=100_u8 {
            let mut had = 0_u64;
            for request in 0..250 {
                had += u64::from(is_due(request, percent));
                let due = ((request + 1) * u64::from(percent)).div_ceil(100);
                assert_eq!(had, due, "{percent} % of {} requests", request + 1);
            }
        }
    }
}

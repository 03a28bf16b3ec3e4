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
    pub to: Vec<Arc<Service>>,
    /// What they have of the body.
    pub body: MirroredBody,
    /// How many of the chains on the way to the server the copies have passed, too.
    pub chains: usize,
}

impl Mirroring {
    /// Counts on from `previous`.
    pub(crate) fn new(
        main: Arc<Service>,
        mirrors: Vec<Mirror>,
        body: MirroredBody,
        previous: Option<&Self>,
    ) -> Self {
        Self {
            main,
            mirrors,
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
        let due = self
            .mirrors
            .iter()
            .filter(|mirror| is_due(request, mirror.percent));
        let to: Vec<_> = due.map(|mirror| mirror.service.clone()).collect();
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

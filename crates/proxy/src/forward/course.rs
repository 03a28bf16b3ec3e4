//! Ways that lead further than to one server: to a spare service, and to those who get copies.

use std::{rc::Rc, sync::Arc};

use http::HeaderValue;

use super::{Answer, Call, ForwardError, Source, Trail, copies::Waiting};
use crate::{
    middleware::Chain,
    service::{Beside, Pick, Service, Spare},
    upstream::Upstreams,
};

/// Where a call goes, beyond the service of its route. Mostly nowhere.
#[derive(Debug, Default)]
pub(super) struct Course {
    detour: Option<Box<Detour>>,
    side: Option<Box<Side>>,
}

/// A service in place of the route's, and what is between the two.
#[derive(Debug)]
struct Detour {
    service: Arc<Service>,
    chains: Vec<Chain>,
    cookies: Vec<HeaderValue>,
    spares: Vec<Spare>,
}

/// What is beside the way of the last pick.
#[derive(Debug, Default)]
struct Side {
    spares: Vec<Spare>,
    copies: Vec<Waiting>,
    /// The chain that answered in place of a server.
    stopped_in: Option<usize>,
}

impl Course {
    /// Straight to `service` through `chains`.
    pub(super) fn to(service: Arc<Service>, chains: Vec<Chain>) -> Self {
        let detour = Detour {
            service,
            chains,
            cookies: Vec::new(),
            spares: Vec::new(),
        };
        Self {
            detour: Some(Box::new(detour)),
            side: None,
        }
    }

    /// The service to ask, if it is not the `route`'s.
    pub(super) fn service<'a>(&'a self, route: &'a Service) -> &'a Service {
        self.detour.as_ref().map_or(route, |detour| &detour.service)
    }

    /// `pick` as it is seen from the route.
    pub(super) fn lead(&self, pick: Pick) -> Pick {
        match &self.detour {
            Some(detour) => detour.lead(pick),
            None => pick,
        }
    }

    /// Nobody answers in place of the next pick, unless that says so itself.
    pub(super) fn forget_spares(&mut self) {
        if let Some(side) = &mut self.side {
            side.spares.clear();
        }
    }

    /// Makes everything ready that goes beside the way of a pick.
    ///
    /// # Errors
    /// When the body of the call would have to be kept, and cannot be.
    pub(super) async fn prepare(
        &mut self,
        beside: Beside,
        chains: &[Chain],
        call: &mut Call,
    ) -> Result<(), ForwardError> {
        let is_first = self.side.is_none();
        let side = self.side.get_or_insert_default();
        side.spares = beside.spares;
        let limits = side.spares.iter().filter_map(|spare| spare.errors.max_body);
        if !side.spares.is_empty() && !call.keep_body(limits.min()).await? {
            tracing::debug!("no room to keep the body of a request: it has no fallback");
            side.spares.clear();
        }
        if is_first && !call.asks_for_upgrade() {
            side.copies = Waiting::of(beside.copies, chains, call);
        }
        Ok(())
    }

    /// A middleware answered after `passed` others of `chains` had let the request pass.
    pub(super) fn stopped(&mut self, chains: &[Chain], passed: usize) {
        let Some(side) = &mut self.side else { return };
        let mut lengths = chains.iter().scan(0, |sum, chain| {
            *sum += chain.len();
            Some(*sum)
        });
        side.stopped_in = lengths.position(|length| passed < length);
    }

    /// Sends off the copies, and gives the course to take if `outcome` does not count.
    pub(super) fn after(
        &mut self,
        outcome: &Result<Answer, ForwardError>,
        trail: &Trail,
        upstreams: &Rc<Upstreams>,
    ) -> Option<Self> {
        let side = self.side.take()?;
        for waiting in side.copies {
            waiting.send(upstreams);
        }
        let status = match outcome {
            Ok(answer) if matches!(answer.body, Source::Tunnel(..)) => return None,
            Ok(answer) => answer.head.status,
            Err(error) if error.is_of_client() => return None,
            Err(error) => error.status(),
        };
        let mut spares = side.spares.into_iter();
        let spare = spares.find(|spare| {
            let is_below = side.stopped_in.is_none_or(|chain| chain >= spare.chains);
            is_below && spare.errors.status.contains(status.as_u16())
        })?;
        tracing::debug!(service = %spare.service.label, %status, "falling back");
        let mut chains = trail.chains().get(..spare.chains).unwrap_or_default().to_vec();
        if !spare.service.middlewares.is_empty() {
            chains.push(spare.service.middlewares.clone());
        }
        let cookies = trail.cookies();
        let below = cookies.len().saturating_sub(spare.cookies);
        let detour = Detour {
            cookies: cookies.get(below..).unwrap_or_default().to_vec(),
            service: spare.service,
            chains,
            spares: spares.collect(),
        };
        Some(Self {
            detour: Some(Box::new(detour)),
            side: None,
        })
    }
}

impl Detour {
    fn lead(&self, mut pick: Pick) -> Pick {
        pick.middlewares.splice(..0, self.chains.iter().cloned());
        let mut beside = pick.beside.take().unwrap_or_default();
        for copies in &mut beside.copies {
            copies.chains += self.chains.len();
        }
        for spare in &mut beside.spares {
            spare.chains += self.chains.len();
            spare.cookies += self.cookies.len();
        }
        beside.spares.extend(self.spares.iter().cloned());
        pick.cookies.extend(self.cookies.iter().cloned());
        let is_needed = !(beside.copies.is_empty() && beside.spares.is_empty());
        pick.beside = is_needed.then_some(beside);
        pick
    }
}

//! Smooth weighted round robin over services.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Asking, Pick, ServerId, Service, schedule::Schedule, state::ServiceState};

/// Services that share the requests of one.
#[derive(Debug)]
pub struct Weighted {
    shares: Vec<Share>,
    rotation: ArcSwap<Rotation>,
    state: Arc<ServiceState>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Share {
    /// The service.
    pub service: Arc<Service>,
    /// Its share; 0 takes it out.
    pub weight: u32,
}

/// The shares that could serve when it was laid out, in turns.
#[derive(Debug, Default)]
struct Rotation {
    members: Vec<u32>,
    schedule: Schedule,
}

impl Weighted {
    /// Spreads requests over `shares`, going on where `previous` was.
    pub(crate) fn new(shares: Vec<Share>, previous: Option<&Self>) -> Self {
        Self {
            shares,
            rotation: ArcSwap::default(),
            state: previous.map_or_else(ServiceState::new, |previous| previous.state.clone()),
        }
    }

    /// The services and their shares.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// True when a service with a share can serve.
    pub(crate) fn can_serve(&self) -> bool {
        self.members().next().is_some()
    }

    /// A server of the service whose turn it is; of another one when that has none left.
    pub(crate) fn pick(&self, asking: &Asking<'_>) -> Option<Pick> {
        let rotation = self.rotation();
        let chosen = rotation.schedule.at(self.state.next())?;
        let (before, after) = self.shares.split_at_checked(chosen)?;
        after
            .iter()
            .chain(before)
            .filter(|share| share.weight > 0)
            .find_map(|share| share.pick(asking))
    }

    /// Why [`Self::pick`] found nothing.
    pub(crate) fn why_none(&self, tried: &[ServerId]) -> String {
        if self.shares.is_empty() {
            return "it has no services".to_owned();
        }
        let reasons = self.shares.iter().map(|share| match share.weight {
            0 => format!("{} has weight 0", share.service.label),
            _ => format!("{}: {}", share.service.label, share.service.why_none(tried)),
        });
        reasons.collect::<Vec<_>>().join("; ")
    }

    /// The rotation of the services that can serve now. It is laid out again, here, when these change: there
    /// are few of them, and their own rotations are ready.
    fn rotation(&self) -> Arc<Rotation> {
        let rotation = self.rotation.load_full();
        if self.members().eq(rotation.members.iter().copied()) {
            return rotation;
        }
        let members: Vec<_> = self.members().collect();
        let weight = |member: &u32| self.shares.get(*member as usize).map_or(0, |share| share.weight);
        let schedule = Schedule::new(members.iter().map(|member| (*member, weight(member))));
        let rotation = Arc::new(Rotation { members, schedule });
        self.rotation.store(rotation.clone());
        rotation
    }

    fn members(&self) -> impl Iterator<Item = u32> {
        (0..)
            .zip(&self.shares)
            .filter(|(_, share)| share.weight > 0 && share.service.can_serve())
            .map(|(member, _)| member)
    }
}

impl Share {
    fn pick(&self, asking: &Asking<'_>) -> Option<Pick> {
        let mut pick = self.service.choose(asking)?;
        if !self.service.middlewares.is_empty() {
            pick.middlewares.insert(0, self.service.middlewares.clone());
        }
        Some(pick)
    }
}

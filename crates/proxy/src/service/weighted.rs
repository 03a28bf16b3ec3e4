//! Smooth weighted round robin over services.

use std::sync::Arc;

use arc_swap::ArcSwap;
use mesh_config::model::Sticky;

use super::{Asking, Pick, ServerId, Service, schedule::Schedule, state::ServiceState, sticky::Stickiness};
use crate::brief::brief;

/// Services that share the requests of one.
#[derive(Debug)]
pub struct Weighted {
    shares: Vec<Share>,
    rotation: ArcSwap<Rotation>,
    state: Arc<ServiceState>,
    sticky: Option<Box<Stickiness>>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Share {
    /// The service.
    pub service: Arc<Service>,
    /// Its name as it is written where it is a share.
    pub written: Box<str>,
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
    /// Spreads requests of the service called `label` over `shares`, going on where `previous` was.
    pub(crate) fn new(
        label: &str,
        shares: Vec<Share>,
        sticky: Option<&Sticky>,
        previous: Option<&Self>,
    ) -> Self {
        let written = shares.iter().map(|share| &*share.written);
        Self {
            sticky: Stickiness::new(sticky, label, written),
            shares,
            rotation: ArcSwap::default(),
            state: previous.map_or_else(ServiceState::new, |previous| previous.state.clone()),
        }
    }

    /// The services and their shares.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// A server of the service that the client knows, or else of the one whose turn it is; of another one when that
    /// has none left.
    pub(crate) fn pick(&self, asking: &Asking<'_>) -> Option<Pick> {
        let Some(sticky) = &self.sticky else {
            return self.pick_next(asking).map(|(_, pick)| pick);
        };
        let wanted = sticky.wanted(&asking.head.headers).and_then(|wanted| {
            let share = self.shares.get(wanted.member).filter(|share| share.weight > 0)?;
            Some((wanted, share.pick(asking)?))
        });
        match wanted {
            Some((wanted, pick)) if wanted.is_current => Some(pick),
            Some((wanted, pick)) => Some(pick.with_cookie(sticky.cookie(wanted.member))),
            None => {
                let (member, pick) = self.pick_next(asking)?;
                Some(pick.with_cookie(sticky.cookie(member)))
            }
        }
    }

    fn pick_next(&self, asking: &Asking<'_>) -> Option<(usize, Pick)> {
        let rotation = self.rotation();
        let chosen = rotation.schedule.at(self.state.next())?;
        let members = self.shares.iter().enumerate();
        let (before, after) = (members.clone().take(chosen), members.skip(chosen));
        after
            .chain(before)
            .filter(|(_, share)| share.weight > 0)
            .find_map(|(member, share)| Some((member, share.pick(asking)?)))
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
            .filter(|(_, share)| share.can_serve())
            .map(|(member, _)| member)
    }
}

impl Share {
    /// A server of the service.
    pub(super) fn pick(&self, asking: &Asking<'_>) -> Option<Pick> {
        Some(self.service.choose(asking)?.through(&self.service))
    }

    /// True when it gets requests.
    pub(super) fn can_serve(&self) -> bool {
        self.weight > 0 && self.service.can_serve()
    }
}

/// The services of `shares`.
pub(super) fn services(shares: &[Share]) -> Vec<&Arc<Service>> {
    shares.iter().map(|share| &share.service).collect()
}

/// Why none of `shares` has a server for a request.
pub(super) fn why_none(shares: &[Share], tried: &[ServerId]) -> String {
    if shares.is_empty() {
        return "it has no services".to_owned();
    }
    let reasons = shares.iter().map(|share| match share.weight {
        0 => format!("{} has weight 0", share.service.label),
        _ => format!("{}: {}", share.service.label, share.service.why_none(tried)),
    });
    brief(reasons)
}

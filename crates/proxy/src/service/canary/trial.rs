//! Whether canaries do well enough to go on.
//!
//! Workers count, and whoever counts the request that is one too many stops them; nothing waits for the control plane.

use std::{
    collections::HashSet,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use mesh_config::{
    Origin, duration,
    model::{self, Canary, CanaryStop, LoadBalancer, ServerUrl},
};

use super::super::{
    clock::Moment,
    state::ServiceState,
    window::{Count, Window},
};

/// A server as somebody else than another one: also where a new instance takes the address of an old one.
type Member = (ServerUrl, Option<Origin>);

/// The canaries of a service against its stable servers, by one definition of that. Shared by all tables that hold that
/// definition, as long as no other canary joins those that were stopped.
#[derive(Debug)]
pub(crate) struct Trial {
    definition: Canary,
    stop: CanaryStop,
    canaries: Window,
    stable: Window,
    /// When they were stopped; 0 while they go on.
    stopped: AtomicU64,
    reason: ArcSwap<String>,
    /// The canaries that it is about.
    members: ArcSwap<HashSet<Member>>,
    service: Weak<ServiceState>,
}

/// Both groups when canaries were stopped.
#[derive(Debug)]
pub(in crate::service) struct Stopped {
    pub(in crate::service) canaries: String,
    pub(in crate::service) stable: String,
}

impl Trial {
    /// The trial of the canaries in `definition`, which goes on from `previous`; `None` where there is none.
    pub(in crate::service) fn of(
        definition: &LoadBalancer,
        previous: Option<&Arc<Self>>,
        service: &Arc<ServiceState>,
    ) -> Option<Arc<Self>> {
        let canary = definition.canary.as_ref()?;
        let stop = canary.stop.as_ref()?;
        let canaries = definition.servers.iter().filter(|server| server.canary);
        let member = |server: &model::Server| (server.url.clone(), server.origin.clone());
        let members: HashSet<Member> = canaries.map(member).collect();
        if members.is_empty() {
            return None;
        }
        let same = previous.filter(|trial| trial.definition == *canary);
        if let Some(trial) = same.filter(|trial| trial.is_about(&members)) {
            return Some(trial.clone());
        }
        Some(Arc::new(Self {
            definition: canary.clone(),
            stop: stop.clone(),
            canaries: Window::new(stop.window),
            stable: Window::new(stop.window),
            stopped: AtomicU64::new(0),
            reason: ArcSwap::default(),
            members: ArcSwap::from_pointee(members),
            service: Arc::downgrade(service),
        }))
    }

    /// True if the trial of `members` is this one: those that were stopped, or some of them; or any while none are.
    fn is_about(&self, members: &HashSet<Member>) -> bool {
        if self.is_stopped() {
            return members.is_subset(&self.members.load());
        }
        self.members.store(Arc::new(members.clone()));
        true
    }

    /// True while canaries get nothing. One load.
    pub(in crate::service) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) != 0
    }

    /// Why they were stopped.
    pub(in crate::service) fn reason(&self) -> Arc<String> {
        self.reason.load_full()
    }

    /// A request to a server of one of the groups came to an end. Gives the state of both if it stopped the canaries.
    pub(in crate::service) fn count(&self, is_canary: bool, failed: bool, now: Moment) -> Option<Stopped> {
        let group = if is_canary { &self.canaries } else { &self.stable };
        group.count(failed, now);
        if !is_canary || !failed || self.is_stopped() {
            return None;
        }
        let (canaries, stable) = (self.canaries.sum(now), self.stable.sum(now));
        let is_known = canaries.requests >= u64::from(self.stop.min_requests);
        if !is_known || !exceeds(canaries, stable, self.stop.margin) {
            return None;
        }
        let begun = self
            .stopped
            .compare_exchange(0, now.0, Ordering::AcqRel, Ordering::Relaxed);
        begun.ok()?;
        let (canaries, stable) = (rate(canaries), rate(stable));
        let window = duration::format(self.stop.window);
        self.reason.store(Arc::new(format!(
            "{canaries} failed within {window}, of stable servers {stable}"
        )));
        let service = self.service.upgrade()?;
        if let Some(end) = self.resumes() {
            service.look_again(end);
        }
        service.rebalance();
        Some(Stopped { canaries, stable })
    }

    /// When stopped canaries are tried again without anybody's word.
    pub(in crate::service) fn resumes(&self) -> Option<Moment> {
        let stopped = Moment(self.stopped.load(Ordering::Relaxed));
        let after = self.stop.resume_after?;
        (stopped.0 != 0).then(|| stopped.after(after))
    }

    /// Tries them again if it is time. Balancers have to be told.
    pub(in crate::service) fn expire(&self, now: Moment) -> bool {
        let is_due = self.resumes().is_some_and(|resumes| resumes <= now);
        if is_due {
            self.canaries.clear();
            self.stable.clear();
            self.stopped.store(0, Ordering::Release);
        }
        is_due
    }
}

/// True if more than `margin` points of per cent lie between the two rates. Stable servers without a request have not
/// failed any.
fn exceeds(canaries: Count, stable: Count, margin: u8) -> bool {
    let requests = stable.requests.max(1);
    let allowed = stable.failures * 100 + u64::from(margin) * requests;
    canaries.failures * 100 * requests > allowed * canaries.requests
}

/// `7.5 % of 40 requests`
fn rate(count: Count) -> String {
    let part = count.failures as f64 * 100.0 / count.requests.max(1) as f64;
    format!("{part:.1} % of {} requests", count.requests)
}

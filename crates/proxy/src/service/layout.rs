//! The servers that may be chosen now, prepared for choosing.
//!
//! Laid out again when a verdict changes, never for a request. What changes from one request to the next (requests in
//! flight, latencies, the growth of new servers) is read from the servers themselves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mesh_config::model::{Hash, LoadBalancer, Strategy};

use super::{
    Asking,
    canary::Canaries,
    clock::micros,
    key,
    server::Server,
    slow_start::SlowStart,
    standing::Standing,
    state::ServiceState,
    strategy::Method,
    turn::{Turn, unit},
    zone::Zones,
};

/// Servers of one standing, or all in a panic, and how one of them is chosen.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// That of its servers.
    standing: Option<Standing>,
    /// So few are ready that the others are used as well.
    panics: bool,
    /// Those that get a share of their own; they are not among its members.
    canaries: Option<Box<Canaries>>,
    pub(super) members: Vec<Member>,
    /// All weights together.
    pub(super) total: f32,
    /// All weights are the same.
    pub(super) is_even: bool,
    slow_start: Option<SlowStart>,
    method: Method,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) server: Arc<Server>,
    /// Its share, after zones were considered.
    pub(super) weight: f32,
    /// The weights up to this one.
    pub(super) upto: f32,
    /// Its number among hashes, everywhere the same.
    pub(super) seed: u64,
}

/// What is laid out, and how.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) strategy: Strategy,
    pub(super) hash: Hash,
    pub(super) slow_start: Duration,
    /// In per cent.
    pub(super) panic_threshold: u8,
    /// What canaries get, in per cent.
    pub(super) canary_share: Option<u8>,
    pub(super) zones: Option<Zones>,
}

impl Rules {
    /// Those of `definition` for a process in the zone `own`.
    pub(super) fn new(definition: &LoadBalancer, own: &str) -> Self {
        let zones = definition.servers.iter().map(|server| server.zone.as_str());
        Self {
            strategy: definition.strategy,
            hash: definition.hash.clone(),
            slow_start: definition.slow_start,
            panic_threshold: definition.panic_threshold,
            canary_share: definition.canary.as_ref().and_then(|canary| canary.weight),
            zones: Zones::new(own, definition.zone_preference.as_ref(), zones),
        }
    }
}

impl Layout {
    /// Lays `servers` out as they stand at `now`.
    pub(super) fn new(servers: &[Arc<Server>], rules: &Rules, now: Instant) -> Self {
        let standings: Vec<_> = servers.iter().map(|server| (server.standing(), server)).collect();
        let best = standings.iter().map(|(standing, _)| *standing).min();
        let best = best.filter(|best| best.takes_requests());
        let panics = is_panic(&standings, rules.panic_threshold);
        let chosen: Vec<_> = standings
            .into_iter()
            .filter(|(standing, server)| match panics {
                true => server.is_last_resort(),
                false => Some(*standing) == best,
            })
            .map(|(_, server)| server)
            .collect();
        let group = |servers: &[_]| Self::of_group(servers, rules, (best, panics), now);
        let Some(share) = rules.canary_share else {
            return group(&chosen);
        };
        let (canaries, stable): (Vec<_>, Vec<_>) = chosen.iter().copied().partition(|server| server.canary);
        if canaries.is_empty() || stable.is_empty() {
            // Who has nobody to take requests leaves all of them to the other.
            return group(&chosen);
        }
        Self {
            canaries: Some(Box::new(Canaries::new(share, group(&canaries)))),
            ..group(&stable)
        }
    }

    fn of_group(
        servers: &[&Arc<Server>],
        rules: &Rules,
        (standing, panics): (Option<Standing>, bool),
        now: Instant,
    ) -> Self {
        let mut layout = Self {
            standing,
            panics,
            members: members(servers, rules.zones.as_ref().filter(|_| !panics)),
            ..Self::default()
        };
        let since = layout.members.iter().map(|member| member.server.state.since());
        if standing == Some(Standing::Ready) && !panics {
            layout.slow_start = SlowStart::new(rules.slow_start, since, micros(now));
        }
        layout.total = layout.members.last().map_or(0.0, |member| member.upto);
        let weight = layout.members.first().map(|member| member.weight);
        layout.is_even = layout.members.iter().all(|member| Some(member.weight) == weight);
        layout.method = Method::new(rules, &layout.members);
        layout
    }

    /// True when it has a server to offer.
    pub(super) fn can_serve(&self) -> bool {
        !self.members.is_empty()
    }

    /// The standing of its servers.
    pub(super) fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// True in a panic.
    pub(super) fn panics(&self) -> bool {
        self.panics
    }

    /// The server for a request; the turns are those of the service.
    pub(super) fn choose<'a>(
        &'a self,
        asking: &'a Asking<'_>,
        state: &ServiceState,
    ) -> Option<&'a Arc<Server>> {
        match &self.canaries {
            None => self.choose_within(asking, || state.turn()),
            Some(canaries) => canaries.choose(self, asking, state),
        }
    }

    /// The same out of its members; `turn` gives the next number whenever it is called.
    pub(super) fn choose_within<'a>(
        &'a self,
        asking: &'a Asking<'_>,
        turn: impl Fn() -> Turn,
    ) -> Option<&'a Arc<Server>> {
        let view = self.view(asking);
        self.method.choose(&view, turn).map(|member| &member.server)
    }

    /// Any of its members that takes the request, where the method did not look at all of them.
    pub(super) fn any<'a>(&'a self, asking: &'a Asking<'_>, turn: Turn) -> Option<&'a Arc<Server>> {
        let view = self.view(asking);
        let first = turn.0.checked_rem(self.members.len())?;
        let (before, after) = self.members.split_at_checked(first)?;
        let mut all = after.iter().chain(before);
        all.find(|member| view.takes(member)).map(|member| &member.server)
    }

    /// What the request is chosen a server by, if it is not by turns.
    pub(super) fn key(&self, asking: &Asking<'_>) -> Option<u64> {
        self.method.key(asking)
    }

    fn view<'a>(&'a self, asking: &Asking<'a>) -> View<'a> {
        View {
            layout: self,
            asking: *asking,
            now: match (self.slow_start, self.method.needs_time()) {
                (None, false) => 0,
                _ => micros(asking.now),
            },
        }
    }
}

/// True when too few of the servers that could be used are ready.
fn is_panic(servers: &[(Standing, &Arc<Server>)], threshold: u8) -> bool {
    let usable = servers
        .iter()
        .filter(|(_, server)| server.is_last_resort())
        .count();
    let ready = servers
        .iter()
        .filter(|(standing, _)| *standing == Standing::Ready);
    ready.count() * 100 < usable * usize::from(threshold)
}

fn members(servers: &[&Arc<Server>], zones: Option<&Zones>) -> Vec<Member> {
    let weights = servers.iter().map(|server| (&*server.zone, server.weight as f32));
    let mut weights: Vec<_> = weights.collect();
    if let Some(zones) = zones {
        zones.weigh(&mut weights);
    }
    let mut upto = 0.0;
    let members = servers
        .iter()
        .zip(weights)
        .filter(|(_, (_, weight))| *weight > 0.0);
    members
        .map(|(server, (_, weight))| {
            upto += weight;
            Member {
                server: Arc::clone(server),
                weight,
                upto,
                seed: key::fnv(server.label.as_bytes()),
            }
        })
        .collect()
}

/// What a strategy sees of the servers at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) layout: &'a Layout,
    pub(super) asking: Asking<'a>,
    /// In microseconds; 0 where nobody needs it.
    pub(super) now: u64,
}

impl<'a> View<'a> {
    pub(super) fn members(&self) -> &'a [Member] {
        &self.layout.members
    }

    /// True if the request may go there: a verdict may have changed since the layout was made.
    pub(super) fn takes(&self, member: &Member) -> bool {
        let server = &member.server;
        let stands = match self.layout.panics {
            true => server.is_last_resort(),
            false => Some(server.standing()) == self.layout.standing,
        };
        stands && !self.asking.passes_over(server)
    }

    /// The part of its share that is due to a server which may be new.
    pub(super) fn part(&self, member: &Member) -> f32 {
        match &self.layout.slow_start {
            None => 1.0,
            Some(start) => start.part(member.server.state.since(), self.now),
        }
    }

    /// False for a new server as often as it is to be spared.
    pub(super) fn is_due(&self, member: &Member, die: impl FnOnce() -> u64) -> bool {
        self.layout.slow_start.is_none() || unit(die()) < self.part(member)
    }
}

//! The servers that may be chosen now, prepared for choosing.
//!
//! Laid out again when a verdict changes, never for a request. What changes from one request to the next (requests in
//! flight, latencies, the growth of new servers) is read from the servers themselves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mesh_config::model::{Hash, Strategy};

use super::{
    Asking,
    clock::micros,
    key,
    server::Server,
    slow_start::SlowStart,
    standing::Standing,
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
    pub(super) zones: Option<Zones>,
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
        let mut layout = Self {
            standing: best,
            panics,
            members: members(&chosen, rules.zones.as_ref().filter(|_| !panics)),
            ..Self::default()
        };
        let since = layout.members.iter().map(|member| member.server.state.since());
        if best == Some(Standing::Ready) && !panics {
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

    /// True in a panic.
    pub(super) fn panics(&self) -> bool {
        self.panics
    }

    /// The server for a request; `turn` gives the next number whenever it is called.
    pub(super) fn choose<'a>(
        &'a self,
        asking: &'a Asking<'_>,
        turn: impl Fn() -> Turn,
    ) -> Option<&'a Arc<Server>> {
        let view = View {
            layout: self,
            asking: *asking,
            now: match (self.slow_start, self.method.needs_time()) {
                (None, false) => 0,
                _ => micros(asking.now),
            },
        };
        self.method.choose(&view, turn).map(|member| &member.server)
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
        stands && !self.asking.tried.contains(&server.id())
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

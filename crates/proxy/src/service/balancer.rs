//! Spreads requests over the servers of one service.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use mesh_config::{
    Origin,
    instance::Lifecycle,
    model::{self, LoadBalancer},
};
use parking_lot::Mutex;

use super::{
    Asking, Cause, Pick, Terms, Upgrades,
    canary::Trial,
    known_servers::{KnownServer, KnownServers},
    layout::{Layout, Rules},
    parting::parting,
    server::{Server, ServerId, ServerInfo},
    state::ServiceState,
    sticky::Stickiness,
};
use crate::{brief::brief, upstream::Transport};

/// The servers of a load balancer and whose turn it is.
///
/// Choosing takes no lock: one atomic step and a look at a few servers. The layout holds the servers of the best
/// standing there is; it is made again when a verdict changes.
#[derive(Debug)]
pub struct Balancer {
    servers: Vec<Arc<Server>>,
    /// How many of them its definition names. The others have left it, and have sessions.
    named: usize,
    rules: Rules,
    layout: ArcSwap<Layout>,
    laying_out: Mutex<()>,
    /// Changes of standing so far.
    changes: AtomicUsize,
    /// The readiness of servers is to be noted when they are laid out.
    notes_readiness: AtomicBool,
    drain_timeout: Duration,
    leads_straight: bool,
    pub(super) state: Arc<ServiceState>,
    trial: Option<Arc<Trial>>,
    sticky: Option<Box<Stickiness>>,
}

/// What a balancer belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The service, as logs write it.
    pub(crate) label: &'a Arc<str>,
    /// Where it was written.
    pub(crate) origin: &'a Origin,
    /// How its servers are connected to.
    pub(crate) transport: &'a Arc<Transport>,
    /// The zone this process is in.
    pub(crate) zone: &'a str,
}

impl Balancer {
    /// A balancer as `definition` says. What is known of its servers comes from `previous`.
    pub(crate) fn new(context: Context<'_>, definition: &LoadBalancer, previous: Option<&Self>) -> Arc<Self> {
        Self::at(Instant::now(), context, definition, previous)
    }

    /// [`Self::new`] at another time.
    pub(super) fn at(
        now: Instant,
        context: Context<'_>,
        definition: &LoadBalancer,
        previous: Option<&Self>,
    ) -> Arc<Self> {
        let state = previous.map_or_else(ServiceState::new, |previous| previous.state.clone());
        let before = previous.and_then(|previous| previous.trial.as_ref());
        let trial = Trial::of(definition, before, &state);
        let parting = parting(definition, previous);
        let urls = definition
            .servers
            .iter()
            .chain(&parting)
            .map(|server| server.url.as_written());
        let sticky = stickiness(definition, context.label, urls);
        let servers = servers(context, definition, &parting, previous, (&state, trial.as_ref()));
        let named = definition.servers.len();
        lead_out(
            servers.get(..named).unwrap_or_default(),
            definition.drain_timeout,
            now,
        );
        let by_header = matches!(definition.hash.key, model::HashKey::Header(_));
        let leads_straight = !by_header && !servers.iter().any(|server| server.may_share());
        let balancer = Arc::new(Self {
            rules: Rules::new(definition, context.zone),
            servers,
            named,
            layout: ArcSwap::default(),
            laying_out: Mutex::new(()),
            changes: AtomicUsize::new(0),
            notes_readiness: AtomicBool::new(false),
            drain_timeout: definition.drain_timeout,
            leads_straight,
            state,
            trial,
            sticky,
        });
        balancer.rebalance(true, now);
        balancer.state.enlist(&balancer);
        // A verdict may have changed before anybody could tell it.
        balancer.rebalance(true, now);
        balancer
    }

    /// True if a server is chosen whatever headers say, and spoken to over HTTP/1.1.
    pub(super) fn leads_straight(&self) -> bool {
        self.leads_straight
    }

    /// All servers, usable or not.
    pub fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    /// Those that its definition names.
    pub(super) fn named(&self) -> &[Arc<Server>] {
        self.servers.get(..self.named).unwrap_or_default()
    }

    /// Those that have left it, and may have sessions.
    pub(super) fn parting(&self) -> &[Arc<Server>] {
        self.servers.get(self.named..).unwrap_or_default()
    }

    /// True if its cookie keeps clients with their servers.
    pub(super) fn is_sticky(&self) -> bool {
        self.sticky.is_some()
    }

    /// The server that the client knows, if it may go on with it, or else the next one.
    pub(crate) fn choose(&self, asking: &Asking<'_>) -> Option<Pick> {
        if asking.is_spent {
            return None;
        }
        let Some(sticky) = &self.sticky else {
            return self.pick(asking).map(Pick::of);
        };
        self.state.end_ejections();
        let wanted = sticky.wanted(&asking.head.headers).and_then(|wanted| {
            let server = self.servers.get(wanted.member)?;
            let may_stay = server.standing().keeps_sessions() && !asking.passes_over(server);
            may_stay.then(|| (wanted, server.clone()))
        });
        if let Some((wanted, server)) = wanted {
            let cookie = (!wanted.is_current).then(|| sticky.cookie(wanted.member));
            return Some(Pick::of(server).with_cookie(cookie.flatten()));
        }
        let server = self.pick(asking)?;
        let member = self.servers.iter().position(|known| Arc::ptr_eq(known, &server));
        let cookie = member.and_then(|member| sticky.cookie(member));
        Some(Pick::of(server).with_cookie(cookie))
    }

    /// The next server that did not fail the request before, and answers others if it has to.
    pub(crate) fn pick(&self, asking: &Asking<'_>) -> Option<Arc<Server>> {
        self.state.end_ejections();
        let layout = self.layout.load();
        match layout.choose(asking, &self.state) {
            Some(server) => Some(server.clone()),
            None => self.best_of_the_rest(asking, &layout),
        }
    }

    /// The server of the best standing, when the layout has none to offer.
    fn best_of_the_rest(&self, asking: &Asking<'_>, layout: &Layout) -> Option<Arc<Server>> {
        let first = self.state.next().checked_rem(self.servers.len())?;
        let (before, after) = self.servers.split_at_checked(first)?;
        after
            .iter()
            .chain(before)
            .filter(|server| !asking.passes_over(server))
            .map(|server| (server.standing(), server))
            .filter(|(standing, server)| {
                standing.takes_requests() || layout.panics() && server.is_last_resort()
            })
            // None that is less ready is asked before one that is in doubt.
            .filter(|(standing, _)| {
                !asking.is_wary || layout.panics() || Some(*standing) == layout.standing()
            })
            .min_by_key(|(standing, _)| *standing)
            .map(|(_, server)| server.clone())
    }

    /// True when some server may be used.
    pub(crate) fn can_serve(&self) -> bool {
        self.state.end_ejections();
        self.layout.load().can_serve()
    }

    /// How often a request was not sent again because the budget for that was used up.
    pub fn refused_retries(&self) -> u64 {
        self.state.retries.refused()
    }

    /// The servers as they are at this moment. Those that have left it are among them only while they have sessions.
    pub(crate) fn info(&self) -> Vec<ServerInfo> {
        self.state.end_ejections();
        let parting = self.parting().iter();
        let parting = parting.filter(|server| server.standing().keeps_sessions());
        let servers = self.named().iter().chain(parting);
        servers.map(|server| server.info()).collect()
    }

    /// What becomes of ejections once it is `now`.
    #[cfg(test)]
    pub(super) fn pass_time(&self, now: Instant) {
        self.state.end_ejections_at(super::clock::Moment::of(now));
    }

    /// How its canaries do, where that is watched.
    pub(super) fn trial(&self) -> Option<&Trial> {
        self.trial.as_deref()
    }

    /// Lets those of the servers that it names go that are not among `those_that_stay`.
    pub(super) fn part_from(&self, those_that_stay: &[Arc<Server>]) {
        let staying: HashSet<_> = those_that_stay.iter().map(|server| server.id()).collect();
        let gone = self
            .named()
            .iter()
            .filter(|server| !staying.contains(&server.id()));
        let now = Instant::now();
        gone.for_each(|server| server.state.leave(now, self.drain_timeout));
    }

    /// Servers that are to have requests, whether they can take them or not; and those of them that are ejected.
    pub(super) fn ejected(&self) -> (usize, usize) {
        let servers = self.servers.iter().filter(|server| server.is_last_resort());
        servers.fold((0, 0), |(all, ejected), server| {
            let is_ejected = server
                .passive
                .as_ref()
                .is_some_and(|passive| passive.is_ejected());
            (all + 1, ejected + usize::from(is_ejected))
        })
    }

    /// True if some server would serve, were it not ejected.
    pub(super) fn has_ejected(&self) -> bool {
        let mut servers = self.named().iter();
        servers.any(|server| server.verdict().1 == Cause::Requests && server.is_last_resort())
    }

    /// Lays the servers out again after a change of standing. The `newest` balancer of a service notes since when they
    /// are ready; one of a former table may think otherwise. Never waits: if somebody else is at it, he does it again.
    pub(crate) fn rebalance(&self, newest: bool, now: Instant) {
        if newest {
            self.notes_readiness.store(true, Ordering::SeqCst);
        }
        self.changes.fetch_add(1, Ordering::SeqCst);
        while let Some(alone) = self.laying_out.try_lock() {
            let seen = self.changes.load(Ordering::SeqCst);
            if self.notes_readiness.swap(false, Ordering::SeqCst) {
                self.servers.iter().for_each(|server| server.note_readiness(now));
            }
            let layout = Layout::new(&self.servers, &self.rules, now);
            self.layout.store(Arc::new(layout));
            drop(alone);
            if self.changes.load(Ordering::SeqCst) == seen {
                return;
            }
        }
    }

    /// Why [`Self::pick`] found nothing.
    pub(crate) fn why_none(&self, tried: &[ServerId]) -> String {
        let count = self.servers.len();
        if count == 0 {
            return "it has no servers".to_owned();
        }
        let usable = self
            .servers
            .iter()
            .filter(|server| server.standing().takes_requests())
            .count();
        let obstacles = self
            .servers
            .iter()
            .filter(|server| !server.standing().takes_requests())
            .filter_map(|server| Some(format!("{} {}", server.authority, server.obstacle()?)));
        let obstacles = brief(obstacles);
        if usable > 0 && !tried.is_empty() {
            let out = if obstacles.is_empty() {
                String::new()
            } else {
                format!("; {obstacles}")
            };
            return format!("all {usable} usable servers failed this request{out}");
        }
        format!("none of its {count} servers may be used: {obstacles}")
    }
}

/// The servers that `definition` names, then those that have left it. What is known of them comes from `previous`.
fn servers(
    context: Context<'_>,
    definition: &LoadBalancer,
    parting: &[model::Server],
    previous: Option<&Balancer>,
    (state, trial): (&Arc<ServiceState>, Option<&Arc<Trial>>),
) -> Vec<Arc<Server>> {
    let mut known = KnownServers::new(definition, previous, state);
    let upgrades = Upgrades::new(&definition.upgrades);
    let terms = Terms::new(definition, state);
    let servers = definition.servers.iter().chain(parting).map(|server| {
        let KnownServer {
            state,
            health,
            passive,
        } = known.take(&server.url);
        Arc::new(Server {
            label: server.url.to_string().into(),
            authority: server.url.authority().into(),
            service: context.label.clone(),
            weight: server.weight,
            zone: server.zone.as_str().into(),
            canary: server.canary,
            trial: trial.cloned(),
            pass_host_header: definition.pass_host_header,
            upgrades: upgrades.clone(),
            preserve_path: server.preserve_path,
            transport: context.transport.clone(),
            terms: terms.clone(),
            lifecycle: server.lifecycle,
            reason: server.reason.clone(),
            origin: server.origin.as_ref().unwrap_or(context.origin).clone(),
            state,
            health,
            passive,
            is_timed: definition.strategy == model::Strategy::LeastTime,
            url: server.url.clone(),
        })
    });
    servers.collect()
}

/// How clients are kept with their servers, if they are. A strategy that goes by what clients send keeps them together
/// by itself.
fn stickiness<'m>(
    definition: &LoadBalancer,
    service: &str,
    servers: impl Iterator<Item = impl AsRef<str>> + Clone + 'm,
) -> Option<Box<Stickiness>> {
    let is_by_key = matches!(
        definition.strategy,
        model::Strategy::Hrw | model::Strategy::ConsistentHash
    );
    let sticky = definition.sticky.as_ref().filter(|_| !is_by_key);
    Stickiness::new(sticky, service, servers)
}

/// Lets those of `servers` go that drain. One whose URL another one has stays with that.
fn lead_out(servers: &[Arc<Server>], limit: Duration, now: Instant) {
    let drains = |server: &&Arc<Server>| server.lifecycle == Lifecycle::Draining;
    let (draining, staying): (Vec<_>, Vec<_>) = servers.iter().partition(drains);
    let staying: HashSet<_> = staying
        .into_iter()
        .inspect(|server| server.state.stay())
        .map(|server| server.id())
        .collect();
    let leaving = draining.iter().filter(|server| !staying.contains(&server.id()));
    leaving.for_each(|server| server.state.leave(now, limit));
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::{prelude::*, sample::select};

    use super::*;
    use crate::{fixture::asking, service::CheckStatus};

    /// A balancer over servers with these weights and lifecycles; the n-th listens on port n + 1.
    fn balancer(servers: &[(u32, Lifecycle)], checked: bool) -> Arc<Balancer> {
        let servers = (1..)
            .zip(servers)
            .map(|(port, (weight, lifecycle))| model::Server {
                url: format!("http://10.0.0.1:{port}").parse().unwrap(),
                weight: *weight,
                preserve_path: false,
                zone: String::new(),
                canary: false,
                lifecycle: *lifecycle,
                reason: (*lifecycle != Lifecycle::Ready).then(|| "says its provider".to_owned()),
                origin: None,
            });
        let definition = LoadBalancer {
            servers: servers.collect(),
            health_check: checked.then(model::HealthCheck::default),
            ..LoadBalancer::default()
        };
        let context = Context {
            label: &"s@test".into(),
            origin: &Origin::default(),
            transport: &Arc::default(),
            zone: "",
        };
        Balancer::new(context, &definition, None)
    }

    fn picks(balancer: &Balancer, count: usize) -> HashMap<u16, usize> {
        let mut picks = HashMap::new();
        for _ in 0..count {
            if let Some(server) = balancer.pick(&asking(&[]).look()) {
                *picks.entry(server.url.port).or_default() += 1;
            }
        }
        picks
    }

    #[test]
    fn servers_share_by_weight_from_any_start() {
        let balancer = balancer(
            &[
                (3, Lifecycle::Ready),
                (1, Lifecycle::Ready),
                (0, Lifecycle::Ready),
            ],
            false,
        );
        assert_eq!(picks(&balancer, 400), HashMap::from([(1, 300), (2, 100)]));
    }

    #[test]
    fn shares_hold_over_all_workers_together() {
        let balancer = balancer(&[(3, Lifecycle::Ready), (1, Lifecycle::Ready)], false);
        let mut total = HashMap::new();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(|| picks(&balancer, 1001))).collect();
            for (port, count) in workers.into_iter().flat_map(|worker| worker.join().unwrap()) {
                *total.entry(port).or_default() += count;
            }
        });
        assert_eq!(total, HashMap::from([(1, 3003), (2, 1001)]));
    }

    #[test]
    fn starting_servers_wait_for_the_lack_of_ready_ones_and_draining_ones_get_nothing_new() {
        use Lifecycle::{Draining, Ready, Starting, Unhealthy};
        let first = |lifecycles: &[Lifecycle]| {
            let servers: Vec<_> = lifecycles.iter().map(|lifecycle| (1, *lifecycle)).collect();
            let mut ports: Vec<_> = picks(&balancer(&servers, false), 8).into_keys().collect();
            ports.sort_unstable();
            ports
        };
        assert_eq!(first(&[Draining, Starting, Ready, Unhealthy]), [3]);
        assert_eq!(first(&[Draining, Starting, Starting, Unhealthy]), [2, 3]);
        assert!(first(&[Draining, Unhealthy]).is_empty());
    }

    #[test]
    fn a_passed_check_makes_a_starting_server_ready_and_no_unhealthy_one() {
        let balancer = balancer(
            &[
                (1, Lifecycle::Starting),
                (1, Lifecycle::Ready),
                (1, Lifecycle::Unhealthy),
            ],
            true,
        );
        assert_eq!(picks(&balancer, 8).len(), 2);
        for server in balancer.servers() {
            server.health.as_ref().unwrap().set_status(CheckStatus::Up);
        }
        assert_eq!(picks(&balancer, 8), HashMap::from([(1, 4), (2, 4)]));
        balancer.servers()[1]
            .health
            .as_ref()
            .unwrap()
            .set_status(CheckStatus::Down);
        assert_eq!(picks(&balancer, 8), HashMap::from([(1, 8)]));
    }

    #[test]
    fn servers_that_failed_the_request_are_left_out_of_it() {
        let balancer = balancer(
            &[
                (1, Lifecycle::Ready),
                (9, Lifecycle::Ready),
                (1, Lifecycle::Starting),
            ],
            false,
        );
        let mut tried = Vec::new();
        while let Some(server) = balancer.pick(&asking(&tried).look()) {
            tried.push(server.id());
        }
        assert_eq!(tried.len(), 3);
        assert_eq!(tried[2], balancer.servers()[2].id());
        assert_eq!(
            balancer.why_none(&tried),
            "all 3 usable servers failed this request"
        );
    }

    #[test]
    fn the_lack_of_servers_is_explained() {
        assert_eq!(balancer(&[], false).why_none(&[]), "it has no servers");
        let servers = [(1, Lifecycle::Unhealthy), (0, Lifecycle::Ready)];
        assert_eq!(
            balancer(&servers, false).why_none(&[]),
            "none of its 2 servers may be used: 10.0.0.1:1 unhealthy by its provider: says its provider; \
             10.0.0.1:2 its weight is 0"
        );
    }

    fn lifecycles() -> impl Strategy<Value = Lifecycle> {
        select(vec![
            Lifecycle::Starting,
            Lifecycle::Ready,
            Lifecycle::Unhealthy,
            Lifecycle::Draining,
        ])
    }

    fn verdicts() -> impl Strategy<Value = CheckStatus> {
        select(vec![CheckStatus::Untested, CheckStatus::Up, CheckStatus::Down])
    }

    proptest! {
        #[test]
        fn no_server_that_is_out_is_picked_and_some_server_is_if_one_may(
            servers in prop::collection::vec((0_u32..4, lifecycles(), verdicts()), 0..8),
            tried in prop::collection::vec(any::<bool>(), 8),
        ) {
            let definitions: Vec<_> = servers.iter().map(|(weight, life, _)| (*weight, *life)).collect();
            let balancer = balancer(&definitions, true);
            for (server, (_, _, verdict)) in balancer.servers().iter().zip(&servers) {
                server.health.as_ref().unwrap().set_status(*verdict);
            }
            let tried: Vec<_> = balancer.servers().iter().zip(tried)
                .filter(|(_, tried)| *tried)
                .map(|(server, _)| server.id())
                .collect();
            let usable = |server: &&Arc<Server>| {
                let (weight, life, verdict) = servers[usize::from(server.url.port) - 1];
                let alive = matches!(life, Lifecycle::Ready | Lifecycle::Starting);
                weight > 0 && alive && verdict != CheckStatus::Down
                    && !tried.contains(&server.id())
            };
            let best = balancer.servers().iter().filter(usable).map(|server| server.standing()).min();
            for _ in 0..12 {
                let picked = balancer.pick(&asking(&tried).look());
                prop_assert_eq!(picked.as_ref().map(|server| server.standing()), best);
                prop_assert!(picked.iter().all(|server| usable(&server)));
            }
        }
    }
}

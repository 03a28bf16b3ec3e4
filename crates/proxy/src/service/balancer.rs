//! Smooth weighted round robin over the servers of one service.

use std::sync::Arc;

use arc_swap::ArcSwap;
use mesh_config::model::{LoadBalancer, ServersTransport};
use parking_lot::Mutex;

use super::{
    schedule::Schedule,
    server::{Server, ServerId, Standing},
    state::{ServerStates, ServiceState},
};

/// Reasons quoted when no server may be used.
const QUOTED_REASONS: usize = 3;

/// The servers of a load balancer and whose turn it is.
///
/// Choosing takes no lock: one atomic step in the rotation and a look at the server. The rotation holds the
/// servers of the best standing there is; it is laid out again when a verdict changes.
#[derive(Debug)]
pub struct Balancer {
    servers: Vec<Arc<Server>>,
    rotation: ArcSwap<Rotation>,
    laying_out: Mutex<()>,
    state: Arc<ServiceState>,
}

/// The servers of one standing, in turns.
#[derive(Debug, Default)]
struct Rotation {
    standing: Option<Standing>,
    schedule: Schedule,
}

impl Balancer {
    /// A balancer for the service called `label`. What is known of its servers comes from `previous`.
    pub(crate) fn new(
        label: &Arc<str>,
        definition: &LoadBalancer,
        transport: &Arc<ServersTransport>,
        previous: Option<&Self>,
    ) -> Arc<Self> {
        let state = previous.map_or_else(ServiceState::new, |previous| previous.state.clone());
        let known = previous.map(ServerStates::of).unwrap_or_default();
        let check = definition.health_check.clone().map(Arc::new);
        let servers = definition.servers.iter().map(|server| {
            let health = check
                .as_ref()
                .map(|check| known.health(&server.url, check, &state));
            Arc::new(Server {
                authority: server.url.authority().into(),
                service: label.clone(),
                weight: server.weight,
                pass_host_header: definition.pass_host_header,
                preserve_path: server.preserve_path,
                transport: transport.clone(),
                lifecycle: server.lifecycle,
                reason: server.reason.clone(),
                origin: server.origin.clone(),
                state: known.state(&server.url),
                health,
                url: server.url.clone(),
            })
        });
        let balancer = Arc::new(Self {
            servers: servers.collect(),
            rotation: ArcSwap::default(),
            laying_out: Mutex::new(()),
            state,
        });
        balancer.state.enlist(&balancer);
        balancer.rebalance();
        balancer
    }

    /// All servers, usable or not.
    pub fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    /// The next server that is not among `tried`.
    pub(crate) fn pick(&self, tried: &[ServerId]) -> Option<Arc<Server>> {
        let rotation = self.rotation.load();
        for _ in 0..rotation.schedule.len() {
            let server = self.servers.get(rotation.schedule.at(self.state.next())?)?;
            // A verdict may have changed since the rotation was laid out.
            if rotation.standing == Some(server.standing()) && !tried.contains(&server.id()) {
                return Some(server.clone());
            }
        }
        self.best_of_the_rest(tried)
    }

    /// The server of the best standing, when the rotation has none to offer.
    fn best_of_the_rest(&self, tried: &[ServerId]) -> Option<Arc<Server>> {
        let first = self.state.next().checked_rem(self.servers.len())?;
        let (before, after) = self.servers.split_at_checked(first)?;
        after
            .iter()
            .chain(before)
            .filter(|server| !tried.contains(&server.id()))
            .map(|server| (server.standing(), server))
            .filter(|(standing, _)| *standing != Standing::Out)
            .min_by_key(|(standing, _)| *standing)
            .map(|(_, server)| server.clone())
    }

    /// True when some server may be used.
    pub(crate) fn can_serve(&self) -> bool {
        self.rotation.load().standing.is_some()
    }

    /// Lays the rotation out again after a change of standing.
    pub(crate) fn rebalance(&self) {
        // Only writers wait here: compiler and checks. The last one sees every verdict.
        let _alone = self.laying_out.lock();
        let standings: Vec<_> = self.servers.iter().map(|server| server.standing()).collect();
        let best = standings
            .iter()
            .copied()
            .min()
            .filter(|best| *best != Standing::Out);
        let members = (0_u32..).zip(&self.servers).zip(standings);
        let schedule = Schedule::new(
            members
                .filter(|(_, standing)| Some(*standing) == best)
                .map(|((index, server), _)| (index, server.weight)),
        );
        self.rotation.store(Arc::new(Rotation {
            standing: best,
            schedule,
        }));
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
            .filter(|server| server.standing() != Standing::Out)
            .count();
        let obstacles: Vec<_> = self
            .servers
            .iter()
            .filter(|server| server.standing() == Standing::Out)
            .filter_map(|server| Some(format!("{} {}", server.authority, server.obstacle()?)))
            .collect();
        let quoted = obstacles
            .iter()
            .take(QUOTED_REASONS)
            .cloned()
            .collect::<Vec<_>>()
            .join("; ");
        let more = match obstacles.len().saturating_sub(QUOTED_REASONS) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        if usable > 0 && !tried.is_empty() {
            let out = if quoted.is_empty() {
                String::new()
            } else {
                format!("; {quoted}{more}")
            };
            return format!("all {usable} usable servers failed this request{out}");
        }
        format!("none of its {count} servers may be used: {quoted}{more}")
    }
}

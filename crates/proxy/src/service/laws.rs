//! What holds for servers of a service whatever happens to them, in whatever order.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use mesh_config::{
    Origin,
    instance::Lifecycle,
    model::{self, LoadBalancer},
};
use proptest::{prelude::*, sample::select};
use serde_json::json;

use super::{Balancer, CheckStatus, Context, Outcome, Server, Standing};
use crate::fixture::asking;

/// The servers of the service, by port.
const PORTS: std::ops::Range<u16> = 1..6;

/// Something that happens to the server of a port.
#[derive(Debug, Clone)]
enum Event {
    /// Its provider tells of it; `None` forgets it.
    Told(u16, Option<(Lifecycle, u32)>),
    /// A probe comes to a verdict.
    Probed(u16, CheckStatus),
    /// A request ends.
    Asked(u16, Outcome),
    /// Seconds go by.
    Time(u64),
}

fn events() -> impl Strategy<Value = Event> {
    let lifecycles = select(vec![
        Lifecycle::Starting,
        Lifecycle::Ready,
        Lifecycle::Unhealthy,
        Lifecycle::Draining,
    ]);
    let told = (PORTS, prop::option::weighted(0.9, (lifecycles, 0_u32..3)));
    let verdicts = select(vec![CheckStatus::Up, CheckStatus::Down]);
    let outcomes = select(vec![
        Outcome::Answered(StatusCode::OK),
        Outcome::Answered(StatusCode::BAD_GATEWAY),
        Outcome::Unreachable,
        Outcome::Abandoned,
    ]);
    prop_oneof![
        told.prop_map(|(port, told)| Event::Told(port, told)),
        (PORTS, verdicts).prop_map(|(port, verdict)| Event::Probed(port, verdict)),
        (PORTS, outcomes).prop_map(|(port, outcome)| Event::Asked(port, outcome)),
        (1_u64..30).prop_map(Event::Time),
    ]
}

fn strategies() -> impl Strategy<Value = model::Strategy> {
    use model::Strategy::{ConsistentHash, Hrw, LeastConn, LeastTime, P2c, Wrr};
    select(vec![ConsistentHash, Hrw, LeastConn, LeastTime, P2c, Wrr])
}

/// A service and what is known of it from outside.
struct World {
    balancer: Arc<Balancer>,
    strategy: model::Strategy,
    probed: bool,
    /// What the servers of even ports get as canaries.
    share: Option<u8>,
    told: BTreeMap<u16, (Lifecycle, u32)>,
    verdicts: BTreeMap<u16, CheckStatus>,
    now: Instant,
}

impl World {
    fn new(strategy: model::Strategy, probed: bool, share: Option<u8>) -> Self {
        let told: BTreeMap<_, _> = PORTS.map(|port| (port, (Lifecycle::Ready, 1))).collect();
        Self {
            balancer: compiled(&told, strategy, probed, share, None),
            strategy,
            probed,
            share,
            told,
            verdicts: BTreeMap::new(),
            now: Instant::now(),
        }
    }

    fn happens(&mut self, event: &Event) {
        match event {
            Event::Told(port, told) => {
                match told {
                    Some(told) => drop(self.told.insert(*port, *told)),
                    None => {
                        self.told.remove(port);
                        self.verdicts.remove(port);
                    }
                }
                self.balancer = compiled(
                    &self.told,
                    self.strategy,
                    self.probed,
                    self.share,
                    Some(&self.balancer),
                );
            }
            Event::Probed(port, verdict) => {
                if let Some(health) = self.server(*port).and_then(|server| server.health.clone()) {
                    health.set_status(*verdict);
                    self.verdicts.insert(*port, *verdict);
                }
            }
            Event::Asked(port, outcome) => {
                if let Some(server) = self.server(*port) {
                    let now = self.now;
                    server.observe(*outcome, now, || now);
                }
            }
            Event::Time(seconds) => {
                self.now += Duration::from_secs(*seconds);
                self.balancer.pass_time(self.now);
            }
        }
    }

    fn server(&self, port: u16) -> Option<Arc<Server>> {
        let mut servers = self.balancer.servers().iter();
        servers.find(|server| server.url.port == port).cloned()
    }

    /// From what was told, found and seen alone, but for a verdict on canaries.
    fn is_ready(&self, server: &Server) -> bool {
        let (lifecycle, weight) = self.told[&server.url.port];
        let verdict = self.verdicts.get(&server.url.port);
        let alive = match (lifecycle, verdict) {
            (Lifecycle::Ready, None) => !self.probed,
            (Lifecycle::Ready | Lifecycle::Starting, Some(CheckStatus::Up)) => true,
            _ => false,
        };
        let is_stopped = server.standing() == Standing::Stopped;
        alive && weight > 0 && !is_stopped && !server.passive.as_ref().unwrap().is_ejected()
    }
}

fn compiled(
    told: &BTreeMap<u16, (Lifecycle, u32)>,
    strategy: model::Strategy,
    probed: bool,
    share: Option<u8>,
    previous: Option<&Balancer>,
) -> Arc<Balancer> {
    let servers = told.iter().map(|(port, (lifecycle, weight))| {
        let written = json!({"url": format!("http://10.0.0.1:{port}"), "weight": weight});
        model::Server {
            lifecycle: *lifecycle,
            canary: port % 2 == 0,
            ..serde_json::from_value(written).unwrap()
        }
    });
    let definition = LoadBalancer {
        servers: servers.collect(),
        strategy,
        canary: share.map(|share| model::Canary {
            weight: Some(share),
            // Soon stopped: after two requests, when one more fails than of stable servers.
            stop: Some(model::CanaryStop {
                margin: 0,
                min_requests: 2,
                ..model::CanaryStop::default()
            }),
        }),
        health_check: probed.then(model::HealthCheck::default),
        passive_health_check: Some(model::PassiveHealthCheck::default()),
        ..LoadBalancer::default()
    };
    let context = Context {
        label: &"s@test".into(),
        origin: &Origin::default(),
        transport: &Arc::default(),
        zone: "",
    };
    Balancer::new(context, &definition, previous)
}

proptest! {
    #[test]
    fn no_server_that_is_not_ready_is_picked_while_a_ready_one_exists(
        strategy in strategies(),
        probed in any::<bool>(),
        share in select(vec![None, Some(0), Some(40), Some(100)]),
        events in prop::collection::vec(events(), 1..60),
    ) {
        let mut world = World::new(strategy, probed, share);
        for event in &events {
            world.happens(event);
            let ready = world.balancer.servers().iter().any(|server| world.is_ready(server));
            for _ in 0..6 {
                let picked = world.balancer.pick(&asking(&[]).look());
                let Some(picked) = picked else {
                    prop_assert!(!ready, "nobody is picked though somebody is ready, after {:?}", event);
                    continue;
                };
                prop_assert_eq!(world.is_ready(&picked), ready, "{} after {:?}", picked.label, event);
                prop_assert!(picked.standing().takes_requests());
            }
            prop_assert!(world.balancer.can_serve() || !ready);
        }
    }

    #[test]
    fn servers_come_back_when_nothing_speaks_against_them(
        events in prop::collection::vec(events(), 1..60),
    ) {
        let mut world = World::new(model::Strategy::default(), false, None);
        for event in events.iter().chain([&Event::Time(100_000)]) {
            world.happens(event);
        }
        for server in world.balancer.servers() {
            let (lifecycle, weight) = world.told[&server.url.port];
            let well = lifecycle == Lifecycle::Ready && weight > 0;
            prop_assert_eq!(server.standing() == Standing::Ready, well);
        }
    }
}

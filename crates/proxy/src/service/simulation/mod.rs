//! Load balancers in a world of virtual time: requests come by chance, servers take as long as they are told to, and
//! nothing waits. The same seed gives the same world.

mod canaries;
mod hashing;
mod outages;
mod places;
mod shares;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use mesh_config::{Origin, model::LoadBalancer};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::{Balancer, Context, InFlight, Outcome, Server};
use crate::fixture::asking;

/// The strategies that spread requests by what servers do.
const SPREADING: [&str; 4] = ["wrr", "p2c", "leastconn", "leasttime"];

/// All of them.
const ALL: [&str; 6] = ["wrr", "p2c", "leastconn", "leasttime", "hrw", "consistentHash"];

/// Milliseconds that the server of this port takes at this second.
type Pace = Box<dyn Fn(u16, f64) -> f64>;

struct World {
    balancer: Arc<Balancer>,
    began: Instant,
    /// Seconds since then.
    now: f64,
    random: StdRng,
    pace: Pace,
    /// What is under way, by its end in nanoseconds.
    under_way: BinaryHeap<Reverse<(u64, usize)>>,
    requests: Vec<Option<(Arc<Server>, InFlight, Instant)>>,
}

/// How many requests went to the server of a port.
type Counts = BTreeMap<u16, usize>;

impl World {
    fn new(options: &Value, pace: impl Fn(u16, f64) -> f64 + 'static) -> Self {
        let began = Instant::now();
        let balancer = made(options, None, began);
        balancer.state.begin_at(7);
        Self {
            balancer,
            began,
            now: 0.0,
            random: StdRng::seed_from_u64(42),
            pace: Box::new(pace),
            under_way: BinaryHeap::new(),
            requests: Vec::new(),
        }
    }

    /// Another table takes over.
    fn reload(&mut self, options: &Value) {
        self.balancer = made(options, Some(&self.balancer), self.at(self.now));
    }

    /// So many requests a second, for so many seconds.
    fn run(&mut self, rate: f64, seconds: f64) -> Counts {
        let mut counts = Counts::new();
        let end = self.now + seconds;
        loop {
            let gap = -(1.0 - self.random.random::<f64>()).ln() / rate;
            if self.now + gap > end {
                self.finish_until(end);
                self.now = end;
                return counts;
            }
            self.now += gap;
            self.finish_until(self.now);
            let port = self.request();
            *counts.entry(port).or_default() += 1;
        }
    }

    fn request(&mut self) -> u16 {
        let mut asks = asking(&[]);
        asks.now = self.at(self.now);
        asks.client = IpAddr::V4(Ipv4Addr::from_bits(self.random.random()));
        let server = self.balancer.pick(&asks.look()).unwrap();
        let port = server.url.port;
        let took = (self.pace)(port, self.now) * self.random.random_range(0.5..1.5) / 1000.0;
        let end = ((self.now + took) * 1e9) as u64;
        let in_flight = server.state.begin();
        self.under_way.push(Reverse((end, self.requests.len())));
        self.requests.push(Some((server, in_flight, asks.now)));
        port
    }

    fn finish_until(&mut self, second: f64) {
        let until = (second * 1e9) as u64;
        while let Some(Reverse((end, request))) = self.under_way.peek().copied()
            && end <= until
        {
            self.under_way.pop();
            if let Some((server, _, began)) = self.requests[request].take() {
                let at = self.at(end as f64 / 1e9);
                server.observe(Outcome::Answered(StatusCode::OK), began, || at);
            }
        }
    }

    fn at(&self, second: f64) -> Instant {
        self.began + Duration::from_secs_f64(second)
    }
}

/// A balancer for a Mesh in zone `a`.
fn made(options: &Value, previous: Option<&Balancer>, now: Instant) -> Arc<Balancer> {
    let definition: LoadBalancer = serde_json::from_value(options.clone()).unwrap();
    let context = Context {
        label: &"s@test".into(),
        origin: &Origin::default(),
        transport: &Arc::default(),
        zone: "a",
    };
    Balancer::at(now, context, &definition, previous)
}

/// Servers with these weights, on the ports from 1 on.
fn servers(weights: &[u32]) -> Value {
    let servers = (1..).zip(weights);
    servers
        .map(|(port, weight): (u16, _)| json!({"url": format!("http://s:{port}"), "weight": weight}))
        .collect()
}

/// The part of all requests that a server got.
fn part(counts: &Counts, port: u16) -> f64 {
    let all: usize = counts.values().sum();
    counts.get(&port).copied().unwrap_or_default() as f64 / all as f64
}

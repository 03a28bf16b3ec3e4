//! Servers that begin to close connections without an answer, and what becomes of requests to them and to others.
//!
//! Requests are tried again as they are in earnest; only connections are left out.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
    time::{Duration, Instant},
};

use mesh_config::{Configuration, model::Retry};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;

use super::servers;
use crate::{
    fixture::{self, asking},
    service::{Allowed, InFlight, Kind, Need, Outcome, Server, ServerId, Service},
};

/// How long a server takes, in microseconds.
const TAKES: u64 = 50_000;

/// Retries that are saved for lone requests: ten seconds of `minRetriesPerSecond`.
const SAVED: usize = 10;

/// A service whose servers lose requests, by port and time in microseconds.
struct Outage<L> {
    service: Arc<Service>,
    began: Instant,
    random: StdRng,
    loses: L,
    tries: BTreeMap<u64, Try>,
    ends: BinaryHeap<Reverse<(u64, u64)>>,
    /// Tries so far, and requests that failed.
    sent: usize,
    failed: usize,
}

/// A request at one server.
struct Try {
    server: Arc<Server>,
    _in_flight: InFlight,
    tried: Vec<ServerId>,
    at_stake: Option<Allowed>,
    taken: Vec<Allowed>,
}

impl<L: Fn(u16, u64, f64) -> bool> Outage<L> {
    /// `loses` is asked by port, time and chance from 0 to 1.
    fn new(count: usize, strategy: &str, loses: L) -> Self {
        let definition = json!({"loadBalancer": {"servers": servers(&vec![1; count]), "strategy": strategy}});
        let changes = json!({"services": {"s@file": definition}});
        let table = fixture::compiler().compile(&fixture::changed(&Configuration::default(), &changes));
        let service = table.runtime().services[&fixture::name_of("s@file")]
            .service
            .clone();
        let service = service.unwrap();
        let Kind::Balancer(balancer) = &service.kind else {
            panic!("it is a load balancer");
        };
        balancer.state.begin_at(7);
        Self {
            service,
            began: Instant::now(),
            random: StdRng::seed_from_u64(42),
            loses,
            tries: BTreeMap::new(),
            ends: BinaryHeap::new(),
            sent: 0,
            failed: 0,
        }
    }

    fn at(&self, time: u64) -> Instant {
        self.began + Duration::from_micros(time)
    }

    /// So many requests, one every `gap` microseconds from `time` on, by chance a little sooner or later.
    fn run(&mut self, time: u64, requests: usize, gap: u64) {
        for request in 0..requests as u64 {
            let now = time + request * gap + self.random.random_range(0..gap);
            self.finish_until(now);
            self.offer(now, Vec::new(), Vec::new());
        }
    }

    fn offer(&mut self, now: u64, tried: Vec<ServerId>, taken: Vec<Allowed>) {
        let mut asks = asking(&tried);
        asks.now = self.at(now);
        let Ok(pick) = self.service.pick(&asks.look()) else {
            self.failed += 1;
            return;
        };
        let terms = &pick.server.terms;
        let at_stake = match tried.is_empty() {
            true => {
                terms.count(asks.now);
                None
            }
            false => {
                let need = match pick.server.state.is_in_doubt() {
                    true => Need::Payment,
                    false => Need::Trust,
                };
                let Some(taken) = terms.take_retry(need, asks.now) else {
                    self.failed += 1;
                    return;
                };
                Some(taken)
            }
        };
        self.sent += 1;
        let is_lost = (self.loses)(pick.server.url.port, now, self.random.random());
        let takes = if is_lost { 200 } else { TAKES };
        let end = now + self.random.random_range(takes / 2..=takes);
        let id = self.sent as u64;
        self.ends.push(Reverse((end, id)));
        self.tries.insert(
            id,
            Try {
                _in_flight: pick.server.state.begin(),
                server: pick.server,
                tried,
                at_stake,
                taken,
            },
        );
    }

    /// Servers lose all that they have now.
    fn cut(&mut self, now: u64) {
        self.finish_until(now);
        for Reverse((end, id)) in std::mem::take(&mut self.ends) {
            let port = self.tries[&id].server.url.port;
            let lost = now + self.random.random_range(1..1000);
            let end = if (self.loses)(port, now, 0.0) { lost } else { end };
            self.ends.push(Reverse((end, id)));
        }
    }

    fn finish_until(&mut self, now: u64) {
        while let Some(Reverse((end, id))) = self.ends.peek().copied()
            && end <= now
        {
            self.ends.pop();
            let mut ended = self.tries.remove(&id).unwrap();
            let is_lost = (self.loses)(ended.server.url.port, end, self.random.random());
            let outcome = match is_lost {
                true => Outcome::Lost,
                false => Outcome::Answered(http::StatusCode::OK),
            };
            let at = self.at(end);
            ended.server.observe(outcome, at, || at);
            let terms = &ended.server.terms;
            if !is_lost {
                ended.taken.extend(ended.at_stake);
                ended.taken.into_iter().for_each(|taken| terms.give_back(taken));
                continue;
            }
            ended
                .taken
                .extend(ended.at_stake.map(|taken| terms.charge(taken)));
            ended.tried.push(ended.server.id());
            match ended.tried.len() < usize::from(Retry::default().attempts) {
                true => self.offer(end, ended.tried, ended.taken),
                false => self.failed += 1,
            }
        }
    }
}

/// Good times of ten seconds, in microseconds.
const GOOD: u64 = 10_000_000;

#[test]
fn the_loss_of_all_servers_adds_a_fifth_to_what_they_get_and_little_at_its_beginning() {
    for count in [1, 2, 3, 8] {
        for (requests, gap) in [(100, 1000), (1_100, 1000), (10_000, 1000), (100, 50_000)] {
            let mut outage = Outage::new(count, "wrr", |_, time, _| time >= GOOD);
            outage.run(0, (GOOD / gap) as usize, gap);
            outage.cut(GOOD);
            let (before, in_flight) = (outage.sent, outage.tries.len());
            assert_eq!(outage.failed, 0);
            outage.run(GOOD, requests, gap);
            outage.finish_until(u64::MAX);
            let sent = outage.sent - before;
            // Those in flight were sent before; they want to be sent again like the others.
            let most =
                (requests + in_flight) * 12 / 10 + SAVED + (requests as u64 * gap / 1_000_000) as usize;
            let at_first = count + in_flight / 10;
            assert!(
                sent + in_flight <= most + at_first,
                "{count} servers: {sent} for {requests} and {in_flight} in flight"
            );
            assert_eq!(outage.failed, requests + in_flight);
        }
    }
}

#[test]
fn the_loss_of_one_server_or_of_half_of_them_fails_nobody() {
    for strategy in super::SPREADING {
        for (count, dead) in [(2, 1), (3, 1), (5, 1), (8, 1), (8, 4)] {
            let mut outage = Outage::new(count, strategy, |port, time, _| time >= GOOD && port <= dead);
            outage.run(0, 10_000, 1000);
            outage.cut(GOOD);
            outage.run(GOOD, 10_000, 1000);
            outage.finish_until(u64::MAX);
            assert_eq!(outage.failed, 0, "{dead} of {count} with {strategy}");
        }
    }
}

#[test]
fn where_all_servers_lose_half_of_what_they_get_retries_in_vain_stay_within_a_fifth() {
    let mut outage = Outage::new(4, "wrr", |_, _, chance| chance < 0.3);
    outage.run(0, 60_000, 1000);
    outage.finish_until(u64::MAX);
    let answered = 60_000 - outage.failed;
    assert!(
        outage.sent - answered <= 60_000 * 12 / 10 + SAVED + 60,
        "{}",
        outage.sent
    );
    assert!(answered > 45_000, "{answered}");
}

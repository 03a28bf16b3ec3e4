//! Servers that a service no longer names: clients that its cookie binds to them may go on for a while.

use std::collections::HashSet;

use mesh_config::{
    instance::Lifecycle,
    model::{LoadBalancer, Server, ServerUrl},
};

use super::{balancer::Balancer, standing::Standing};

/// Servers that left a service and are known to it at most; those that left last are.
const MAX_PARTING: usize = 64;

/// Why a server is there that its service does not name.
const LEFT: &str = "no longer in its service";

/// The servers that the successor of `before` goes on to know beside those that it names: they still take the requests of
/// clients that know them. Those that left last come first.
pub(super) fn parting(definition: &LoadBalancer, before: Option<&Balancer>) -> Vec<Server> {
    let Some(before) = before.filter(|before| before.is_sticky() && definition.sticky.is_some()) else {
        return Vec::new();
    };
    let named: HashSet<_> = definition.servers.iter().map(|server| &server.url).collect();
    let mut seen: HashSet<&ServerUrl> = HashSet::new();
    let parting = before
        .servers()
        .iter()
        .filter(|server| !named.contains(&server.url) && server.standing().keeps_sessions())
        .filter(|server| seen.insert(&server.url));
    let parting = parting.map(|server| Server {
        url: server.url.clone(),
        weight: server.weight,
        preserve_path: server.preserve_path,
        zone: server.zone.to_string(),
        canary: server.canary,
        lifecycle: Lifecycle::Draining,
        reason: Some(LEFT.to_owned()),
        origin: Some(server.origin.clone()),
    });
    parting.take(MAX_PARTING).collect()
}

/// Ends the sessions of servers that left one of `balancers`, and whose address one of them names that did not before:
/// somebody else may be there. `changes` are those that changed, each with its predecessor. An address that several
/// services named all along is still the same server.
pub(crate) fn end_sessions_elsewhere<'b>(
    balancers: impl Iterator<Item = &'b Balancer> + Clone,
    changes: impl Iterator<Item = (Option<&'b Balancer>, &'b Balancer)>,
) {
    let address = |url: &'b ServerUrl| (url.host.as_str(), url.port);
    let leaving = |balancer: &'b Balancer| {
        let parting = balancer.parting().iter();
        parting.filter(|server| server.standing() == Standing::Draining)
    };
    let parting: HashSet<_> = balancers
        .clone()
        .flat_map(leaving)
        .map(|server| address(&server.url))
        .collect();
    if parting.is_empty() {
        return;
    }
    let newcomers = changes.flat_map(|(before, now)| {
        let known = before.into_iter().flat_map(Balancer::named);
        let known: HashSet<_> = known.map(|server| server.id()).collect();
        let named = now.named().iter();
        named.filter(move |server| !known.contains(&server.id()))
    });
    let taken: HashSet<_> = newcomers
        .map(|server| address(&server.url))
        .filter(|address| parting.contains(address))
        .collect();
    for server in balancers.flat_map(leaving) {
        if taken.contains(&address(&server.url)) {
            server.state.end_sessions();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread, time::Duration, time::Instant};

    use http::{StatusCode, header};
    use mesh_config::Configuration;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        fixture,
        service::{CheckStatus, Kind, Outcome, Server, Service},
        table::Compiler,
    };

    /// Services of one compiler, each over servers at some ports.
    struct World {
        compiler: Compiler,
        configuration: Configuration,
        options: Value,
    }

    impl World {
        /// `a@file` over servers at `ports`, sticky, with these options.
        fn new(ports: &[u16], options: Value) -> Self {
            let mut world = Self {
                compiler: fixture::compiler(),
                configuration: Configuration::default(),
                options,
            };
            world.define("a@file", ports);
            world
        }

        fn define(&mut self, name: &str, ports: &[u16]) {
            let mut balancer = self.options.clone();
            balancer["sticky"] = json!({"cookie": {"name": "s"}});
            let servers = ports
                .iter()
                .map(|port| json!({"url": format!("http://10.0.0.1:{port}")}));
            balancer["servers"] = servers.collect();
            let changes = json!({"services": {name: {"loadBalancer": balancer}}});
            self.configuration = fixture::changed(&self.configuration, &changes);
            self.compiler.compile(&self.configuration);
        }

        fn service(&mut self) -> Arc<Service> {
            let table = self.compiler.compile(&self.configuration);
            let service = &table.runtime().services[&fixture::name_of("a@file")].service;
            service.clone().unwrap()
        }

        fn server(&mut self, port: u16) -> Arc<Server> {
            let service = self.service();
            let Kind::Balancer(balancer) = &service.kind else {
                panic!("it is a load balancer");
            };
            let mut servers = balancer.servers().iter();
            servers.find(|server| server.url.port == port).unwrap().clone()
        }

        /// The ports that the API shows.
        fn shown(&mut self) -> Vec<String> {
            let servers = self.service().servers();
            servers
                .iter()
                .map(|server| server.url.replace("http://10.0.0.1:", ""))
                .collect()
        }

        /// Where a client goes that was at the server of `port`.
        fn from(&mut self, port: u16) -> Option<u16> {
            let mut asking = fixture::asking(&[]);
            let cookie = format!("s=http://10.0.0.1:{port}");
            asking
                .head
                .headers
                .insert(header::COOKIE, cookie.parse().unwrap());
            let pick = self.service().pick(&asking.look()).ok()?;
            Some(pick.server.url.port)
        }
    }

    #[test]
    fn a_server_that_its_service_no_longer_names_keeps_its_clients_and_gets_no_others() {
        let mut world = World::new(&[1, 2], json!({}));
        assert_eq!(world.from(1), Some(1));
        world.define("a@file", &[2]);
        for _ in 0..4 {
            assert_eq!((world.from(1), world.from(9)), (Some(1), Some(2)));
        }
        world.define("a@file", &[2, 3]);
        assert_eq!(world.from(1), Some(1), "another change does not matter");
        assert_eq!(world.shown(), ["2", "3", "1"]);
        let info = world.service().servers().pop().unwrap();
        assert_eq!(
            info.obstacle.as_deref(),
            Some("draining: no longer in its service")
        );
        world.define("a@file", &[]);
        assert_eq!((world.from(1), world.from(9)), (Some(1), None));
    }

    #[test]
    fn that_ends_with_its_time_and_begins_anew_when_it_comes_back() {
        let mut world = World::new(&[1, 2], json!({"drainTimeout": "1ms"}));
        world.define("a@file", &[2]);
        let begin = Instant::now();
        while world.from(1) == Some(1) {
            assert!(begin.elapsed() < Duration::from_secs(20), "its time is over");
            thread::yield_now();
        }
        assert_eq!(world.shown(), ["2"]);
        world.options = json!({});
        world.define("a@file", &[1, 2]);
        assert_eq!(world.from(1), Some(1));
        world.define("a@file", &[2]);
        assert_eq!(world.from(1), Some(1));
    }

    #[test]
    fn the_time_is_that_of_the_last_definition_that_named_it() {
        let mut world = World::new(&[1, 2], json!({"drainTimeout": "1h"}));
        world.define("a@file", &[2]);
        assert_eq!(world.from(1), Some(1));
        world.options = json!({"drainTimeout": "1ms"});
        world.define("a@file", &[2]);
        assert_eq!(world.from(1), Some(1));
        world.define("a@file", &[3]);
        let begin = Instant::now();
        while world.from(2) == Some(2) {
            assert!(begin.elapsed() < Duration::from_secs(20), "its time is over");
            thread::yield_now();
        }
        assert_eq!(world.from(1), Some(1));
    }

    #[test]
    fn one_connection_that_fails_or_one_probe_ends_it() {
        let mut world = World::new(&[1, 2, 3], json!({"healthCheck": {"fall": 3}}));
        for port in [1, 2, 3] {
            let health = world.server(port).health.clone().unwrap();
            health.set_status(CheckStatus::Up);
        }
        world.server(1).state.end_sessions();
        assert_eq!(world.from(1), Some(1), "one that stays has its checks for that");
        world.define("a@file", &[3]);
        let now = Instant::now();
        world
            .server(1)
            .observe(Outcome::Answered(StatusCode::BAD_GATEWAY), now, || now);
        assert_eq!((world.from(1), world.from(2)), (Some(1), Some(2)));
        world.server(1).observe(Outcome::Unreachable, now, || now);
        assert_eq!((world.from(1), world.from(2)), (Some(3), Some(2)));
        world
            .server(2)
            .health
            .clone()
            .unwrap()
            .set_status(CheckStatus::Down);
        assert_eq!(world.from(2), Some(3));
        assert_eq!(world.shown(), ["3"]);
        world.define("a@file", &[1, 3]);
        assert_eq!(world.from(1), Some(1), "it is back");
    }

    #[test]
    fn whoever_has_its_address_now_ends_it() {
        let mut world = World::new(&[1, 2], json!({}));
        world.define("b@file", &[9]);
        world.define("a@file", &[2]);
        assert_eq!(world.from(1), Some(1));
        world.define("b@file", &[9, 1]);
        assert_eq!(world.from(1), Some(2));
        world.define("b@file", &[9, 2]);
        assert_eq!(world.from(2), Some(2), "one that stays may be elsewhere, too");
    }

    #[test]
    fn another_service_that_named_its_address_all_along_does_not_end_it() {
        let mut world = World::new(&[1, 2], json!({}));
        world.define("b@file", &[1]);
        world.define("a@file", &[2]);
        assert_eq!(world.from(1), Some(1));
        world.define("b@file", &[1, 9]);
        assert_eq!(world.from(1), Some(1), "nor does a change of that");
        world.define("b@file", &[9]);
        world.define("b@file", &[9, 1]);
        assert_eq!(world.from(1), Some(2), "there is somebody new");
    }

    #[test]
    fn only_servers_that_clients_may_be_bound_to_are_remembered_and_not_too_many() {
        let mut world = World::new(&[1, 2], json!({"strategy": "hrw"}));
        world.define("a@file", &[2]);
        assert_eq!(world.shown(), ["2"]);
        let ports: Vec<u16> = (10..110).collect();
        let mut world = World::new(&ports, json!({}));
        world.define("a@file", &[2]);
        assert_eq!(world.shown().len(), 1 + MAX_PARTING);
        world.define("a@file", &[3]);
        let shown = world.shown();
        assert_eq!(
            (shown.len(), &*shown[1]),
            (1 + MAX_PARTING, "2"),
            "the last that left comes first"
        );
    }
}

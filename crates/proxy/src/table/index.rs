//! Finds the route of a request without trying every rule.
//!
//! Routes are numbered in the order in which they are tried. A route is filed under the hosts that its rule
//! needs, and within a host that has many under the paths; a lookup asks the few places that the request can be
//! filed under and takes the lowest number that matches. The result is that of trying all routes in order.

use std::{collections::HashMap, sync::Arc};

use smallvec::SmallVec;

use super::{
    keys::{HostKey, PathKey},
    matching::{asks_who_came, parent_domain},
    request::RequestView,
    route::Route,
};

/// The number of a route: lower is tried first.
type Rank = u32;
type Ranks = SmallVec<[Rank; 4]>;

/// More ranks than this in one place are worth an index by path.
const FEW: usize = 8;

/// The routes of one entrypoint.
#[derive(Debug, Default)]
pub(super) struct Index {
    routes: Vec<Arc<Route>>,
    // The standard hasher is keyed: clients and tenants choose these hosts and paths.
    exact: HashMap<Arc<str>, Bucket>,
    below: HashMap<Arc<str>, Bucket>,
    anywhere: Bucket,
    asks_who_came: bool,
}

/// Ranks in one place, ascending.
#[derive(Debug)]
enum Bucket {
    Few(Ranks),
    Many(Box<ByPath>),
}

/// Ranks in one place, filed by what their rules need of the path.
#[derive(Debug, Default)]
struct ByPath {
    exact: HashMap<Arc<str>, Ranks>,
    prefix: HashMap<Arc<str>, Ranks>,
    /// The lengths of prefixes that there are, ascending.
    prefix_lengths: Vec<usize>,
    anywhere: Ranks,
}

impl Index {
    /// Files `routes`.
    pub(super) fn new(mut routes: Vec<Arc<Route>>) -> Self {
        routes.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut exact: HashMap<Arc<str>, Ranks> = HashMap::with_capacity(routes.len());
        let mut below: HashMap<Arc<str>, Ranks> = HashMap::new();
        let mut anywhere = Ranks::new();
        for (rank, route) in (0..).zip(&routes) {
            let Some(hosts) = &route.keys.hosts else {
                anywhere.push(rank);
                continue;
            };
            for host in hosts {
                file(
                    match host {
                        HostKey::Exact(host) => exact.entry(host.clone()).or_default(),
                        HostKey::Below(parent) => below.entry(parent.clone()).or_default(),
                    },
                    rank,
                );
            }
        }
        let buckets = |places: HashMap<Arc<str>, Ranks>| {
            let buckets = places
                .into_iter()
                .map(|(host, ranks)| (host, Bucket::new(ranks, &routes)));
            buckets.collect()
        };
        Self {
            exact: buckets(exact),
            below: buckets(below),
            anywhere: Bucket::new(anywhere, &routes),
            asks_who_came: routes.iter().any(|route| asks_who_came(route.rule.expr())),
            routes,
        }
    }

    /// True if some rule looks for what is said of a client.
    pub(super) fn asks_who_came(&self) -> bool {
        self.asks_who_came
    }

    /// The first route in order that matches.
    pub(super) fn find(&self, request: &RequestView<'_>) -> Option<&Arc<Route>> {
        let mut best = Best {
            routes: &self.routes,
            request,
            rank: Rank::MAX,
        };
        for bucket in self.buckets(request) {
            bucket.search(&mut best);
        }
        self.routes.get(best.rank as usize)
    }

    /// The routes that could match a request to the same host, in order.
    pub(super) fn candidates(&self, request: &RequestView<'_>) -> Vec<&Arc<Route>> {
        let buckets = self.buckets(request);
        let mut ranks: Vec<Rank> = buckets.flat_map(Bucket::all).collect();
        ranks.sort_unstable();
        ranks.dedup();
        ranks
            .into_iter()
            .filter_map(|rank| self.routes.get(rank as usize))
            .collect()
    }

    /// Where the routes of a request may be filed, the most likely place first.
    fn buckets<'i>(&'i self, request: &RequestView<'_>) -> impl Iterator<Item = &'i Bucket> {
        let below = match self.below.is_empty() {
            true => None,
            false => parent_domain(request.host).and_then(|parent| self.below.get(parent)),
        };
        let exact = self.exact.get(request.host);
        [exact, below, Some(&self.anywhere)].into_iter().flatten()
    }
}

/// The best rank so far of one lookup.
struct Best<'a> {
    routes: &'a [Arc<Route>],
    request: &'a RequestView<'a>,
    rank: Rank,
}

impl Best<'_> {
    /// Takes the first of `ranks` that is better and matches.
    fn search(&mut self, ranks: &[Rank]) {
        for &rank in ranks {
            if rank >= self.rank {
                return;
            }
            let route = self.routes.get(rank as usize);
            // Filed by its host, one that asks for nothing else matches.
            if route.is_some_and(|route| route.keys.only_hosts || route.matches(self.request)) {
                self.rank = rank;
                return;
            }
        }
    }
}

impl Default for Bucket {
    fn default() -> Self {
        Self::Few(Ranks::new())
    }
}

impl Bucket {
    fn new(ranks: Ranks, routes: &[Arc<Route>]) -> Self {
        if ranks.len() <= FEW {
            return Self::Few(ranks);
        }
        let mut by_path = ByPath::default();
        for rank in ranks {
            let paths = routes
                .get(rank as usize)
                .and_then(|route| route.keys.paths.as_ref());
            let Some(paths) = paths else {
                by_path.anywhere.push(rank);
                continue;
            };
            for path in paths {
                file(
                    match path {
                        PathKey::Exact(path) => by_path.exact.entry(path.clone()).or_default(),
                        PathKey::Prefix(prefix) => by_path.prefix.entry(prefix.clone()).or_default(),
                    },
                    rank,
                );
            }
        }
        by_path.prefix_lengths = by_path.prefix.keys().map(|prefix| prefix.len()).collect();
        by_path.prefix_lengths.sort_unstable();
        by_path.prefix_lengths.dedup();
        Self::Many(Box::new(by_path))
    }

    fn search(&self, best: &mut Best<'_>) {
        match self {
            Self::Few(ranks) => best.search(ranks),
            Self::Many(by_path) => by_path.search(best),
        }
    }

    fn all(&self) -> Vec<Rank> {
        match self {
            Self::Few(ranks) => ranks.to_vec(),
            Self::Many(by_path) => {
                let filed = by_path.exact.values().chain(by_path.prefix.values());
                filed.chain([&by_path.anywhere]).flatten().copied().collect()
            }
        }
    }
}

impl ByPath {
    fn search(&self, best: &mut Best<'_>) {
        let path = best.request.path;
        if let Some(ranks) = self.exact.get(path) {
            best.search(ranks);
        }
        for &length in &self.prefix_lengths {
            if length > path.len() {
                break;
            }
            let prefix = path.split_at_checked(length).map(|(prefix, _)| prefix);
            if let Some(ranks) = prefix.and_then(|prefix| self.prefix.get(prefix)) {
                best.search(ranks);
            }
        }
        best.search(&self.anywhere);
    }
}

/// Files a rank that is not lower than any before; once, even if the route names a key twice.
fn file(ranks: &mut Ranks, rank: Rank) {
    if ranks.last() != Some(&rank) {
        ranks.push(rank);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::{HeaderMap, Method};
    use mesh_config::{
        ProviderName, QualifiedName,
        rule::{Expr, Rule},
    };
    use proptest::{prelude::*, sample::select};

    use super::{
        super::route::{RouteParts, Target},
        *,
    };
    use crate::middleware::Chain;

    fn route(number: usize, rule: Rule, priority: i64, precedence: usize) -> Arc<Route> {
        let name = QualifiedName::new(format!("r{number}"), ProviderName::new("test"));
        Arc::new(Route::from(RouteParts {
            label: name.to_string().into(),
            name,
            rule,
            priority,
            precedence,
            middlewares: Chain::default(),
            service: None,
            target: Target::Unavailable {
                reason: "test".into(),
            },
            observability: mesh_config::model::Observability::default(),
            timeouts: mesh_config::model::Timeouts::default(),
            secure: false,
            options: None,
        }))
    }

    /// Rules over few hosts and paths, so that they meet.
    fn rules() -> impl Strategy<Value = Expr> {
        let leaf = select(vec![
            "Host(`a.x`)",
            "Host(`b.x`)",
            "Host(`c.a.x`)",
            "Host(`*.x`)",
            "Host(`*.a.x`)",
            "Host(`*`)",
            "HostRegexp(`^[ab]`)",
            "Path(`/`)",
            "Path(`/p`)",
            "Path(`/é/q`)",
            "PathPrefix(`/`)",
            "PathPrefix(`/p`)",
            "PathPrefix(`/p/`)",
            "PathPrefix(`/é`)",
            "PathRegexp(`q$`)",
            "Method(`GET`)",
            "Header(`x`, `1`)",
            "Query(`k`)",
        ])
        .prop_map(|text| text.parse::<Rule>().unwrap().expr().clone());
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
                prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
                inner.prop_map(|expr| Expr::Not(Box::new(expr))),
            ]
        })
    }

    fn found<'i>(index: &'i Index, host: &str, path: &str, query: Option<&str>) -> [Option<&'i str>; 2] {
        let request = RequestView {
            host,
            path,
            query,
            method: &Method::GET,
            headers: &HeaderMap::new(),
            peer: IpAddr::from([127, 0, 0, 1]),
            secure: false,
        };
        let linear = index.routes.iter().find(|route| route.matches(&request));
        [index.find(&request), linear].map(|route| route.map(|route| route.label.as_ref()))
    }

    proptest! {
        #[test]
        fn the_index_finds_what_trying_all_routes_finds(
            rules in prop::collection::vec((rules(), -1_i64..2, 0_usize..2), 0..60),
        ) {
            let routes = rules.into_iter().enumerate();
            let routes = routes.map(|(number, (expr, priority, precedence))| {
                route(number, Rule::from(expr), priority, precedence)
            });
            let index = Index::new(routes.collect());
            for host in ["", "a.x", "b.x", "c.a.x", "d.c.a.x", "x", "zz"] {
                for path in ["/", "/p", "/pq", "/p/q", "/é/q", "/é", "*", ""] {
                    for query in [None, Some("k")] {
                        let [indexed, linear] = found(&index, host, path, query);
                        prop_assert_eq!(indexed, linear, "{} {} {:?}", host, path, query);
                    }
                }
            }
        }
    }

    #[test]
    fn routes_go_by_priority_then_provider_then_exactness_then_name() {
        let rule = |text: &str| text.parse::<Rule>().unwrap();
        let mut routes = vec![
            route(5, rule("PathPrefix(`/`)"), 1, 0),
            route(4, rule("Host(`*.x`)"), 2, 1),
            route(3, rule("Host(`a.x`)"), 2, 1),
            route(2, rule("Host(`b.x`)"), 2, 1),
            route(1, rule("Host(`*.x`)"), 2, 0),
            route(0, rule("Path(`/`)"), 9, 7),
        ];
        routes.rotate_left(2);
        let index = Index::new(routes);
        let order: Vec<_> = index.routes.iter().map(|route| &*route.name.name).collect();
        assert_eq!(order, ["r0", "r1", "r2", "r3", "r4", "r5"]);
    }

    #[test]
    fn one_host_with_many_paths_is_filed_by_path() {
        let routes = (0..1000).map(|number| {
            route(
                number,
                format!("Host(`a`) && PathPrefix(`/p{number}/`)").parse().unwrap(),
                0,
                0,
            )
        });
        let index = Index::new(routes.collect());
        assert!(matches!(index.exact.get("a"), Some(Bucket::Many(by_path)) if by_path.prefix.len() == 1000));
        assert_eq!(found(&index, "a", "/p77/x", None), [Some("r77@test"); 2]);
    }
}

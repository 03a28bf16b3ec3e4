//! Agrees on the TLS options of every host of an entrypoint.
//!
//! A handshake knows a name and no more. Routers that share one cannot have different options: those that want to all
//! get the default ones. A router that lets in nobody without a certificate is not served by weaker options; it fails
//! closed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use mesh_config::{
    QualifiedName,
    rule::{Expr, HostPattern, Matcher, Rule},
};
use mesh_tls::ServerOptions;

use super::super::{
    handshakes::{Choice, Handshakes},
    route::{Route, Target},
};
use crate::middleware::Chain;

/// What is said of routers that do not get what they want, and whether they serve all the same.
pub(super) type Remarks = BTreeMap<QualifiedName, Vec<Remark>>;

/// What is said of one router at one entrypoint.
#[derive(Debug, Clone)]
pub(super) struct Remark {
    pub(super) text: String,
    pub(super) serves: bool,
}

/// Chooses for the `routes` over TLS of the entrypoint called `entry_point`; routes that cannot have what they want are
/// replaced.
pub(super) fn agree(
    entry_point: &str,
    routes: &mut [Arc<Route>],
    default: Option<&Arc<ServerOptions>>,
    remarks: &mut Remarks,
) -> Handshakes {
    let is_default = |route: &Arc<Route>| same(route.options.as_ref(), default);
    if routes.iter().all(is_default) {
        return Handshakes {
            any: default.cloned(),
            ..Handshakes::default()
        };
    }
    let rules: Vec<_> = routes.iter().map(|route| route.rule.clone()).collect();
    let voice =
        |closed: bool| move |route: &Arc<Route>| route.options.clone().filter(|_| route.closed == closed);
    let wanted = routes.iter().map(voice(false));
    let closed: Vec<_> = routes.iter().map(voice(true)).collect();
    let mut agreement = Agreement::new(&rules, wanted, default);
    agreement.settle();
    for (place, quarrel) in &agreement.quarrels {
        let other = routes.get(quarrel.other).map(|other| other.name.clone());
        if let (Some(route), Some(other)) = (routes.get_mut(*place), other) {
            let (changed, remark) = give_way(route, &other, quarrel.host, entry_point, default);
            remarks.entry(route.name.clone()).or_default().push(remark);
            *route = Arc::new(changed);
        }
    }
    agreement.handshakes(&closed)
}

static ANY: HostPattern = HostPattern::Any;

/// Who wants what.
#[derive(Debug)]
struct Agreement<'r> {
    default: Option<&'r Arc<ServerOptions>>,
    /// By the place of a route; of those that cannot be served there is nothing to agree on.
    wanted: Vec<Choice>,
    hosts: Vec<Vec<&'r HostPattern>>,
    users: HashMap<&'r HostPattern, Vec<usize>>,
    /// Routes that get the default options instead, by their place.
    quarrels: BTreeMap<usize, Quarrel<'r>>,
}

/// Why a route does not get what it wants.
#[derive(Debug, Clone, Copy)]
struct Quarrel<'r> {
    host: &'r HostPattern,
    /// A route that wants something else there.
    other: usize,
}

impl<'r> Agreement<'r> {
    fn new(
        rules: &'r [Rule],
        wanted: impl Iterator<Item = Choice>,
        default: Option<&'r Arc<ServerOptions>>,
    ) -> Self {
        let mut agreement = Self {
            default,
            wanted: wanted.collect(),
            hosts: Vec::with_capacity(rules.len()),
            users: HashMap::new(),
            quarrels: BTreeMap::new(),
        };
        for (place, rule) in rules.iter().enumerate() {
            let mut hosts = Vec::new();
            hosts_of(rule.expr(), &mut hosts);
            if hosts.is_empty() {
                hosts.push(&ANY);
            }
            for host in &hosts {
                agreement.users.entry(*host).or_default().push(place);
            }
            agreement.hosts.push(hosts);
        }
        agreement
    }

    /// A route has one set of options, whichever of its hosts a client asks for: one that gives way at one host may begin
    /// a quarrel at another. Each gives way once, so that this comes to an end.
    fn settle(&mut self) {
        let mut open: BTreeMap<String, &'r HostPattern> =
            self.users.keys().map(|host| (host.to_string(), *host)).collect();
        while let Some((_, host)) = open.pop_first() {
            for (place, other) in self.quarrel_at(host) {
                if self.quarrels.contains_key(&place) {
                    continue;
                }
                self.quarrels.insert(place, Quarrel { host, other });
                let others = self.hosts.get(place).into_iter().flatten();
                let others = others.filter(|own| **own != host);
                open.extend(others.map(|own| (own.to_string(), *own)));
            }
        }
    }

    /// Routes that have to give way at `host`, each with one that wants something else.
    fn quarrel_at(&self, host: &HostPattern) -> Vec<(usize, usize)> {
        let users = self.users.get(host).into_iter().flatten().copied();
        let users: Vec<_> = users
            .filter_map(|place| Some((place, Arc::as_ptr(self.given(place)?))))
            .collect();
        let Some(&(first, wanted)) = users.first() else {
            return Vec::new();
        };
        let Some(&(second, _)) = users.iter().find(|(_, other)| *other != wanted) else {
            return Vec::new();
        };
        let other = |options| if options == wanted { second } else { first };
        users
            .into_iter()
            .map(|(place, options)| (place, other(options)))
            .collect()
    }

    /// What the route at `place` gets.
    fn given(&self, place: usize) -> Option<&Arc<ServerOptions>> {
        let wanted = self.wanted.get(place)?.as_ref()?;
        match self.quarrels.contains_key(&place) {
            true => self.default,
            false => Some(wanted),
        }
    }

    /// Where nobody serves a host, `closed` say how their clients get to hear that.
    fn handshakes(&self, closed: &[Choice]) -> Handshakes {
        let mut handshakes = Handshakes {
            any: self.default.cloned(),
            ..Handshakes::default()
        };
        for (host, users) in &self.users {
            let given = users.iter().find_map(|place| self.given(*place));
            let spare = || users.iter().find_map(|place| closed.get(*place)?.as_ref());
            let choice = given.or_else(spare).cloned();
            if given.is_none() && choice.is_some() && self.is_served_more_widely(host) {
                continue;
            }
            match host {
                HostPattern::Exact(host) => drop(handshakes.exact.insert(host.as_str().into(), choice)),
                HostPattern::Wildcard(parent) => {
                    drop(handshakes.below.insert(parent.as_str().into(), choice));
                }
                HostPattern::Any => handshakes.any = choice,
            }
        }
        handshakes
    }

    /// True if a route that serves takes requests for `host` among those for other hosts.
    fn is_served_more_widely(&self, host: &HostPattern) -> bool {
        let serves = |pattern: &HostPattern| {
            let users = self.users.get(pattern).into_iter().flatten();
            users.into_iter().any(|place| self.given(*place).is_some())
        };
        let below = |host: &str| {
            let parent = host.split_once('.').map(|(_, parent)| parent.to_owned());
            parent.is_some_and(|parent| serves(&HostPattern::Wildcard(parent)))
        };
        match host {
            HostPattern::Any => false,
            HostPattern::Wildcard(_) => serves(&ANY),
            HostPattern::Exact(host) => serves(&ANY) || below(host),
        }
    }
}

/// `route` with the default options, for its quarrel with `other` about `host`.
fn give_way(
    route: &Route,
    other: &QualifiedName,
    host: &HostPattern,
    entry_point: &str,
    default: Option<&Arc<ServerOptions>>,
) -> (Route, Remark) {
    let weaker = route.options.as_ref().is_some_and(|own| {
        own.requires_certificate() && default.is_none_or(|default| !Arc::ptr_eq(own, default))
    });
    let serves = default.is_some() && !weaker;
    let host = match host {
        HostPattern::Any => "all other hosts".to_owned(),
        host => format!("host {host}"),
    };
    let wants = format!(
        "router {other} has other tls.options for {host} on entrypoint {entry_point}, and a handshake knows no more \
         than the host"
    );
    let text = match serves {
        true => format!("{wants}: both get the options `default`"),
        false => format!(
            "{wants}: nobody gets in by the options `default` instead; give both the same, or write another host"
        ),
    };
    let mut changed = route.clone();
    changed.set_options(default.cloned());
    if !serves {
        changed.middlewares = Chain::default();
        changed.service = None;
        changed.target = Target::Unavailable {
            reason: format!("router {} fails closed: {text}", route.name).into(),
        };
        changed.has_around = false;
    }
    (changed, Remark { text, serves })
}

/// Every host that `expr` names, whatever it says of them.
fn hosts_of<'r>(expr: &'r Expr, hosts: &mut Vec<&'r HostPattern>) {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| hosts_of(part, hosts)),
        Expr::Not(part) => hosts_of(part, hosts),
        Expr::Match(Matcher::Host(host)) if !hosts.contains(&host) => hosts.push(host),
        Expr::Match(_) => {}
    }
}

fn same(one: Option<&Arc<ServerOptions>>, other: Option<&Arc<ServerOptions>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use serde_json::{Value, json};

    use crate::{
        fixture::{changed, compiler, configuration, name_of},
        table::{RoutingTable, Status, Target},
    };

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    /// Routers by name, rule and options, beside two sets of options.
    fn document(routers: &[(&str, &str, &str)]) -> Value {
        let routers = routers.iter().map(|(name, rule, options)| {
            let router = json!({"rule": rule, "service": "noop@internal", "tls": {"options": options}});
            (format!("{name}@file"), router)
        });
        json!({
            "routers": routers.collect::<serde_json::Map<_, _>>(),
            "tlsOptions": {
                "new@file": {"minVersion": "VersionTLS13"},
                "old@file": {"maxVersion": "VersionTLS12"},
                "any@file": {"clientAuth": {"clientAuthType": "RequireAnyClientCert"}},
            },
        })
    }

    fn table(routers: &[(&str, &str, &str)]) -> std::sync::Arc<RoutingTable> {
        compiler().compile(&configuration(&document(routers)))
    }

    /// The options for a client that asks for `name`.
    fn chosen(table: &RoutingTable, name: &str) -> Option<String> {
        let name = Some(name).filter(|name| !name.is_empty());
        let options = table.handshake(0, name, HERE);
        options.map(|options| options.name().to_string())
    }

    #[test]
    fn a_name_decides_in_any_spelling_and_an_address_where_there_is_none() {
        let table = table(&[
            ("exact", "Host(`a.test`) && !Host(`c.test`)", "new"),
            ("wild", "Host(`*.test`)", "old@file"),
            ("address", "Host(`10.0.0.1`)", "new"),
            ("open", "Host(`d.test`) || PathPrefix(`/`)", "default"),
            ("lost", "Host(`e.test`)", "nowhere"),
        ]);
        for (name, expected) in [
            ("a.test", Some("new@file")),
            ("A.Test", Some("new@file")),
            ("a.test.", Some("new@file")),
            ("c.test", Some("new@file")),
            ("b.test", Some("old@file")),
            ("d.test", Some("default@internal")),
            ("b.a.test", Some("default@internal")),
            ("", Some("new@file")),
            ("e.test", None),
            ("E.test.", None),
        ] {
            assert_eq!(chosen(&table, name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn routers_without_a_host_decide_for_all_other_names() {
        let table = table(&[
            ("exact", "Host(`a.test`)", "default"),
            ("rest", "PathPrefix(`/`)", "new"),
        ]);
        assert_eq!(chosen(&table, "a.test").as_deref(), Some("default@internal"));
        assert_eq!(chosen(&table, "b.test").as_deref(), Some("new@file"));
    }

    #[test]
    fn who_gives_way_at_one_host_does_at_all_and_one_that_requires_a_certificate_closes() {
        let table = table(&[
            ("a", "Host(`a.test`) || Host(`b.test`)", "new"),
            ("b", "Host(`a.test`)", "old"),
            ("c", "Host(`b.test`) || Host(`c.test`)", "any"),
            ("d", "Host(`d.test`)", "any"),
        ]);
        for name in ["a.test", "b.test", "c.test"] {
            assert_eq!(
                chosen(&table, name).as_deref(),
                Some("default@internal"),
                "{name}"
            );
        }
        assert_eq!(chosen(&table, "d.test").as_deref(), Some("any@file"));
        let status = |name| table.runtime().routers[&name_of(name)].status;
        assert_eq!(
            ["a@file", "b@file", "c@file", "d@file"].map(status),
            [
                Status::Warning,
                Status::Warning,
                Status::Disabled,
                Status::Enabled
            ]
        );
        let target = |host: &str| {
            let route = crate::fixture::route(&table, &format!("https://{host}/")).unwrap();
            matches!(route.target, Target::Unavailable { .. })
        };
        assert_eq!(
            [target("a.test"), target("c.test"), target("d.test")],
            [false, true, false]
        );
    }

    #[test]
    fn a_default_that_cannot_be_used_lets_nobody_in_by_what_mesh_has_instead() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let mut broken = document(&[("a", "Host(`a.test`)", "new"), ("b", "Host(`b.test`)", "default")]);
        broken["tlsOptions"]["default@file"] = json!({"clientAuth": {"caFiles": [path]}});
        let (mut compiler, broken) = (compiler(), configuration(&broken));
        let table = compiler.compile(&broken);
        assert_eq!(chosen(&table, "a.test").as_deref(), Some("new@file"));
        assert_eq!((chosen(&table, "b.test"), chosen(&table, "c.test")), (None, None));
        assert!(!compiler.refresh());
        let ca = rcgen::generate_simple_self_signed(["ca".to_owned()]).unwrap();
        std::fs::write(&path, ca.cert.pem()).unwrap();
        assert!(compiler.refresh(), "the file has come");
        let table = compiler.compile(&broken);
        assert_eq!(chosen(&table, "b.test").as_deref(), Some("default@file"));
    }

    #[test]
    fn what_did_not_change_is_the_same_and_what_changed_is_as_good_for_open_connections() {
        let before = configuration(&document(&[
            ("a", "Host(`a.test`)", "new"),
            ("b", "Host(`b.test`)", "old"),
        ]));
        let mut compiler = compiler();
        let first = compiler.compile(&before);
        let after = json!({"tlsOptions": {"old@file": {"maxVersion": "VersionTLS12", "sniStrict": true}}});
        let second = compiler.compile(&changed(&before, &after));
        let config = |table: &RoutingTable, name| table.handshake(0, Some(name), HERE).unwrap().config();
        let same = |name| std::sync::Arc::ptr_eq(&config(&first, name), &config(&second, name));
        assert_eq!(
            [same("a.test"), same("b.test"), same("c.test")],
            [true, false, true]
        );
        let guard = |table: &RoutingTable, name| table.handshake(0, Some(name), HERE).unwrap().guard();
        assert_eq!(guard(&first, "b.test"), guard(&second, "b.test"));
        assert_ne!(guard(&first, "a.test"), guard(&first, "b.test"));
    }
}

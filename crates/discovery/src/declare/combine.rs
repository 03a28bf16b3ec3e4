//! The objects of one service, out of what its instances declare.
//!
//! Each object is defined by the strongest instance that declares it: not leaving before leaving, once ready
//! before never ready, stable before canary, then the newest. Being ready counts once and for ever, so that a
//! later failure of a health check does not give the definition back to an older copy.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use mesh_config::{
    Entry, Origin, Problem, ProviderName,
    fragment::Declared,
    instance::{Instance, Lifecycle},
    labels::DeclaredService,
    model::{Canary, LoadBalancer, Server, ServerUrl, Service, ServiceKind},
};

use super::{
    complete::{Claim, Completed},
    definitions::Definitions,
    limits::Limits,
    server::server,
    settle::{Settled, Voice, settle},
};
use crate::{catalog::Objects, exposure::Exposure};

/// One instance of the service.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// What its provider knows.
    pub(crate) instance: Arc<Instance>,
    /// What it declares.
    pub(crate) completed: Arc<Completed>,
    /// Its provider no longer lists it.
    pub(crate) gone: bool,
    /// It was ready at some time since it was created.
    pub(crate) ever_ready: bool,
}

impl Member {
    fn leaving(&self) -> bool {
        self.gone || self.instance.lifecycle == Lifecycle::Draining
    }

    fn authority(&self) -> impl Ord {
        (
            !self.leaving(),
            self.ever_ready,
            !self.completed.canary,
            self.instance.created,
        )
    }
}

/// What a service amounts to.
#[derive(Debug, Default)]
pub(crate) struct Combined {
    /// The good definitions, for later.
    pub(crate) definitions: Definitions,
    /// The objects to serve.
    pub(crate) objects: Objects,
    /// Problems of no object.
    pub(crate) problems: Vec<Problem>,
}

/// Combines `members`; `previous` are the definitions that held until now.
pub(crate) fn combine(
    mut members: Vec<Member>,
    previous: &Definitions,
    provider: &ProviderName,
    exposure: &Exposure,
) -> Combined {
    let limits = Limits::new(provider, exposure);
    // By name first: the order of servers does not depend on who is newest.
    members.sort_by(|a, b| a.instance.id.cmp(&b.instance.id));
    let mut ranked: Vec<&Member> = members.iter().collect();
    ranked.sort_by_key(|member| Reverse(member.authority()));

    let mut combined = Combined::default();
    for problem in ranked.iter().flat_map(|member| &member.completed.problems) {
        // Copies of one service repeat each other's mistakes.
        let seen = |other: &Problem| other.key == problem.key && other.message == problem.message;
        if !combined.problems.iter().any(seen) {
            combined.problems.push(problem.clone());
        }
    }
    let Definitions {
        routers,
        services,
        middlewares,
    } = previous;
    let claims = ranked_claims(&ranked, |completed| &completed.routers);
    for (name, settled) in settle_all("routers", &claims, routers, |router| {
        limits.permits_router(router)
    }) {
        let Some(declared) = keep(settled.declared, &name, &mut combined.definitions.routers) else {
            combined.objects.set_aside.extend(settled.set_aside);
            continue;
        };
        combined
            .objects
            .routers
            .insert(name.into(), entry(declared, settled.problems));
    }
    let claims = ranked_claims(&ranked, |completed| &completed.middlewares);
    for (name, settled) in settle_all("middlewares", &claims, middlewares, |middleware| {
        limits.permits_middleware(middleware)
    }) {
        let Some(declared) = keep(settled.declared, &name, &mut combined.definitions.middlewares) else {
            combined.objects.set_aside.extend(settled.set_aside);
            continue;
        };
        combined
            .objects
            .middlewares
            .insert(name.into(), entry(declared, settled.problems));
    }
    combine_services(&members, &ranked, services, limits, &mut combined);
    combined
}

/// What is left of a service without instances, as far as it keeps to the limits of today: its routes, and services
/// without servers.
pub(crate) fn retained(definitions: &Definitions, provider: &ProviderName, exposure: &Exposure) -> Objects {
    let limits = Limits::new(provider, exposure);
    let routers = definitions.routers.iter();
    let middlewares = definitions.middlewares.iter();
    let services = definitions.services.iter();
    Objects {
        routers: routers
            .filter(|(_, declared)| limits.permits_router(&declared.value))
            .map(|(name, declared)| (name.as_str().into(), entry(declared.clone(), Vec::new())))
            .collect(),
        middlewares: middlewares
            .filter(|(_, declared)| limits.permits_middleware(&declared.value))
            .map(|(name, declared)| (name.as_str().into(), entry(declared.clone(), Vec::new())))
            .collect(),
        services: services
            .filter(|(_, declared)| limits.permits_service(&declared.value))
            .map(|(name, declared)| {
                let value = service(&declared.value, Vec::new(), &Canary::default());
                (name.as_str().into(), place(value, &declared.origin, Vec::new()))
            })
            .collect(),
        ..Objects::default()
    }
}

fn combine_services(
    members: &[Member],
    ranked: &[&Member],
    previous: &BTreeMap<String, Declared<DeclaredService>>,
    limits: Limits<'_>,
    combined: &mut Combined,
) {
    let canaries = canaries(ranked);
    let claims = ranked_claims(ranked, |completed| &completed.services);
    let settled = settle_by(
        "services",
        &claims,
        previous,
        |service| limits.permits_service(service),
        |a, b| {
            (&a.load_balancer, &a.instead, &a.middlewares) == (&b.load_balancer, &b.instead, &b.middlewares)
        },
    );
    for (name, mut settled) in settled {
        let Some(declared) = keep(settled.declared, &name, &mut combined.definitions.services) else {
            combined.objects.set_aside.extend(settled.set_aside);
            continue;
        };
        let servers = servers(&name, members, &declared.value, &mut settled.problems);
        let value = service(&declared.value, servers, &canaries);
        let entry = place(value, &declared.origin, settled.problems);
        combined.objects.services.insert(name.into(), entry);
    }
}

/// The members that declare the service `name`, as servers.
fn servers(
    name: &str,
    members: &[Member],
    definition: &DeclaredService,
    problems: &mut Vec<Problem>,
) -> Vec<Server> {
    if definition.instead.is_some() {
        return Vec::new();
    }
    let mut servers: Vec<Server> = Vec::new();
    let mut known = HashMap::new();
    for member in members {
        let template = match member.completed.services.get(name) {
            Some(Ok(declared)) => &declared.value.server,
            // Its labels are broken, itself it is not: it serves as the service did before, except where that
            // would be somebody else's address.
            Some(Err(_)) if definition.server.url.is_none() => &definition.server,
            Some(Err(_)) | None => continue,
        };
        match server(&member.instance, template, member.gone) {
            Ok(mut server) => {
                server.canary = member.completed.canary;
                add(&mut servers, &mut known, server);
            }
            Err(message) => {
                let key = format!("http.services.{name}");
                problems.push(Problem::new(member.instance.origin.clone(), key, message));
            }
        }
    }
    servers
}

/// One address is one server: the best-off of those who claim it.
fn add(servers: &mut Vec<Server>, known: &mut HashMap<ServerUrl, usize>, server: Server) {
    let place = *known.entry(server.url.clone()).or_insert(servers.len());
    match servers.get_mut(place) {
        Some(other) if standing(&server) < standing(other) => *other = server,
        Some(_) => {}
        None => servers.push(server),
    }
}

/// How well-off a server is, the best first.
fn standing(server: &Server) -> u8 {
    match server.lifecycle {
        Lifecycle::Ready => 0,
        Lifecycle::Starting => 1,
        Lifecycle::Unhealthy => 2,
        Lifecycle::Draining => 3,
    }
}

/// What simple labels say of the canary group: each part in the words of the strongest who says it, a canary or not.
fn canaries(ranked: &[&Member]) -> Canary {
    let mut said = ranked.iter().map(|member| &member.completed.canaries);
    Canary {
        weight: said.clone().find_map(|canaries| canaries.weight),
        stop: said.find_map(|canaries| canaries.stop.clone()),
    }
}

/// The same as one service has it, whose own definition comes first.
fn canary(definition: Option<&Canary>, said: &Canary) -> Option<Canary> {
    let own = definition.cloned().unwrap_or_default();
    let canary = Canary {
        weight: own.weight.or(said.weight),
        stop: own.stop.or_else(|| said.stop.clone()),
    };
    (canary != Canary::default()).then_some(canary)
}

fn service(definition: &DeclaredService, servers: Vec<Server>, canaries: &Canary) -> Service {
    let balancer = || {
        ServiceKind::LoadBalancer(Box::new(LoadBalancer {
            servers,
            canary: canary(definition.load_balancer.canary.as_ref(), canaries),
            ..definition.load_balancer.clone()
        }))
    };
    Service {
        kind: definition.instead.clone().unwrap_or_else(balancer),
        middlewares: definition.middlewares.clone(),
    }
}

type Claims<'a, T> = BTreeMap<&'a str, Vec<Voice<'a, T>>>;

fn ranked_claims<'a, T>(
    ranked: &[&'a Member],
    of: impl Fn(&'a Completed) -> &'a BTreeMap<String, Claim<T>>,
) -> Claims<'a, T> {
    let mut claims = Claims::new();
    for member in ranked {
        for (name, claim) in of(&member.completed) {
            claims.entry(name).or_default().push(Voice {
                who: &member.instance.origin,
                claim,
                leaving: member.leaving(),
            });
        }
    }
    claims
}

fn settle_all<'a, T: Clone + PartialEq>(
    section: &'a str,
    claims: &'a Claims<'a, T>,
    previous: &'a BTreeMap<String, Declared<T>>,
    permits: impl Fn(&T) -> bool + 'a,
) -> impl Iterator<Item = (String, Settled<T>)> + 'a {
    settle_by(section, claims, previous, permits, T::eq)
}

fn settle_by<'a, T: Clone>(
    section: &'a str,
    claims: &'a Claims<'a, T>,
    previous: &'a BTreeMap<String, Declared<T>>,
    permits: impl Fn(&T) -> bool + 'a,
    same: impl Fn(&T, &T) -> bool + 'a,
) -> impl Iterator<Item = (String, Settled<T>)> + 'a {
    claims.iter().map(move |(name, voices)| {
        let key = format!("http.{section}.{name}");
        let previous = previous.get(*name).filter(|declared| permits(&declared.value));
        ((*name).to_owned(), settle(&key, voices, previous, &same))
    })
}

/// Remembers a good definition.
fn keep<T: Clone>(
    declared: Option<Declared<T>>,
    name: &str,
    definitions: &mut BTreeMap<String, Declared<T>>,
) -> Option<Declared<T>> {
    let declared = declared?;
    definitions.insert(name.to_owned(), declared.clone());
    Some(declared)
}

fn entry<T>(declared: Declared<T>, problems: Vec<Problem>) -> Arc<Entry<T>> {
    Arc::new(Entry {
        value: declared.value,
        origin: declared.origin,
        problems,
    })
}

fn place<T>(value: T, origin: &Origin, problems: Vec<Problem>) -> Arc<Entry<T>> {
    let origin = origin.clone();
    Arc::new(Entry {
        value,
        origin,
        problems,
    })
}

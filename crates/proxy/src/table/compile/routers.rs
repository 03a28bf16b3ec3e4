//! Routers by name, and the routes that they become.

use std::{collections::BTreeMap, sync::Arc};

use mesh_config::{Entry, Kind, ProviderName, QualifiedName, courtesy::give_way, model::Router, rule::Rule};
use mesh_telemetry::metrics::Label;
use mesh_tls::ServerOptions;

use super::{
    super::{
        route::{InternalService, Route, RouteParts, Target},
        runtime::{RouterInfo, RouterVerdict, judge},
    },
    CompilerSettings,
    difference::Difference,
    log::tell,
    middlewares::Middlewares,
    missing::Missing,
    precedence::Precedence,
    services::Services,
    tls_options::OptionSets,
};
use crate::{
    middleware::{Chain, Middleware},
    service::Service,
};

/// Priorities above this one belong to routers that Mesh makes itself.
const MAX_PRIORITY: i64 = i64::MAX - 1000;

type Definitions = BTreeMap<QualifiedName, Arc<Entry<Router>>>;

/// The routers of the newest configuration.
#[derive(Debug, Default)]
pub(super) struct Routers {
    known: BTreeMap<QualifiedName, Compiled>,
    /// Those that cannot be used and never could, and say what they match.
    closed: BTreeMap<QualifiedName, Compiled>,
}

/// What routers refer to.
pub(super) struct Surroundings<'c> {
    pub(super) settings: &'c CompilerSettings,
    pub(super) precedence: &'c Precedence,
    pub(super) missing: &'c Missing,
    pub(super) tls_options: &'c OptionSets,
    pub(super) middlewares: &'c Middlewares,
    pub(super) services: &'c Services,
}

/// One router.
#[derive(Debug)]
struct Compiled {
    verdict: Arc<RouterVerdict>,
    /// Places of its entrypoints in the settings.
    entry_points: Vec<usize>,
    good: Option<Good>,
}

/// A version of which every part was found once.
#[derive(Debug, Clone)]
struct Good {
    entry: Arc<Entry<Router>>,
    parts: Parts,
}

/// What the references of a router stand for.
#[derive(Debug, Clone)]
struct Parts {
    middlewares: Vec<(QualifiedName, Chain)>,
    /// Services that these ask.
    asked: Vec<(QualifiedName, Arc<Service>)>,
    service: Answer,
    /// Of a router over TLS.
    options: Option<Arc<ServerOptions>>,
}

/// The service of a router.
#[derive(Debug, Clone)]
enum Answer {
    Service(Arc<Service>),
    /// Few routers have one, and all would have room for it.
    Internal(Box<(QualifiedName, Arc<dyn InternalService>)>),
}

/// What a route is made of, beside its frame: steps, the service's name, what answers, and what handshakes are made by.
type Parted = (Chain, Option<Arc<str>>, Target, Option<Arc<ServerOptions>>);

/// What a definition says by itself: enough to know what it matches.
struct Frame {
    rule: Rule,
    priority: i64,
    entry_points: Vec<usize>,
    warnings: Vec<String>,
    /// Why it cannot be served nevertheless.
    errors: Vec<String>,
}

impl Routers {
    pub(super) fn update(&mut self, definitions: &Definitions, surroundings: &Surroundings<'_>) {
        let mut made = Vec::new();
        let may_stay = |known: &Compiled, entry: &Arc<_>| surroundings.may_stay(known, entry);
        let difference = Difference::new(&self.known, definitions, may_stay);
        for name in difference.gone {
            self.known.remove(&name);
        }
        for name in difference.stale {
            give_way();
            if let Some(entry) = definitions.get(&name) {
                let before = self.known.remove(&name);
                let known = before.as_ref().map(|before| before.verdict.clone());
                let compiled = surroundings.compile(&name, entry, before);
                let known = known.as_ref().map(|known| known.own_errors()).unwrap_or_default();
                tell(
                    Kind::Router,
                    &name,
                    &entry.origin,
                    known,
                    compiled.verdict.own_errors(),
                );
                made.push((name, compiled));
            }
        }
        if self.known.is_empty() {
            // At once and in order it fills its nodes; one by one, half of them.
            self.known = made.into_iter().collect();
        } else {
            self.known.extend(made);
        }
    }

    /// Answers what routers match that cannot be used. They are shown among the objects that were set aside.
    pub(super) fn close(&mut self, closed: &Definitions, surroundings: &Surroundings<'_>) {
        let mut before = std::mem::take(&mut self.closed);
        for (name, entry) in closed {
            give_way();
            let same = before.remove(name).filter(|before| {
                !surroundings.tls_options.changed() && before.verdict.info.entry.as_ref() == entry.as_ref()
            });
            if let Some(closed) = same.or_else(|| surroundings.set_aside(name, entry)) {
                self.closed.insert(name.clone(), closed);
            }
        }
    }

    /// The routes with the places of their entrypoints.
    pub(super) fn routes(&self) -> impl Iterator<Item = (&Arc<Route>, &[usize])> {
        let routes = self.known.values().chain(self.closed.values());
        routes.filter_map(|router| Some((router.verdict.route.as_ref()?, router.entry_points.as_slice())))
    }

    /// Every router and what became of it.
    pub(super) fn verdicts(&self) -> Vec<Arc<RouterVerdict>> {
        self.known.values().map(|router| router.verdict.clone()).collect()
    }
}

impl Surroundings<'_> {
    /// True if nothing that `known` was made of can have changed.
    fn may_stay(&self, known: &Compiled, entry: &Arc<Entry<Router>>) -> bool {
        let Some(good) = &known.good else {
            return false;
        };
        let service = match &good.parts.service {
            Answer::Service(service) => self.services.touched(&service.name),
            Answer::Internal(_) => false,
        };
        let mut asked = good.parts.asked.iter();
        let asked = asked.any(|(name, _)| self.services.touched(name));
        !self.middlewares.changed() && !self.tls_options.changed() && !service && !asked && known.is_of(entry)
    }

    fn compile(
        &self,
        name: &QualifiedName,
        entry: &Arc<Entry<Router>>,
        before: Option<Compiled>,
    ) -> Compiled {
        let parts = self.parts(name, &entry.value, None);
        let before = match (before, &parts) {
            (Some(before), Ok(parts)) if before.is(entry, parts) => return before,
            (before, _) => before,
        };
        let good = before.and_then(|before| before.good);
        match (self.frame(name, &entry.value), parts) {
            (Ok(frame), Ok(parts)) if frame.errors.is_empty() => {
                let good = Good {
                    entry: entry.clone(),
                    parts,
                };
                self.serve(name, entry, frame, good, Vec::new())
            }
            (frame, parts) => {
                let (Ok(Frame { errors, .. }) | Err(errors)) = &frame;
                let mut errors = errors.clone();
                errors.extend(parts.err().unwrap_or_default());
                match (good, frame) {
                    (Some(good), _) => self.go_on(name, entry, good, errors),
                    (None, Ok(frame)) => self.fail_closed(name, entry, frame, errors),
                    (None, Err(_)) => disabled(name, entry, errors),
                }
            }
        }
    }

    /// A router of which everything was found.
    fn serve(
        &self,
        name: &QualifiedName,
        entry: &Arc<Entry<Router>>,
        frame: Frame,
        good: Good,
        mut errors: Vec<String>,
    ) -> Compiled {
        let label = name.to_string();
        let own = good.parts.middlewares.iter().flat_map(|(_, chain)| chain.iter());
        let own: Vec<_> = own
            .map(|step| step.for_owner(&label, |name| good.parts.asked(name)))
            .collect();
        let (target, service, middlewares) = match &good.parts.service {
            Answer::Service(service) => (
                Target::Service(service.clone()),
                service.label.clone(),
                steps(own.iter().chain(service.middlewares.iter())),
            ),
            Answer::Internal(named) => (
                Target::Internal(named.1.clone()),
                named.0.to_string().into(),
                steps(own.iter()),
            ),
        };
        errors.extend_from_slice(&frame.warnings);
        let options = good.parts.options.clone();
        let parts = (middlewares, Some(service), target, options);
        self.compiled(
            name,
            entry,
            (frame, &good.entry),
            parts,
            (errors, Some(good.clone())),
        )
    }

    /// A broken router that had a good version: that one serves, with what its references stand for now.
    fn go_on(
        &self,
        name: &QualifiedName,
        entry: &Arc<Entry<Router>>,
        good: Good,
        errors: Vec<String>,
    ) -> Compiled {
        let parts = self.parts(name, &good.entry.value, Some(&good.parts));
        match (self.frame(name, &good.entry.value), parts) {
            (Ok(frame), Ok(parts)) => {
                let good = Good {
                    entry: good.entry,
                    parts,
                };
                self.serve(name, entry, frame, good, errors)
            }
            (Err(more), _) | (Ok(_), Err(more)) => disabled(name, entry, [errors, more].concat()),
        }
    }

    /// A broken router that never had a good version: what it matches is answered with 503. Leaving it out
    /// would hand its requests to a wider router, past its own middlewares.
    fn fail_closed(
        &self,
        name: &QualifiedName,
        entry: &Arc<Entry<Router>>,
        frame: Frame,
        mut errors: Vec<String>,
    ) -> Compiled {
        let reason = format!("router {name} is broken: {}", errors.join("; ")).into();
        errors.extend_from_slice(&frame.warnings);
        // What else is wrong with it makes no other handshakes.
        let options = self.options(name, &entry.value, None).ok().flatten();
        let parts = (Chain::default(), None, Target::Unavailable { reason }, options);
        self.compiled(name, entry, (frame, entry), parts, (errors, None))
    }

    /// The same for a router that was set aside before anything was looked up; `None` where it listens nowhere.
    fn set_aside(&self, name: &QualifiedName, entry: &Arc<Entry<Router>>) -> Option<Compiled> {
        let frame = self.frame(name, &entry.value).ok()?;
        let problems = entry.problems.iter();
        let errors = problems.map(|problem| format!("{}: {}", problem.key, problem.message));
        Some(self.fail_closed(name, entry, frame, errors.collect()))
    }

    fn compiled(
        &self,
        name: &QualifiedName,
        entry: &Arc<Entry<Router>>,
        (frame, serving): (Frame, &Entry<Router>),
        (middlewares, service, target, options): Parted,
        (errors, good): (Vec<String>, Option<Good>),
    ) -> Compiled {
        let warnings = misplaced_caches(&middlewares);
        let errors = errors.into_iter().chain(warnings.clone()).collect();
        let (status, errors) = judge(good.is_some(), errors, entry);
        let route = Route::from(RouteParts {
            name: name.clone(),
            label: name.to_string().into(),
            rule: frame.rule,
            priority: frame.priority,
            precedence: self.precedence.of(&name.provider),
            middlewares,
            service: service.map(Label::from),
            target,
            observability: serving.value.observability.clone(),
            timeouts: serving.value.timeouts,
            secure: serving.value.tls.is_some(),
            options,
        });
        let entry_points = frame.entry_points.iter();
        let using = entry_points.filter_map(|place| self.settings.entry_points.get(*place));
        let info = RouterInfo {
            entry: entry.clone(),
            status,
            errors,
            warnings,
            using: using.map(|entry_point| entry_point.name.clone()).collect(),
            priority: frame.priority,
        };
        Compiled {
            verdict: Arc::new(RouterVerdict {
                name: name.clone(),
                info: Arc::new(info),
                route: Some(Arc::new(route)),
            }),
            entry_points: frame.entry_points,
            good,
        }
    }

    /// Looks up what a router refers to; what is missing comes from `held`, or is an error.
    fn parts(
        &self,
        name: &QualifiedName,
        router: &Router,
        held: Option<&Parts>,
    ) -> Result<Parts, Vec<String>> {
        let mut errors = Vec::new();
        let mut middlewares = Vec::with_capacity(router.middlewares.len());
        for reference in &router.middlewares {
            let middleware = reference.resolve(&name.provider);
            match self.middlewares.resolve(&middleware, self.missing) {
                Ok(chain) => middlewares.push((middleware, chain)),
                Err(error) => match held.and_then(|held| held.middleware(&middleware)) {
                    Some(chain) => middlewares.push((middleware, chain)),
                    None => errors.push(error),
                },
            }
        }
        let asked = self.asked(&middlewares, held).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        let options = self.options(name, router, held).unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        let service = match &router.service {
            Some(service) => self.service(&service.resolve(&name.provider)),
            None => Err("it names no service".to_owned()),
        };
        match service.or_else(|error| held.map(|held| held.service.clone()).ok_or(error)) {
            Ok(service) if errors.is_empty() => Ok(Parts {
                middlewares,
                asked,
                service,
                options,
            }),
            Ok(_) => Err(errors),
            Err(error) => {
                errors.push(error);
                Err(errors)
            }
        }
    }

    /// The TLS options of a router that has TLS; what is missing comes from `held`, or is an error.
    fn options(
        &self,
        name: &QualifiedName,
        router: &Router,
        held: Option<&Parts>,
    ) -> Result<Option<Arc<ServerOptions>>, String> {
        let Some(tls) = &router.tls else { return Ok(None) };
        let held = held.and_then(|held| held.options.clone());
        let found = self.tls_options.resolve(tls, &name.provider, self.missing);
        found.or_else(|error| held.ok_or(error)).map(Some)
    }

    /// The services that `middlewares` ask; what is missing comes from `held`, or is an error.
    fn asked(
        &self,
        middlewares: &[(QualifiedName, Chain)],
        held: Option<&Parts>,
    ) -> Result<Vec<(QualifiedName, Arc<Service>)>, String> {
        let steps = middlewares.iter().flat_map(|(_, chain)| chain.iter());
        let asked = steps.filter_map(|step| Some((step, step.asks()?)));
        let asked = asked.map(|(step, name)| {
            let service = self.services.resolve(&name, self.missing);
            let service = service.or_else(|error| held.and_then(|held| held.asked(&name)).ok_or(error));
            let service = service.map_err(|error| format!("middleware {}: {error}", step.name))?;
            Ok((name, service))
        });
        asked.collect()
    }

    fn service(&self, name: &QualifiedName) -> Result<Answer, String> {
        if name.provider.as_str() == ProviderName::INTERNAL
            && let Some(service) = self.settings.internal.get(&*name.name)
        {
            return Ok(Answer::Internal(Box::new((name.clone(), service.clone()))));
        }
        self.services.resolve(name, self.missing).map(Answer::Service)
    }

    /// What a definition says by itself, or why nobody can tell what it matches.
    fn frame(&self, name: &QualifiedName, router: &Router) -> Result<Frame, Vec<String>> {
        let highest = match name.provider.as_str() {
            ProviderName::INTERNAL => i64::MAX,
            _ => MAX_PRIORITY,
        };
        let mut errors = Vec::new();
        if router.priority > highest {
            errors.push(format!(
                "priority {} is reserved for Mesh itself; the highest allowed is {MAX_PRIORITY}",
                router.priority
            ));
        }
        if router.rule.is_none() {
            errors.push("it has no rule".to_owned());
        }
        let (entry_points, warnings) = self.entry_points(router);
        if entry_points.is_empty() {
            errors.extend_from_slice(&warnings);
            errors.push("it has no entrypoint left to listen on".to_owned());
        }
        match &router.rule {
            Some(rule) if !entry_points.is_empty() => Ok(Frame {
                rule: rule.clone(),
                priority: match router.priority {
                    0 => i64::try_from(rule.text().len()).unwrap_or(MAX_PRIORITY),
                    priority => priority.min(highest),
                },
                entry_points,
                warnings,
                errors,
            }),
            _ => Err(errors),
        }
    }

    /// The places of a router's entrypoints, and what is wrong with the others.
    fn entry_points(&self, router: &Router) -> (Vec<usize>, Vec<String>) {
        let known = || self.settings.entry_points.iter().enumerate();
        let mut places = Vec::new();
        let mut warnings = Vec::new();
        for name in &router.entry_points {
            match known().find(|(_, known)| *known.name == **name) {
                Some((place, _)) if !places.contains(&place) => places.push(place),
                Some(_) => {}
                None => {
                    let names: Vec<_> = known().map(|(_, known)| &*known.name).collect();
                    warnings.push(format!(
                        "entrypoint {name:?} does not exist; there is {}",
                        names.join(", ")
                    ));
                }
            }
        }
        if router.entry_points.is_empty() {
            places.extend(known().filter(|(_, known)| known.default).map(|(place, _)| place));
        }
        if let Some(resolver) = router.tls.as_ref().map(|tls| &tls.cert_resolver)
            && !resolver.is_empty()
        {
            warnings.push(format!(
                "tls.certResolver {resolver:?} does not exist: it is shown the certificates there are"
            ));
        }
        (places, warnings)
    }
}

impl Compiled {
    /// True if compiling `entry` with `parts` would make this again.
    fn is(&self, entry: &Arc<Entry<Router>>, parts: &Parts) -> bool {
        let good = self.good.as_ref();
        self.is_of(entry) && good.is_some_and(|good| good.parts.same(parts))
    }

    /// True if it serves, and serves this very definition.
    fn is_of(&self, entry: &Arc<Entry<Router>>) -> bool {
        let good = self.good.as_ref();
        Arc::ptr_eq(&self.verdict.info.entry, entry)
            && good.is_some_and(|good| Arc::ptr_eq(&good.entry, entry))
    }
}

impl Parts {
    fn same(&self, other: &Self) -> bool {
        let services = match (&self.service, &other.service) {
            (Answer::Service(a), Answer::Service(b)) => Arc::ptr_eq(a, b),
            (Answer::Internal(a), Answer::Internal(b)) => a.0 == b.0,
            (Answer::Service(_), Answer::Internal(_)) | (Answer::Internal(_), Answer::Service(_)) => false,
        };
        let mut pairs = self.middlewares.iter().zip(&other.middlewares);
        services
            && self.options.as_ref().map(Arc::as_ptr) == other.options.as_ref().map(Arc::as_ptr)
            && self.middlewares.len() == other.middlewares.len()
            && pairs.all(|((_, a), (_, b))| Arc::ptr_eq(a, b))
            && self.asked.len() == other.asked.len()
            && self
                .asked
                .iter()
                .zip(&other.asked)
                .all(|((_, a), (_, b))| Arc::ptr_eq(a, b))
    }

    /// The service that one of the middlewares asks under this name.
    fn asked(&self, name: &QualifiedName) -> Option<Arc<Service>> {
        let asked = self.asked.iter().find(|(asked, _)| asked == name);
        asked.map(|(_, service)| service.clone())
    }

    fn middleware(&self, name: &QualifiedName) -> Option<Chain> {
        let held = self.middlewares.iter().find(|(held, _)| held == name);
        held.map(|(_, chain)| chain.clone())
    }
}

/// A chain of `steps`; without any, the one that all share.
fn steps<'s>(steps: impl Iterator<Item = &'s Arc<Middleware>>) -> Chain {
    let steps: Vec<_> = steps.cloned().collect();
    match steps.is_empty() {
        true => Chain::default(),
        false => steps.into(),
    }
}

/// Caches that stand before what judges who may see an answer.
fn misplaced_caches(chain: &Chain) -> Vec<String> {
    let judges = ["apiKey", "basicAuth", "digestAuth", "forwardAuth", "jwt", "oidc"];
    let caches = chain.iter().enumerate().filter(|(_, step)| step.kind == "cache");
    let misplaced = caches.filter_map(|(place, cache)| {
        let mut behind = chain.iter().skip(place);
        let judge = behind.find(|step| judges.contains(&step.kind))?;
        Some(format!(
            "middleware {} comes before {} ({}): what is kept is given to who asks for it, unjudged; put the cache behind",
            cache.name, judge.name, judge.kind
        ))
    });
    misplaced.collect()
}

/// A router that serves nothing.
fn disabled(name: &QualifiedName, entry: &Arc<Entry<Router>>, errors: Vec<String>) -> Compiled {
    let (status, errors) = judge(false, errors, entry);
    let info = RouterInfo {
        entry: entry.clone(),
        status,
        errors,
        warnings: Vec::new(),
        using: Vec::new(),
        priority: entry.value.priority,
    };
    Compiled {
        verdict: Arc::new(RouterVerdict {
            name: name.clone(),
            info: Arc::new(info),
            route: None,
        }),
        entry_points: Vec::new(),
        good: None,
    }
}

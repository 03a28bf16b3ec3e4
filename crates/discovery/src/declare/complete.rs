//! What one instance declares, with everything filled in that its labels leave out.

use std::{collections::BTreeMap, sync::Arc};

use mesh_config::{
    Origin, Outline, Problem, ProviderName, Reference, SetAside,
    fragment::{Declared, Kind},
    instance::Instance,
    labels::{self, Declaration, DeclaredService},
    model::{Canary, Middleware, Router, ServiceKind},
    name::normalize,
    rule::Rule,
};

use super::limits::Limits;
use crate::{catalog::UnitKey, exposure::Exposure};

/// An object as one instance declares it, or why it cannot be used.
pub(crate) type Claim<T> = Result<Declared<T>, Arc<SetAside>>;

/// What one instance declares. Depends on nothing but the instance and the settings of its provider.
#[derive(Debug)]
pub(crate) struct Completed {
    /// The service it is a copy of, or the group it joins.
    pub(crate) unit: UnitKey,
    /// Routers, with rule and service.
    pub(crate) routers: BTreeMap<String, Claim<Router>>,
    /// Services it is a server of.
    pub(crate) services: BTreeMap<String, Claim<DeclaredService>>,
    /// Middlewares.
    pub(crate) middlewares: BTreeMap<String, Claim<Middleware>>,
    /// It belongs to the canary group.
    pub(crate) canary: bool,
    /// What the canary group gets, as far as it says.
    pub(crate) canaries: Canary,
    /// Problems of its labels as a whole.
    pub(crate) problems: Vec<Problem>,
}

impl Completed {
    /// What an instance declares whose labels nobody reads.
    pub(crate) fn nothing(unit: UnitKey) -> Self {
        Self {
            unit,
            routers: BTreeMap::new(),
            services: BTreeMap::new(),
            middlewares: BTreeMap::new(),
            canary: false,
            canaries: Canary::default(),
            problems: Vec::new(),
        }
    }

    /// True if an object cannot be used as written.
    pub(crate) fn is_broken(&self) -> bool {
        self.routers.values().any(Result::is_err)
            || self.services.values().any(Result::is_err)
            || self.middlewares.values().any(Result::is_err)
    }
}

/// Completes the declaration of `instance`. One that is not exposed declares nothing.
pub(crate) fn complete(instance: &Instance, provider: &ProviderName, exposure: &Exposure) -> Completed {
    let declaration = labels::decode(&instance.labels, &exposure.label_prefixes);
    let unit = match &declaration.group {
        Some(group) => UnitKey::Group(group.as_str().into()),
        None => UnitKey::Service(instance.service.clone()),
    };
    let wanted = matches_constraints(instance, exposure) && declaration.enable != Some(false);
    let exposed = wanted
        && declaration.enable.unwrap_or(exposure.exposed_by_default)
        && !declaration.other_protocols_only;
    let mut completed = Completed {
        canary: declaration.canary,
        canaries: declaration.canaries.clone(),
        problems: declaration.problems.clone(),
        ..Completed::nothing(unit)
    };
    if exposed {
        let name = normalize(completed.unit.name());
        fill(&mut completed, declaration, name, instance, exposure);
        Limits::new(provider, exposure).apply(&mut completed, &instance.origin);
    } else if !wanted {
        // Nobody asked for it to be read. That it was switched off by a slip is worth a word all the same.
        completed
            .problems
            .retain(|problem| problem.key.ends_with("enable"));
    }
    completed
}

fn matches_constraints(instance: &Instance, exposure: &Exposure) -> bool {
    let Some(constraints) = &exposure.constraints else {
        return true;
    };
    let label = |key: &str| {
        let all = instance
            .labels
            .iter()
            .rev()
            .flat_map(|set| set.labels.iter().rev());
        all.into_iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    };
    constraints.matches(&label, &instance.tags)
}

/// Moves the declared objects over under their final names and adds those that go without saying.
fn fill(
    completed: &mut Completed,
    declaration: Declaration,
    default_name: String,
    instance: &Instance,
    exposure: &Exposure,
) {
    if default_name.is_empty() {
        completed.problems.push(Problem::new(
            instance.origin.clone(),
            "",
            format!(
                "the service name {:?} has no letter or digit to name routes by",
                completed.unit.name()
            ),
        ));
        return;
    }
    let named = |name: String| {
        if name.is_empty() {
            default_name.clone()
        } else {
            name
        }
    };
    for mut aside in declaration.set_aside {
        aside.name = named(aside.name);
        set_aside(completed, aside, instance, exposure);
    }
    for (name, service) in declaration.services {
        completed.services.insert(named(name), Ok(service));
    }
    for (name, middleware) in declaration.middlewares {
        completed.middlewares.insert(named(name), Ok(middleware));
    }
    // A service over others needs them: the instance goes on being one of its own.
    if balancers(completed).next().is_none() && !completed.services.contains_key(&default_name) {
        let service = implied(DeclaredService::default(), &instance.origin);
        completed.services.insert(default_name.clone(), Ok(service));
    }
    let mut routers: BTreeMap<_, _> = declaration
        .routers
        .into_iter()
        .map(|(name, router)| (named(name), router))
        .collect();
    if routers.is_empty() && completed.routers.is_empty() && balancers(completed).count() == 1 {
        routers.insert(default_name.clone(), implied(Router::default(), &instance.origin));
    }
    for (name, router) in routers {
        let finished = finish(&name, router, completed, instance, exposure);
        completed.routers.insert(name, finished);
    }
}

/// Notes an object that is broken. A router among them that says no rule is closed by the default one.
fn set_aside(completed: &mut Completed, mut aside: SetAside, instance: &Instance, exposure: &Exposure) {
    aside.closed = aside.closed.take().and_then(|mut router| {
        with_rule(&mut router, completed, instance, exposure).ok()?;
        Some(router)
    });
    let (name, aside) = (aside.name.clone(), Arc::new(aside));
    match aside.kind {
        Kind::Router => drop(completed.routers.insert(name, Err(aside))),
        Kind::Service => drop(completed.services.insert(name, Err(aside))),
        Kind::Middleware => drop(completed.middlewares.insert(name, Err(aside))),
        Kind::ServersTransport | Kind::Certificate | Kind::TlsOptions => {
            completed.problems.push(aside.problem.clone());
        }
    }
}

/// The services it is a server of, or would be if they were not broken.
fn balancers(completed: &Completed) -> impl Iterator<Item = &str> {
    let services = completed.services.iter();
    services
        .filter(|(_, claim)| match claim {
            Ok(declared) => declared.value.instead.is_none(),
            Err(aside) => !ServiceKind::is_over_others(&aside.outline.variant),
        })
        .map(|(name, _)| name.as_str())
}

fn implied<T>(value: T, origin: &Origin) -> Declared<T> {
    Declared {
        value,
        origin: origin.clone(),
    }
}

/// Gives a router the rule and the service that it leaves out.
fn finish(
    name: &str,
    mut router: Declared<Router>,
    completed: &Completed,
    instance: &Instance,
    exposure: &Exposure,
) -> Claim<Router> {
    let ruled = with_rule(&mut router.value, completed, instance, exposure);
    if router.value.service.is_none() {
        let mut services = balancers(completed);
        router.value.service = match (services.next(), services.next()) {
            (Some(only), None) => Some(Reference::local(only)),
            _ => {
                let all: Vec<_> = completed.services.keys().map(String::as_str).collect();
                let message = "it could mean more than one service";
                let help = format!("name one of {}", all.join(", "));
                return Err(unfinished(name, &router, "service", message, &help));
            }
        };
    }
    match ruled {
        Ok(()) => Ok(router),
        Err(message) => {
            let help = "give the router a rule, or mend defaultRule of the provider";
            Err(unfinished(name, &router, "rule", &message, help))
        }
    }
}

/// Gives a router without a rule the default one.
fn with_rule(
    router: &mut Router,
    completed: &Completed,
    instance: &Instance,
    exposure: &Exposure,
) -> Result<(), String> {
    if router.rule.is_none() {
        router.rule = Some(default_rule(completed.unit.name(), instance, exposure)?);
    }
    Ok(())
}

/// A router that leaves out more than can be filled in.
fn unfinished(name: &str, router: &Declared<Router>, key: &str, message: &str, help: &str) -> Arc<SetAside> {
    let key = format!("http.routers.{name}.{key}");
    let problem = Problem::new(router.origin.clone(), key, message).with_help(help);
    let outline = Outline::of_router(&router.value);
    let closed = Some(&router.value).filter(|router| router.rule.is_some());
    Arc::new(SetAside::new(Kind::Router, name, outline, vec![problem]).closing(closed.cloned()))
}

fn default_rule(name: &str, instance: &Instance, exposure: &Exposure) -> Result<Rule, String> {
    let labels: BTreeMap<String, String> = instance
        .labels
        .iter()
        .flat_map(|set| set.labels.iter().cloned())
        .collect();
    let text = exposure
        .default_rule
        .render(name, &labels)
        .map_err(|error| format!("the default rule fails: {error}"))?;
    match text.trim() {
        "" => Err("the default rule is empty for it".to_owned()),
        text => text
            .parse()
            .map_err(|error| format!("the default rule gives no rule: {error}")),
    }
}

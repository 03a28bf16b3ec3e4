//! Middlewares by name, chains laid flat.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mesh_config::{
    Entry, Kind, Problem, QualifiedName,
    model::{self, Chain as ChainDefinition},
};
use tokio::runtime::Handle;

use super::{
    super::runtime::{MiddlewareVerdict, Verdict},
    cycle,
    difference::Difference,
    log::tell_places,
    missing::Missing,
};
use crate::{
    brief::brief,
    middleware::{Background, Chain, Middleware},
};

/// Steps in a chain, laid flat; more is a mistake such as chains that name each other twice.
const MAX_STEPS: usize = 256;

type Definitions = BTreeMap<QualifiedName, Arc<Entry<model::Middleware>>>;

/// The middlewares of the newest configuration.
#[derive(Debug, Default)]
pub(super) struct Middlewares {
    background: Background,
    known: Known,
    /// Those that could not be used, and can be now: a file that they read has come.
    mended: BTreeSet<QualifiedName>,
    changed: bool,
}

type Known = BTreeMap<QualifiedName, Arc<MiddlewareVerdict>>;

impl Middlewares {
    /// What they need beside requests is done on `runtime` from now on.
    pub(super) fn work_on(&mut self, runtime: Handle) {
        self.background.work_on(runtime);
    }

    /// Looks again at what they depend on, such as files. True if something is to be done about it: an update takes over
    /// what can be used now, and problems are told anew.
    pub(super) fn refresh(&mut self) -> bool {
        let is_news = self.own_steps().filter(|(_, step)| step.refresh()).count() > 0;
        for (name, verdict) in &self.known {
            let definition = &verdict.entry.value;
            let is_chain = matches!(definition, model::Middleware::Chain(_));
            let is_broken = verdict.errors != warnings(definition) && !is_chain;
            // What it lacked may be there now.
            if is_broken && Middleware::new(name, definition, &self.background).is_ok() {
                self.mended.insert(name.clone());
            }
        }
        is_news || !self.mended.is_empty()
    }

    pub(super) fn update(&mut self, definitions: &Definitions, missing: &Missing) {
        let same = |known: &Arc<MiddlewareVerdict>, entry: &Arc<_>| Arc::ptr_eq(&known.entry, entry);
        self.changed = !Difference::new(&self.known, definitions, same).is_empty();
        let mended = std::mem::take(&mut self.mended);
        self.changed |= !mended.is_empty();
        if !self.changed && !missing.changed() {
            return;
        }
        let mut update = Update {
            definitions,
            missing,
            background: &self.background,
            mended,
            before: std::mem::take(&mut self.known),
            known: Known::new(),
        };
        for name in definitions.keys() {
            update.compile(name, &mut Vec::new());
        }
        self.known = update.known;
    }

    /// What they have beside their definitions.
    pub(super) fn background(&self) -> &Background {
        &self.background
    }

    /// What is wrong with what they depend on while they serve on.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        self.own_steps().filter_map(|(verdict, step)| {
            let key = format!("http.middlewares.{}", step.name.name);
            Some(Problem::new(verdict.entry.origin.clone(), key, step.trouble()?))
        })
    }

    /// Every middleware that is no chain, with what serves for it.
    fn own_steps(&self) -> impl Iterator<Item = (&MiddlewareVerdict, &Middleware)> {
        let verdicts = self.known.values();
        verdicts.filter_map(|verdict| Some((verdict.as_ref(), verdict.own_step()?.as_ref())))
    }

    /// The steps of a middleware.
    pub(super) fn resolve(&self, name: &QualifiedName, missing: &Missing) -> Result<Chain, String> {
        resolve(&self.known, name, missing)
    }

    /// True if the last update changed anything.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    /// Every middleware and what became of it.
    pub(super) fn verdicts(&self) -> Vec<Arc<MiddlewareVerdict>> {
        self.known.values().cloned().collect()
    }
}

fn resolve(known: &Known, name: &QualifiedName, missing: &Missing) -> Result<Chain, String> {
    let Some(verdict) = known.get(name) else {
        return Err(missing.why(Kind::Middleware, name));
    };
    match &verdict.serving {
        Some(chain) => Ok(chain.clone()),
        None => Err(format!(
            "middleware {name} cannot be used: {}",
            brief(verdict.errors.iter().cloned())
        )),
    }
}

/// One run of the stage.
struct Update<'d> {
    definitions: &'d Definitions,
    missing: &'d Missing,
    background: &'d Background,
    mended: BTreeSet<QualifiedName>,
    before: Known,
    known: Known,
}

impl Update<'_> {
    fn compile(&mut self, name: &QualifiedName, visiting: &mut Vec<QualifiedName>) {
        let Some(entry) = self.definitions.get(name) else {
            return;
        };
        if self.known.contains_key(name) {
            return;
        }
        let before = self.before.remove(name);
        let chain = match &entry.value {
            model::Middleware::Chain(chain) => {
                visiting.push(name.clone());
                let chain = self.chain(name, chain, visiting);
                visiting.pop();
                chain
            }
            step => match &before {
                Some(before) if Arc::ptr_eq(&before.entry, entry) && !self.mended.contains(name) => {
                    self.known.insert(name.clone(), before.clone());
                    return;
                }
                _ => match before.as_ref().and_then(|before| same(before, step)) {
                    Some(chain) => Ok(chain),
                    None => one_step(name, step, self.background),
                },
            },
        };
        let known = before
            .as_ref()
            .map(|before| before.errors.clone())
            .unwrap_or_default();
        let good = before.and_then(|before| before.serving.clone());
        let (serving, errors) = match (chain, good) {
            (Ok(chain), Some(good)) if same_steps(&chain, &good) => (Some(good), warnings(&entry.value)),
            (Ok(chain), _) => (Some(chain), warnings(&entry.value)),
            (Err(error), good) => (good, vec![error]),
        };
        tell_places(
            Kind::Middleware,
            name,
            |error| entry.place_of(error),
            &known,
            &errors,
        );
        let verdict = Verdict {
            name: name.clone(),
            entry: entry.clone(),
            serving,
            errors,
        };
        self.known.insert(name.clone(), Arc::new(verdict));
    }

    /// The steps of a chain's members, in order.
    fn chain(
        &mut self,
        name: &QualifiedName,
        definition: &ChainDefinition,
        visiting: &mut Vec<QualifiedName>,
    ) -> Result<Chain, String> {
        let mut steps = Vec::new();
        for reference in &definition.middlewares {
            let member = reference.resolve(&name.provider);
            if visiting.contains(&member) {
                return Err(format!("recursion detected: {}", cycle(visiting, &member)));
            }
            self.compile(&member, visiting);
            steps.extend(resolve(&self.known, &member, self.missing)?.iter().cloned());
            if steps.len() > MAX_STEPS {
                return Err(format!("it has more than {MAX_STEPS} steps"));
            }
        }
        Ok(steps.into())
    }
}

/// What serves, if it is as `definition` says: what only moved in its file goes on with the state it has.
fn same(before: &MiddlewareVerdict, definition: &model::Middleware) -> Option<Chain> {
    let is_same = before.errors == warnings(definition) && before.entry.value == *definition;
    before.serving.clone().filter(|_| is_same)
}

fn one_step(
    name: &QualifiedName,
    definition: &model::Middleware,
    background: &Background,
) -> Result<Chain, String> {
    let step = Middleware::new(name, definition, background)?;
    Ok(step.into_iter().map(Arc::new).collect())
}

/// What is written in vain.
fn warnings(definition: &model::Middleware) -> Vec<String> {
    let options = definition.without_effect().into_iter();
    options
        .map(|(option, instead)| format!("{option} has no effect: leave it out, {instead}"))
        .collect()
}

fn same_steps(a: &Chain, b: &Chain) -> bool {
    a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| Arc::ptr_eq(a, b))
}

//! Middlewares by name, chains laid flat.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use mesh_config::{
    Entry, QualifiedName,
    model::{self, Chain as ChainDefinition},
};

use super::{
    super::runtime::{MiddlewareInfo, judge},
    cycle,
};
use crate::middleware::{Chain, Middleware, Step};

/// Steps in a chain, laid flat; more is a mistake such as chains that name each other twice.
const MAX_STEPS: usize = 256;

type Definitions = BTreeMap<QualifiedName, Arc<Entry<model::Middleware>>>;

/// The middlewares of the newest configuration.
#[derive(Debug, Default)]
pub(super) struct Middlewares {
    known: HashMap<QualifiedName, Compiled>,
}

/// One middleware.
#[derive(Debug)]
struct Compiled {
    entry: Arc<Entry<model::Middleware>>,
    /// What serves: this version or the last good one; one step unless it is a chain.
    chain: Option<Chain>,
    error: Option<String>,
}

impl Middlewares {
    pub(super) fn update(&mut self, definitions: &Definitions) {
        let mut update = Update {
            definitions,
            before: std::mem::take(&mut self.known),
            known: HashMap::with_capacity(definitions.len()),
        };
        for name in definitions.keys() {
            update.compile(name, &mut Vec::new());
        }
        self.known = update.known;
    }

    /// The steps of a middleware.
    pub(super) fn resolve(&self, name: &QualifiedName) -> Result<Chain, String> {
        resolve(&self.known, name)
    }

    /// Every middleware with its state, in order.
    pub(super) fn iter<'m>(
        &'m self,
        definitions: &'m Definitions,
    ) -> impl Iterator<Item = (&'m QualifiedName, MiddlewareInfo)> {
        definitions.iter().filter_map(|(name, entry)| {
            let compiled = self.known.get(name)?;
            let errors = compiled.error.iter().cloned().collect();
            let (status, errors) = judge(compiled.chain.is_some(), errors, entry);
            let info = MiddlewareInfo {
                entry: entry.clone(),
                status,
                errors,
                used_by: Vec::new(),
            };
            Some((name, info))
        })
    }
}

fn resolve(known: &HashMap<QualifiedName, Compiled>, name: &QualifiedName) -> Result<Chain, String> {
    match known.get(name) {
        Some(Compiled {
            chain: Some(chain), ..
        }) => Ok(chain.clone()),
        Some(Compiled { error, .. }) => {
            let error = error.as_deref().unwrap_or("it is broken");
            Err(format!("middleware {name} cannot be used: {error}"))
        }
        None => Err(format!("middleware {name} does not exist")),
    }
}

/// One run of the stage.
struct Update<'d> {
    definitions: &'d Definitions,
    before: HashMap<QualifiedName, Compiled>,
    known: HashMap<QualifiedName, Compiled>,
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
            step => match before {
                Some(before) if Arc::ptr_eq(&before.entry, entry) => {
                    self.known.insert(name.clone(), before);
                    return;
                }
                _ => one_step(name, step),
            },
        };
        let good = before.and_then(|before| before.chain);
        let (chain, error) = match (chain, good) {
            (Ok(chain), Some(good)) if same_steps(&chain, &good) => (Some(good), None),
            (Ok(chain), _) => (Some(chain), None),
            (Err(error), good) => (good, Some(error)),
        };
        let entry = entry.clone();
        self.known.insert(name.clone(), Compiled { entry, chain, error });
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
            steps.extend(resolve(&self.known, &member)?.iter().cloned());
            if steps.len() > MAX_STEPS {
                return Err(format!("it has more than {MAX_STEPS} steps"));
            }
        }
        Ok(steps.into())
    }
}

fn one_step(name: &QualifiedName, definition: &model::Middleware) -> Result<Chain, String> {
    match Step::new(definition) {
        Ok(step) => Ok(step
            .into_iter()
            .map(|step| {
                Arc::new(Middleware {
                    name: name.clone(),
                    step,
                })
            })
            .collect()),
        Err(error) => Err(error.to_string()),
    }
}

fn same_steps(a: &Chain, b: &Chain) -> bool {
    a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| Arc::ptr_eq(a, b))
}

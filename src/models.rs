//! What an entrypoint adds to every router on it: its middlewares, before the router's own, and TLS to those that
//! say nothing of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use mesh_config::{
    Configuration, Entry, QualifiedName, Reference,
    model::{Router, RouterTls},
};
use mesh_proxy::EntryPointInfo;

use crate::settings::Settings;

type RouterEntry = Arc<Entry<Router>>;

/// What one entrypoint adds.
#[derive(Debug, Clone, Default)]
struct Added {
    middlewares: Vec<Reference>,
    tls: Option<RouterTls>,
}

/// Rewrites routers for the entrypoints that add something, and remembers how, so that a router that did not
/// change stays the same for the compiler.
#[derive(Debug)]
pub(crate) struct Models {
    added: BTreeMap<String, Added>,
    defaults: Vec<String>,
    made: HashMap<QualifiedName, (RouterEntry, Vec<(QualifiedName, RouterEntry)>)>,
}

impl Models {
    /// The models of `settings`.
    pub(crate) fn new(settings: &Settings, entry_points: &[EntryPointInfo]) -> Self {
        let added = settings.entry_points.iter().map(|(name, entry_point)| {
            let added = Added {
                middlewares: entry_point.http.middlewares.clone(),
                tls: entry_point.http.tls.as_ref().map(|tls| RouterTls {
                    options: tls.options.clone(),
                    ..RouterTls::default()
                }),
            };
            (name.clone(), added)
        });
        let added = added.filter(|(_, added)| added.tls.is_some() || !added.middlewares.is_empty());
        let defaults = entry_points
            .iter()
            .filter(|info| info.default)
            .map(|info| info.name.to_string());
        Self {
            added: added.collect(),
            defaults: defaults.collect(),
            made: HashMap::new(),
        }
    }

    /// The configuration as its entrypoints want it.
    pub(crate) fn apply(&mut self, configuration: &Arc<Configuration>) -> Arc<Configuration> {
        if self.added.is_empty() {
            return configuration.clone();
        }
        let mut before = std::mem::take(&mut self.made);
        let declared = &configuration.routers;
        let mut routers = BTreeMap::new();
        for (name, entry) in declared {
            let made = match before.remove(name) {
                Some((source, made)) if Arc::ptr_eq(&source, entry) => made,
                _ => self.rewrite(name, entry),
            };
            for (wanted, router) in &made {
                let is_free = |wanted: &_| {
                    wanted == name || !(declared.contains_key(wanted) || routers.contains_key(wanted))
                };
                routers.insert(free_name(wanted, is_free), router.clone());
            }
            self.made.insert(name.clone(), (entry.clone(), made));
        }
        let mut closed = BTreeMap::new();
        for (name, entry) in &configuration.closed {
            for (wanted, router) in self.rewrite(name, entry) {
                let is_free = |wanted: &_| !(routers.contains_key(wanted) || closed.contains_key(wanted));
                closed.insert(free_name(&wanted, is_free), router);
            }
        }
        Arc::new(Configuration {
            routers,
            closed,
            ..configuration.as_ref().clone()
        })
    }

    /// A router on one entrypoint keeps its name. On several it is split: `<entrypoint>-<name>` where the
    /// entrypoint adds something, itself on the others. Another router may have such a name already.
    fn rewrite(&self, name: &QualifiedName, entry: &RouterEntry) -> Vec<(QualifiedName, RouterEntry)> {
        let declared = &entry.value.entry_points;
        let on = if declared.is_empty() {
            &self.defaults
        } else {
            declared
        };
        let on: BTreeSet<_> = on.iter().cloned().collect();
        let is_only = on.len() == 1;
        let (modelled, plain): (Vec<_>, Vec<_>) = on
            .into_iter()
            .partition(|entry_point| self.added.contains_key(entry_point));
        let mut made = Vec::new();
        if modelled.is_empty() {
            return vec![(name.clone(), entry.clone())];
        }
        if !plain.is_empty() {
            made.push((name.clone(), variant(entry, plain, &Added::default())));
        }
        for entry_point in modelled {
            let added = self.added.get(&entry_point).cloned().unwrap_or_default();
            let own_name = if is_only {
                name.clone()
            } else {
                QualifiedName::new(format!("{entry_point}-{}", name.name), name.provider.clone())
            };
            made.push((own_name, variant(entry, vec![entry_point.clone()], &added)));
        }
        made
    }
}

/// `wanted`, or the first of `<wanted>-2`, `<wanted>-3`, ... that is free: a made name displaces nobody.
fn free_name(wanted: &QualifiedName, is_free: impl Fn(&QualifiedName) -> bool) -> QualifiedName {
    let mut name = wanted.clone();
    let mut next = 2_usize;
    while !is_free(&name) {
        name = QualifiedName::new(format!("{}-{next}", wanted.name), wanted.provider.clone());
        next += 1;
    }
    name
}

fn variant(entry: &RouterEntry, entry_points: Vec<String>, added: &Added) -> RouterEntry {
    let mut value = entry.value.clone();
    value.entry_points = entry_points;
    value.middlewares.splice(0..0, added.middlewares.iter().cloned());
    if value.tls.is_none() {
        value.tls = added.tls.clone().map(Box::new);
    }
    Arc::new(Entry {
        value,
        origin: entry.origin.clone(),
        problems: entry.problems.clone(),
    })
}

#[cfg(test)]
mod tests {
    use mesh_config::{Origin, ProviderName};

    use super::*;

    fn configuration(entry_points: &[&str]) -> Arc<Configuration> {
        let routers = BTreeMap::from([router("r", entry_points)]);
        Arc::new(Configuration {
            routers,
            ..Configuration::default()
        })
    }

    fn router(name: &str, entry_points: &[&str]) -> (QualifiedName, RouterEntry) {
        let value = Router {
            entry_points: entry_points.iter().map(|name| (*name).to_owned()).collect(),
            middlewares: vec![Reference::local("own")],
            ..Router::default()
        };
        let entry = Entry {
            value,
            origin: Origin::default(),
            problems: Vec::new(),
        };
        (
            QualifiedName::new(name, ProviderName::new("file")),
            Arc::new(entry),
        )
    }

    fn models() -> Models {
        let added = Added {
            middlewares: vec!["auth@file".parse().unwrap()],
            tls: Some(RouterTls {
                options: Some("mtls@file".parse().unwrap()),
                ..RouterTls::default()
            }),
        };
        Models {
            added: BTreeMap::from([("web".to_owned(), added)]),
            defaults: vec!["other".to_owned(), "web".to_owned()],
            made: HashMap::new(),
        }
    }

    fn seen(configuration: &Configuration) -> Vec<String> {
        let routers = configuration.routers.iter();
        routers
            .map(|(name, entry)| {
                let middlewares: Vec<_> = entry.value.middlewares.iter().map(ToString::to_string).collect();
                format!(
                    "{name} on {} through {}{}",
                    entry.value.entry_points.join(","),
                    middlewares.join(","),
                    match &entry.value.tls {
                        Some(tls) if tls.options.is_some() => " with tls",
                        Some(_) => " with tls of its own",
                        None => "",
                    }
                )
            })
            .collect()
    }

    #[test]
    fn a_router_on_one_entrypoint_keeps_its_name_and_gets_the_middlewares_first() {
        let applied = models().apply(&configuration(&["web"]));
        assert_eq!(seen(&applied), ["r@file on web through auth@file,own with tls"]);
    }

    #[test]
    fn a_router_on_the_default_entrypoints_is_split_where_one_adds_something() {
        let applied = models().apply(&configuration(&[]));
        assert_eq!(
            seen(&applied),
            [
                "r@file on other through own",
                "web-r@file on web through auth@file,own with tls"
            ]
        );
    }

    #[test]
    fn a_router_that_is_split_displaces_none_of_the_name_it_would_take() {
        let both = ["other", "web"];
        let routers = [
            router("a", &both),
            router("web-a", &["other"]),
            router("web-web-a", &["web"]),
        ];
        let configuration = Configuration {
            routers: BTreeMap::from(routers),
            ..Configuration::default()
        };
        assert_eq!(
            seen(&models().apply(&Arc::new(configuration))),
            [
                "a@file on other through own",
                "web-a@file on other through own",
                "web-a-2@file on web through auth@file,own with tls",
                "web-web-a@file on web through auth@file,own with tls"
            ]
        );
    }

    #[test]
    fn a_router_with_tls_of_its_own_takes_none_of_the_entrypoints() {
        let (name, entry) = router("r", &["web"]);
        let mut entry = entry.as_ref().clone();
        entry.value.tls = Some(Box::default());
        let configuration = Configuration {
            routers: BTreeMap::from([(name, Arc::new(entry))]),
            ..Configuration::default()
        };
        assert_eq!(
            seen(&models().apply(&Arc::new(configuration))),
            ["r@file on web through auth@file,own with tls of its own"]
        );
    }

    #[test]
    fn an_entrypoint_that_is_named_twice_is_one() {
        let applied = models().apply(&configuration(&["web", "web"]));
        assert_eq!(seen(&applied), ["r@file on web through auth@file,own with tls"]);
    }

    #[test]
    fn a_router_that_did_not_change_stays_the_same_object() {
        let (mut models, configuration) = (models(), configuration(&["web"]));
        let (first, second) = (models.apply(&configuration), models.apply(&configuration));
        assert!(
            first
                .routers
                .values()
                .zip(second.routers.values())
                .all(|(one, other)| Arc::ptr_eq(one, other))
        );
    }
}

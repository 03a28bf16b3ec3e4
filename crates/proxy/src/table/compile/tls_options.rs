//! TLS options by name.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use mesh_config::{
    Entry, Kind, ProviderName, QualifiedName, Reference,
    model::{RouterTls, TlsOptions},
};
use mesh_tls::{OptionsKeeper, Renewal, ServerOptions, Tls};

use super::{
    super::{
        EntryPointRoutes,
        runtime::{RouterVerdict, TlsOptionsVerdict, Verdict},
    },
    difference::Difference,
    log::tell,
    missing::Missing,
    precedence::Precedence,
};

/// The name of the options of those who name none, whichever provider defines them.
const DEFAULT: &str = "default";

type Definitions = BTreeMap<QualifiedName, Arc<Entry<TlsOptions>>>;

/// The TLS options of the newest configuration. A definition that did not change keeps its `Arc`, and with it the
/// sessions of its clients.
#[derive(Debug)]
pub(super) struct OptionSets {
    tls: Tls,
    known: BTreeMap<QualifiedName, Compiled>,
    default: Result<Arc<ServerOptions>, String>,
    /// Files of some were read anew since the last update.
    renewed: bool,
    changed: bool,
}

#[derive(Debug)]
struct Compiled {
    entry: Arc<Entry<TlsOptions>>,
    keeper: OptionsKeeper,
    /// Of this definition, or of the last one that could be used.
    serving: Option<Arc<ServerOptions>>,
    /// Other options are the default already.
    beaten_by: Option<QualifiedName>,
}

impl OptionSets {
    pub(super) fn new(tls: Tls) -> Self {
        Self {
            known: BTreeMap::new(),
            default: Ok(tls.default_options().clone()),
            renewed: false,
            changed: false,
            tls,
        }
    }

    /// Looks at the files of all of them. True if something is to be done about it: an update takes over what is new.
    pub(super) fn refresh(&mut self) -> bool {
        let mut is_news = false;
        for (name, compiled) in &mut self.known {
            let before = compiled.errors();
            let renewal = compiled.keeper.refresh();
            if renewal == Renewal::Same {
                continue;
            }
            is_news = true;
            if let (Renewal::New, Ok(options)) = (renewal, compiled.keeper.options()) {
                tracing::info!(tls_options = %name, "files of tls.options are in use");
                compiled.serving = Some(options);
                self.renewed = true;
            }
            let origin = &compiled.entry.origin;
            tell(Kind::TlsOptions, name, origin, &before, &compiled.errors());
        }
        is_news
    }

    pub(super) fn update(&mut self, definitions: &Definitions, missing: &Missing, precedence: &Precedence) {
        let same = |known: &Compiled, entry: &Arc<_>| Arc::ptr_eq(&known.entry, entry);
        let is_same = Difference::new(&self.known, definitions, same).is_empty();
        let renewed = std::mem::take(&mut self.renewed);
        self.changed = !is_same || renewed || missing.changed();
        if !self.changed {
            return;
        }
        let mut before = std::mem::take(&mut self.known);
        let beats = |name: &QualifiedName| (precedence.of(&name.provider), name.clone());
        let defaults = definitions.keys().filter(|name| &*name.name == DEFAULT);
        let default = defaults.min_by_key(|name| beats(name));
        for (name, entry) in definitions {
            let before = before.remove(name);
            let told = before.as_ref().map(Compiled::errors).unwrap_or_default();
            let beaten_by = default.filter(|default| &*name.name == DEFAULT && *default != name);
            let compiled = self.compile(name, entry, before, beaten_by);
            tell(Kind::TlsOptions, name, &entry.origin, &told, &compiled.errors());
            self.known.insert(name.clone(), compiled);
        }
        self.default = match default {
            Some(name) => self.usable(name, missing),
            // One that cannot be read may ask more of clients than Mesh does by itself.
            None => match missing.broken(Kind::TlsOptions, DEFAULT) {
                Some(name) => Err(missing.why(Kind::TlsOptions, name)),
                None => Ok(self.tls.default_options().clone()),
            },
        };
    }

    fn compile(
        &self,
        name: &QualifiedName,
        entry: &Arc<Entry<TlsOptions>>,
        before: Option<Compiled>,
        beaten_by: Option<&QualifiedName>,
    ) -> Compiled {
        let (keeper, serving) = match before {
            Some(before) if before.entry.value == entry.value => (before.keeper, before.serving),
            before => {
                let keeper = OptionsKeeper::new(name, &entry.value, &self.tls);
                let good = before.and_then(|before| before.serving);
                let serving = keeper.options().ok().or(good);
                (keeper, serving)
            }
        };
        Compiled {
            entry: entry.clone(),
            keeper,
            serving,
            beaten_by: beaten_by.cloned(),
        }
    }

    /// The options of a router of `home` with `tls`.
    pub(super) fn resolve(
        &self,
        tls: &RouterTls,
        home: &ProviderName,
        missing: &Missing,
    ) -> Result<Arc<ServerOptions>, String> {
        match tls.options.as_ref().filter(|options| *options.name != *DEFAULT) {
            Some(options) => self.usable(&Reference::resolve(options, home), missing),
            None => self.default.clone(),
        }
    }

    fn usable(&self, name: &QualifiedName, missing: &Missing) -> Result<Arc<ServerOptions>, String> {
        let Some(compiled) = self.known.get(name) else {
            return Err(missing.why(Kind::TlsOptions, name));
        };
        compiled.serving.clone().ok_or_else(|| {
            let errors = compiled.errors().join("; ");
            format!("{} {name} cannot be used: {errors}", Kind::TlsOptions)
        })
    }

    /// Those of routers that name none; `None` when they cannot be used.
    pub(super) fn default(&self) -> Option<&Arc<ServerOptions>> {
        self.default.as_ref().ok()
    }

    /// True if the last update changed anything.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    /// Those that no handshake at `entry_points` is made by, and why. The default ones wait for whoever comes.
    pub(super) fn idle(
        &self,
        entry_points: &[EntryPointRoutes],
        routers: &[Arc<RouterVerdict>],
    ) -> BTreeMap<QualifiedName, String> {
        let is_waiting = |name: &&QualifiedName| *name.name == *DEFAULT;
        if self.known.keys().all(|name| is_waiting(&name)) {
            return BTreeMap::new();
        }
        let used = entry_points.iter().flat_map(|routes| routes.handshakes.options());
        let used: HashSet<_> = used.map(|options| options.name()).collect();
        let mut wanted: HashMap<&QualifiedName, &QualifiedName> = HashMap::new();
        for router in routers {
            let options = router.route.as_ref().and_then(|route| route.options.as_ref());
            if let Some(options) = options {
                wanted.entry(options.name()).or_insert(&router.name);
            }
        }
        let serving = self.known.iter().filter(|(_, known)| known.serving.is_some());
        let idle = serving.filter(|(name, _)| !is_waiting(name) && !used.contains(name));
        let told = idle.map(|(name, _)| {
            let why = match wanted.get(name) {
                Some(router) => format!(
                    "no client gets them: router {router} names them, and another router has other options for its hosts"
                ),
                None => "no client gets them: no router names them".to_owned(),
            };
            (name.clone(), why)
        });
        told.collect()
    }

    /// All of them and what became of them.
    pub(super) fn verdicts(&self) -> Vec<Arc<TlsOptionsVerdict>> {
        let verdicts = self.known.iter().map(|(name, compiled)| {
            Arc::new(Verdict {
                name: name.clone(),
                entry: compiled.entry.clone(),
                serving: compiled.serving.clone(),
                errors: compiled.errors(),
            })
        });
        verdicts.collect()
    }
}

impl Compiled {
    fn errors(&self) -> Vec<String> {
        let beaten = self.beaten_by.as_ref();
        let beaten = beaten.map(|other| format!("{other} is the default already; this one serves nobody"));
        let trouble = self.keeper.trouble().map(str::to_owned);
        trouble.into_iter().chain(beaten).collect()
    }
}

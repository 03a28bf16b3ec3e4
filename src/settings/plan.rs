//! What follows from the settings: entrypoints that nobody wrote, and what is wrong between options.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    num::NonZeroUsize,
    sync::Arc,
};

use mesh_api::ApiSettings;
use mesh_config::Problem;
use mesh_proxy::{
    Compiler, CompilerSettings, EntryPointInfo, InternalServices, ProxySettings,
    settings::{Address, EntryPoint, ProxyProtocol},
};
use mesh_tls::Tls;

use super::{Loaded, Settings, nearest};

/// The entrypoint of Mesh itself: API, ping, metrics.
pub(crate) const OWN_ENTRY_POINT: &str = "mesh";

/// Where it listens when nobody says: the API knows a lot, so only this machine reaches it.
const OWN_ADDRESS: (&str, u16) = ("127.0.0.1", 8080);

/// Every provider that this version or a later one may have.
const PROVIDERS: [&str; 17] = [
    "kubernetesgateway",
    "kubernetescrd",
    "kubernetes",
    "kubernetesingressnginx",
    "swarm",
    "docker",
    "file",
    "redis",
    "knative",
    "consul",
    "consulcatalog",
    "nomad",
    "etcd",
    "ecs",
    "http",
    "zookeeper",
    "rest",
];

/// Settings that can be run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The settings, with every entrypoint.
    pub(crate) settings: Settings,
    /// What its user should know although Mesh starts.
    pub(crate) warnings: Vec<Problem>,
}

impl Plan {
    /// Completes settings and finds what decoding cannot.
    pub(crate) fn new(loaded: Loaded) -> Result<Self, Vec<Problem>> {
        let problems = problems(&loaded);
        if !problems.is_empty() {
            return Err(problems);
        }
        let Loaded {
            mut settings,
            layers,
            mut warnings,
        } = loaded;
        // Accepted, and without effect: their user believes otherwise.
        let unserved = settings.api.iter().flat_map(ApiSettings::warnings);
        warnings.extend(unserved.map(|warning| Problem::new(layers.origin_of("api"), "", warning)));
        add_entry_points(&mut settings);
        outlast(&mut settings);
        Ok(Self { settings, warnings })
    }

    /// The entrypoints in the order in which the data plane numbers them.
    pub(crate) fn entry_points(&self) -> Vec<EntryPointInfo> {
        let all = &self.settings.entry_points;
        let chosen = all.values().any(|entry_point| entry_point.as_default);
        let is_default = |name: &str, entry_point: &EntryPoint| match chosen {
            true => entry_point.as_default,
            false => name != OWN_ENTRY_POINT,
        };
        all.iter()
            .map(|(name, entry_point)| EntryPointInfo {
                name: Arc::from(name.as_str()),
                default: is_default(name, entry_point),
            })
            .collect()
    }

    /// The same with their settings.
    pub(crate) fn served(&self) -> Vec<(EntryPointInfo, EntryPoint)> {
        let settings = self.settings.entry_points.values().cloned();
        self.entry_points().into_iter().zip(settings).collect()
    }

    /// A compiler for these settings.
    pub(crate) fn compiler(&self, internal: InternalServices, tls: &Tls) -> Compiler {
        let providers = &self.settings.providers;
        let precedence = match &providers.precedence[..] {
            [] => PROVIDERS.map(str::to_owned).to_vec(),
            named => named.iter().map(|name| name.to_ascii_lowercase()).collect(),
        };
        Compiler::new(CompilerSettings {
            entry_points: self.entry_points(),
            precedence,
            default_transport: self.settings.servers_transport.clone(),
            internal,
            zone: self.settings.zone.clone(),
            tls: tls.clone(),
        })
    }

    /// The part of the settings that the data plane reads.
    pub(crate) fn proxy(&self) -> ProxySettings {
        ProxySettings {
            entry_points: self.settings.entry_points.clone(),
            workers: self.settings.workers.and_then(NonZeroUsize::new),
        }
    }
}

fn add_entry_points(settings: &mut Settings) {
    let address = |host: &str, port| {
        EntryPoint::new(Address {
            host: host.to_owned(),
            port,
        })
    };
    if settings.entry_points.is_empty() {
        settings.entry_points.insert("http".to_owned(), address("", 80));
    }
    if needs_own_entry_point(settings) {
        let (host, port) = OWN_ADDRESS;
        settings
            .entry_points
            .entry(OWN_ENTRY_POINT.to_owned())
            .or_insert_with(|| address(host, port));
    }
}

/// Who asks whether Mesh is stopping must get an answer for as long as any entrypoint accepts.
fn outlast(settings: &mut Settings) {
    let grace = |entry_point: &EntryPoint| entry_point.transport.life_cycle.request_accept_grace_timeout;
    let longest = settings.entry_points.values().map(grace).max();
    let asked = settings.ping.as_ref().map(|ping| ping.entry_point.as_str());
    if let Some(longest) = longest
        && let Some(entry_point) = settings.entry_points.get_mut(asked.unwrap_or_default())
    {
        entry_point.transport.life_cycle.request_accept_grace_timeout = longest;
    }
}

fn needs_own_entry_point(settings: &Settings) -> bool {
    let here = |manual: bool, entry_point: &str| !manual && entry_point == OWN_ENTRY_POINT;
    settings.api.as_ref().is_some_and(|api| api.insecure)
        || settings
            .ping
            .as_ref()
            .is_some_and(|ping| here(ping.manual_routing, &ping.entry_point))
        || settings
            .prometheus()
            .is_some_and(|metrics| here(metrics.manual_routing, &metrics.entry_point))
}

fn problems(loaded: &Loaded) -> Vec<Problem> {
    let settings = &loaded.settings;
    let problem = |key: &str, message: String| Problem::new(loaded.layers.origin_of(key), key, message);
    let mut problems = Vec::new();
    for name in &settings.providers.precedence {
        if !PROVIDERS.contains(&name.to_ascii_lowercase().as_str()) {
            problems.push(
                problem("providers.precedence", format!("{name:?} is no provider"))
                    .with_help(suggestion(name, &PROVIDERS)),
            );
        }
    }
    for (key, entry_point) in named_entry_points(settings) {
        // `http` exists when nothing else does, `mesh` when it is needed.
        let mut known: Vec<_> = settings.entry_points.keys().map(String::as_str).collect();
        if known.is_empty() {
            known.push("http");
        }
        if !known.contains(&OWN_ENTRY_POINT) {
            known.push(OWN_ENTRY_POINT);
        }
        if !known.contains(&entry_point.as_str()) {
            problems.push(
                problem(&key, format!("{entry_point:?} is no entrypoint"))
                    .with_help(suggestion(&entry_point, &known)),
            );
        }
    }
    for (name, entry_point) in &settings.entry_points {
        let bare = entry_point
            .http
            .middlewares
            .iter()
            .filter(|reference| reference.provider.is_none());
        for reference in bare {
            let key = format!("entryPoints.{name}.http.middlewares");
            problems.push(
                problem(&key, format!("{reference} lacks its provider"))
                    .with_help(format!("write {reference}@file, or the provider that has it")),
            );
        }
    }
    for (name, entry_point) in &settings.entry_points {
        if entry_point
            .proxy_protocol
            .as_ref()
            .is_some_and(ProxyProtocol::is_idle)
        {
            let key = format!("entryPoints.{name}.proxyProtocol");
            problems.push(
                problem(&key, "nobody is trusted to send a header".to_owned())
                    .with_help("list trustedIPs, or set insecure: true".to_owned()),
            );
        }
    }
    problems.extend(shared_addresses(settings, &problem));
    problems.extend(provider_problems(settings, &problem));
    problems
}

/// Entrypoints on one address would take connections from each other. On port 0 each gets its own.
fn shared_addresses(settings: &Settings, problem: &dyn Fn(&str, String) -> Problem) -> Vec<Problem> {
    let mut complete = settings.clone();
    add_entry_points(&mut complete);
    let mut first: BTreeMap<(&str, u16), &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, entry_point) in &complete.entry_points {
        let address = &entry_point.address;
        if address.port == 0 {
            continue;
        }
        match first.entry((&address.host, address.port)) {
            Entry::Vacant(free) => drop(free.insert(name)),
            Entry::Occupied(taken) => {
                let key = format!("entryPoints.{name}.address");
                let message = format!("{address} is the address of the entrypoint {} too", taken.get());
                let problem = problem(&key, message);
                problems.push(problem.with_help("give each entrypoint an address of its own"));
            }
        }
    }
    problems
}

/// `did you mean web? known: web, mesh`
fn suggestion(found: &str, known: &[&str]) -> String {
    let all = known.join(", ");
    match nearest(found, known.iter().copied()) {
        Some(nearest) => format!("did you mean {nearest}? known: {all}"),
        None => format!("known: {all}"),
    }
}

/// Options that name an entrypoint, and the name.
fn named_entry_points(settings: &Settings) -> BTreeMap<String, String> {
    let redirections = settings.entry_points.iter().filter_map(|(name, entry_point)| {
        let to = &entry_point.http.redirections.entry_point.as_ref()?.to;
        // `:443` is a port, not a name.
        (!to.starts_with(':')).then(|| {
            (
                format!("entryPoints.{name}.http.redirections.entryPoint.to"),
                to.clone(),
            )
        })
    });
    let ping = settings
        .ping
        .iter()
        .map(|ping| ("ping.entryPoint".to_owned(), ping.entry_point.clone()));
    let metrics = settings.prometheus().into_iter().map(|metrics| {
        (
            "metrics.prometheus.entryPoint".to_owned(),
            metrics.entry_point.clone(),
        )
    });
    redirections.chain(ping).chain(metrics).collect()
}

/// What each provider says of its own settings.
fn provider_problems(settings: &Settings, problem: &dyn Fn(&str, String) -> Problem) -> Vec<Problem> {
    let mut problems = Vec::new();
    #[cfg(feature = "provider-file")]
    if let Some(Err(error)) = settings
        .providers
        .file
        .as_ref()
        .map(mesh_provider_file::Settings::source)
    {
        problems.push(problem("providers.file", error.to_string()));
    }
    /// What is wrong with a block and with each of its `instances`.
    #[cfg_attr(
        not(any(
            feature = "provider-consul",
            feature = "provider-ecs",
            feature = "provider-nomad"
        )),
        expect(unused_macros, reason = "no provider has instances")
    )]
    macro_rules! check {
        ($key:literal, $block:expr) => {
            if let Some(block) = &$block {
                let instances = block.instances.iter();
                let named =
                    instances.map(|(name, instance)| (format!("{}.instances.{name}", $key), instance));
                for (key, settings) in std::iter::once(($key.to_owned(), block)).chain(named) {
                    let invalid = settings.validate().err().map(|error| error.to_string());
                    let exposure = settings.exposure().err().map(|error| error.to_string());
                    let all = invalid.into_iter().chain(exposure);
                    problems.extend(all.map(|error| problem(&key, error)));
                }
            }
        };
    }
    #[cfg(feature = "provider-consul")]
    check!("providers.consulCatalog", settings.providers.consul_catalog);
    #[cfg(feature = "provider-ecs")]
    check!("providers.ecs", settings.providers.ecs);
    #[cfg(feature = "provider-nomad")]
    check!("providers.nomad", settings.providers.nomad);
    problems
}

#[cfg(test)]
mod tests {
    use mesh_config::Origin;

    use super::*;
    use crate::settings::{Flags, Sources, load};

    fn plan(options: &[(&str, &str)]) -> Result<Plan, Vec<Problem>> {
        let pair = |(path, value): &(&str, &str)| {
            (
                (*path).to_owned(),
                (*value).to_owned(),
                Origin::new(format!("--{path}")),
            )
        };
        let flags = Flags {
            pairs: options.iter().map(pair).collect(),
            ..Flags::default()
        };
        Plan::new(load(Sources {
            flags,
            ..Sources::default()
        })?)
    }

    fn entry_points(options: &[(&str, &str)]) -> Vec<String> {
        let plan = plan(options).unwrap();
        let infos = plan.entry_points();
        let all = plan.settings.entry_points.iter().zip(&infos);
        all.map(|((name, settings), info)| {
            let default = if info.default { " by default" } else { "" };
            format!("{name} {}{default}", settings.address)
        })
        .collect()
    }

    #[test]
    fn two_entrypoints_on_one_address_are_refused_by_their_names() {
        let on = |first: &str, second: &str| {
            plan(&[
                ("entryPoints.a.address", first),
                ("entryPoints.b.address", second),
            ])
        };
        let problems = on("127.0.0.1:81", "127.0.0.1:81").unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "--entryPoints.b.address: entryPoints.b.address: 127.0.0.1:81 is the address of the entrypoint a too \
             (give each entrypoint an address of its own)"
        );
        for (first, second) in [(":81", ":82"), ("127.0.0.1:81", "127.0.0.2:81"), (":0", ":0")] {
            assert!(on(first, second).is_ok(), "{first} {second}");
        }
        let own = plan(&[("entryPoints.a.address", "127.0.0.1:8080"), ("ping", "true")]).unwrap_err();
        assert!(own[0].message.contains("the entrypoint a too"), "{own:?}");
    }

    #[test]
    fn without_entrypoints_there_is_http_on_80() {
        assert_eq!(entry_points(&[]), ["http :80 by default"]);
    }

    #[test]
    fn what_needs_the_entrypoint_of_mesh_gets_it_on_loopback() {
        for option in ["api.insecure", "ping", "metrics.prometheus"] {
            let expected = ["http :80 by default", "mesh 127.0.0.1:8080"];
            assert_eq!(entry_points(&[(option, "true")]), expected, "{option}");
        }
        let elsewhere = [("ping.entryPoint", "web"), ("entryPoints.web.address", ":81")];
        assert_eq!(entry_points(&elsewhere), ["web :81 by default"]);
        assert_eq!(
            entry_points(&[("ping.manualRouting", "true")]),
            ["http :80 by default"]
        );
    }

    #[test]
    fn what_is_accepted_without_effect_is_warned_about() {
        let plan = plan(&[("api.dashboard", "true"), ("api.debug", "true")]).unwrap();
        let warnings: Vec<_> = plan.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("serves no dashboard"), "{warnings:?}");
    }

    #[test]
    fn an_address_that_was_given_to_the_entrypoint_of_mesh_stands() {
        let options = [("ping", "true"), ("entryPoints.mesh.address", ":9000")];
        assert_eq!(entry_points(&options), ["mesh :9000"]);
    }

    #[test]
    fn the_entrypoint_of_ping_accepts_as_long_as_any() {
        let grace = |name: &str| format!("entryPoints.{name}.transport.lifeCycle.requestAcceptGraceTimeout");
        let (web, mesh) = (grace("web"), grace("mesh"));
        for (set, expected) in [(&web, [3, 3]), (&mesh, [3, 0])] {
            let options = [
                ("entryPoints.web.address", ":1"),
                ("entryPoints.mesh.address", ":2"),
                ("ping", "true"),
                (set, "3s"),
            ];
            let settings = plan(&options).unwrap().settings;
            let grace = settings.entry_points.values().map(|entry_point| {
                entry_point
                    .transport
                    .life_cycle
                    .request_accept_grace_timeout
                    .as_secs()
            });
            assert_eq!(grace.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn an_entrypoint_that_is_a_default_makes_the_others_none() {
        let options = [
            ("entryPoints.a.address", ":1"),
            ("entryPoints.b.address", ":2"),
            ("entryPoints.b.asDefault", "true"),
        ];
        assert_eq!(entry_points(&options), ["a :1", "b :2 by default"]);
    }

    #[test]
    fn names_that_do_not_exist_are_problems_of_the_option_that_says_them() {
        for (option, value) in [
            ("providers.precedence", "file,fiel"),
            ("ping.entryPoint", "wbe"),
            ("metrics.prometheus.entryPoint", "wbe"),
            ("entryPoints.web.http.redirections.entryPoint.to", "wbe"),
            ("entryPoints.web.http.middlewares", "auth"),
        ] {
            let problems = plan(&[("entryPoints.web.address", ":81"), (option, value)]).unwrap_err();
            let [problem] = &problems[..] else {
                panic!("{problems:?}")
            };
            assert_eq!(problem.origin, Origin::new(format!("--{option}")));
            assert!(problem.help.is_some(), "{problem}");
        }
    }
}

//! What is shown of an object that cannot be used.

use figment::value::Value;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    fragment::Kind,
    layer::{KeyPath, Lists, Merged},
    model::Router,
    origin::Problem,
    redact::Shown,
};

/// The parts of a broken object that can be read, as they were written and without secrets. Of services and
/// middlewares only the kind: what is wrong may be that a secret stands under a key that is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Outline {
    /// Entrypoints of a router.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entry_points: Vec<String>,
    /// The text of a router's rule, be it a rule or not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// Priority of a router.
    pub priority: i64,
    /// Middlewares of a router.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub middlewares: Vec<String>,
    /// Service of a router.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// `loadBalancer`, `stripPrefix`: the kind of a service or middleware.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

impl Outline {
    /// Of a router that was read, and must not serve.
    pub fn of_router(router: &Router) -> Self {
        Self {
            entry_points: router.entry_points.clone(),
            rule: (router.rule.as_ref()).map_or_else(String::new, |rule| Shown::of(rule.text()).text),
            priority: router.priority,
            middlewares: router.middlewares.iter().map(ToString::to_string).collect(),
            service: router
                .service
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            variant: String::new(),
        }
    }

    /// Of a service or middleware of this kind.
    pub fn of_variant(variant: &str) -> Self {
        Self {
            variant: variant.to_owned(),
            ..Self::default()
        }
    }

    /// Of the `value` at `path`, which is an object of `kind`.
    pub(crate) fn read(kind: Kind, merged: &Merged, value: &Value, path: &KeyPath<'_>, lists: Lists) -> Self {
        let reader = Reader {
            merged,
            value,
            path,
            lists,
        };
        match kind {
            Kind::Router => Self {
                entry_points: reader.part("entryPoints"),
                rule: Shown::of(&reader.part::<String>("rule")).text,
                priority: reader.part("priority"),
                middlewares: reader.part("middlewares"),
                service: reader.part("service"),
                variant: String::new(),
            },
            Kind::Service | Kind::Middleware | Kind::ServersTransport => Self::of_variant(reader.only_key()),
            Kind::Certificate | Kind::TlsOptions => Self::default(),
        }
    }
}

/// The router at `path` as far as it can be read, with `problems` in the rest. What is unclear about TLS is no reason to
/// see requests in the clear.
pub(crate) fn readable(router: Option<Router>, problems: &[Problem], path: &KeyPath<'_>) -> Option<Router> {
    let mut router = router?;
    let tls = format!("{path}.tls");
    let is_about_tls = |problem: &Problem| {
        let (own, below) = problem.key.split_at_checked(tls.len()).unwrap_or_default();
        own.eq_ignore_ascii_case(&tls) && (below.is_empty() || below.starts_with('.'))
    };
    if problems.iter().any(is_about_tls) {
        router.tls.get_or_insert_default();
    }
    Some(router)
}

/// Reads what can be read of an object.
struct Reader<'a> {
    merged: &'a Merged,
    value: &'a Value,
    path: &'a KeyPath<'a>,
    lists: Lists,
}

impl<'a> Reader<'a> {
    fn part<T: DeserializeOwned + Default>(&self, name: &str) -> T {
        let mut parts = self.keys();
        let found = parts.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found
            .and_then(|(key, value)| {
                let path = KeyPath::Key(self.path, key);
                self.merged.decode_part(value, &path, self.lists).ok()
            })
            .unwrap_or_default()
    }

    /// The key that says what it is; empty when more than one could. Every service may have middlewares.
    fn only_key(&self) -> &'a str {
        let keys = self.keys().map(|(key, _)| key.as_str());
        let mut kinds = keys.filter(|key| !key.eq_ignore_ascii_case("middlewares"));
        match (kinds.next(), kinds.next()) {
            (Some(kind), None) => kind,
            _ => "",
        }
    }

    fn keys(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        let dict = match self.value {
            Value::Dict(_, dict) => Some(dict),
            _ => None,
        };
        dict.into_iter().flatten()
    }
}

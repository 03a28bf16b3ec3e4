//! The provider `internal`: routers to what Mesh answers itself, and redirections of whole entrypoints.

use std::{collections::BTreeMap, sync::Arc};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use mesh_config::{
    Fragment, Origin, ProviderName, Reference,
    fragment::Declared,
    model::{Middleware, RedirectScheme, Router},
    rule::Rule,
};
use mesh_discovery::{Content, Provider, Registration, Report, Scope};

use crate::settings::{OWN_ENTRY_POINT, Settings};

/// Above every router of a user.
const HIGHEST: i64 = i64::MAX;

/// Delivers one fragment that never changes.
#[derive(Debug)]
pub(crate) struct Internal {
    name: ProviderName,
    fragment: Arc<Fragment>,
}

impl Internal {
    /// The objects that follow from `settings`.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            name: ProviderName::internal(),
            fragment: Arc::new(objects(settings)),
        }
    }

    /// For discovery to follow.
    pub(crate) fn registration(self) -> Registration {
        Registration {
            provider: Arc::new(self),
            required: false,
            exposure: None,
        }
    }

    /// All there is to say.
    pub(crate) fn report(&self) -> Report {
        Report::Replace {
            scope: Scope::new("settings"),
            content: Content::Fragment(self.fragment.clone()),
        }
    }
}

impl Provider for Internal {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn reports(&self) -> BoxStream<'_, Report> {
        stream::once(async { self.report() })
            .chain(stream::pending())
            .boxed()
    }
}

/// A router without case: `PathPrefix(`prefix`)` on one entrypoint to a service of ours.
fn router(entry_point: &str, rule: &str, priority: i64, service: &str) -> Option<Router> {
    // Rules here are ours and parse; a test says so.
    let rule = rule.parse::<Rule>().ok()?;
    Some(Router {
        entry_points: vec![entry_point.to_owned()],
        rule: Some(rule),
        priority,
        service: Some(internal(service)),
        ..Router::default()
    })
}

fn internal(name: &str) -> Reference {
    Reference {
        name: name.into(),
        provider: Some(ProviderName::internal()),
    }
}

fn objects(settings: &Settings) -> Fragment {
    let mut routers = BTreeMap::new();
    let mut add = |name: &str, option: &str, router: Option<Router>| {
        let origin = Origin::new(option.to_owned());
        routers.extend(router.map(|value| (name.to_owned(), Declared { value, origin })));
    };
    if let Some(api) = settings.api.as_ref().filter(|api| api.insecure) {
        let base = api.base_path.as_str().trim_end_matches('/');
        let rule = format!("PathPrefix(`{base}/api`)");
        add(
            "api",
            "api.insecure",
            router(OWN_ENTRY_POINT, &rule, HIGHEST - 1, "api"),
        );
    }
    if let Some(ping) = settings.ping.as_ref().filter(|ping| !ping.manual_routing) {
        let rule = "PathPrefix(`/ping`)";
        add("ping", "ping", router(&ping.entry_point, rule, HIGHEST, "ping"));
        add(
            "ready",
            "ping",
            router(&ping.entry_point, "PathPrefix(`/ready`)", HIGHEST, "ready"),
        );
    }
    if let Some(metrics) = settings.prometheus().filter(|metrics| !metrics.manual_routing) {
        let rule = "PathPrefix(`/metrics`)";
        add(
            "prometheus",
            "metrics.prometheus",
            router(&metrics.entry_point, rule, HIGHEST, "prometheus"),
        );
    }
    let mut fragment = Fragment {
        routers,
        ..Fragment::default()
    };
    for from in settings.entry_points.keys() {
        redirect(settings, from, &mut fragment);
    }
    fragment
}

/// Sends everything that comes in at `from` to another entrypoint, if the settings say so.
fn redirect(settings: &Settings, from: &str, fragment: &mut Fragment) {
    let redirection = settings
        .entry_points
        .get(from)
        .and_then(|from| from.http.redirections.entry_point.as_ref());
    let Some(redirection) = redirection else { return };
    let port = match redirection.to.strip_prefix(':') {
        Some(port) => port.to_owned(),
        None => match settings.entry_points.get(&redirection.to) {
            Some(to) => to.address.port.to_string(),
            None => return,
        },
    };
    let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let name = format!("{}-to-{}", plain(from), plain(&redirection.to));
    let own_port = match redirection.scheme.as_str() {
        "https" => "443",
        _ => "80",
    };
    let middleware = Middleware::RedirectScheme(RedirectScheme {
        scheme: redirection.scheme.clone(),
        // The system chooses another one in place of 0 each time: nobody could be told to go there.
        port: Some(port)
            .filter(|port| port != own_port && port != "0")
            .unwrap_or_default(),
        permanent: redirection.permanent,
    });
    let origin = Origin::new(format!("entryPoints.{from}.http.redirections"));
    let Some(router) = router(from, "HostRegexp(`^.+$`)", redirection.priority, "noop") else {
        return;
    };
    let through = Router {
        middlewares: vec![internal(&format!("redirect-{name}"))],
        ..router
    };
    fragment.middlewares.insert(
        format!("redirect-{name}"),
        Declared {
            value: middleware,
            origin: origin.clone(),
        },
    );
    fragment.routers.insert(
        name,
        Declared {
            value: through,
            origin,
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Flags, Plan, Sources, load};

    fn fragment(options: &[(&str, &str)]) -> Fragment {
        let pairs = options
            .iter()
            .map(|(path, value)| ((*path).to_owned(), (*value).to_owned(), Origin::new("test")));
        let flags = Flags {
            pairs: pairs.collect(),
            ..Flags::default()
        };
        let sources = Sources {
            flags,
            ..Sources::default()
        };
        objects(&Plan::new(load(sources).unwrap()).unwrap().settings)
    }

    #[test]
    fn every_view_that_is_on_has_its_router() {
        let fragment = fragment(&[
            ("api.insecure", "true"),
            ("ping", "true"),
            ("metrics.prometheus", "true"),
        ]);
        let routers: Vec<_> = fragment.routers.keys().map(String::as_str).collect();
        assert_eq!(routers, ["api", "ping", "prometheus", "ready"]);
        assert!(self::fragment(&[("api", "true")]).routers.is_empty());
    }

    #[test]
    fn a_redirection_is_a_router_through_a_middleware_to_the_port_of_its_target() {
        let fragment = fragment(&[
            ("entryPoints.web.address", ":80"),
            ("entryPoints.web.http.redirections.entryPoint.to", "secure"),
            ("entryPoints.secure.address", ":8443"),
        ]);
        let router = &fragment.routers["web-to-secure"].value;
        assert_eq!(
            router.middlewares[0].to_string(),
            "redirect-web-to-secure@internal"
        );
        let Middleware::RedirectScheme(redirect) = &fragment.middlewares["redirect-web-to-secure"].value
        else {
            panic!("another kind")
        };
        assert_eq!((redirect.port.as_str(), redirect.permanent), ("8443", true));
    }
}

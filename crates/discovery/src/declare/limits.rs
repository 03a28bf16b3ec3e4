//! What the labels of one provider may ask for. They are written by tenants; the limits by the operator.

use std::{path::PathBuf, sync::Arc};

use mesh_config::{
    Kind, Origin, Outline, Problem, ProviderName, Reference, SetAside,
    labels::DeclaredService,
    model::{ClientTls, Jwks, JwtKey, Middleware, Pem, Router},
    redact,
    rule::{Expr, HostPattern, Matcher},
};

use super::complete::{Claim, Completed};
use crate::exposure::{Allow, Exposure};

/// The limits of one provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits<'a> {
    provider: &'a ProviderName,
    exposure: &'a Exposure,
}

/// A limit that was exceeded: which key, in which way, and what would be allowed.
struct Violation {
    key: &'static str,
    message: String,
    help: String,
}

impl<'a> Limits<'a> {
    pub(crate) fn new(provider: &'a ProviderName, exposure: &'a Exposure) -> Self {
        Self { provider, exposure }
    }

    /// Sets aside what exceeds a limit, each object by itself.
    pub(crate) fn apply(&self, completed: &mut Completed, who: &Origin) {
        for (name, claim) in &mut completed.routers {
            if let Ok(router) = claim {
                self.narrow(&mut router.value);
            }
            let aside = |router: &Router| (Outline::of_router(router), Some(router.clone()));
            self.check(claim, who, (Kind::Router, name), aside, |router| {
                self.router(router)
            });
            if let Err(aside) = claim
                && aside.closed.is_some()
            {
                let aside = Arc::make_mut(aside);
                aside.closed = aside.closed.take().and_then(|router| self.close(router));
            }
        }
        for (name, claim) in &mut completed.services {
            let aside = |service: &DeclaredService| (Outline::of_variant(service.kind()), None);
            self.check(claim, who, (Kind::Service, name), aside, |service| {
                self.service(service)
            });
        }
        for (name, claim) in &mut completed.middlewares {
            let aside = |middleware: &Middleware| (Outline::of_variant(middleware.kind()), None);
            self.check(claim, who, (Kind::Middleware, name), aside, |middleware| {
                self.middleware(middleware)
            });
        }
    }

    /// True when a definition from an earlier run still keeps to the limits.
    pub(crate) fn permits_router(&self, router: &Router) -> bool {
        self.router(router).is_ok()
    }

    /// As [`Limits::permits_router`].
    pub(crate) fn permits_service(&self, service: &DeclaredService) -> bool {
        self.service(service).is_ok()
    }

    /// As [`Limits::permits_router`].
    pub(crate) fn permits_middleware(&self, middleware: &Middleware) -> bool {
        self.middleware(middleware).is_ok()
    }

    fn check<T>(
        &self,
        claim: &mut Claim<T>,
        who: &Origin,
        (kind, name): (Kind, &str),
        aside: impl Fn(&T) -> (Outline, Option<Router>),
        test: impl Fn(&T) -> Result<(), Violation>,
    ) {
        let Ok(declared) = claim else { return };
        if let Err(violation) = test(&declared.value) {
            let key = format!("http.{kind}s.{name}.{}", violation.key);
            let problem = Problem::new(who.clone(), key, violation.message).with_help(violation.help);
            let (outline, router) = aside(&declared.value);
            let aside = SetAside::new(kind, name, outline, vec![problem]);
            *claim = Err(Arc::new(aside.closing(router)));
        }
    }

    /// Where a router leaves the choice to us, the choice is within the limits.
    fn narrow(&self, router: &mut Router) {
        let Allow {
            entry_points,
            max_priority,
            ..
        } = &self.exposure.allow;
        if router.entry_points.is_empty() {
            router.entry_points.clone_from(entry_points);
        }
        if let Some(max) = max_priority
            && router.priority == 0
            && rule_length(router) > *max
        {
            router.priority = *max;
        }
    }

    /// What of a router that cannot be used may be answered with 503; `None` where that would be requests that were never
    /// its own to take.
    fn close(&self, mut router: Box<Router>) -> Option<Box<Router>> {
        let Allow {
            entry_points,
            max_priority,
            ..
        } = &self.exposure.allow;
        let named = !router.entry_points.is_empty();
        if !entry_points.is_empty() {
            router.entry_points.retain(|name| entry_points.contains(name));
        }
        if named && router.entry_points.is_empty() {
            return None;
        }
        if let Some(max) = max_priority {
            router.priority = router.priority.min(*max);
        }
        if let Some(tls) = &mut router.tls
            && self.references("tls.options", &tls.options).is_err()
        {
            tls.options = None;
        }
        self.narrow(&mut router);
        self.router(&router).is_ok().then_some(router)
    }

    fn router(&self, router: &Router) -> Result<(), Violation> {
        let allow = &self.exposure.allow;
        if !allow.hosts.is_empty()
            && !router
                .rule
                .as_ref()
                .is_some_and(|rule| bound(rule.expr(), &allow.hosts))
        {
            return Err(Violation {
                key: "rule",
                message: "not every alternative of the rule is bound to an allowed host".to_owned(),
                help: format!("allow.hosts of {}: {}", self.provider, allow.hosts.join(", ")),
            });
        }
        if !allow.entry_points.is_empty()
            && let Some(bad) = router
                .entry_points
                .iter()
                .find(|entry_point| !allow.entry_points.contains(entry_point))
        {
            return Err(Violation {
                key: "entryPoints",
                message: format!("the entrypoint {bad:?} is not allowed"),
                help: format!(
                    "allow.entryPoints of {}: {}",
                    self.provider,
                    allow.entry_points.join(", ")
                ),
            });
        }
        if let Some(max) = allow.max_priority {
            let priority = if router.priority == 0 {
                rule_length(router)
            } else {
                router.priority
            };
            if priority > max {
                return Err(Violation {
                    key: "priority",
                    message: format!("the priority {priority} is too high"),
                    help: format!("allow.maxPriority of {}: {max}", self.provider),
                });
            }
        }
        self.references("middlewares", &router.middlewares)?;
        self.references("service", &router.service)?;
        self.references(
            "tls.options",
            router.tls.iter().filter_map(|tls| tls.options.as_ref()),
        )
    }

    fn service(&self, service: &DeclaredService) -> Result<(), Violation> {
        self.references("middlewares", &service.middlewares)?;
        self.references(
            "loadBalancer.serversTransport",
            &service.load_balancer.servers_transport,
        )?;
        self.references(service.kind(), service.children())
    }

    fn middleware(&self, middleware: &Middleware) -> Result<(), Violation> {
        match middleware {
            Middleware::Chain(chain) => self.references("chain.middlewares", &chain.middlewares),
            Middleware::ApiKey(api_key) => no_file("apiKey.keysFile", api_key.keys_file.as_ref()),
            Middleware::Jwt(jwt) => {
                no_file("jwt.keys", jwt.keys.iter().find_map(JwtKey::file))?;
                jwt.jwks.as_ref().map_or(Ok(()), key_set)
            }
            Middleware::Errors(errors) => self.references("errors.service", [&errors.service]),
            Middleware::Oidc(oidc) => {
                no_file("oidc", oidc.file())?;
                name_over_tls("oidc.issuer", &oidc.issuer)
            }
            Middleware::ForwardAuth(auth) => texts_only("forwardAuth.tls", auth.tls.as_ref()),
            Middleware::RateLimit(limit) => {
                let redis = limit.redis.as_ref();
                texts_only("rateLimit.redis.tls", redis.and_then(|redis| redis.tls.as_ref()))
            }
            Middleware::AddPrefix(_)
            | Middleware::BasicAuth(_)
            | Middleware::Buffering(_)
            | Middleware::Cache(_)
            | Middleware::CircuitBreaker(_)
            | Middleware::Compress(_)
            | Middleware::ContentType(_)
            | Middleware::DigestAuth(_)
            | Middleware::EncodedCharacters(_)
            | Middleware::GrpcWeb(_)
            | Middleware::Headers(_)
            | Middleware::InFlightReq(_)
            | Middleware::IpAllowList(_)
            | Middleware::IpDenyList(_)
            | Middleware::IpWhiteList(_)
            | Middleware::PassTlsClientCert(_)
            | Middleware::Quota(_)
            | Middleware::RedirectRegex(_)
            | Middleware::RedirectScheme(_)
            | Middleware::ReplacePath(_)
            | Middleware::ReplacePathRegex(_)
            | Middleware::RequestLimits(_)
            | Middleware::Retry(_)
            | Middleware::StripPrefix(_)
            | Middleware::StripPrefixRegex(_) => Ok(()),
        }
    }

    fn references<'r>(
        &self,
        key: &'static str,
        references: impl IntoIterator<Item = &'r Reference>,
    ) -> Result<(), Violation> {
        let forbidden = |reference: &&Reference| {
            reference.provider.as_ref().is_some_and(|provider| {
                provider != self.provider
                    && provider.as_str() != "file"
                    && !self.exposure.references.contains(provider)
            })
        };
        match references.into_iter().find(forbidden) {
            Some(bad) => Err(Violation {
                key,
                message: format!("labels may not refer to {bad}"),
                help: format!(
                    "references of {} lists the providers allowed beside {} and file",
                    self.provider, self.provider
                ),
            }),
            None => Ok(()),
        }
    }
}

/// What Mesh may read is not for tenants.
fn no_file(key: &'static str, file: Option<&PathBuf>) -> Result<(), Violation> {
    match file {
        None => Ok(()),
        Some(file) => Err(Violation {
            key,
            message: format!("labels may not name files, as {} is one", file.display()),
            help: "write the value itself, or declare the middleware in a file and refer to it with @file"
                .to_owned(),
        }),
    }
}

/// Nor is whom it may ask: names that everybody can look up, and TLS.
fn key_set(jwks: &Jwks) -> Result<(), Violation> {
    if let Some(Pem::File(file)) = &jwks.ca {
        no_file("jwt.jwks.ca", Some(file))?;
    }
    name_over_tls("jwt.jwks.url", &jwks.url)
}

fn name_over_tls(key: &'static str, url: &str) -> Result<(), Violation> {
    let host = url.strip_prefix("https://").map(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        host.split(':').next().unwrap_or_default()
    });
    let ends_in_a_number = |host: &str| host.trim_end_matches('.').ends_with(|c: char| c.is_ascii_digit());
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('[') && !ends_in_a_number(host) => Ok(()),
        _ => Err(Violation {
            key,
            message: format!("labels may not ask {:?}", redact::text(url)),
            help: "write an https URL with a host name, or declare the middleware in a file and refer to it with @file"
                .to_owned(),
        }),
    }
}

/// Fails for certificates and keys in files: those are the operator's, and would prove to others that a tenant is.
fn texts_only(key: &'static str, tls: Option<&ClientTls>) -> Result<(), Violation> {
    let pems = tls.into_iter().flat_map(|tls| [&tls.ca, &tls.cert, &tls.key]);
    match pems.flatten().any(|pem| matches!(pem, Pem::File(_))) {
        false => Ok(()),
        true => Err(Violation {
            key,
            message: "labels may not name files of certificates and keys".to_owned(),
            help: "write the text in PEM format, or refer to a middleware in a file".to_owned(),
        }),
    }
}

/// The priority of a router that names none.
fn rule_length(router: &Router) -> i64 {
    let length = router.rule.as_ref().map_or(0, |rule| rule.text().len());
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// True if every request that `expr` matches carries an allowed host.
fn bound(expr: &Expr, hosts: &[String]) -> bool {
    match expr {
        Expr::And(all) => all.iter().any(|part| bound(part, hosts)),
        Expr::Or(any) => any.iter().all(|part| bound(part, hosts)),
        Expr::Match(Matcher::Host(HostPattern::Exact(host))) => {
            hosts.iter().any(|allowed| covers(allowed, host))
        }
        // `*.example.com` is one label below example.com, so it is enough that example.com is covered, or
        // that everything below it is.
        Expr::Match(Matcher::Host(HostPattern::Wildcard(parent))) => hosts.iter().any(|allowed| {
            covers(allowed, parent) || below_only(allowed).is_some_and(|suffix| suffix == *parent)
        }),
        // Of any other test, also of a negated or a regular one, nobody can say which hosts it lets through.
        Expr::Match(_) | Expr::Not(_) => false,
    }
}

/// The suffix of `*.example.com` and `.example.com`, in lower case.
fn below_only(allowed: &str) -> Option<String> {
    let suffix = allowed.strip_prefix("*.").or_else(|| allowed.strip_prefix('.'))?;
    Some(suffix.trim_end_matches('.').to_ascii_lowercase())
}

fn covers(allowed: &str, host: &str) -> bool {
    let below = |suffix: &str| {
        host.strip_suffix(suffix)
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    };
    match below_only(allowed) {
        Some(suffix) => below(&suffix),
        None => match allowed.parse() {
            Ok(HostPattern::Exact(suffix)) => host == suffix || below(&suffix),
            Ok(HostPattern::Any | HostPattern::Wildcard(_)) | Err(_) => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use mesh_config::rule::Rule;

    use super::*;

    fn bound_to(rule: &str, hosts: &[&str]) -> bool {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        bound(rule.parse::<Rule>().unwrap().expr(), &hosts)
    }

    #[test]
    fn every_alternative_of_a_rule_must_be_bound_to_an_allowed_host() {
        for (rule, allowed) in [
            ("Host(`a.example.com`)", true),
            ("Host(`example.com`) && PathPrefix(`/x`)", true),
            ("Host(`a.example.com`) || Host(`b.example.com`)", true),
            ("Host(`*.example.com`)", true),
            ("Host(`evil.com`)", false),
            ("Host(`notexample.com`)", false),
            ("Host(`a.example.com`) || PathPrefix(`/`)", false),
            ("Host(`a.example.com`) || Host(`evil.com`)", false),
            ("(Host(`a.example.com`) || Path(`/x`)) && Method(`GET`)", false),
            ("!Host(`a.example.com`)", false),
            ("HostRegexp(`^a.example.com$`)", false),
            ("PathPrefix(`/`)", false),
            ("Host(`*`)", false),
        ] {
            assert_eq!(bound_to(rule, &["example.com"]), allowed, "{rule}");
        }
    }

    #[test]
    fn labels_ask_names_over_tls_for_keys_and_read_no_files() {
        let jwks = |url: &str, ca: Option<Pem>| {
            let url = url.to_owned();
            key_set(&Jwks {
                url,
                ca,
                ..Jwks::default()
            })
            .is_ok()
        };
        for url in [
            "https://idp.example.com/keys",
            "https://idp.example.com:8443/keys",
        ] {
            assert!(jwks(url, None), "{url}");
        }
        assert!(jwks("https://a.example", Some(Pem::Inline(String::new()))));
        assert!(!jwks("https://a.example", Some(Pem::File("/etc/ca.pem".into()))));
        for url in [
            "",
            "http://idp.example.com/keys",
            "https://",
            "https://127.0.0.1/keys",
            "https://user@10.0.0.1:80/keys",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/keys",
            "file:///etc/passwd",
        ] {
            assert!(!jwks(url, None), "{url}");
        }
    }

    #[test]
    fn a_suffix_with_a_star_leaves_the_name_itself_out() {
        assert!(bound_to("Host(`a.example.com`)", &["*.example.com"]));
        assert!(bound_to("Host(`*.example.com`)", &["*.example.com"]));
        assert!(!bound_to("Host(`example.com`)", &["*.example.com"]));
        assert!(!bound_to("Host(`*.com`)", &["*.example.com"]));
        assert!(bound_to("Host(`0:0::2`)", &["[::2]"]));
    }
}

//! What is true at the moment of a scrape and kept elsewhere.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use super::text::Text;

/// The state of the moment, collected for one scrape.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Servers and whether they take requests.
    pub servers: Vec<ServerGauge>,
    /// Mirrors and what became of copies for them.
    pub mirrors: Vec<MirrorGauge>,
    /// Services with servers of their own, and retries that were one too many.
    pub retries: Vec<RetryGauge>,
    /// What middlewares keep.
    pub caches: Vec<CacheGauge>,
    /// What middlewares fetch beside requests, once for each URL.
    pub fetches: Vec<FetchGauge>,
    /// Providers and their scopes.
    pub providers: Vec<ProviderGauge>,
    /// Certificates that are in use.
    pub certificates: Vec<CertificateGauge>,
    /// The objects that exist; `None` keeps the series of all that ever did.
    pub live: Option<Live>,
    /// Access log lines that found no room in the queue or could not be written.
    pub access_log_dropped: Option<u64>,
    /// Lines of the application log that were lost.
    pub log_dropped: u64,
}

/// Names of the objects that exist now.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Qualified names of routers.
    pub routers: BTreeSet<String>,
    /// Qualified names of services.
    pub services: BTreeSet<String>,
    /// Qualified names of middlewares.
    pub middlewares: BTreeSet<String>,
}

/// One server of a service.
#[derive(Debug, Clone)]
pub struct ServerGauge {
    /// The qualified name of the service.
    pub service: String,
    /// The server's URL.
    pub url: String,
    /// It takes requests.
    pub up: bool,
    /// How often it was ejected, where that can happen.
    pub ejections: Option<u64>,
}

/// One mirror of a service, and one thing that may become of a copy.
#[derive(Debug, Clone)]
pub struct MirrorGauge {
    /// The qualified name of the service.
    pub service: String,
    /// That of the mirror.
    pub mirror: String,
    /// `answered`, `failed` or `dropped`.
    pub outcome: &'static str,
    /// Copies of which this became.
    pub count: u64,
}

/// One service whose requests are sent again within a budget.
#[derive(Debug, Clone)]
pub struct RetryGauge {
    /// The qualified name of the service.
    pub service: String,
    /// Retries that were not made because the budget was used up.
    pub refused: u64,
}

/// What one middleware keeps for one router or service.
#[derive(Debug, Clone)]
pub struct CacheGauge {
    /// The qualified name of the middleware.
    pub middleware: String,
    /// That of the router, or service, that it keeps answers for; empty where all share them.
    pub owner: String,
    /// URLs, or questions, that an answer is kept of.
    pub entries: u64,
    /// Bytes that those take, roughly, where they are counted.
    pub bytes: Option<u64>,
}

/// What is fetched from one URL beside requests.
#[derive(Debug, Clone)]
pub struct FetchGauge {
    /// The URL, without secrets.
    pub url: String,
    /// How often it was fetched.
    pub fetches: u64,
    /// How often that failed.
    pub failures: u64,
}

/// One certificate.
#[derive(Debug, Clone)]
pub struct CertificateGauge {
    /// The common name of its subject.
    pub cn: String,
    /// Its number.
    pub serial: String,
    /// The names and addresses it is for, with commas between them.
    pub sans: String,
    /// The end of its validity, in seconds since 1970.
    pub not_after: u64,
}

/// One provider.
#[derive(Debug, Clone, Default)]
pub struct ProviderGauge {
    /// The provider's name.
    pub provider: String,
    /// It has synced once, or was restored.
    pub synced: bool,
    /// Reads that failed since the start.
    pub errors: u64,
    /// Its scopes.
    pub scopes: Vec<ScopeGauge>,
}

/// One scope of a provider.
#[derive(Debug, Clone, Default)]
pub struct ScopeGauge {
    /// The scope's name.
    pub scope: String,
    /// Time of the last successful read; `None` before the first.
    pub last_success: Option<SystemTime>,
    /// The last read failed.
    pub failed: bool,
    /// Instances (or objects) known now.
    pub instances: usize,
}

/// Most scopes named one by one; a provider's totals count all of them.
const MOST_SCOPES: usize = 2_000;

/// Most certificates named one by one.
const MOST_CERTIFICATES: usize = 2_000;

/// Most caches, and most URLs that something is fetched from, named one by one.
const MOST_CACHES: usize = 2_000;

/// Longest list of the names of a certificate, in bytes; what is longer is cut.
const MAX_SANS: usize = 1_024;

/// Writes `gauges`.
pub(super) fn write(text: &mut Text, gauges: &Gauges) {
    text.metric(
        "service_server_up",
        "gauge",
        "1 for a server that takes requests, 0 for one that does not.",
    );
    for server in &gauges.servers {
        let labels = [("service", server.service.as_str()), ("url", &server.url)];
        text.sample("", &labels, u8::from(server.up));
    }
    text.metric(
        "service_server_ejections_total",
        "counter",
        "How often a server was ejected because of what its requests told.",
    );
    for server in &gauges.servers {
        let labels = [("service", server.service.as_str()), ("url", &server.url)];
        if let Some(ejections) = server.ejections {
            text.sample("", &labels, ejections);
        }
    }
    write_mirrors(text, &gauges.mirrors);
    text.metric(
        "service_retries_refused_total",
        "counter",
        "Requests that were not sent again because the retry budget was used up.",
    );
    for gauge in &gauges.retries {
        text.sample("", &[("service", gauge.service.as_str())], gauge.refused);
    }
    write_caches(text, &gauges.caches);
    write_fetches(text, &gauges.fetches);
    if let Some(dropped) = gauges.access_log_dropped {
        text.metric(
            "access_log_dropped_total",
            "counter",
            "Access log lines lost instead of waited for.",
        );
        text.sample("", &[], dropped);
    }
    text.metric(
        "log_dropped_total",
        "counter",
        "Lines of the application log lost instead of waited for.",
    );
    text.sample("", &[], gauges.log_dropped);
    write_certificates(text, &gauges.certificates);
    write_providers(text, &gauges.providers);
    write_scopes(text, &gauges.providers);
}

fn write_mirrors(text: &mut Text, mirrors: &[MirrorGauge]) {
    text.metric(
        "service_mirrored_requests_total",
        "counter",
        "Copies of requests for a mirror, by what became of them.",
    );
    for mirror in mirrors {
        let labels = [
            ("service", mirror.service.as_str()),
            ("mirror", &mirror.mirror),
            ("outcome", mirror.outcome),
        ];
        text.sample("", &labels, mirror.count);
    }
}

fn write_caches(text: &mut Text, caches: &[CacheGauge]) {
    text.metric(
        "middleware_cache_entries",
        "gauge",
        "Answers that a middleware keeps.",
    );
    for cache in caches.iter().take(MOST_CACHES) {
        text.sample("", &cache.labels(), cache.entries);
    }
    text.metric(
        "middleware_cache_bytes",
        "gauge",
        "Bytes that the answers which a middleware keeps take, roughly.",
    );
    for cache in caches.iter().take(MOST_CACHES) {
        if let Some(bytes) = cache.bytes {
            text.sample("", &cache.labels(), bytes);
        }
    }
}

impl CacheGauge {
    fn labels(&self) -> [(&str, &str); 2] {
        [("middleware", &self.middleware), ("owner", &self.owner)]
    }
}

fn write_fetches(text: &mut Text, fetches: &[FetchGauge]) {
    text.metric(
        "middleware_fetches_total",
        "counter",
        "How often keys of tokens were fetched.",
    );
    for fetch in fetches.iter().take(MOST_CACHES) {
        text.sample("", &[("url", fetch.url.as_str())], fetch.fetches);
    }
    text.metric(
        "middleware_fetch_failures_total",
        "counter",
        "How often keys of tokens could not be fetched.",
    );
    for fetch in fetches.iter().take(MOST_CACHES) {
        text.sample("", &[("url", fetch.url.as_str())], fetch.failures);
    }
}

fn write_certificates(text: &mut Text, certificates: &[CertificateGauge]) {
    text.metric(
        "tls_certs_not_after",
        "gauge",
        "When a certificate ends, in seconds since 1970.",
    );
    for certificate in certificates.iter().take(MOST_CERTIFICATES) {
        let sans = &certificate.sans;
        let sans = sans.get(..sans.floor_char_boundary(MAX_SANS)).unwrap_or_default();
        let labels = [
            ("cn", certificate.cn.as_str()),
            ("serial", &certificate.serial),
            ("sans", sans),
        ];
        text.sample("", &labels, certificate.not_after);
    }
}

fn write_providers(text: &mut Text, providers: &[ProviderGauge]) {
    let mut gauge = |name, kind, help, value: &dyn Fn(&ProviderGauge) -> Option<f64>| {
        text.metric(name, kind, help);
        for provider in providers {
            if let Some(value) = value(provider) {
                text.sample("", &[("provider", &provider.provider)], value);
            }
        }
    };
    gauge(
        "provider_synced",
        "gauge",
        "1 once a provider was read whole, or restored.",
        &|provider| Some(f64::from(u8::from(provider.synced))),
    );
    gauge(
        "provider_errors_total",
        "counter",
        "Reads of a provider that failed.",
        &|provider| Some(float(provider.errors)),
    );
    gauge(
        "provider_failed_scopes",
        "gauge",
        "Scopes whose last read failed.",
        &|provider| {
            Some(float(
                provider.scopes.iter().filter(|scope| scope.failed).count() as u64
            ))
        },
    );
    gauge(
        "provider_instances",
        "gauge",
        "Instances, or objects of a document, known now.",
        &|provider| {
            Some(float(
                provider.scopes.iter().map(|scope| scope.instances as u64).sum(),
            ))
        },
    );
    let help = "When any scope of a provider was last read, in seconds since 1970.";
    gauge("provider_last_success_seconds", "gauge", help, &|provider| {
        let latest = provider
            .scopes
            .iter()
            .filter_map(|scope| scope.last_success)
            .max()?;
        Some(latest.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
    });
}

fn write_scopes(text: &mut Text, providers: &[ProviderGauge]) {
    let now = SystemTime::now();
    text.metric(
        "provider_scope_age_seconds",
        "gauge",
        "Time since a scope was last read successfully.",
    );
    let scopes = providers
        .iter()
        .flat_map(|provider| provider.scopes.iter().map(move |scope| (provider, scope)));
    for (provider, scope) in scopes.take(MOST_SCOPES) {
        if let Some(last) = scope.last_success {
            let age = now.duration_since(last).unwrap_or_default();
            let labels = [("provider", provider.provider.as_str()), ("scope", &scope.scope)];
            text.sample("", &labels, age.as_secs_f64());
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 do not occur")]
fn float(count: u64) -> f64 {
    count as f64
}
